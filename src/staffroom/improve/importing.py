"""Feedback from files: JSONL (one object a line) and CSV (a header, then rows), read whole or refused with reasons.

Columns: `question`, `answer` (or `bad_answer`), `edited_answer` (or `edited`), `rating` (up, down), `verdict` (right, wrong), `fault`,
`by`, `person`, `passage` (or `law` with `article`), `audit_id`, `note` (or `comment`), `id` (ignored: an id is made of what is said).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from staffroom.improve.personal import personal_data_in
from staffroom.records.errors import WrongUse
from staffroom.records.feedback import Feedback, FeedbackKind

__all__ = ["FEEDBACK_FIELDS", "feedback_of", "read_feedback_file"]

FEEDBACK_FIELDS = frozenset(
    [
        "question",
        "answer",
        "bad_answer",
        "edited_answer",
        "edited",
        "rating",
        "verdict",
        "fault",
        "by",
        "person",
        "passage",
        "law",
        "article",
        "audit_id",
        "note",
        "comment",
        "id",
    ]
)
_MOST_BYTES = 32 << 20
_MOST_FAULTS = 20
_LONGEST = 20_000
_HINT = "staffroom feedback import --help names the columns"


def read_feedback_file(path: Path, alias: str, by: str, now: datetime) -> list[Feedback]:
    """Return the feedback of a file; raises WrongUse naming each fault by line. by: who gives what names nobody."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise WrongUse(f"larger than {_MOST_BYTES >> 20} MiB", where=str(path), hint="split the file")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise WrongUse("no such file", where=str(path), hint="mend the path") from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error
    except OSError as error:
        raise WrongUse(
            f"cannot be read ({error.strerror})", where=str(path), hint="check who owns it"
        ) from error
    faults: list[str] = []
    found: list[Feedback] = []
    rows = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text, path, faults)
    for line, row in rows:
        try:
            found.append(feedback_of({"by": by, **row}, alias, source=path.name, now=now))
        except ValueError as error:
            faults.append(f"{path}:{line}: {error}")
    if faults:
        more = [f"... and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
        raise WrongUse("\n".join(faults[:_MOST_FAULTS] + more), hint=_HINT)
    if not found:
        raise WrongUse("the file holds no feedback", where=str(path), hint=_HINT)
    return found


def feedback_of(row: Mapping[str, Any], alias: str, *, source: str, now: datetime) -> Feedback:
    """Return one row as feedback, flagged where it seems to hold personal data; raises ValueError saying what is wrong."""
    odd = sorted(set(row) - FEEDBACK_FIELDS)
    if odd:
        raise ValueError(f"`{odd[0]}` is no column of feedback")
    values = {name: _text(name, value) for name, value in row.items()}
    rating, verdict = values.get("rating", "").lower(), values.get("verdict", "").lower()
    edited = values.get("edited_answer") or values.get("edited", "")
    question = values.get("question", "")
    if rating not in ("", "up", "down"):
        raise ValueError("`rating` is `up` or `down`")
    if verdict not in ("", "right", "wrong"):
        raise ValueError("`verdict` is `right` or `wrong`")
    if verdict and not values.get("by"):
        raise ValueError("a verdict needs the name of who gives it (`by`)")
    if not question and not values.get("audit_id"):
        raise ValueError("`question` is missing, and no `audit_id` says which answer is meant")
    if not (rating or verdict or edited):
        raise ValueError("it says nothing: a rating, a verdict or an edited answer is needed")
    kind = FeedbackKind.VERDICT if verdict else FeedbackKind.EDIT if edited else FeedbackKind(rating)
    passage = values.get("passage") or f"{values.get('law', '')} {values.get('article', '')}".strip()
    answer = values.get("answer") or values.get("bad_answer", "")
    note = values.get("note") or values.get("comment", "")
    return Feedback(
        alias=alias,
        kind=kind,
        question=question,
        answer=answer,
        at=now,
        source=source,
        audit_id=values.get("audit_id", ""),
        edited=edited,
        verdict=verdict,
        fault=values.get("fault", ""),
        by=values.get("by", ""),
        person=values.get("person", ""),
        passage=passage,
        note=note,
        flags=personal_data_in("\n".join([question, answer, edited, note])),
    )


def _json_rows(text: str, path: Path, faults: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.append(f"{path}:{number}: not valid JSON ({error})")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            faults.append(f"{path}:{number}: a JSON object is expected")


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if None in row:
                raise WrongUse("more cells than columns", where=f"{path}:{reader.line_num}", hint=_HINT)
            yield reader.line_num, {name.strip(): value for name, value in row.items() if value}
    except csv.Error as error:
        raise WrongUse(f"no CSV ({error})", where=f"{path}:{reader.line_num}", hint=_HINT) from error


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be text")
    if len(value) > _LONGEST:
        raise ValueError(f"`{name}` is longer than {_LONGEST} characters")
    return value.strip()
