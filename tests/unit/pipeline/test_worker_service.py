"""A released worker: opened only as it was examined, served, stopped first, taken back."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town

from staffroom.engine import FakeEngine
from staffroom.pipeline import assemble, service, standing, workers
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.agent import ChatTurn
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import Gateway, Permits
from staffroom.store import Database, Home, Releases


@pytest.fixture
def town(hired: Town) -> Town:
    """Here every town has a released worker."""
    return hired


def ask(town: Town, question: str = "What does mooring cost?") -> Any:
    async def run() -> Any:
        async with service.open_worker(town.home, "counter") as worker:
            assert worker.permitted()
            return await worker.agent.answer([ChatTurn("user", question)])

    return asyncio.run(run())


def index_of(town: Town) -> Path:
    (found,) = (path for path in town.home.index.glob("*.sqlite") if path.name != "cache.sqlite")
    return found


def change_index(town: Town, statement: str) -> None:
    database = sqlite3.connect(index_of(town))
    database.execute(statement)
    database.commit()
    database.close()


def test_a_released_worker_answers(town: Town) -> None:
    assert "the counter, room 4" in ask(town).text


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents SET text = text || ' and 5 crowns'",
        "UPDATE chunks SET json = replace(json, '40 crowns', '90 crowns')",
        "UPDATE chunks SET json = '{' WHERE number = 1",
        "UPDATE meta SET value = 'sha256:0' WHERE key = 'digest'",
        "DELETE FROM chunks WHERE number = 1",
        "DROP TABLE chunks",
        "UPDATE chunks SET vector = x'00' WHERE number = 1",
        "DELETE FROM meta WHERE key = 'dimensions'",
    ],
)
def test_a_changed_index_does_not_serve(town: Town, statement: str) -> None:
    change_index(town, statement)
    with pytest.raises(StaffroomError, match="hint:"):
        ask(town)


def test_another_index_under_the_same_name_does_not_serve(town: Town) -> None:
    released = index_of(town)
    data = released.read_bytes()
    released.unlink()
    (town.folder / "documents" / "library.md").write_text("# Library\n\nLoans last 30 days.\n")
    town.hire(dry_run=True)
    other = index_of(town)
    assert other.name != released.name and other.read_bytes() != data
    other.rename(released)
    with pytest.raises(StaffroomError, match="another one than was examined"):
        ask(town)


def test_another_engine_or_version_does_not_serve(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            service, "engine_for", lambda assembly, home: FakeEngine("another", n_ctx=assembly.context)
        )
        with pytest.raises(StaffroomError, match="not what was examined"):
            ask(town)
    with monkeypatch.context() as patch:
        patch.setattr(assemble, "GUARDRAILS_VERSION", 10_000)
        with pytest.raises(StaffroomError, match="not what was examined"):
            ask(town)
    ask(town)


@pytest.mark.parametrize("part", ["policy", "book", "candidate", "locale", "context"])
def test_changed_parts_do_not_serve(town: Town, part: str) -> None:
    """Whoever can write the database can point a release to other parts; they are then not what was examined."""
    release = town.hire().json["release"]
    with Database(town.home.database) as database:
        objects = service.ObjectStore(town.home.objects)
        kept = objects.get_json(str(database.get_meta(f"assembly:{release}")))
        parts = kept["assembly"]
        if part == "policy":
            parts["policy"]["decline_log_odds"] = 50.0
        elif part == "book":
            parts["book"]["system"] += " Be brief."
        elif part == "candidate":
            parts["candidate"]["id"] = "other"
        elif part == "locale":
            parts["locale"] = "zh-TW"
        else:
            parts["context"] += 1
        database.set_meta(f"assembly:{release}", objects.put_json(kept))
    with pytest.raises(StaffroomError, match="not what was examined"):
        ask(town)


def test_assembly_survives_the_store(town: Town) -> None:
    release = town.hire().json["release"]
    with Database(town.home.database) as database:
        assembly, job = service.assembly_of(database, service.ObjectStore(town.home.objects), release)
    assert Assembly.from_json(assembly.as_json()) == assembly
    assert job.alias == "counter"


def test_an_unknown_worker_is_named_with_those_there_are(town: Town) -> None:
    with pytest.raises(WrongUse, match="released: counter"):
        workers.suspend(town.home, "conuter")
    with pytest.raises(WrongUse, match="released: counter"):
        workers.show_worker(town.home, "conuter")
    assert workers.list_workers(town.home)[0]["state"] == "running"


def test_stopping_needs_no_database_and_lasts(town: Town) -> None:
    town.home.database.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    assert workers.suspend(town.home, "counter")[0]["ran"]
    assert not Permits(town.home.permits).running()
    assert town.types[-1] == "worker-suspended"


def test_a_user_without_a_name_can_stop_a_worker(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(workers.getpass, "getuser", nobody)
    workers.suspend(town.home, None)
    assert not Permits(town.home.permits).running()


def test_all_are_stopped_and_one_resumed_and_retired(town: Town) -> None:
    assert [row["alias"] for row in workers.suspend(town.home, None)] == ["counter"]
    workers.resume(town.home, "counter")
    workers.retire(town.home, "counter")
    with pytest.raises(StaffroomError, match="retired"):
        workers.resume(town.home, "counter")
    assert town.types[-3:] == ["worker-suspended", "worker-resumed", "worker-retired"]
    assert workers.show_worker(town.home, "counter")["state"] == "retired"


def test_a_first_release_has_none_to_go_back_to_and_a_stopped_worker_goes_back_stopped(town: Town) -> None:
    first = town.hire().json["release"]
    entries = len(town.types)
    with pytest.raises(StaffroomError, match="first release"):
        workers.rollback(town.home, "counter")
    assert len(town.types) == entries
    town.write_job(title="Another title")
    town.hire()
    workers.suspend(town.home, "counter")
    assert workers.rollback(town.home, "counter") | {"at": ""} == {
        "alias": "counter",
        "release": first,
        "at": "",
        "running": False,
    }
    assert not Permits(town.home.permits).running()
    assert [row["release"] for row in workers.list_workers(town.home)] == [first]


def test_a_release_that_comes_while_serving_is_taken_up(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Driven at `serve`'s own seam: the gateway is told, and a release that cannot be opened stops nothing."""
    first = town.hire().json["release"]
    served: list[str] = []
    monkeypatch.setattr(service, "_WATCH_SECONDS", 0.02)
    monkeypatch.setattr(service, "GatewayServer", lambda gateway, host, port, tls: None)
    monkeypatch.setattr(Gateway, "serve", lambda self, release: served.append(release.release))
    trouble: list[str] = []

    async def until_signal(server: object, on_ready: object) -> None:
        town_hire = asyncio.to_thread(town.hire)
        town.write_job(title="Another title")
        second = (await town_hire).json["release"]
        await wait_for(lambda: served == [first, second])
        index = index_of(town)
        index.rename(index.with_suffix(".away"))
        workers.rollback(town.home, "counter")
        await wait_for(lambda: bool(trouble))
        index.with_suffix(".away").rename(index)
        with Database(town.home.database) as database:
            database.set_meta("something", "else")
        await wait_for(lambda: served == [first, second, first])

    async def wait_for(done: Any) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0.01)

    monkeypatch.setattr(service, "serve_until_signal", until_signal)
    asyncio.run(service.serve(town.home, on_trouble=trouble.append))
    assert "document index" in trouble[0]
    with Database(town.home.database) as database:
        assert Releases(database).aliases() == {"counter": first}


