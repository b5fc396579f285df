"""A small SQLite file of its own, private and durable: what must neither wait for the index nor look like a change of it.

Every statement commits by itself and is on the disk when it returns. It must not know what is kept.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Self

from staffroom.records.errors import StaffroomError
from staffroom.store.durable import disk_error, make_folder

__all__ = ["OwnFile"]

_BUSY_SECONDS = 10.0


class OwnFile:
    """One table in one file; safe from any thread. `table` creates it, `what` names its content in errors."""

    def __init__(self, path: Path, table: str, what: str) -> None:
        self._path = path
        self._what = what
        self._lock = threading.Lock()
        make_folder(path.parent, mode=0o700)
        try:
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise disk_error(error, path) from error
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(table)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._connection.close()

    def _explain(self, error: sqlite3.Error) -> StaffroomError:
        return StaffroomError(
            f"{self._what} cannot be kept ({error})",
            where=str(self._path),
            hint="look at the disk's space and at who owns the file",
        )
