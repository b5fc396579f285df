"""A running gateway for tests: real HTTP, SQLite and permits, before an agent whose pace the tests set."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from staffroom.engine.metering import meter_here
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Citation, Outcome
from staffroom.records.digests import digest_bytes
from staffroom.records.protocols import FeedbackSink, TextListener
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
    StopControl,
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
    counts: bool = False
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
            meter = meter_here() if self.counts else None
            if meter is not None:
                meter.begin()
            for number, piece in enumerate(self.pieces, 1):
                await asyncio.sleep(self.pause)
                if meter is not None:
                    meter.came_to(11, number)
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
        """The rows, or with `texts` the words beside them, the lines of one request put together."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted((self.home.private / "duty").glob("*.jsonl")):
            if path.name.endswith(".texts.jsonl") == bool(kind):
                for line in map(json.loads, path.read_text().splitlines()):
                    found.setdefault(line["audit_id"], {}).update(line)
        return list(found.values())


@asynccontextmanager
async def desk(
    home: Home,
    agent: PacedAgent,
    *,
    grant: bool = True,
    queue: EngineQueue | None = None,
    settings: GatewaySettings | None = None,
    drain_seconds: float = 5.0,
    feedback: FeedbackSink | None = None,
    control: StopControl | None = None,
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
            feedback=feedback,
            control=control,
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
