"""The gateway over real HTTP, real SQLite and real permits, before an agent whose pace the tests set."""

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from staffroom.engine.errors import ContextExceeded, EngineLost
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Citation, Outcome
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import TextListener
from staffroom.serve import (
    DocumentLinks,
    DocumentText,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    GatewaySettings,
    Permits,
    ServedRelease,
    commitment,
    resume,
    retire,
    run_gateway,
    suspend,
)
from staffroom.store import ApiKeys, Database, Home

RELEASE = digest_bytes(b"release")
DOCUMENT = digest_bytes(b"document")
TEXT = '第一條　規費為<b>三十元</b>。\n第二條　"免收"。\n'
SPEC = AgentSpec("clerk", "sha256:b", "e", "i", "p", "p", "g", "zh-TW")
QUESTION = {"model": "clerk", "messages": [{"role": "user", "content": "規費多少？"}]}


@dataclass
class PacedAgent:
    """Says its pieces one by one with a pause between; remembers what became of each request."""

    pieces: Sequence[str] = ("規費", "三十元", "。")
    pause: float = 0.0
    error: BaseException | None = None
    text: str | None = None
    spec: AgentSpec = SPEC
    asked: list[tuple[ChatTurn, ...]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    said: list[float] = field(default_factory=list)
    cancelled: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        self.asked.append(tuple(turns))
        self.seeds.append(seed)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for piece in self.pieces:
                await asyncio.sleep(self.pause)
                self.said.append(time.perf_counter())
                if on_text is not None:
                    on_text(piece)
            if self.error is not None:
                raise self.error
        except asyncio.CancelledError:
            self.cancelled.append(time.perf_counter())
            raise
        finally:
            self.running -= 1
        text = "".join(self.pieces) if self.text is None else self.text
        place = Citation(1, "c1", "規費.odt", DOCUMENT, "第一條", 2, 4, 13, "規費為<b>三十元", "2026-01-01")
        return AgentAnswer(text, text, Outcome.ANSWERED, "grounded", (place,), ("c1", "c2"), 11, 3)

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        raise AssertionError("the gateway asks no choice items")


@dataclass
class Desk:
    """A running gateway, a client, and a key."""

    gateway: Gateway
    server: GatewayServer
    permits: Permits
    keys: ApiKeys
    client: aiohttp.ClientSession
    url: str
    home: Home

    async def ask(self, path: str = "/v1/chat/completions", **body: Any) -> aiohttp.ClientResponse:
        return await self.client.post(self.url + path, json={**QUESTION, **body})

    def duty(self, kind: str = "") -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for path in sorted((self.home.private / "duty").glob("*.jsonl")):
            if path.name.endswith(".texts.jsonl") == bool(kind):
                lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines


@asynccontextmanager
async def desk(
    home: Home,
    agent: PacedAgent,
    *,
    grant: bool = True,
    queue: EngineQueue | None = None,
    settings: GatewaySettings | None = None,
    drain_seconds: float = 5.0,
) -> AsyncIterator[Desk]:
    home.ensure()
    permits = Permits(home.permits)
    if grant:
        permits.grant("clerk", RELEASE)
    documents = {DOCUMENT: DocumentText("規費.odt", TEXT, "2026-01-01", "zh-TW")}
    with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
        keys = ApiKeys(database)
        gateway = Gateway(
            permits=permits,
            keys=keys,
            duty=duty,
            documents=documents.get,
            links=DocumentLinks.of(home.keys),
            settings=settings,
        )
        gateway.serve(
            ServedRelease("clerk", RELEASE, agent, queue or EngineQueue(), "您正在與人工智慧對話。")
        )
        server = GatewayServer(gateway, port=0, drain_seconds=drain_seconds)
        ready = asyncio.Event()
        running = asyncio.create_task(server.run(on_ready=lambda _: ready.set()))
        await ready.wait()
        _, token = keys.create("test")
        headers = {"authorization": f"Bearer {token}"}
        try:
            async with aiohttp.ClientSession(headers=headers) as client:
                yield Desk(gateway, server, permits, keys, client, server.address.url, home)
        finally:
            server.stop()
            await running


def at_desk(work: Callable[[Desk], Awaitable[None]], home: Path, agent: PacedAgent, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            async with desk(Home(home), agent, **options) as place:
                await work(place)

    asyncio.run(main())


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any] | str]:
    async for line in response.content:
        if line.startswith(b"data: "):
            data = line[6:].decode().strip()
            yield data if data == "[DONE]" else json.loads(data)


