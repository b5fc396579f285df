"""What the ledger's tests share: an origin, idempotency keys, and a disk without the cost of syncing."""

import os
from pathlib import Path

from staffroom.ledger import Disk

ORIGIN = "log.example/town-hall"


class QuickDisk(Disk):
    """Does everything but wait for the platter."""

    def sync_file(self, descriptor: int) -> None:
        os.fstat(descriptor)

    def sync_folder(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(path)


def key_of(entry: bytes) -> str | None:
    """Keys of the test entries: what stands before the first colon."""
    return entry.split(b":")[0].decode() if b":" in entry else None


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its contents."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
