import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.decision import Release
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Response
from staffroom.store import (
    ApiKeys,
    Database,
    Evaluations,
    FinishedStep,
    KeyProblem,
    ObjectStore,
    Releases,
    Responses,
    StepCache,
    from_text,
    to_text,
)
from staffroom.store.schema import MIGRATIONS, TABLES


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "staffroom.db") as opened:
        yield opened


def release(alias: str, parent: str | None = None, decision: str = "sha256:d") -> Release:
    return Release(
        alias=alias,
        agent={"name": alias, "base": "sha256:b"},
        decision=decision,
        evaluation="sha256:e",
        sponsor_commitment="sha256:s",
        parent=parent,
    )


def test_the_migrations_make_the_tables_that_the_code_asks(database: Database) -> None:
    with database.read() as connection:
        for table in TABLES.sorted_tables:
            rows = connection.exec_driver_sql(f"PRAGMA table_info({table.name})").all()
            made = {row[1]: (row[2], bool(row[3]), bool(row[5])) for row in rows}
            asked = {
                column.name: (
                    column.type.compile(connection.dialect),
                    not column.nullable,
                    column.primary_key,
                )
                for column in table.columns
            }
            assert made == asked, table.name
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_durability_is_switched_on(database: Database) -> None:
    for opened in (database.read, database.write):
        with opened() as connection:
            asked = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
            }
        assert asked == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 10_000,
            "user_version": MIGRATIONS[-1].number,
        }
    assert database.path.stat().st_mode & 0o777 == 0o600
    assert database.check() == []


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "db").close()
    raw = sqlite3.connect(tmp_path / "db")
    raw.execute("PRAGMA user_version = 999")
    raw.close()
    with pytest.raises(StaffroomError, match="newer Staffroom"):
        Database(tmp_path / "db")


