"""Who and what gets to a worker through the gateway: the queue, keys, names, sizes, health."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from gateway_desk import QUESTION, RELEASE, Desk, PacedAgent, at_desk, until

from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import (
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    GatewaySettings,
    Permits,
)
from staffroom.store import ApiKeys, Database, Home


def test_the_queue_is_bounded_and_first_come_first_served(tmp_path: Path) -> None:
    agent = PacedAgent(pause=0.1)
    queue = EngineQueue(slots=1, waiting=2)

    async def one(place: Desk, number: int) -> tuple[int, float]:
        message = [{"role": "user", "content": str(number)}]
        async with await place.ask(messages=message) as response:
            return response.status, time.perf_counter()

    async def work(place: Desk) -> None:
        asked = []
        for number in range(3):
            asked.append(asyncio.create_task(one(place, number)))
            await until(lambda n=number: queue.active + queue.waiting == n + 1)
        async with await place.ask() as response:
            assert response.status == 429
            assert int(response.headers["retry-after"]) >= 1
            assert response.headers["retry-after-ms"].isdigit()
            assert (await response.json())["error"]["code"] == "queue_full"
        done = await asyncio.gather(*asked)
        assert [status for status, _ in done] == [200, 200, 200]
        assert [turns[-1].content for turns in agent.asked] == ["0", "1", "2"]
        assert agent.most == 1
        assert (queue.active, queue.waiting) == (0, 0)

    at_desk(work, tmp_path, agent, queue=queue)


def test_keys(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async def status(token: str | None, **more: str) -> tuple[int, str]:
            headers = {**more} if token is None else {"authorization": f"Bearer {token}", **more}
            async with aiohttp.ClientSession(headers=headers) as client:
                url = place.url + "/v1/chat/completions"
                async with client.post(url, json=QUESTION) as response:
                    body = await response.json()
                    return response.status, body.get("error", {}).get("code", "")

        assert await status(None) == (401, "missing_api_key")
        assert await status("sk-wrong") == (401, "invalid_api_key")
        _, elsewhere = place.keys.create("judge only", aliases=["judge"])
        assert await status(elsewhere) == (403, "model_not_allowed")
        _, local = place.keys.create("here", loopback=True)
        assert (await status(local))[0] == 200
        assert await status(local, **{"x-forwarded-for": "192.0.2.7"}) == (401, "invalid_api_key")
        key, token = place.keys.create("short lived", aliases=["clerk"])
        assert (await status(token))[0] == 200
        place.keys.revoke(key.id)
        assert await status(token) == (401, "invalid_api_key")

    at_desk(work, tmp_path, PacedAgent())


def test_models_and_unknown_places(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with place.client.get(place.url + "/v1/models") as response:
            (model,) = (await response.json())["data"]
        assert (model["id"], model["staffroom"]["release"]) == ("clerk", RELEASE)
        async with place.client.get(place.url + "/v1/models/clerk") as response:
            assert (await response.json())["id"] == "clerk"
        async with await place.ask(model="gpt-4o") as response:
            error = (await response.json())["error"]
        assert (response.status, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert "clerk" in error["message"]
        async with await place.ask("/v1/embeddings") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (
                404,
                "endpoint_not_supported",
            )
        async with place.client.get(place.url + "/v1/chat/completions") as response:
            assert (response.status, response.headers["allow"]) == (405, "POST")
        async with place.client.get(place.url + "/elsewhere") as response:
            assert response.status == 404

    at_desk(work, tmp_path, PacedAgent())


def test_bodies_are_bounded_and_checked(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 50_000

    async def work(place: Desk) -> None:
        url = place.url + "/v1/chat/completions"
        for data in (io.BytesIO(b"x" * (2 << 20)), chunks()):
            try:
                async with place.client.post(url, data=data) as response:
                    assert response.status == 413
                    assert (await response.json())["error"]["code"] == "request_too_large"
            except aiohttp.ClientConnectionError:
                pass  # closed while the client was still sending: refused just the same
        for body in (b"", b"{", b"[]", b'"x"', b"\xff"):
            async with place.client.post(url, data=body) as response:
                assert response.status == 400
        assert place.duty() == []

    at_desk(work, tmp_path, PacedAgent())


def test_health_and_counters(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask():
            pass
        async with await place.ask(model="absent"):
            pass
        async with aiohttp.ClientSession() as client:
            for path in ("/healthz", "/readyz"):
                async with client.get(place.url + path) as response:
                    assert response.status == 200
            async with client.get(place.url + "/metrics") as response:
                text = await response.text()
            async with client.get(place.url + "/metrics", headers={"via": "a proxy"}) as response:
                assert response.status == 401
            async with client.get(place.url + "/api/workers") as response:
                assert response.status == 401
            place.gateway.drain()
            async with client.get(place.url + "/readyz") as response:
                assert response.status == 503
        async with await place.ask() as response:
            assert (await response.json())["error"]["code"] == "shutting_down"
        assert 'staffroom_requests_total{alias="clerk",outcome="answered"} 1' in text
        assert 'staffroom_tokens_total{alias="clerk",counted="engine",kind="in"} 11' in text
        assert 'staffroom_answer_seconds_bucket{alias="clerk",le="+Inf"} 1' in text
        assert 'staffroom_answer_seconds_count{alias="clerk"} 1' in text
        assert 'staffroom_refused_total{code="model_not_found"} 1' in text
        assert "staffroom_workers_running 1" in text

    at_desk(work, tmp_path, PacedAgent())


def test_a_taken_port_and_an_open_door_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
        gateway = Gateway(
            permits=Permits(home.permits),
            keys=ApiKeys(database),
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
            settings=GatewaySettings(require_keys=False),
        )
        with pytest.raises(WrongUse, match="this machine only"):
            GatewayServer(gateway, host="0.0.0.0", port=0)  # noqa: S104 - the very thing that is refused
        server = GatewayServer(gateway, port=0)
        with pytest.raises(StaffroomError, match="cannot listen"):
            GatewayServer(gateway, port=server.address.port)

        async def close() -> None:
            server.stop()
            await server.run()

        asyncio.run(close())