def test_nothing_released_is_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no worker has been released"):
        asyncio.run(service.serve(Home(tmp_path / "empty")))


def test_a_stop_that_cannot_be_recorded_says_so_and_holds(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = town.types

    def refuse(self: DecisionLog, *arguments: object) -> int:
        raise StaffroomError("the disk is full; nothing was half written", where="log")

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", refuse)
        with pytest.raises(StaffroomError, match="counter stopped, but not recorded: the disk is full"):
            workers.suspend(town.home, None)
        assert not Permits(town.home.permits).running()
        with pytest.raises(StaffroomError, match="disk is full"):
            workers.resume(town.home, "counter")
        assert not Permits(town.home.permits).running(), "nothing runs without a record"
    assert town.types == before
    workers.suspend(town.home, "counter")
    assert town.types == [*before, "worker-suspended"]
    assert [row["alias"] for row in workers.resume_all(town.home)] == ["counter"]
    assert workers.resume_all(town.home) == []
    assert Permits(town.home.permits).running().keys() == {"counter"}


def test_a_permit_removed_by_hand_is_recorded_once(town: Town) -> None:
    assert workers.record_found(town.home) == []
    (town.home.permits / "counter").unlink()
    assert workers.record_found(town.home) == ["counter"]
    assert workers.record_found(town.home) == []
    last = town.log.entries()[-1].entry
    assert last["type"] == "worker-suspended" and last["body"]["found"] is True and last["body"]["by"] is None
    workers.resume(town.home, "counter")
    workers.suspend(town.home, "counter")
    assert workers.record_found(town.home) == [], "the command recorded it"
    workers.resume(town.home, "counter")
    (town.home.permits / "counter").unlink()

    async def watch() -> None:
        said: list[str] = []
        watching = standing.record_stops_by_hand(
            town.home, Permits(town.home.permits), said.append, settle_seconds=0.05
        )
        task = asyncio.create_task(watching)
        for _ in range(200):
            await asyncio.sleep(0.02)
            if town.types[-1] == "worker-suspended":
                break
        task.cancel()
        assert not said

    asyncio.run(watch())
    assert town.types[-1] == "worker-suspended"
    assert town.log.verify().ok
