"""Write small files so that a crash leaves the old one or the new one, never half of one.

It knows nothing of what the files mean. It does not protect against a disk that lies about fsync.
"""

import errno
import os
import secrets
from pathlib import Path

from staffroom.records.errors import StaffroomError

__all__ = ["disk_error", "make_folder", "sync_folder", "write_all", "write_durably"]

_FULL = frozenset([errno.ENOSPC, errno.EDQUOT])


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `data` atomically; on return content and name are on disk.

    Raises StaffroomError where the disk is full or refuses; no half file stays behind.
    """
    # 1. write a file of another name in the same folder, 2. fsync it, 3. rename, 4. fsync the folder.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def write_all(handle: int, data: bytes) -> None:
    """Write every byte to a file descriptor (a single write may be short)."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def make_folder(path: Path, *, mode: int = 0o777) -> None:
    """Create a folder and its parents so that their names survive a power loss; an existing one is kept."""
    try:
        for folder in (*reversed(path.parents), path):
            if folder.is_dir():
                continue
            folder.mkdir(mode=mode if folder == path else 0o777, exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise disk_error(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(error: OSError, path: Path) -> StaffroomError:
    """Return the error of ours that says what the disk refused, and what to do."""
    if error.errno in _FULL:
        return StaffroomError(
            "the disk is full; nothing was half written",
            where=str(path),
            hint=f"free some space (`df -h {path.parent}`) and run the same command again",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StaffroomError(
            f"may not be written ({error.strerror})",
            where=str(path),
            hint=f"check who owns it (`ls -ld {path.parent}`)",
        )
    return StaffroomError(
        f"cannot be read or written ({error.strerror or error})",
        where=str(path),
        hint="check the disk, then `staffroom doctor`",
    )
