"""The index: one SQLite file (WAL, fsync at each commit) behind SQLAlchemy Core.

Calls are synchronous and safe from any thread: each transaction takes a connection of its own from a pool.
On an event loop, reads may be called directly (tens of microseconds to a millisecond); a write waits for
the disk, so code on a loop that serves people calls it through `asyncio.to_thread`. The gateway's hot path
asks `data_version` only (microseconds).
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from staffroom.records.errors import StaffroomError
from staffroom.store.durable import disk_error, make_folder
from staffroom.store.schema import MIGRATIONS, meta

__all__ = ["Database"]

_BUSY_SECONDS = 10.0


class Database:
    """An open index; use as a context manager or call `close`."""

    def __init__(self, path: Path, *, upgrade: bool = False) -> None:
        """Open the file, or create it with the newest schema.

        Raises StaffroomError where the file is damaged, locked for long, of a newer schema, or of an older one: that is
        changed only where `upgrade` says so, which is for `staffroom home upgrade` alone.
        """
        self.path = path
        self._upgrade = upgrade
        make_folder(path.parent)
        self._engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)),
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        try:
            try:
                # Key hashes and exam answers are nobody else's; SQLite gives its side files the same mode.
                path.touch(mode=0o600, exist_ok=True)
            except OSError as error:
                raise disk_error(error, path) from error
            self._migrate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; idempotent."""
        self._engine.dispose()
        with self._watching:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent state of the index."""
        with _our_errors(self.path), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: all of it is on disk when the block is left, or none of it is there."""
        with _our_errors(self.path), self._engine.connect() as connection:
            connection = connection.execution_options(staffroom_write=True)
            with connection.begin():
                yield connection

    def data_version(self) -> int:
        """Return a number that changes when anything was committed, by this process or another."""
        # No context managers: this is asked at each request, and they would cost more than the question.
        self._watching.acquire()
        try:
            if self._watcher is None:
                self._watcher = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        finally:
            self._watching.release()

    def get_meta(self, key: str) -> str | None:
        """Return a value kept beside the tables."""
        with self.read() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value beside the tables."""
        statement = insert(meta).values(key=key, value=value)
        with self.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    def check(self) -> list[str]:
        """Return what SQLite finds wrong with the file; an empty list is a sound one."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def _migrate(self) -> None:
        newest = MIGRATIONS[-1].number
        with self.read() as connection:
            if _schema_number(connection) == newest:
                return
        with self.write() as connection:
            # Asked again: another process may have migrated while this one waited for the lock.
            present = _schema_number(connection)
            if present > newest:
                raise StaffroomError(
                    f"written by a newer Staffroom (schema {present}, this one knows {newest})",
                    where=str(self.path),
                    hint="upgrade Staffroom, then run the command again",
                )
            if 0 < present < newest and not self._upgrade:
                raise StaffroomError(
                    f"written by an older Staffroom (schema {present}, this one needs {newest})",
                    where=str(self.path),
                    hint="staffroom home upgrade",
                )
            for migration in MIGRATIONS:
                if migration.number > present:
                    for statement in migration.statements:
                        connection.exec_driver_sql(statement)
                    connection.exec_driver_sql(f"PRAGMA user_version = {migration.number}")


def _schema_number(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _prepare(connection: Any, _record: object) -> None:
    # SQLAlchemy says when a transaction begins; Python's own guess would leave DDL outside of it.
    connection.isolation_level = None
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # Two processes that create the file together: SQLite does not wait here by itself.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a read that turns into a write would fail at once where another one writes.
    writes = connection.get_execution_options().get("staffroom_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _our_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise _explain(error, path) from error


def _explain(error: Exception, path: Path) -> StaffroomError:
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if "disk is full" in text:
        message, hint = (
            "the disk is full; nothing was half written",
            f"free some space (`df -h {path.parent}`)",
        )
    elif "not a database" in text or "malformed" in text:
        message, hint = "the index is damaged", "restore it from a backup, then `staffroom doctor`"
    elif "locked" in text:
        message, hint = "another process keeps the index locked", "wait for it, then run the command again"
    else:
        message, hint = f"the index cannot be used ({text})", f"check who owns it (`ls -l {path}`)"
    return StaffroomError(message, where=str(path), hint=hint)
