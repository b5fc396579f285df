"""Bring the index of a home to the schema of this Staffroom, after a rehearsal on a copy.

1. Nobody may be at work: the gateway and a hire hold locks that are taken here.
2. The index is copied as one state; the copy is upgraded, checked, and read as the commands read it.
3. Every row must still be there, with the values that it had; a migration names the columns that it rewrites.
4. A copy from before is put into `private/upgrades/`, durably: with it and the older program there is a way back.
5. The index itself is upgraded in one transaction, and held against the rehearsal.

Whatever fails before 5 leaves the home as it was; what fails in 5 is undone by the transaction.
"""

import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

from staffroom.pipeline.restored_checks import check_database
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store import (
    ApiKeys,
    Caps,
    Database,
    Home,
    PlainModels,
    Releases,
    disk_error,
    make_folder,
    snapshot,
    staging,
    sync_folder,
    utc_now,
)
from staffroom.store.schema import MIGRATIONS, Migration

__all__ = ["upgrade_home"]

_Contents = dict[str, tuple[int, int]]
"""`table.column` -> number of rows, and a sum over the digests of (row's key, value), whatever the order of rows."""


def upgrade_home(home: Home, *, rehearse: bool = False) -> dict[str, Any]:
    """Upgrade the index, or only rehearse it; a home that is up to date is left alone.

    Returns {"from", "to", "steps", "rows", "rehearsed", "upgraded", "kept"}. Raises HomeBusy where somebody is at work here,
    StaffroomError where the rehearsal fails (the home is then as it was) or the disk is full.
    """
    if not home.database.exists():
        raise WrongUse("there is no home here", where=str(home.path), hint="staffroom doctor")
    newest = MIGRATIONS[-1].number
    present = _schema_of(home.database)
    if present > newest:
        raise StaffroomError(
            f"written by a newer Staffroom (schema {present}, this one knows {newest})",
            where=str(home.database),
            hint="upgrade Staffroom, then run the command again",
        )
    steps = [migration for migration in MIGRATIONS if migration.number > present]
    row: dict[str, Any] = {
        "from": present,
        "to": newest,
        "steps": [{"number": step.number, "what": step.what} for step in steps],
        "rehearsed": False,
        "upgraded": False,
        "kept": "",
    }
    if not steps:
        return row
    with home.lock("serve"), home.lock("hire"):  # 1
        folder = home.private / "upgrades"
        make_folder(folder, mode=0o700)
        kept = folder / f"staffroom-schema-{present}-{utc_now().astimezone(UTC):%Y%m%dT%H%M%SZ}.db"
        try:
            with staging(kept) as stage:
                before, rehearsed = _rehearse(home, stage, steps)  # 2, 3
                row |= {"rehearsed": True, "rows": sum(count for count, _ in _by_table(before).values())}
                if not rehearse:
                    (stage / "before.db").rename(kept)  # 4
                    sync_folder(folder)
                    Database(home.database, upgrade=True).close()  # 5
                    _require_same(rehearsed, _contents(home.database), (), home.database)
                    row |= {"upgraded": True, "kept": str(kept)}
        except OSError as error:
            raise disk_error(error, folder) from error
    return row


def _rehearse(home: Home, stage: Path, steps: list[Migration]) -> tuple[_Contents, _Contents]:
    before, copy = stage / "before.db", stage / "rehearsal.db"
    snapshot(home.database, before)
    with before.open("rb") as source, copy.open("xb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    contents = _contents(before)
    try:
        with Database(copy, upgrade=True) as database:
            _read_all(database)
        check_database(copy)
        rehearsed = _contents(copy)
        rewritten = tuple(name for step in steps for name in step.rewrites)
        _require_same(contents, rehearsed, rewritten, home.database)
    except StaffroomError as error:
        raise StaffroomError(
            f"the rehearsal failed, and the home is as it was: {error.message}",
            where=str(home.database),
            hint="keep using the Staffroom that wrote it, and report this text",
        ) from error
    return contents, rehearsed


def _read_all(database: Database) -> None:
    """Read what the gateway and the commands read when they start."""
    releases = Releases(database)
    for alias in releases.aliases():
        releases.of(alias)
        releases.history(alias)
    ApiKeys(database).list()
    PlainModels(database).list()
    Caps(database).list()


def _contents(path: Path) -> _Contents:
    found: _Contents = {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)) as connection:
        names = [
            str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in sorted(name for name in names if not name.startswith("sqlite_")):
            columns = list(connection.execute(f'PRAGMA table_info("{table}")'))
            keys = [f'"{column[1]}"' for column in columns if column[5]] or ["rowid"]
            for column in columns:
                query = f'SELECT {", ".join(keys)}, "{column[1]}" FROM "{table}"'
                count = total = 0
                for value in connection.execute(query):
                    count += 1
                    total += int.from_bytes(hashlib.sha256(repr(value).encode()).digest())
                found[f"{table}.{column[1]}"] = (count, total % (1 << 256))
    return found


def _require_same(before: _Contents, after: _Contents, rewritten: tuple[str, ...], path: Path) -> None:
    for name, found in before.items():
        if name not in rewritten and after.get(name) != found:
            raise StaffroomError(
                f"the values of {name} would not be what they were", where=str(path), hint="staffroom doctor"
            )


def _by_table(contents: _Contents) -> dict[str, tuple[int, int]]:
    return {name.partition(".")[0]: found for name, found in contents.items()}


def _schema_of(path: Path) -> int:
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)
        ) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StaffroomError(
            f"the index cannot be read ({error})", where=str(path), hint="staffroom doctor"
        ) from error
