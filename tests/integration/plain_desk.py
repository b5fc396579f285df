"""A running gateway before a plain model, whose engine is a small server that does as the request's text says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from staffroom.engine.protocols import ServerAddress
from staffroom.records.budgets import Cap
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.plain_model import PlainModel
from staffroom.serve import (
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    GatewaySettings,
    Permits,
    StopControl,
)
from staffroom.serve.budgets import Budgets
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain import AddressedEngine, Breaker, ServedPlain, Upstream
from staffroom.store import ApiKeys, Database, Home, SpendBook

ASK = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
NUMBER_PIECES = ("申請人🙂", "，A1", "2345", "67", "89", "。", "再見")
PIECES = ("Hel", "lo ", '"you"', "。\n", "bye")


def plain_model(**changes: Any) -> PlainModel:
    values: dict[str, Any] = {
        "alias": "plain",
        "source": "endpoint:http://127.0.0.1/v1#weights-7b",
        "sponsor": "commitment",
        "engine": "openai",
        "endpoints": ("chat", "completions", "embeddings", "responses"),
        "images": False,
        "context": 4096,
        "max_output": 512,
        "slots": 8,
        "waiting": 8,
        "currency": "TWD",
        "price_read": "10",
        "price_written": "30",
    }
    return PlainModel(**{**values, **changes})


@dataclass
class MockEngine:
    """Answers `/v1/...`; the last user text may be `slow`, `die`, `stall`, `error`, `partial`, or a status such as `503`."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    sent: int = 0
    tries: int = 0
    fails_first: int = 0
    url: str = ""
    runner: web.AppRunner | None = None

    async def address(self) -> ServerAddress:
        return ServerAddress(self.url, key="engine-key")

    async def start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/{what:.*}", self._answer)
        self.runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.tries += 1
        if self.fails_first:
            self.fails_first -= 1
            return web.json_response({"error": {"message": "loading"}}, status=503)
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        try:
            return await self._work(request, request.match_info["what"], body)
        except (asyncio.CancelledError, ConnectionError):
            self.closed.append(time.perf_counter())
            raise

    async def _work(self, request: web.Request, what: str, body: dict[str, Any]) -> web.StreamResponse:
        wish = _wish(what, body)
        if wish in ("302", "401", "422", "429", "500", "503"):
            error = {"message": f"the engine says {wish}", "type": "invalid_request_error", "code": "odd"}
            return web.json_response({"error": error}, status=int(wish), headers={"retry-after": "7"})
        if what == "embeddings":
            row = {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}
            usage = {"prompt_tokens": 3, "total_tokens": 3}
            return web.json_response(
                {"object": "list", "data": [row], "model": body["model"], "usage": usage}
            )
        if what == "responses":
            return await self._responses(request, body)
        if not body.get("stream"):
            if wish == "slow":
                await asyncio.sleep(20)
            return web.json_response(_plain_answer(what, body, wish))
        return await self._stream(request, what, body, wish)

    async def _stream(
        self, request: web.Request, what: str, body: dict[str, Any], wish: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        pieces = _pieces(wish)
        for written, piece in enumerate(pieces, 1):
            event = _chunk(what, body, piece)
            if body.get("timings_per_token"):
                event["timings"] = {"cache_n": 2, "prompt_n": 5, "predicted_n": written}
            data = b"data: " + json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
            if wish.startswith("split"):
                for byte in data:
                    await response.write(bytes([byte]))
                    await asyncio.sleep(0)
            else:
                await response.write(data)
            self.sent += 1
            if wish == "slow":
                await asyncio.sleep(0.005)
            if wish == "stall":
                await asyncio.sleep(30)
            if wish in ("die", "partial") and written == 2:
                if wish == "partial":
                    await response.write(b'data: {"id":"x","cho')
                assert request.transport is not None
                await asyncio.sleep(0.01)
                request.transport.abort()
                return response
            if wish == "error" and written == 2:
                await response.write(b'data: {"error":{"message":"out of memory","code":500}}\n\n')
                return response
        last = {**_chunk(what, body, None), "usage": None}
        if wish == "say tool":
            last["choices"][0]["finish_reason"] = "tool_calls"
        await response.write(b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n")
        if (body.get("stream_options") or {}).get("include_usage") and wish != "nousage":
            head = {name: last[name] for name in ("id", "object", "created", "model")}
            usage = {**head, "choices": [], "usage": USAGE}
            await response.write(b"data: " + json.dumps(usage, separators=(",", ":")).encode() + b"\n\n")
        if wish != "noend":
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _responses(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        pieces = NUMBER_PIECES if _wish("responses", body) == "number" else ("Hel", "lo")
        part = {"type": "output_text", "text": "".join(pieces), "annotations": []}
        item = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        whole = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": body["model"],
            "output": [item],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 7,
                "output_tokens": 5,
                "total_tokens": 12,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }
        if not body.get("stream"):
            return web.json_response(whole)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
        for piece in pieces:
            events.append(
                {
                    "type": "response.output_text.delta",
                    "item_id": "msg_1",
                    "output_index": 0,
                    "content_index": 0,
                    "delta": piece,
                    "logprobs": [],
                }
            )
        events.append({"type": "response.completed", "response": whole})
        for number, event in enumerate(events):
            data = json.dumps({**event, "sequence_number": number}, separators=(",", ":"))
            await response.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
        return response


def _pieces(wish: str) -> Sequence[str]:
    if wish.endswith("number"):
        return NUMBER_PIECES
    if wish == "topic":
        return ("這裡是區公", "所，要投", "票給", "誰呢？", "再見")
    if wish == "slow":
        return ("字",) * 5000
    if wish == "flood":
        return ("x" * 1000,) * 20_000
    return (wish,) if wish.startswith("say ") else PIECES


def _wish(what: str, body: dict[str, Any]) -> str:
    if what == "chat/completions":
        content = body["messages"][-1].get("content")
        return content if isinstance(content, str) else ""
    return str(body.get("prompt", body.get("input", "")))


def _plain_answer(what: str, body: dict[str, Any], wish: str) -> dict[str, Any]:
    choices = []
    for index in range(body.get("n", 1)):
        if what == "completions":
            choices.append({"index": index, "text": "Hello", "finish_reason": "stop", "logprobs": None})
            continue
        message: dict[str, Any] = {
            "role": "assistant",
            "content": wish if wish.startswith("say ") else "Hello",
        }
        if body.get("tools"):
            called = {"name": body["tools"][0]["function"]["name"], "arguments": '{"x":1}'}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": called}],
            }
        choices.append({"index": index, "message": message, "finish_reason": "stop", "logprobs": None})
    answer = {
        "id": "x1",
        "object": "chat.completion" if what != "completions" else "text_completion",
        "created": 1,
        "model": body["model"],
        "choices": choices,
        "usage": USAGE,
    }
    if wish == "nousage":
        del answer["usage"]
    return answer


def _chunk(what: str, body: dict[str, Any], piece: str | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": None if piece is not None else "stop"}
    if what == "completions":
        choice |= {"text": piece or "", "logprobs": None}
    elif body.get("tools") and piece is not None:
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": piece}}
        choice["delta"] = {"tool_calls": [call]}
    else:
        choice["delta"] = {"content": piece} if piece is not None else {}
    kind = "text_completion" if what == "completions" else "chat.completion.chunk"
    return {"id": "x1", "object": kind, "created": 1, "model": body["model"], "choices": [choice]}


@dataclass
class PlainPlace:
    """A running gateway, its engine, a client, and a key."""

    gateway: Gateway
    server: GatewayServer
    permits: Permits
    keys: ApiKeys
    key: str
    token: str
    client: aiohttp.ClientSession
    engine: MockEngine
    served: ServedPlain
    budgets: Budgets
    home: Home

    @property
    def url(self) -> str:
        return self.server.address.url

    async def ask(
        self, text: str = "hello", path: str = "/v1/chat/completions", **body: Any
    ) -> aiohttp.ClientResponse:
        messages = [{"role": "user", "content": text}]
        return await self.client.post(self.url + path, json={"model": "plain", "messages": messages, **body})

    def duty(self, kind: str = "") -> list[dict[str, Any]]:
        """The rows, or with `texts` the words beside them, the lines of one request put together."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted((self.home.private / "duty").glob("*.jsonl")):
            if path.name.endswith(".texts.jsonl") == bool(kind):
                for line in map(json.loads, path.read_text().splitlines()):
                    found.setdefault(line["audit_id"], {}).update(line)
        return list(found.values())


@asynccontextmanager
async def plain_place(
    path: Path,
    *,
    model: PlainModel | None = None,
    guardrails: GuardrailPlan | None = None,
    settings: GatewaySettings | None = None,
    caps: Callable[[], list[Cap]] = list,
    breaker: Breaker | None = None,
    drain_seconds: float = 2.0,
    real: AddressedEngine | None = None,
    control: StopControl | None = None,
) -> AsyncIterator[PlainPlace]:
    """real: an engine to ask instead of the mock."""
    home, model, engine = Home(path).ensure(), model or plain_model(), MockEngine()
    permits = Permits(home.permits)
    permits.grant(model.alias, model.digest)
    await engine.start()
    upstream = Upstream(real or engine, breaker=breaker)
    queue = EngineQueue(slots=model.slots, waiting=model.waiting)
    guard = None if guardrails is None else TextGuard(guardrails)
    served = ServedPlain(model, model.digest, upstream, "weights-7b", queue, "Lin", guard)
    with (
        Database(home.database) as database,
        DutyLog(home.private / "duty") as duty,
        SpendBook(home.private / "spend.db") as book,
    ):
        keys, budgets = ApiKeys(database), Budgets(book)
        gateway = Gateway(
            permits=permits,
            keys=keys,
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
            settings=settings,
            budgets=budgets,
            caps=caps,
            control=control,
        )
        gateway.serve(served)
        server = GatewayServer(gateway, port=0, drain_seconds=drain_seconds)
        ready = asyncio.Event()
        running = asyncio.create_task(server.run(on_ready=lambda _: ready.set()))
        await ready.wait()
        key, token = keys.create("test")
        try:
            async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as client:
                yield PlainPlace(
                    gateway, server, permits, keys, key.id, token, client, engine, served, budgets, home
                )
        finally:
            server.stop()
            await running
            await upstream.close()
            await budgets.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(engine.stop(), 5)


def at_plain_place(work: Callable[[PlainPlace], Awaitable[None]], path: Path, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), plain_place(path, **options) as place:
            await work(place)

    asyncio.run(main())
