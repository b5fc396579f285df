"""The largest tree that a log has signed, or was about to sign, kept outside the log's folder.

It is written before each signature, so that a log folder restored from an older copy is recognised and never forked. It
does not protect where this file was put back to an old state together with the folder: only a witness sees that.

A record that a restore wrote says so (`restored`): it is good for reading, and nothing is signed on it until the log was reconciled.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from staffroom.ledger.disk import Disk, put
from staffroom.ledger.errors import LogRefused, NoteError
from staffroom.ledger.merkle import HASH_SIZE
from staffroom.ledger.note import Checkpoint, decode_base64

__all__ = ["Restored", "read_last_signed", "read_restored", "write_last_signed"]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore knew: its own name, which a reconciliation must repeat, how many entries it put back, and the largest
    tree known to have been signed."""

    name: str
    size: int
    known: Checkpoint


def read_last_signed(path: Path) -> Checkpoint | None:
    """Read the record; None if there is none, LogRefused if it cannot be read for what it is."""
    read = _read(path)
    return None if read is None else read[0]


def read_restored(path: Path) -> Restored | None:
    """Say which restore wrote the record, None if there is no record or a signature wrote it."""
    read = _read(path)
    return None if read is None else read[1]


def write_last_signed(disk: Disk, path: Path, record: Checkpoint, restored: Restored | None = None) -> None:
    """Write the record durably, in one step; with `restored`, nothing is signed on it until the log was reconciled."""
    fields: dict[str, object] = _fields(record)
    if restored is not None:
        fields["restored"] = {
            "name": restored.name,
            "size": restored.size,
            "known": _fields(restored.known),
        }
    put(disk, path, json.dumps(fields).encode() + b"\n", mode=0o600)
    disk.sync_folder(path.parent)


def _read(path: Path) -> tuple[Checkpoint, Restored | None] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(data)
        record, restored = _checkpoint(fields), None
        if "restored" in fields:
            mark = fields["restored"]
            restored = Restored(str(mark["name"]), int(mark["size"]), _checkpoint(mark["known"]))
    except (ValueError, TypeError, KeyError, NoteError) as error:
        raise LogRefused(
            "the record of what was last signed cannot be read, so nothing is signed",
            where=str(path),
            hint="put this file back from the newest backup",
        ) from error
    return record, restored


def _checkpoint(fields: dict[str, object]) -> Checkpoint:
    origin, size, root = fields["origin"], fields["size"], decode_base64(str(fields["root"]))
    if type(origin) is not str or type(size) is not int or size < 0 or len(root) != HASH_SIZE:
        raise ValueError("not a record")
    return Checkpoint(origin, size, root)


def _fields(record: Checkpoint) -> dict[str, object]:
    return {
        "origin": record.origin,
        "root": base64.b64encode(record.root).decode(),
        "size": record.size,
    }