def test_a_damaged_index_is_said(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database" * 500)
    with pytest.raises(StaffroomError, match="damaged") as caught:
        Database(tmp_path / "db")
    assert "staffroom doctor" in caught.value.hint


def test_many_openers_at_once_migrate_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def opening() -> None:
        try:
            with Database(tmp_path / "db") as opened:
                opened.set_meta(str(threading.get_ident()), "here")
        except StaffroomError as error:
            failed.append(error)

    threads = [threading.Thread(target=opening) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.exec_driver_sql("INSERT INTO meta VALUES ('half', 'done')")
        raise ZeroDivisionError
    assert database.get_meta("half") is None
    database.set_meta("whole", "1")
    database.set_meta("whole", "2")
    assert database.get_meta("whole") == "2"


def test_threads_share_it(database: Database) -> None:
    def writing(worker: int) -> None:
        for number in range(10):
            database.set_meta(f"{worker}-{number}", "x")

    threads = [threading.Thread(target=writing, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(database.get_meta(f"{worker}-{number}") == "x" for worker in range(4) for number in range(10))


def test_data_version_sees_other_writers(database: Database) -> None:
    before = database.data_version()
    assert database.data_version() == before
    with Database(database.path) as other:
        other.set_meta("a", "b")
    changed = database.data_version()
    assert changed != before
    database.set_meta("a", "c")
    assert database.data_version() != changed


texts = st.text(st.characters(codec="utf-8"), max_size=40)
finite = st.floats(allow_nan=False, allow_infinity=False)


any_response = st.builds(
    Response,
    item_id=texts,
    agent=texts,
    seed=st.integers(0, 2**40),
    text=texts,
    raw_text=texts,
    option_probabilities=st.lists(finite, max_size=4).map(tuple),
    margin_nats=st.none() | finite,
    cited=st.lists(texts, max_size=3).map(tuple),
    tokens_in=st.integers(0, 9),
    seconds=finite,
    details=st.dictionaries(texts, st.none() | texts, max_size=2),
)


def test_a_response_comes_back_as_it_was(database: Database) -> None:
    kept = Responses(database)
    numbers = itertools.count()

    @settings(max_examples=25, deadline=None)
    @given(response=any_response)
    def comes_back(response: Response) -> None:
        item = f"sha256:{next(numbers)}"
        assert kept.get(response.agent, item, response.seed) is None
        kept.put(item, response)
        back = kept.get(response.agent, item, response.seed)
        assert back == response
        assert back is not None
        assert back.details == response.details

    comes_back()


def test_evidence_is_not_rewritten_but_a_lost_engine_is_retried(database: Database) -> None:
    kept = Responses(database)
    lost = Response("i", "a", 1, "", error="the engine was lost")
    answer = Response("i", "a", 1, "三十元")
    kept.put("sha256:i", lost)
    kept.put("sha256:i", answer)
    kept.put("sha256:i", replace(answer, seconds=9.0))
    with pytest.raises(StaffroomError, match="not rewritten"):
        kept.put("sha256:i", replace(answer, text="四十元"))
    with pytest.raises(StaffroomError, match="not rewritten"):
        kept.put("sha256:i", lost)
    assert kept.get("a", "sha256:i", 1) == answer
    assert kept.get("a", "sha256:i", 2) is None
    assert kept.count("a") == 1


def test_steps(database: Database) -> None:
    cache = StepCache(database)
    start = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    step = FinishedStep("k1", "race", "1", {"b": 1}, "sha256:o", start, start + timedelta(seconds=2), 2.0)
    assert cache.get("k1") is None
    assert cache.latest("race") is None
    cache.put(step)
    assert cache.get("k1") == step
    later = replace(step, key="k2", inputs={"b": 2}, finished=start + timedelta(seconds=9))
    cache.put(later)
    assert cache.latest("race") == later
    forced = replace(later, output="sha256:other")
    cache.put(forced)
    assert cache.get("k2") == forced
    assert cache.latest("gate") is None


def test_evaluations(database: Database) -> None:
    kept = Evaluations(database)
    digest = kept.put(agent="a", pack="p", split="gate", seed=7, value={"score": 0.5})
    assert kept.put(agent="a", pack="p", split="gate", seed=7, value={"score": 0.5}) == digest
    found = kept.get(digest)
    assert found is not None
    assert (found.value, found.split, found.seed) == ({"score": 0.5}, "gate", 7)
    assert [each.digest for each in kept.of("a")] == [digest]
    assert kept.get("sha256:none") is None


def test_an_alias_moves_and_goes_back(database: Database) -> None:
    kept = Releases(database)
    first = release("clerk")
    second = release("clerk", parent=first.digest)
    assert kept.current("clerk") is None
    with pytest.raises(StaffroomError, match="no release"):
        kept.move("clerk", first.digest, reason="promoted")
    assert kept.save(first) == kept.save(first) == first.digest
    kept.save(second)
    assert kept.move("clerk", first.digest, reason="promoted") is not None
    assert kept.move("clerk", first.digest, reason="promoted") is None, "a resumed run writes no second move"
    moved = kept.move("clerk", second.digest, reason="better")
    assert moved is not None
    assert moved.previous == first.digest
    assert kept.current("clerk") == second
    assert kept.rollback("clerk", reason="complaints").release == first.digest
    assert kept.current("clerk") == first
    with pytest.raises(StaffroomError, match="first release"):
        kept.rollback("clerk", reason="again")
    with pytest.raises(StaffroomError, match="no worker"):
        kept.rollback("nobody", reason="")
    assert [(move.release, move.reason) for move in kept.history("clerk")] == [
        (first.digest, "promoted"),
        (second.digest, "better"),
        (first.digest, "complaints"),
    ]
    assert kept.aliases() == {"clerk": first.digest}
    assert kept.of("clerk") == [first, second]


def test_a_release_serves_its_own_alias_only(database: Database) -> None:
    kept = Releases(database)
    digest = kept.save(release("clerk"))
    with pytest.raises(StaffroomError, match="made for clerk"):
        kept.move("judge", digest, reason="")
    assert kept.aliases() == {}
    assert kept.history("judge") == []


def test_a_changed_manifest_is_noticed(database: Database) -> None:
    kept = Releases(database)
    digest = kept.save(release("clerk"))
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE releases SET json = replace(json, 'sha256:b', 'sha256:x')")
    with pytest.raises(StaffroomError, match="was changed"):
        kept.get(digest)


def test_keys_open_what_they_are_for(database: Database) -> None:
    keys = ApiKeys(database)
    key, token = keys.create("counter", aliases=["clerk"])
    check = keys.verify(token, from_loopback=False)
    assert check.key == key
    assert check.problem is None
    assert key.opens("clerk")
    assert not key.opens("judge")
    everything, _ = keys.create("all")
    assert everything.opens("judge")
    assert keys.list() == [key, everything]


def test_wrong_keys(database: Database) -> None:
    keys = ApiKeys(database)
    key, token = keys.create("counter")
    other = "0" if token[-1] != "0" else "1"
    for wrong in (
        "",
        "sr-",
        token[:-1] + other,
        token + "0",
        "sr-000000000000-" + "0" * 64,
        "x" * 5000,
        "鑰",
    ):
        assert keys.verify(wrong, from_loopback=True).problem is KeyProblem.UNKNOWN
    revoked = keys.revoke(key.id)
    assert revoked.revoked is not None
    assert keys.revoke(key.id).revoked == revoked.revoked
    assert keys.verify(token, from_loopback=True).problem is KeyProblem.REVOKED
    with pytest.raises(StaffroomError, match="no key"):
        keys.revoke("absent")
    with pytest.raises(WrongUse):
        keys.create(" ")
    with pytest.raises(WrongUse):
        keys.create("late", lifetime=timedelta(0))


def test_keys_expire_and_stay_at_home(database: Database) -> None:
    keys = ApiKeys(database)
    _, short = keys.create("short", lifetime=timedelta(milliseconds=30))
    assert keys.verify(short, from_loopback=False).key is not None
    time.sleep(0.04)
    assert keys.verify(short, from_loopback=False).problem is KeyProblem.EXPIRED
    _, local = keys.create("local", loopback=True)
    assert keys.verify(local, from_loopback=False).problem is KeyProblem.ELSEWHERE
    assert keys.verify(local, from_loopback=True).key is not None


def test_another_process_revokes_and_it_is_seen_at_once(database: Database) -> None:
    keys = ApiKeys(database)
    key, token = keys.create("counter")
    assert keys.verify(token, from_loopback=True).key is not None
    with Database(database.path) as other:
        ApiKeys(other).revoke(key.id)
    assert keys.verify(token, from_loopback=True).problem is KeyProblem.REVOKED


def test_the_key_itself_is_nowhere_on_disk(database: Database) -> None:
    _, token = ApiKeys(database).create("counter")
    secret = token.rsplit("-", 1)[1].encode()
    for path in database.path.parent.iterdir():
        assert secret not in path.read_bytes()
        assert bytes.fromhex(secret.decode()) not in path.read_bytes()


@given(moment=st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_keep_their_value_and_order(moment: datetime) -> None:
    assert from_text(to_text(moment)) == moment
    later = moment + timedelta(microseconds=1) if moment.year < 9999 else moment
    assert to_text(later) >= to_text(moment)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_text(datetime(2026, 1, 1))  # noqa: DTZ001 - the very thing that is refused


_WRITER = """
import sys
from pathlib import Path
from staffroom.records.decision import Release
from staffroom.records.exam import Response
from staffroom.store import Database, ObjectStore, Releases, Responses

home = Path(sys.argv[1])
database = Database(home / "db")
objects, responses, releases = ObjectStore(home / "objects"), Responses(database), Releases(database)
parent = None
for number in range(100_000):
    digest = objects.put_bytes(str(number).encode() * 5000)
    responses.put(digest, Response(str(number), "agent", 0, "x" * 2000))
    release = Release("clerk", {}, digest, "e", "s", parent)
    releases.save(release)
    releases.move("clerk", release.digest, reason=str(number))
    parent = release.digest
    print(number, digest, release.digest, flush=True)
"""


@pytest.mark.parametrize("delay", [0.02, 0.075])
def test_kill_9_in_the_middle_of_writes_loses_nothing_acknowledged(tmp_path: Path, delay: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ}
    ) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        acknowledged = (first + child.stdout.read()).decode().splitlines()
    with Database(tmp_path / "db") as database:
        assert database.check() == []
        objects, responses, releases = (
            ObjectStore(tmp_path / "objects"),
            Responses(database),
            Releases(database),
        )
        for line in acknowledged:
            number, digest, named = line.split()
            assert objects.get(digest) == number.encode() * 5000
            assert responses.get("agent", digest, 0) == Response(number, "agent", 0, "x" * 2000)
            assert releases.get(named).decision == digest
        current, history = releases.current("clerk"), releases.history("clerk")
        assert current is not None
        assert history[-1].release == current.digest, "alias and history move together"
        assert len(acknowledged) <= len(history) <= len(acknowledged) + 1
        for path in (tmp_path / "objects" / "sha256").rglob("*"):
            if path.is_file():
                objects.get(f"sha256:{path.name}")
