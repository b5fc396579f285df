"""Seal rows of the duty record: Merkle roots over batches of rows, each of which becomes an entry of the decision log.

A batch is a run of lines of one day's rows, each line a leaf as it stands. `seals.jsonl` keeps what is to be logged, and it is on
the disk before the log is asked: so a batch that was cut off half-way is logged as it was planned. A row whose retention is over
leaves its leaf's hash in its place, so that its neighbours can still be proven.

It knows no log and no words: whoever logs takes `Seal.body`.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from staffroom.ledger import inclusion_proof, leaf_hash, nodes_of, root_of
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.duty_files import days_of, lines_of, open_lines, rows_path
from staffroom.store import disk_error
from staffroom.store.durable import write_all

__all__ = ["RowProof", "Seal", "fault_of", "leaf_of", "plan_seals", "prove_row", "pruned_line", "read_seals"]

_SEALS = "seals.jsonl"
_MOST_ROWS = 65_536
_PRUNED = b'{"pruned":"sha256:'


@dataclass(frozen=True, slots=True)
class Seal:
    """A batch: lines `first` to `first + rows - 1` of a day, their root (`sha256:<hex>`), and the bytes that they took then."""

    day: str
    first: int
    rows: int
    root: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """What the log knows it by."""
        return f"duty:{self.day}:{self.first}"

    @property
    def body(self) -> dict[str, Any]:
        """What the log is told."""
        return {"day": self.day, "first": self.first, "rows": self.rows, "root": self.root}


@dataclass(frozen=True, slots=True)
class RowProof:
    """That a line is in a batch: its place among the batch's leaves, and the hashes beside its way to the root."""

    seal: Seal
    index: int
    path: tuple[bytes, ...]


def read_seals(folder: Path) -> list[Seal]:
    """Return the batches that were planned, oldest first; raises StaffroomError where the file is damaged."""
    path = folder / _SEALS
    found = []
    for number, line in enumerate(lines_of(path), 1):
        try:
            found.append(Seal(**orjson.loads(line)))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise StaffroomError(
                f"line {number} cannot be read", where=str(path), hint="restore private/ from a backup"
            ) from error
    return found


def plan_seals(folder: Path) -> list[Seal]:
    """Plan batches over all rows that are in none, and return the new ones; hold the folder's lock meanwhile.

    A day that is pruned gets no more rows, so only days that grew are read.
    """
    ends = {seal.day: seal for seal in read_seals(folder)}
    new: list[Seal] = []
    for day in days_of(folder):
        last = ends.get(day)
        start, first = (last.end, last.first + last.rows) if last else (0, 0)
        path = rows_path(folder, day)
        if not path.exists() or path.stat().st_size <= start:
            continue
        _sync(path)
        new += _batches(path, day, start, first)
    if new:
        try:
            handle = open_lines(folder / _SEALS)
            try:
                write_all(handle, b"".join(orjson.dumps(asdict(seal)) + b"\n" for seal in new))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise disk_error(error, folder) from error
    return new


def prove_row(folder: Path, day: str, index: int) -> RowProof:
    """Prove that a line of a day is in its batch; raises WrongUse where it is in none yet."""
    seal = next(
        (
            each
            for each in read_seals(folder)
            if each.day == day and each.first <= index < each.first + each.rows
        ),
        None,
    )
    if seal is None:
        raise WrongUse("this row is not sealed yet", hint="staffroom audit verify")
    leaves = _leaves(folder, seal)
    fault = _fault(seal, leaves)
    if fault:
        raise StaffroomError(fault, where=str(rows_path(folder, day)), hint="restore private/ from a backup")
    place = index - seal.first
    return RowProof(seal, place, tuple(inclusion_proof(place, seal.rows, nodes_of(leaves))))


def fault_of(folder: Path, seal: Seal) -> str:
    """Return what is wrong with a batch, empty where its rows are those that were sealed."""
    return _fault(seal, _leaves(folder, seal))


def leaf_of(line: bytes) -> bytes:
    """Return the leaf hash of a line: of its bytes, or the one that was left in its place."""
    if line.startswith(_PRUNED):
        try:
            return bytes.fromhex(line[len(_PRUNED) : len(_PRUNED) + 64].decode("ascii"))
        except (ValueError, UnicodeDecodeError):
            return leaf_hash(line)
    return leaf_hash(line)


def pruned_line(line: bytes) -> bytes:
    """Return what is left of a line whose retention is over."""
    return line if line.startswith(_PRUNED) else _PRUNED + leaf_hash(line).hex().encode() + b'"}'


def _batches(path: Path, day: str, start: int, first: int) -> Iterator[Seal]:
    leaves: list[bytes] = []
    at = start
    for line in lines_of(path, start):
        leaves.append(leaf_of(line))
        at += len(line) + 1
        if len(leaves) == _MOST_ROWS:
            yield Seal(day, first, len(leaves), _root(leaves), start, at)
            first, start, leaves = first + len(leaves), at, []
    if leaves:
        yield Seal(day, first, len(leaves), _root(leaves), start, at)


def _leaves(folder: Path, seal: Seal) -> list[bytes]:
    path, leaves = rows_path(folder, seal.day), []
    for number, line in enumerate(lines_of(path)):
        if number >= seal.first + seal.rows:
            break
        if number >= seal.first:
            leaves.append(leaf_of(line))
    return leaves


def _fault(seal: Seal, leaves: Sequence[bytes]) -> str:
    if len(leaves) < seal.rows:
        return f"{seal.rows - len(leaves)} of {seal.rows} sealed rows from {seal.first} on are missing"
    if _root(leaves) != seal.root:
        return f"the {seal.rows} rows from {seal.first} on are not those that were sealed"
    return ""


def _root(leaves: Sequence[bytes]) -> str:
    return f"sha256:{root_of(leaves).hex()}"


def _sync(path: Path) -> None:
    """Put rows on the disk before they are sealed: what was sealed must not go with a power failure."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise disk_error(error, path) from error
