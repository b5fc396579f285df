"""What onboarding computed before: extracted chunks by document digest, vectors by text digest.

Losing it costs time and nothing else; it is no evidence.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from staffroom.records.errors import StaffroomError

__all__ = ["OnboardCache"]


class OnboardCache:
    """A SQLite file of vectors (float32) and of read documents, keyed by digest; one writer at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; one that is damaged is made anew."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = _open(path)
        except sqlite3.OperationalError as error:
            raise StaffroomError(
                f"the cache of readings cannot be opened ({error})",
                where=str(path),
                hint="check who owns it (`ls -l`) and whether another process keeps it",
            ) from error
        except sqlite3.DatabaseError:
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._database = _open(path)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._database.close()

    def missing_vectors(self, embedder: str, keys: Sequence[str]) -> list[str]:
        """Return those of `keys` for which there is no vector of this embedder, in order."""
        return [
            key
            for key in keys
            if self._database.execute(
                "SELECT 1 FROM vectors WHERE embedder = ? AND text = ?", (embedder, key)
            ).fetchone()
            is None
        ]

    def put_vectors(self, embedder: str, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep vectors by text digest."""
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [
                    (embedder, key, np.ascontiguousarray(vector, dtype="<f4").tobytes())
                    for key, vector in vectors.items()
                ],
            )

    def vectors(self, embedder: str, keys: Sequence[str]) -> list[np.ndarray]:
        """Return the vectors of `keys` in order; KeyError for one that is not there."""
        found = []
        for key in keys:
            row = self._database.execute(
                "SELECT vector FROM vectors WHERE embedder = ? AND text = ?", (embedder, key)
            ).fetchone()
            if row is None:
                raise KeyError(key)
            found.append(np.frombuffer(row[0], dtype="<f4"))
        return found

    def reading(self, key: str) -> bytes | None:
        """Return what was kept for a document under this key, or None."""
        row = self._database.execute("SELECT value FROM readings WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put_reading(self, key: str, value: bytes) -> None:
        """Keep what was read from a document."""
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO readings VALUES (?, ?)", (key, value))


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(
            "CREATE TABLE IF NOT EXISTS vectors (embedder TEXT, text TEXT, vector BLOB NOT NULL,"
            " PRIMARY KEY (embedder, text)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS readings (key TEXT PRIMARY KEY, value BLOB NOT NULL);"
        )
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
