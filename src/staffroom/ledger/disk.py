"""The few file operations that the log's durability rests on, in one place, so that tests can fail each of them.

Rule: contents are durable after `create`, names only after `sync_folder` of their folder. A file appears under its
name complete or not at all.
"""

import os
from pathlib import Path

__all__ = ["TEMPORARY_SUFFIX", "Disk", "put"]

TEMPORARY_SUFFIX = ".tmp"


class Disk:
    """File operations of the operating system; each may raise OSError."""

    def make_folder(self, path: Path) -> None:
        """Make one folder, whose parent exists."""
        path.mkdir()

    def create(self, path: Path, data: bytes, mode: int) -> None:
        """Write a new file, or write over a left-over, and make its contents durable."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[self.write(descriptor, view) :]
            self.sync_file(descriptor)
        finally:
            os.close(descriptor)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of `data`; gives how many bytes were taken."""
        return os.write(descriptor, data)

    def sync_file(self, descriptor: int) -> None:
        """Make a file's contents durable."""
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its final name, in place of what had it."""
        old.replace(new)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


def put(disk: Disk, path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file by way of a temporary name; its name is durable only after `sync_folder(path.parent)`."""
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    disk.create(temporary, data, mode)
    disk.rename(temporary, path)