async def until(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    deadline = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < deadline, "did not happen in time"
        await asyncio.sleep(0.005)


def test_a_plain_answer_carries_release_audit_notice_and_citations(tmp_path: Path) -> None:
    agent = PacedAgent()

    async def work(place: Desk) -> None:
        async with await place.ask(seed=7, temperature=0.9, unheard_of=1) as response:
            body = await response.json()
        assert response.status == 200
        assert response.headers["x-staffroom-release"] == RELEASE
        assert response.headers["x-staffroom-ai-generated"] == "true"
        assert response.headers["x-request-id"].startswith("req_")
        message = body["choices"][0]["message"]
        assert message["content"] == "規費三十元。"
        assert body["model"] == "clerk"
        assert body["usage"] == {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
        about = body["staffroom"]
        assert about["audit_id"] == response.headers["x-staffroom-audit"]
        assert (about["release"], about["outcome"], about["ai_generated"]) == (RELEASE, "answered", True)
        assert about["notice"] == "您正在與人工智慧對話。"
        assert about["ignored"] == ["temperature"]
        (cited,) = message["citations"]
        assert (cited["number"], cited["document"], cited["page"]) == (1, "規費.odt", 2)
        assert (cited["start"], cited["end"], cited["as_of"]) == (4, 13, "2026-01-01")
        assert agent.seeds == [7]

    at_desk(work, tmp_path, agent)


def test_a_citation_opens_at_its_place(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            url = (await response.json())["choices"][0]["message"]["citations"][0]["url"]
        assert url.startswith(place.url)
        assert url.endswith("#cited")
        async with aiohttp.ClientSession() as stranger:
            async with stranger.get(url, headers={"accept-language": "zh-TW,zh;q=0.9,en;q=0.5"}) as page:
                html = await page.text()
            assert page.status == 200
            assert '<mark id="cited" tabindex="-1">規費為&lt;b&gt;三十元</mark>' in html
            assert "<b>" not in html
            assert '<html lang="zh-TW">' in html
            assert "資料日期：2026-01-01" in html
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            async with stranger.get(url) as page:
                assert "Go to the cited passage" in await page.text()
            for spoiled in (
                url.replace("sig=", "sig=0"),
                url.split("&sig=")[0],
                url.replace(DOCUMENT, digest_bytes(b"another")),
            ):
                async with stranger.get(spoiled) as page:
                    assert page.status == 404
                    assert "三十元" not in await page.text()
            async with stranger.get(url.replace("start=4", "start=9999")) as page:
                assert page.status == 200
                assert "is not in this text" in await page.text()

    at_desk(work, tmp_path, PacedAgent())


def test_a_stream_ends_with_citations_usage_and_done(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        options = {"include_usage": True}
        async with await place.ask(stream=True, stream_options=options) as response:
            seen = [event async for event in events(response)]
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-staffroom-release"] == RELEASE
        assert seen.pop() == "[DONE]"
        chunks = [event for event in seen if isinstance(event, dict)]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] == 14
        assert all(chunk["usage"] is None for chunk in chunks[:-1])
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert chunks[0]["staffroom"]["ai_generated"] is True
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
        assert text == "規費三十元。"
        last = chunks[-2]
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["choices"][0]["delta"]["citations"][0]["document"] == "規費.odt"
        assert last["staffroom"]["outcome"] == "answered"

    at_desk(work, tmp_path, PacedAgent(pause=0.01))


@pytest.mark.parametrize(
    ("shown", "final", "expected"),
    [
        (("三十元。\n",), "三十元。 [1]", "三十元。\n [1]"),
        ((), "三十元。", "三十元。"),
        (("三十元。\n",), "三十元。", "三十元。\n"),
        (("三十元。",), "四十元。", None),
    ],
)
def test_what_was_shown_and_what_is_final_agree(
    tmp_path: Path, shown: tuple[str, ...], final: str, expected: str | None
) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            seen = [event async for event in events(response)]
        chunks = [event for event in seen if isinstance(event, dict)]
        if expected is None:
            assert chunks[-1]["error"]["code"] == "answer_changed"
            assert "[DONE]" not in seen
        else:
            text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
            assert text == expected
            assert seen[-1] == "[DONE]"

    at_desk(work, tmp_path, PacedAgent(pieces=shown, text=final))


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


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineLost("the child process of the model ended"), 502, "engine_lost"),
        (ContextExceeded("4,100 tokens of 4,096"), 400, "context_length_exceeded"),
        (WrongUse("ask in one language"), 400, "request_rejected"),
        (RuntimeError("secret detail"), 500, "internal_error"),
    ],
)
def test_a_failure_is_told_before_and_within_a_stream(
    tmp_path: Path, error: BaseException, status: int, code: str
) -> None:
    agent = PacedAgent(error=error, pieces=[])

    async def work(place: Desk) -> None:
        for stream in (False, True):
            async with await place.ask(stream=stream) as response:
                assert response.status == status
                told = (await response.json())["error"]
                assert told["code"] == code
                assert "secret" not in told["message"]
                assert "child process" not in told["message"]
        agent.pieces, agent.pause = ["規費"], 0.01
        async with await place.ask(stream=True) as response:
            assert response.status == 200
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == code
        assert str(error).split("\n")[0] in place.duty("texts")[-1]["problem"]

    at_desk(work, tmp_path, agent)


