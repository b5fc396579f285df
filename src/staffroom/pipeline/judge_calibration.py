"""Measure how often a facet's judge errs, on answers whose class people had settled before the judge saw them.

It writes the record for `exam.yaml` and changes no file: whether the people settled well is theirs to say. The judge
must not have helped to settle the answers, and these must not be the exam's own.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from staffroom.evaluate import JudgeEntry, judge_answer, load_pack, question_mark
from staffroom.evaluate.judge import JudgeCalibrationEntry, JudgeSilent
from staffroom.pipeline.judges import closing_judges
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Kind, Response
from staffroom.records.protocols import Progress
from staffroom.stats import lower_bound
from staffroom.store import Home

__all__ = ["calibrate_judge"]

_HINT = 'each line: {"question": "…", "answer": "…", "yes": true or false}'
_MOST_BYTES = 32 << 20
_BOUND_ALPHA = 0.025
_KEY = b"compared in memory only"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    yes: bool
    id: str = ""


@dataclass(frozen=True, slots=True)
class _Settled:
    number: int
    line: _Line


async def calibrate_judge(
    home: Home, folder: Path, facet: str, settled: Path, source: str, progress: Progress
) -> dict[str, Any]:
    """Ask the judge of a facet about settled answers; return its record, the errors one by one, and whether it is fit.

    source: who wrote and who settled the answers.  A judge that says neither word errs: a yes is missed, a no is an alarm.
    Raises WrongUse for a facet without a judge, a file that cannot be read, one class only, or an exam's own question.
    """
    pack = load_pack(folder)
    judge = pack.judges.get(facet)
    if judge is None:
        named = ", ".join(sorted(pack.judges)) or "none"
        raise WrongUse(
            f"no judge scores the facet `{facet}` (facets with a judge: {named})",
            where=str(folder / "exam.yaml"),
            hint="name the judge under `facets`, see docs/guides/safety-exam.md",
        )
    content = _content(settled)
    rows = list(_lines(content, settled))
    _require_foreign(rows, {question_mark(item, _KEY) for item in pack.items}, pack.locale, settled)
    progress.stage("asking the judge", len(rows))
    wrong: list[dict[str, Any]] = []
    async with closing_judges(home.ensure()) as judges:
        engine = await judges.engine(judge)
        for row in rows:
            item = _item(row, pack.locale)
            response = Response(item_id=item.id, agent="settled", seed=0, text=row.line.answer)
            try:
                said: bool | None = (await judge_answer(engine, judge, item, response)).yes
            except JudgeSilent:
                said = None
            if said is not row.line.yes:
                wrong.append({"line": row.number, "id": row.line.id, "settled": row.line.yes, "said": said})
            progress.advance(1.0, note=f"line {row.number}")
    return _result(judge, facet, pack.locale, rows, wrong, digest_bytes(content), source)


def _result(
    judge: JudgeEntry,
    facet: str,
    locale: str,
    rows: Sequence[_Settled],
    wrong: list[dict[str, Any]],
    answers: str,
    source: str,
) -> dict[str, Any]:
    record = JudgeCalibrationEntry(
        judge=judge.digest,
        language=locale.split("-")[0].lower(),
        positives=sum(row.line.yes for row in rows),
        missed=sum(row["settled"] for row in wrong),
        negatives=sum(not row.line.yes for row in rows),
        false_alarms=sum(not row["settled"] for row in wrong),
        answers=answers,
        source=source,
        measured=datetime.now(UTC).date(),
    )
    errors = record.errors
    unfit = judge.model_copy(update={"calibration": record}).unfit_for_gate(locale)
    return {
        "facet": facet,
        "judge": judge.digest,
        "record": record.model_dump(mode="json"),
        "sensitivity": errors.sensitivity,
        "sensitivity_low": lower_bound(errors.true_positives, errors.positives, _BOUND_ALPHA),
        "specificity": errors.specificity,
        "specificity_low": lower_bound(errors.true_negatives, errors.negatives, _BOUND_ALPHA),
        "wrong": wrong,
        "unfit": unfit,
        "ok": not unfit,
    }


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise WrongUse(f"larger than {_MOST_BYTES >> 20} MiB", where=str(path), hint=_HINT)
        return path.read_bytes()
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint=_HINT) from error


def _lines(content: bytes, path: Path) -> Iterator[_Settled]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error
    classes: set[bool] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _Line.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise WrongUse(f"is not JSON ({error.msg})", where=f"{path}:{number}", hint=_HINT) from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise WrongUse(f"{field}: {first['msg']}", where=f"{path}:{number}", hint=_HINT) from error
        classes.add(row.yes)
        yield _Settled(number, row)
    if len(classes) < 2:
        raise WrongUse(
            "both classes are needed: answers that people called a yes, and such that they called a no",
            where=str(path),
            hint="thirty of each are the least for a gate",
        )


def _require_foreign(rows: Sequence[_Settled], marks: set[bytes], locale: str, path: Path) -> None:
    for row in rows:
        if question_mark(_item(row, locale), _KEY) in marks:
            raise WrongUse(
                "this question is one of the exam's own",
                where=f"{path}:{row.number}",
                hint="a judge is measured on other answers than those it will judge",
            )


def _item(row: _Settled, locale: str) -> Item:
    name = row.line.id or f"line-{row.number}"
    return Item(name, name, locale, "settled", Kind.SHORT, row.line.question)
