"""What budgets have been debited, durably: one small SQLite file of its own.

It is not part of the index: a debit must not wait for a hire that writes there, and a debit must not look to the
gateway like a change of keys. A debit is on the disk when the call returns. Amounts are integers: tokens, or
billionths of a currency's unit.
"""

import sqlite3
from pathlib import Path

from staffroom.store.own_file import OwnFile

__all__ = ["SpendBook", "SpendKey"]

SpendKey = tuple[str, str, str, str]
"""Scope (key, worker, sponsor), subject, unit (`tokens` or a currency), first day of the period."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS debits (scope TEXT NOT NULL, subject TEXT NOT NULL, unit TEXT NOT NULL,"
    " starts TEXT NOT NULL, debited INTEGER NOT NULL, PRIMARY KEY (scope, subject, unit, starts)) WITHOUT ROWID"
)
_SET = (
    "INSERT INTO debits VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (scope, subject, unit, starts) DO UPDATE SET debited = excluded.debited"
)


class SpendBook(OwnFile):
    """The debits of one home; safe from any thread. One gateway writes it at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _TABLE, "what budgets have spent")

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
