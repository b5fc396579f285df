"""What budgets have been debited, durably: one small SQLite file of its own.

It is not part of the index: a debit must not wait for a hire that writes there, and a debit must not look to the
gateway like a change of keys. A debit is on the disk when the call returns. Amounts are integers: tokens, or
billionths of a currency's unit.
"""

import sqlite3
import threading
from pathlib import Path

from staffroom.records.errors import StaffroomError
from staffroom.store.durable import disk_error, make_folder

__all__ = ["SpendBook", "SpendKey"]

SpendKey = tuple[str, str, str, str]
"""Scope (key, worker, sponsor), subject, unit (`tokens` or a currency), first day of the period."""

_BUSY_SECONDS = 10.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS debits (scope TEXT NOT NULL, subject TEXT NOT NULL, unit TEXT NOT NULL,"
    " starts TEXT NOT NULL, debited INTEGER NOT NULL, PRIMARY KEY (scope, subject, unit, starts)) WITHOUT ROWID"
)
_SET = (
    "INSERT INTO debits VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (scope, subject, unit, starts) DO UPDATE SET debited = excluded.debited"
)


class SpendBook:
    """The debits of one home; safe from any thread. One gateway writes it at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
            self._connection.execute(_TABLE)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def __enter__(self) -> "SpendBook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._connection.close()

    def debited(self, key: SpendKey) -> int:
        """Return what is debited, 0 where nothing was."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT debited FROM debits WHERE scope = ? AND subject = ? AND unit = ? AND starts = ?",
                    key,
                ).fetchone()
            except sqlite3.Error as error:
                raise self._explain(error) from error
        return 0 if row is None else int(row[0])

    def set(self, key: SpendKey, debited: int) -> None:
        """Put a debit on the disk; raises StaffroomError where that fails, and then the one before may stand."""
        with self._lock:
            try:
                self._connection.execute(_SET, (*key, debited))
            except sqlite3.Error as error:
                raise self._explain(error) from error

    def all(self) -> dict[SpendKey, int]:
        """Return every debit, the newest periods first."""
        with self._lock:
            try:
                rows = self._connection.execute("SELECT * FROM debits ORDER BY starts DESC").fetchall()
            except sqlite3.Error as error:
                raise self._explain(error) from error
        return {(row[0], row[1], row[2], row[3]): int(row[4]) for row in rows}

    def _explain(self, error: sqlite3.Error) -> StaffroomError:
        return StaffroomError(
            f"what budgets have spent cannot be kept ({error})",
            where=str(self._path),
            hint="look at the disk's space and at who owns the file",
        )
