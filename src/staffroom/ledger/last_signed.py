"""The largest tree that a log has signed, or was about to sign, kept outside the log's folder.

It is written before each signature, so that a log folder restored from an older copy is recognised and never forked. It
does not protect where this file was put back to an old state together with the folder: only a witness sees that.
"""

import base64
import json
from pathlib import Path

from staffroom.ledger.disk import Disk, put
from staffroom.ledger.errors import LogRefused, NoteError
from staffroom.ledger.merkle import HASH_SIZE
from staffroom.ledger.note import Checkpoint, decode_base64

__all__ = ["read_last_signed", "write_last_signed"]


def read_last_signed(path: Path) -> Checkpoint | None:
    """Read the record; None if there is none, LogRefused if it cannot be read for what it is."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(data)
        origin, size, root = fields["origin"], fields["size"], decode_base64(fields["root"])
        well_formed = type(origin) is str and type(size) is int and size >= 0 and len(root) == HASH_SIZE
    except (ValueError, TypeError, KeyError, NoteError):
        well_formed = False
    if not well_formed:
        raise LogRefused(
            "the record of what was last signed cannot be read, so nothing is signed",
            where=str(path),
            hint="put this file back from the newest backup",
        )
    return Checkpoint(origin, size, root)


def write_last_signed(disk: Disk, path: Path, record: Checkpoint) -> None:
    """Write the record durably, in one step."""
    fields = {
        "origin": record.origin,
        "root": base64.b64encode(record.root).decode(),
        "size": record.size,
    }
    put(disk, path, json.dumps(fields).encode() + b"\n", mode=0o600)
    disk.sync_folder(path.parent)
