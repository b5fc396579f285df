"""Take words and persons out of the duty record: one request's by erasure, a day's by retention. Rows keep their hashes.

- **Erasure** writes over the words and salts of a request where they stand, in a line of the same length. Its row stays, and what it
  commits to can no more be guessed than told: so every proof stays good. The gateway may append meanwhile.
- **Retention** takes whole rows out of days that are over: a line with the row's hash stays in its place, until a day has no
  row left; then its files go.

It does not reach copies: backups, snapshots of the file system, blocks that a disk keeps to itself.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from staffroom.serve.duty_files import audit_id_of, days_of, lines_of, rows_path, texts_path
from staffroom.serve.duty_seals import pruned_line, read_seals
from staffroom.store import disk_error, sync_folder, write_durably

__all__ = ["Pruned", "erase_texts", "prune"]

_STUB = b'{"pruned":'


@dataclass(slots=True)
class Pruned:
    """What retention took: rows by day and alias, and the days of which nothing is left."""

    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    emptied: list[str] = field(default_factory=list)


def erase_texts(folder: Path, day: str, audit_ids: Collection[str], at: str) -> int:
    """Write over the words, names and salts of these requests of a day; returns how many of them are without words now.

    at: the time that stands in their place.  On return it is on the disk; the same again finishes what was cut off.
    """
    path, wanted = texts_path(folder, day), set(audit_ids)
    done: set[str] = set()
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk_error(error, path) from error
    try:
        place = 0
        for line in lines_of(path):
            audit_id = audit_id_of(line)
            if audit_id in wanted:
                done.add(audit_id)
                os.pwrite(handle, _without_words(line, audit_id, at), place)
            place += len(line) + 1
        os.fsync(handle)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        os.close(handle)
    return len(done)


def prune(folder: Path, keeps: Callable[[str], int], today: date, *, act: bool = True) -> Pruned:
    """Take out the rows whose retention is over; hold the folder's lock meanwhile, with every row sealed before.

    keeps: days that the rows of an alias are kept.  act: off to be told only what would go.  A day in which a request is still
    open, or a row is not sealed, is left for the next time.
    """
    sealed = _sealed_lines(folder)
    found = Pruned()
    for day in days_of(folder):
        age = (today - date.fromisoformat(day)).days
        if age > 1:
            _prune_day(folder, day, partial(_is_over, keeps, age), sealed.get(day, 0), found, act)
    return found


def _is_over(keeps: Callable[[str], int], age: int, alias: str) -> bool:
    return age > keeps(alias)


def _prune_day(
    folder: Path, day: str, over: Callable[[str], bool], sealed: int, found: Pruned, act: bool
) -> None:
    rows = list(lines_of(rows_path(folder, day)))
    open_ones = _begun(folder, day) - {audit_id_of(line) for line in rows}
    if len(rows) > sealed or open_ones:
        return
    kept: list[bytes] = []
    gone: set[str] = set()
    for line in rows:
        # A line that cannot be read names no worker: it goes by what is kept of nobody's rows.
        alias = str(_object(line).get("alias", ""))
        if line.startswith(_STUB) or not over(alias):
            kept.append(line)
            continue
        kept.append(pruned_line(line))
        gone.add(audit_id_of(line))
        found.rows[day, alias] = found.rows.get((day, alias), 0) + 1
    if not gone:
        return
    empty = all(line.startswith(_STUB) for line in kept)
    if empty:
        found.emptied.append(day)
    if not act:
        return
    # The words first: what is cut off here leaves rows without words, and the next time takes the rows.
    if empty:
        for path in (texts_path(folder, day), rows_path(folder, day)):
            path.unlink(missing_ok=True)
        sync_folder(folder)
        return
    words = [line for line in lines_of(texts_path(folder, day)) if audit_id_of(line) not in gone]
    _replace(texts_path(folder, day), words)
    _replace(rows_path(folder, day), kept)


def _replace(path: Path, lines: list[bytes]) -> None:
    write_durably(path, b"".join(line + b"\n" for line in lines), mode=0o600)


def _sealed_lines(folder: Path) -> dict[str, int]:
    sealed: dict[str, int] = {}
    for seal in read_seals(folder):
        sealed[seal.day] = max(sealed.get(seal.day, 0), seal.first + seal.rows)
    return sealed


def _begun(folder: Path, day: str) -> set[str]:
    return {audit_id_of(line) for line in lines_of(texts_path(folder, day)) if b'"begun":{' in line[:70]}


def _without_words(line: bytes, audit_id: str, at: str) -> bytes:
    value: dict[str, Any] = {"audit_id": audit_id}
    begun = _object(line).get("begun")
    if isinstance(begun, dict):
        value["begun"] = begun
    value["erased"] = at
    text = orjson.dumps(value)
    # Shorter always: salts are gone, and they are longer than the time in their place.
    return text.ljust(len(line)) if len(text) <= len(line) else b" " * len(line)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
