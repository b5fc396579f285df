"""Find rows of the duty record, by audit id or by what stands in them, newest day first; it changes nothing.

The words that a row commits to are read from beside it. What was erased is empty; a row whose retention is over is gone, and a line
with its hash stands in its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from staffroom.serve.duty_files import AUDIT_ID, audit_id_of, days_of, lines_of, rows_path, texts_path

__all__ = ["DutyQuery", "FoundRow", "KeptAnswer", "find_answer", "find_row", "find_rows"]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the duty record keeps of one answer; question and answer are empty once their texts were erased."""

    audit_id: str
    alias: str
    release: str
    key: str
    chunks: tuple[str, ...]
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row, where it stands (`index` counts the day's lines from 0), its bytes, and the words and salts beside it."""

    day: str
    index: int
    line: bytes
    row: dict[str, Any] = field(repr=False)
    texts: dict[str, Any] = field(repr=False)

    @property
    def audit_id(self) -> str:
        """Its audit id."""
        return str(self.row.get("audit_id", ""))

    @property
    def key(self) -> str:
        """Id of the key that asked; rows of before there were intents name it themselves."""
        return str(self.texts.get("key") or self.row.get("key") or "")


@dataclass(frozen=True, slots=True)
class DutyQuery:
    """What rows must fit; an empty field asks nothing. since, until: times as rows write them, or beginnings of such.

    contains: looked for in question and answer.
    """

    alias: str = ""
    outcome: str = ""
    key: str = ""
    user: str = ""
    contains: str = ""
    since: str = ""
    until: str = ""

    @property
    def about_texts(self) -> bool:
        """Whether it asks for what stands beside the rows."""
        return bool(self.key or self.user or self.contains)

    def fits_row(self, row: dict[str, Any]) -> bool:
        """Say whether what stands in a row fits."""
        at = str(row.get("at", ""))
        return (
            (not self.alias or row.get("alias") == self.alias)
            and (not self.outcome or row.get("outcome") == self.outcome)
            and at[: len(self.since)] >= self.since
            and (not self.until or at[: len(self.until)] <= self.until)
        )

    def fits_texts(self, found: FoundRow) -> bool:
        """Say whether what stands beside a row fits."""
        texts = found.texts
        return (
            (not self.key or found.key == self.key)
            and (not self.user or texts.get("user") == self.user)
            and (
                not self.contains
                or self.contains in str(texts.get("question", ""))
                or self.contains in str(texts.get("answer", ""))
            )
        )


def find_rows(folder: Path, query: DutyQuery) -> Iterator[FoundRow]:
    """Give the rows that fit, the newest day first and within a day the newest first."""
    for day in reversed(days_of(folder)):
        if day < query.since[:10] or (query.until and day > query.until[: len(day)].ljust(len(day), "9")):
            continue
        found = [
            FoundRow(day, index, line, row, {})
            for index, line in enumerate(lines_of(rows_path(folder, day)))
            if (row := _object(line)) and "audit_id" in row and query.fits_row(row)
        ]
        ids = {each.audit_id for each in found}
        texts = _texts(folder, day, ids.__contains__) if ids else {}
        for each in reversed(found):
            whole = FoundRow(day, each.index, each.line, each.row, texts.get(each.audit_id, {}))
            if query.fits_texts(whole):
                yield whole


def find_row(folder: Path, audit_id: str) -> FoundRow | None:
    """Return the row with this audit id, None where there is none.

    Reads the files of each day until it is found: some hundredths of a second for each hundred thousand rows.
    """
    if not AUDIT_ID.match(audit_id):
        return None
    for day in reversed(days_of(folder)):
        for index, line in enumerate(lines_of(rows_path(folder, day))):
            if audit_id_of(line) == audit_id and (row := _object(line)):
                texts = _texts(folder, day, lambda name: name == audit_id)
                return FoundRow(day, index, line, row, texts.get(audit_id, {}))
    return None


def find_answer(folder: Path, audit_id: str) -> KeptAnswer | None:
    """Return the answer with this audit id, None where there is none; see `find_row`."""
    found = find_row(folder, audit_id)
    if found is None:
        return None
    chunks = found.row.get("chunks")
    return KeptAnswer(
        audit_id=audit_id,
        alias=str(found.row.get("alias", "")),
        release=str(found.row.get("release", "")),
        key=found.key,
        chunks=tuple(map(str, chunks)) if isinstance(chunks, list) else (),
        question=str(found.texts.get("question", "")),
        answer=str(found.texts.get("answer", "")),
    )


def _texts(folder: Path, day: str, wanted: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    """Return what stands beside rows, by audit id; the lines of one request are put together."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines_of(texts_path(folder, day)):
        audit_id = audit_id_of(line)
        if audit_id and wanted(audit_id):
            found.setdefault(audit_id, {}).update(_object(line))
    return found


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}  # half a line that a power loss left
    return value if isinstance(value, dict) else {}
