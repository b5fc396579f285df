"""What a restored home is checked for before it is one: databases, schema, and the log with its signatures."""

import sqlite3
from contextlib import closing
from pathlib import Path

from staffroom.ledger import verify_log
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.errors import StaffroomError
from staffroom.store import Home, is_sqlite

__all__ = ["check_database", "check_restored"]

_HINT = "take another backup, or one from before the damage"


def check_restored(home: Home) -> None:
    """Raise StaffroomError where a database is damaged or the log is not what its keys signed."""
    if not home.database.exists():
        raise StaffroomError(
            "it holds no index, so it is no backup of a home", where=str(home.path), hint=_HINT
        )
    for path in sorted(home.path.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size >= 16 and is_sqlite(path):
            check_database(path)
    log = DecisionLog(home)
    if not (log.folder / "checkpoint").exists():
        return
    report = verify_log(log.folder, list(log.vkeys()))
    if not report.ok:
        first = report.problems[0]
        raise StaffroomError(
            f"the decision log in it is not in order: {first.where}: {first.what}",
            where=str(home.path),
            hint=_HINT,
        )


def check_database(path: Path) -> None:
    """Raise StaffroomError where SQLite finds a fault, or a row that points to one that is not there."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        ) as connection:
            faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise StaffroomError(
            f"this database cannot be read ({error})", where=str(path), hint=_HINT
        ) from error
    if faults != ["ok"]:
        raise StaffroomError(f"this database is damaged: {faults[0]}", where=str(path), hint=_HINT)
    if orphans is not None:
        raise StaffroomError(
            f"a row of {orphans[0]} points to one that is not there", where=str(path), hint=_HINT
        )
