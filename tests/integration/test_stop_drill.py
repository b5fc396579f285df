"""`staffroom drill stop` on gateways of their own processes, before a stand-in engine; and the stop benchmark in small."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from plain_desk import MockEngine

from staffroom.cli import run
from staffroom.pipeline import drill, workers
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.drill import DrillOrder, DrillWay, drill_stop
from staffroom.pipeline.plain_models import admit_plain
from staffroom.records.errors import StaffroomError
from staffroom.serve import Permits
from staffroom.store import Home

ROOT = Path(__file__).parents[2]


class SlowEngine(MockEngine):
    """Streams slowly, and answers at once where no stream is asked for."""

    async def _work(self, request: web.Request, what: str, body: dict[str, Any]) -> web.StreamResponse:
        wish = "slow" if body.get("stream") else "hello"
        body["messages"] = [{"role": "user", "content": wish}]
        return await super()._work(request, what, body)


class Quiet:
    def stage(self, name: str, total: float) -> None:
        pass

    def advance(self, units: float = 1.0, note: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        pass


@contextmanager
def slow_engine() -> Iterator[str]:
    """An engine in a thread of its own."""
    ready, end, made = threading.Event(), threading.Event(), SlowEngine()

    async def main() -> None:
        await made.start()
        ready.set()
        while not end.is_set():
            await asyncio.sleep(0.02)
        await made.stop()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield made.url
    end.set()
    thread.join(20)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with two plain models on one slow engine, both permitted."""
    place = Home(tmp_path / "home").ensure()
    with slow_engine() as url:
        for alias in ("first", "second"):
            admit_plain(place, alias, f"server:{url}#weights-7b", "Lin", Quiet(), slots=4, waiting=4)
        yield place


@contextmanager
def gateway(home: Home) -> Iterator[str]:
    """`staffroom serve` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "staffroom", "serve", "--port", "0", "--json"],
        env={**os.environ, "STAFFROOM_HOME": str(home.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_a_drill_starts_a_gateway_where_none_runs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """One worker, stopped by hand; some of its streams wait in the queue. The other worker is left alone."""
    environment = {"STAFFROOM_HOME": str(home.path), "STAFFROOM_LANG": "en"}
    status = run(["drill", "stop", "first", "--by", "file", "--streams", "7", "--json"], environment)
    value = json.loads(capsys.readouterr().out)
    assert status == 0, value
    assert value["passed"] and value["started_gateway"]
    assert value["streams"] == value["under_way"] == value["told"] == 7
    assert value["last_token_ms"] <= 250
    assert value["resumed"] == ["first"] and Permits(home.permits).running().keys() == {"first", "second"}
    # A gateway that ends seals its rows, which may come in between.
    entries = [item.entry for item in DecisionLog(home).entries() if item.entry["type"] != "duty-sealed"]
    assert [entry["type"] for entry in entries[-2:]] == ["worker-resumed", "stop-drill"]
    assert entries[-1]["body"]["last_token_ms"] == value["last_token_ms"]
    assert entries[-1]["body"]["aliases"] == ["first"]
    assert DecisionLog(home).verify().ok
    assert not (home.path / "gateway.json").exists()


def test_a_drill_of_all_at_a_running_gateway(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(home) as url:
        value = asyncio.run(drill_stop(home, DrillOrder(None, "Lin", streams=3)))
        assert value["passed"] and not value["started_gateway"], value
        assert value["under_way"] == 6 and value["resumed"] == ["first", "second"]
        types = [item.entry["type"] for item in DecisionLog(home).entries()][-5:]
        assert types == ["worker-suspended"] * 2 + ["worker-resumed"] * 2 + ["stop-drill"]

        # Somebody stops one of them in earnest while the drill is under way: that holds.
        stop = workers.suspend

        def stop_twice(*arguments: Any, **options: Any) -> Any:
            rows = stop(*arguments, **options)
            stop(home, "second", "sponsor")
            return rows

        monkeypatch.setattr(drill.workers, "suspend", stop_twice)
        value = asyncio.run(drill_stop(home, DrillOrder(None, "Lin", streams=2, url=url)))
        assert value["passed"] and value["resumed"] == ["first"] and value["left_stopped"] == ["second"]
        assert Permits(home.permits).running().keys() == {"first"}
        with pytest.raises(StaffroomError, match="not running"):
            asyncio.run(drill_stop(home, DrillOrder("second", "Lin", url=url)))
        monkeypatch.undo()

        # A stop that does not stop is found out, and the worker is as it was.
        monkeypatch.setattr(drill._Drill, "_stop", lambda self, sparing: None)
        monkeypatch.setattr(drill, "_END_SECONDS", 0.5)
        value = asyncio.run(drill_stop(home, DrillOrder("first", "Lin", streams=2, way=DrillWay.FILE)))
        assert not value["passed"] and not value["refused"] and value["told"] == 0
        assert Permits(home.permits).running().keys() == {"first"}
        assert not [path for path in home.permits.iterdir() if path.name.startswith(".pending")]
        assert DecisionLog(home).verify().ok


def test_killed_restarted_full_and_locked_it_stays_stopped(tmp_path: Path) -> None:
    """The benchmark itself, with 24 restarts instead of 1,000 and 8 streams instead of 64."""
    script = ROOT / "benchmarks" / "stop.py"
    done = subprocess.run(
        [sys.executable, str(script), "--restarts", "24", "--streams", "8", "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "BENCHMARK_DIR": str(tmp_path)},
        check=False,
    )
    value = json.loads(done.stdout.splitlines()[-1])
    holds = {each["name"]: each["holds"] for each in value["measures"]}
    assert holds == {
        "last_token_ms_p99": True,
        "told_of_the_stop": True,
        "still_stopped": True,
        "restarts": False,
    }, (done.stdout, done.stderr)
