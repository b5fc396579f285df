"""An upgrade is rehearsed on a copy, keeps every value, and leaves the home as it was where anything fails."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from staffroom.pipeline import upgrade as upgrades
from staffroom.pipeline.upgrade import upgrade_home
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store import ApiKeys, Database, Home, HomeBusy, KeyRole, database
from staffroom.store.schema import MIGRATIONS, Migration

NEWEST = MIGRATIONS[-1].number


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home as the first Staffroom wrote it: schema 1, with keys, a release and answers."""
    home = Home(tmp_path / "home").ensure()
    with closing(sqlite3.connect(home.database)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        for statement in MIGRATIONS[0].statements:
            raw.execute(statement)
        raw.execute("PRAGMA user_version = 1")
        raw.execute(
            "INSERT INTO api_keys VALUES ('k1', 'web', x'01', x'02', '[]', 0, '2026-01-01T00:00:00.000000Z', NULL, NULL)"
        )
        raw.executemany(
            "INSERT INTO responses VALUES ('agent', ?, 1, ?, '2026-01-01T00:00:00.000000Z')",
            [(f"item-{number}", '{"text": "週末"}') for number in range(50)],
        )
        raw.commit()
    return home


def digest(home: Home) -> str:
    return hashlib.sha256(home.database.read_bytes()).hexdigest()


def schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        return int(raw.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_home_is_refused_until_it_is_upgraded(home: Home) -> None:
    before = digest(home)
    with pytest.raises(StaffroomError, match="older Staffroom") as caught:
        Database(home.database)
    assert caught.value.hint == "staffroom home upgrade"
    assert digest(home) == before
    row = upgrade_home(home)
    assert (row["from"], row["to"], row["rows"], row["upgraded"]) == (1, NEWEST, 51, True)
    with Database(home.database) as opened:
        (key,) = ApiKeys(opened).list()
        assert (key.name, key.role) == ("web", KeyRole.USER)
    kept = Path(row["kept"])
    assert schema(kept) == 1
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    again = upgrade_home(home)
    assert (again["steps"], again["upgraded"]) == ([], False)


def test_a_rehearsal_touches_nothing(home: Home) -> None:
    before = digest(home)
    row = upgrade_home(home, rehearse=True)
    assert row["rehearsed"] and not row["upgraded"] and row["kept"] == ""
    assert digest(home) == before
    assert list((home.private / "upgrades").iterdir()) == []


def _with(monkeypatch: pytest.MonkeyPatch, migration: Migration) -> None:
    for module in (upgrades, database):
        monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, migration))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (("DELETE FROM responses WHERE item_digest = 'item-7'",), "responses.agent"),
        (("UPDATE api_keys SET hash = x'00'",), "api_keys.hash"),
        (("CREATE TABLE nonsense (",), "cannot be used"),
        (("DROP TABLE caps",), "caps"),
    ],
)
def test_a_step_that_loses_something_never_reaches_the_home(
    home: Home, monkeypatch: pytest.MonkeyPatch, statements: tuple[str, ...], said: str
) -> None:
    _with(monkeypatch, Migration(NEWEST + 1, "a faulty step", statements))
    before = digest(home)
    with pytest.raises(StaffroomError, match=f"the rehearsal failed, and the home is as it was: .*{said}"):
        upgrade_home(home)
    assert digest(home) == before
    assert list((home.private / "upgrades").iterdir()) == []


def test_a_step_may_rewrite_what_it_names(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(
        NEWEST + 1, "new hashes", ("UPDATE api_keys SET hash = x'00'",), rewrites=("api_keys.hash",)
    )
    _with(monkeypatch, step)
    assert upgrade_home(home)["upgraded"]
    assert schema(home.database) == NEWEST + 1


def test_a_fault_at_the_home_itself_is_undone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = upgrades.Database

    class Failing(real):  # type: ignore[misc, valid-type]
        def _migrate(self) -> None:
            if self.path == home.database:
                with self.write() as connection:
                    connection.exec_driver_sql("DELETE FROM responses")
                    raise StaffroomError("the disk is full; nothing was half written")
            super()._migrate()

    monkeypatch.setattr(upgrades, "Database", Failing)
    with pytest.raises(StaffroomError, match="the disk is full"):
        upgrade_home(home)
    assert schema(home.database) == 1
    with closing(sqlite3.connect(home.database)) as raw:
        assert raw.execute("SELECT count(*) FROM responses").fetchone() == (50,)
    monkeypatch.undo()
    assert upgrade_home(home)["upgraded"]


def test_nobody_may_be_at_work(home: Home) -> None:
    with home.lock("serve"), pytest.raises(HomeBusy):
        upgrade_home(home)
    assert schema(home.database) == 1


def test_no_home_and_a_newer_one(tmp_path: Path, home: Home) -> None:
    with pytest.raises(WrongUse, match="no home here"):
        upgrade_home(Home(tmp_path / "nowhere"))
    with closing(sqlite3.connect(home.database)) as raw:
        raw.execute("PRAGMA user_version = 999")
    with pytest.raises(StaffroomError, match="newer Staffroom"):
        upgrade_home(home)
