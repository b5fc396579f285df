"""Survey items: how far a worker's option probabilities lie from the shares of people who chose each option.

It is a distance that is reported, never a bar: a survey says what people answered, not what is right, and one model
is not a population. A pack that holds such an item may gate no facet.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.evaluate.kinds import LETTERS
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["SurveyQuestion", "faults_of_shares", "read_survey", "shares_of", "total_variation"]

_COLUMNS = ("question", "option", "share")
_HINT = "a CSV file with the columns question, option, share; one line an option"
_MAX_BYTES = 4 << 20
_ROUNDING = 0.02


@dataclass(frozen=True, slots=True)
class SurveyQuestion:
    """A question of a survey with its options and the share of people who chose each; shares sum to 1."""

    question: str
    options: tuple[str, ...]
    shares: tuple[float, ...]

    def line(self, reference: str) -> dict[str, Any]:
        """Return a line of items.jsonl without id and cluster."""
        return {
            "facet": Kind.SURVEY.value,
            "kind": Kind.SURVEY.value,
            "input": self.question,
            "choices": list(self.options),
            "accept": [f"{share:.4f}" for share in self.shares],
            "reference": reference,
        }


def total_variation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return half the sum of absolute differences of two distributions, in [0, 1].

    It is the share of answers that would have to be others for the two to agree.
    """
    if len(first) != len(second):
        raise ValueError("two distributions over the same options are needed")
    return min(1.0, math.fsum(abs(a - b) for a, b in zip(first, second, strict=True)) / 2)


def shares_of(accept: Sequence[str]) -> tuple[float, ...]:
    """Return the shares of a survey item, made to sum to 1 exactly."""
    values = [float(text) for text in accept]
    total = math.fsum(values)
    return tuple(value / total for value in values)


def faults_of_shares(choices: Sequence[str], accept: Sequence[str], reject: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with the shares of a survey item: one number an option, which sum to 1."""
    if len(accept) != len(choices):
        yield f"accept: {len(choices)} shares are expected, one an option, not {len(accept)}"
        return
    try:
        values = [float(text) for text in accept]
    except ValueError as error:
        yield f"accept: a share is a number between 0 and 1 ({error})"
        return
    if not all(0 <= value <= 1 for value in values):
        yield "accept: a share is a number between 0 and 1"
    elif abs(math.fsum(values) - 1) > _ROUNDING:
        yield f"accept: the shares sum to {math.fsum(values):g}, not to 1"
    if reject:
        yield "reject: survey items have none"


def read_survey(path: Path) -> tuple[SurveyQuestion, ...]:
    """Read a survey's CSV file, questions in the file's order.

    Shares are fractions or per cent, told apart by what they sum to within a question. Raises WrongUse with the line.
    """
    questions: dict[str, list[tuple[str, float, int]]] = {}
    for number, row in _rows(path):
        question, option, share = (row[name].strip() for name in _COLUMNS)
        where = f"{path}:{number}"
        if not question or not option:
            raise WrongUse("a question and an option are needed", where=where, hint=_HINT)
        try:
            value = float(share.removesuffix("%").replace(",", "."))
        except ValueError as error:
            raise WrongUse(f"share: not a number: {share[:40]!r}", where=where, hint=_HINT) from error
        if not 0 <= value <= 100:
            raise WrongUse(f"share: {share} is no share", where=where, hint=_HINT)
        if option in [known for known, _, _ in questions.get(question, [])]:
            raise WrongUse(f"option: `{option}` stands there twice", where=where, hint=_HINT)
        questions.setdefault(question, []).append((option, value, number))
    if not questions:
        raise WrongUse("the survey has no line", where=str(path), hint=_HINT)
    return tuple(_question(path, text, rows) for text, rows in questions.items())


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongUse(f"larger than {_MAX_BYTES >> 20} MiB", where=str(path), hint=_HINT)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as CSV UTF-8") from error
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        lacking = [name for name in _COLUMNS if name not in names]
        if lacking:
            raise WrongUse(f"no column `{lacking[0]}`", where=f"{path}:1", hint=_HINT)
        for row in reader:
            if any(cell.strip() for cell in row):
                yield (
                    reader.line_num,
                    {**dict.fromkeys(_COLUMNS, ""), **dict(zip(names, row, strict=False))},
                )
    except csv.Error as error:
        raise WrongUse(f"not valid CSV ({error})", where=f"{path}:{reader.line_num}", hint=_HINT) from error


def _question(path: Path, text: str, rows: Sequence[tuple[str, float, int]]) -> SurveyQuestion:
    where = f"{path}:{rows[0][2]}"
    if not 2 <= len(rows) <= len(LETTERS):
        raise WrongUse(f"{len(rows)} options; 2 to {len(LETTERS)} are possible", where=where, hint=_HINT)
    total = math.fsum(value for _, value, _ in rows)
    whole = next((whole for whole in (1.0, 100.0) if abs(total - whole) <= _ROUNDING * whole), None)
    if whole is None:
        raise WrongUse(
            f"the shares of this question sum to {total:g}, not to 1 or 100", where=where, hint=_HINT
        )
    return SurveyQuestion(text, tuple(row[0] for row in rows), tuple(row[1] / total for row in rows))
