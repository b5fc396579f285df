"""How an answer of the gateway is ended: by people, by the clock, by the client, by a drain."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway_desk import RELEASE, Desk, PacedAgent, at_desk, events, until

from staffroom.records.digests import digest_bytes
from staffroom.serve import (
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    GatewaySettings,
    Permits,
    ServedRelease,
    resume,
    retire,
    run_gateway,
    suspend,
)
from staffroom.store import ApiKeys, Database, Home


def test_a_suspended_worker_falls_silent_within_a_quarter_second(tmp_path: Path) -> None:
    streams = 16
    agent = PacedAgent(pieces=["字"] * 1000, pause=0.01)
    last_text: list[float] = []
    closed: list[float] = []

    async def listen(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            seen: list[dict[str, Any] | str] = []
            async for event in events(response):
                seen.append(event)
                if isinstance(event, dict) and "choices" in event:
                    last_text.append(time.perf_counter())
            closed.append(time.perf_counter())
            end = seen[-1]
            assert isinstance(end, dict)
            assert end["error"]["code"] == "worker_suspended"
            assert end["error"]["request_id"].startswith("req_")

    async def work(place: Desk) -> None:
        listeners = [asyncio.create_task(listen(place)) for _ in range(streams)]
        await until(lambda: len(last_text) > streams * 5)
        other = Permits(place.home.permits)
        (change,) = suspend(other, "clerk", reason="complaint")
        stopped = time.perf_counter()
        assert change.ran == RELEASE
        await asyncio.gather(*listeners)
        assert max(last_text) - stopped < 0.25
        assert max(closed) - stopped < 0.25
        await until(lambda: agent.running == 0)
        async with await place.ask() as response:
            assert response.status == 503
            assert response.headers["x-should-retry"] == "false"
            assert (await response.json())["error"]["code"] == "worker_suspended"
        resume(other, "clerk", RELEASE, reason="settled")
        agent.pieces = ["好"]
        async with await place.ask() as response:
            assert response.status == 200
        assert [line["outcome"] for line in place.duty()].count("worker_suspended") == streams

    at_desk(work, tmp_path, agent, queue=EngineQueue(slots=streams))


@pytest.mark.parametrize("stream", [True, False])
def test_a_stop_does_not_wait_for_a_silent_engine(tmp_path: Path, stream: bool) -> None:
    agent = PacedAgent(pause=30)

    async def work(place: Desk) -> None:
        asking = asyncio.create_task(place.ask(stream=stream))
        await until(lambda: agent.running == 1)
        suspend(place.permits, None, reason="drill")
        stopped = time.perf_counter()
        async with await asking as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "worker_suspended"
        assert time.perf_counter() - stopped < 0.25
        assert len(agent.cancelled) == 1

    at_desk(work, tmp_path, agent)


def test_a_suspension_outlives_a_restart(tmp_path: Path) -> None:
    async def stop(place: Desk) -> None:
        suspend(place.permits, "clerk", reason="complaint")

    async def still(place: Desk) -> None:
        async with await place.ask() as response:
            assert response.status == 503
        async with place.client.get(place.url + "/api/workers") as response:
            (worker,) = (await response.json())["workers"]
            assert worker["state"] == "suspended"
        retire(place.permits, "clerk", reason="closed")
        async with await place.ask() as response:
            assert response.status == 410
            assert (await response.json())["error"]["code"] == "worker_retired"

    at_desk(stop, tmp_path, PacedAgent())
    at_desk(still, tmp_path, PacedAgent(), grant=False)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_engine(tmp_path: Path, stream: bool) -> None:
    agent = PacedAgent(pieces=["字"] * 1000, pause=0.02)

    async def work(place: Desk) -> None:
        asking = asyncio.create_task(place.ask(stream=stream))
        await until(lambda: len(agent.said) > 2)
        if stream:
            response = await asking
            left = time.perf_counter()
            response.close()
        else:
            left = time.perf_counter()
            asking.cancel()
        await until(lambda: bool(agent.cancelled))
        assert agent.cancelled[0] - left < 0.25
        await until(lambda: bool(place.duty()))
        assert place.duty()[0]["outcome"] == "client_gone"
        agent.pieces = ["好"]
        async with await place.ask() as response:
            assert response.status == 200, "the place in the queue was given back"

    at_desk(work, tmp_path, agent)


def test_the_clock_ends_an_answer(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            assert response.status == 504
            assert (await response.json())["error"]["code"] == "timeout"

    at_desk(work, tmp_path, PacedAgent(pause=30), settings=GatewaySettings(answer_seconds=0.1))


def test_a_new_release_ends_the_answers_of_the_old_one(tmp_path: Path) -> None:
    old, new = PacedAgent(pieces=["舊"] * 500, pause=0.01), PacedAgent(pieces=["新"])
    other = digest_bytes(b"the next release")

    async def work(place: Desk) -> None:
        asking = asyncio.create_task(place.ask(stream=True))
        await until(lambda: len(old.said) > 2)
        place.gateway.serve(ServedRelease("clerk", other, new, EngineQueue(), ""))
        place.permits.grant("clerk", other)
        async with await asking as response:
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == "worker_suspended"
        async with await place.ask() as response:
            assert response.headers["x-staffroom-release"] == other

    at_desk(work, tmp_path, old)


def test_a_drain_lets_answers_finish(tmp_path: Path) -> None:
    agent = PacedAgent(pieces=["字"] * 30, pause=0.02)

    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            await until(lambda: len(agent.said) > 2)
            place.server.stop()
            seen = [event async for event in events(response)]
        assert seen[-1] == "[DONE]"
        with pytest.raises(aiohttp.ClientConnectionError):
            await place.ask()

    at_desk(work, tmp_path, agent)


def test_a_drain_ends_what_takes_too_long(tmp_path: Path) -> None:
    agent = PacedAgent(pieces=["字"] * 5000, pause=0.02)

    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            await until(lambda: len(agent.said) > 2)
            place.server.stop()
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == "shutting_down"

    at_desk(work, tmp_path, agent, drain_seconds=0.2)


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
        gateway = Gateway(
            permits=Permits(home.permits),
            keys=ApiKeys(database),
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
        )
        server = GatewayServer(gateway, port=0)
        before = signal.getsignal(signal.SIGTERM)
        run_gateway(server, on_ready=lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert gateway.draining
        assert signal.getsignal(signal.SIGTERM) == before
