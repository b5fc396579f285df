"""The feedback book of a home: what came in, what was decided of it, and which side each correction went to.

`private/feedback/book.jsonl` has one line an event, without a word that anybody wrote; the texts are in `texts/<id>.json` beside
it, one file each, so that a person's words can be erased while the events still stand. Nothing is ever rewritten.
An event is on the disk when a method returns. Several processes may write: each takes the book's lock for a moment.

It does not know workers, models or exams, and decides nothing by itself.
"""

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from staffroom.improve.sides import SideOfCase, assign_side, cases_of
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.feedback import Correction, Feedback, FeedbackKind, FeedbackState, Side
from staffroom.store import disk_error, from_text, make_folder, sync_folder, to_text, utc_now, write_durably
from staffroom.store.durable import write_all

__all__ = ["Decided", "Entry", "FeedbackBook"]


@dataclass(frozen=True, slots=True)
class Decided:
    """Who decided on a piece of feedback, how (`person` or `rule`), and when."""

    state: FeedbackState
    by: str
    how: str
    at: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of feedback with what became of it; `erased` where its texts are gone."""

    feedback: Feedback
    id: str
    decided: Decided | None = None
    side: Side | None = None
    erased: bool = False

    @property
    def state(self) -> FeedbackState:
        """Quarantined until it was decided on."""
        return FeedbackState.QUARANTINED if self.decided is None else self.decided.state

    @property
    def is_correction(self) -> bool:
        """Whether it says how the answer should have been."""
        return bool(self.feedback.edited and self.feedback.question) and not self.erased

    def correction(self) -> Correction:
        """Return it as a correction; raises ValueError where it is none."""
        if not self.is_correction:
            raise ValueError("this feedback corrects nothing")
        said = self.feedback
        return Correction(
            self.id, said.question, said.answer, said.edited, said.fault, said.passage, said.person
        )


@dataclass(slots=True)
class _Read:
    received: dict[str, dict[str, Any]] = field(default_factory=dict)
    decided: dict[str, Decided] = field(default_factory=dict)
    sides: dict[str, Side] = field(default_factory=dict)
    cases: list[SideOfCase] = field(default_factory=list)


class FeedbackBook:
    """The book in a folder, which is made at the first entry."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "book.jsonl"

    def add(self, items: Iterable[Feedback]) -> tuple[list[str], list[str]]:
        """Put feedback into quarantine; returns the ids that are new, and those that were there already."""
        new: list[str] = []
        known: list[str] = []
        with self._locked():
            present = set(self._read().received)
            events = []
            for item in items:
                if item.id in present:
                    known.append(item.id)
                    continue
                present.add(item.id)
                new.append(item.id)
                # The words first: an event never stands without them.
                write_durably(self._text_path(item.id), orjson.dumps(item.texts()), mode=0o600)
                events.append(
                    {
                        "event": "received",
                        "id": item.id,
                        "at": to_text(item.at),
                        "alias": item.alias,
                        "kind": item.kind.value,
                        "audit_id": item.audit_id,
                        "release": item.release,
                        "source": item.source,
                        "flags": list(item.flags),
                    }
                )
            self._append(events)
        return new, known

    def entries(self, alias: str | None = None) -> list[Entry]:
        """Return everything in the book, oldest first; of one worker where `alias` is given."""
        read = self._read()
        return [
            self._entry(row, read) for row in read.received.values() if alias is None or row["alias"] == alias
        ]

    def find(self, id: str) -> Entry:
        """Return the entry that an id, or the beginning of one, names; raises WrongUse where none or several are."""
        read = self._read()
        fits = [name for name in read.received if name == id or (len(id) >= 6 and name.startswith(id))]
        if len(fits) != 1:
            said = "several entries" if fits else "no feedback"
            raise WrongUse(f"there is {said} called `{id}`", hint="staffroom feedback list")
        return self._entry(read.received[fits[0]], read)

    def decide(
        self, ids: Sequence[str], state: FeedbackState, *, by: str, how: str, passages: Mapping[str, str]
    ) -> list[Entry]:
        """Accept or reject feedback, and give each accepted correction its side; the same again changes nothing.

        passages: by id, for cases that came without one.  Raises WrongUse for one that was decided otherwise.
        """
        with self._locked():
            read = self._read()
            events: list[dict[str, Any]] = []
            for name in ids:
                before = read.decided.get(name)
                if before is not None and before.state is not state:
                    raise WrongUse(f"{name} was {before.state.value} before", hint="staffroom feedback list")
                if before is None:
                    at = to_text(utc_now())
                    read.decided[name] = Decided(state, by, how, at)
                    who = self._keep_name(name, by)
                    events.append(
                        {
                            "event": "decided",
                            "id": name,
                            "state": state.value,
                            "how": how,
                            "at": at,
                            "by": who,
                        }
                    )
                entry = self._entry(read.received[name], read)
                if state is FeedbackState.ACCEPTED and entry.is_correction and name not in read.sides:
                    correction = entry.correction()
                    cases = cases_of(correction, passages.get(name, correction.passage))
                    side = assign_side(correction.digest, cases, read.cases)
                    read.sides[name] = side
                    read.cases.append(SideOfCase(side, cases))
                    events.append(
                        {"event": "assigned", "id": name, "side": side.value, "cases": sorted(cases)}
                    )
            self._append(events)
        return [self._entry(read.received[name], read) for name in ids]

    def corrections(self, alias: str, side: Side) -> list[Correction]:
        """Return the accepted corrections of a worker on one side, one for each case, in the order of their digests."""
        found = {
            entry.correction().digest: entry.correction()
            for entry in self.entries(alias)
            if entry.state is FeedbackState.ACCEPTED and entry.side is side and entry.is_correction
        }
        return [found[digest] for digest in sorted(found)]

    def erase(self, audit_ids: Collection[str]) -> int:
        """Remove the texts of all feedback on these answers; returns of how many there were any. Its events still stand."""
        if not self._path.exists():
            return 0
        erased = 0
        with self._locked():
            for name, row in self._read().received.items():
                path = self._text_path(name)
                if row.get("audit_id") in audit_ids and path.exists():
                    path.unlink()
                    erased += 1
            sync_folder(self._folder / "texts")
        return erased

    def _entry(self, row: Mapping[str, Any], read: _Read) -> Entry:
        texts = self._texts(row["id"])
        feedback = Feedback(
            alias=row["alias"],
            kind=FeedbackKind(row["kind"]),
            at=from_text(row["at"]),
            source=row["source"],
            audit_id=row["audit_id"],
            release=row["release"],
            flags=tuple(row["flags"]),
            **{name: texts.get(name, "") for name in _TEXTS},
        )
        name = row["id"]
        return Entry(feedback, name, read.decided.get(name), read.sides.get(name), erased=not texts)

    def _texts(self, name: str) -> dict[str, Any]:
        path = self._text_path(name)
        try:
            return dict(orjson.loads(path.read_bytes())) if path.exists() else {}
        except (orjson.JSONDecodeError, TypeError, ValueError) as error:
            raise StaffroomError(
                "a kept feedback text cannot be read", where=str(path), hint="restore private/ from a backup"
            ) from error

    def _keep_name(self, name: str, by: str) -> str:
        """Keep who decided beside the texts, and return the name of the file that holds it."""
        path = self._folder / "texts" / f"{name}.by.json"
        write_durably(path, orjson.dumps({"by": by}), mode=0o600)
        return path.name

    def _name_in(self, file: str) -> str:
        path = self._folder / "texts" / file
        return str(orjson.loads(path.read_bytes()).get("by", "")) if path.exists() else ""

    def _text_path(self, name: str) -> Path:
        return self._folder / "texts" / f"{name}.json"

    def _read(self) -> _Read:
        read = _Read()
        for row in self._lines():
            name = row["id"]
            if row["event"] == "received":
                read.received.setdefault(name, row)
            elif row["event"] == "decided":
                read.decided[name] = Decided(
                    FeedbackState(row["state"]), self._name_in(row["by"]), row["how"], row["at"]
                )
            elif row["event"] == "assigned":
                read.sides[name] = Side(row["side"])
                read.cases.append(SideOfCase(Side(row["side"]), frozenset(row["cases"])))
        return read

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError as error:
            raise disk_error(error, self._path) from error
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                # A power loss left half a line: nothing was promised of it, and the next one stands on its own.
                if number == len(lines):
                    return
                raise StaffroomError(
                    f"line {number} cannot be read",
                    where=str(self._path),
                    hint="restore private/ from a backup",
                ) from error

    def _append(self, events: Sequence[Mapping[str, Any]]) -> None:
        if not events:
            return
        data = b"".join(orjson.dumps(event) + b"\n" for event in events)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    _drop_half_a_line(handle, size)
                write_all(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise disk_error(error, self._path) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self._folder, mode=0o700)
        make_folder(self._folder / "texts", mode=0o700)
        try:
            handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk_error(error, self._folder) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


_TEXTS = ("question", "answer", "edited", "verdict", "fault", "by", "person", "passage", "note")


def _drop_half_a_line(handle: int, size: int) -> None:
    data = os.pread(handle, size, 0)
    os.ftruncate(handle, data.rfind(b"\n") + 1)