def test_the_clock_ends_an_answer(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            assert response.status == 504
            assert (await response.json())["error"]["code"] == "timeout"

    at_desk(work, tmp_path, PacedAgent(pause=30), settings=GatewaySettings(answer_seconds=0.1))


def test_a_waiting_stream_is_kept_open(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            raw = await response.text()
        assert ": the worker is busy\n\n" in raw
        assert raw.endswith("data: [DONE]\n\n")

    at_desk(work, tmp_path, PacedAgent(pause=0.2), settings=GatewaySettings(keep_alive_seconds=0.05))


def test_the_duty_record_commits_to_the_words_and_keeps_them_apart(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            audit = response.headers["x-staffroom-audit"]
        async with await place.ask(stream=True) as response:
            await response.read()
        first, second = place.duty()
        words, _ = place.duty("texts")
        assert first["audit_id"] == words["audit_id"] == audit
        assert (first["alias"], first["release"], first["outcome"]) == ("clerk", RELEASE, "answered")
        assert first["chunks"] == ["c1", "c2"]
        assert (first["tokens_in"], first["tokens_out"]) == (11, 3)
        assert second["first_text_seconds"] <= second["seconds"]
        for part in ("question", "answer"):
            assert first[part] == commitment(bytes.fromhex(words[f"{part}_salt"]), words[part])
        assert words["question"] == "規費多少？"
        assert words["answer"] == "規費三十元。"
        assert first["question"] != second["question"], "equal words, unequal commitments"
        for path in (place.home.private / "duty").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            if not path.name.endswith(".texts.jsonl"):
                assert "規費" not in path.read_text()

    at_desk(work, tmp_path, PacedAgent())


def test_an_answer_that_cannot_be_recorded_is_withheld(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        (place.home.private / "duty").write_text("a file where the folder should be")
        async with await place.ask() as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "not_recorded"
        async with await place.ask(stream=True) as response:
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == "not_recorded"

    at_desk(work, tmp_path, PacedAgent(pause=0.01))


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
            assert (response.status, (await response.json())["error"]["code"]) == (404, "unknown_url")
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
        assert 'staffroom_tokens_total{alias="clerk",kind="in"} 11' in text
        assert 'staffroom_refused_total{code="model_not_found"} 1' in text
        assert "staffroom_workers_running 1" in text

    at_desk(work, tmp_path, PacedAgent())


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
