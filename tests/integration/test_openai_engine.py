"""The driver for OpenAI-compatible servers, against a server on this machine that speaks HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from staffroom.engine import (
    Decoding,
    EngineError,
    EngineLost,
    EngineStartError,
    Generation,
    OpenAIEngine,
    Piece,
    Prompt,
)
from staffroom.records.agent import ChatTurn
from staffroom.records.errors import WrongUse


class Server:
    """Answers with the last message's text backwards; remembers what it was asked."""

    def __init__(self, *, logprobs: bool = True, breaks_off: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self._logprobs = logprobs
        self._breaks_off = breaks_off

    async def models(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer key":
            return web.json_response({"error": {"message": "no"}}, status=401)
        return web.json_response({"data": [{"id": "m"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        if body.get("logprobs") and not self._logprobs:
            return web.json_response({"error": {"message": "logprobs are not supported"}}, status=400)
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        text = str(body["messages"][-1]["content"])[::-1]
        if not body.get("stream"):
            choice: dict[str, Any] = {
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length",
            }
            if body.get("logprobs"):
                top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.5}]
                choice["logprobs"] = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": top}]}
            return web.json_response({"choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for letter in text:
                event = {"choices": [{"delta": {"content": letter}, "finish_reason": None}]}
                await response.write(f"data: {json.dumps(event)}\n\n".encode())
                await asyncio.sleep(0.5 if text == "wols" else 0)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        if not self._breaks_off:
            end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}
            await response.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())
        return response


def with_server(work: Callable[[OpenAIEngine, Server, str], Awaitable[None]], **options: bool) -> None:
    async def run() -> None:
        server = Server(**options)
        app = web.Application()
        app.router.add_get("/v1/models", server.models)
        app.router.add_post("/v1/chat/completions", server.chat)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        url = f"http://127.0.0.1:{port}/v1"
        engine = OpenAIEngine(url, "m", key="key", seconds=5)
        try:
            await engine.start()
            await work(engine, server, url)
        finally:
            await engine.close()
            await runner.cleanup()

    asyncio.run(run())


def test_turns_reach_the_server_as_turns() -> None:
    async def work(engine: OpenAIEngine, server: Server, url: str) -> None:
        text = await engine.render([ChatTurn("system", "S\x1f"), ChatTurn("user", "hi")])
        got = await engine.generate(Prompt(text[:9], text[9:]), Decoding(max_tokens=5, stop=("x",)))
        assert (got.text, got.tokens_in, got.tokens_out, got.finish) == ("ih", 7, 3, "stop")
        assert server.asked[-1]["messages"] == [
            {"role": "system", "content": "S\x1f"},
            {"role": "user", "content": "hi"},
        ]
        assert server.asked[-1]["temperature"] == 0.0
        values = [value async for value in engine.stream(Prompt(text, ""), Decoding())]
        assert [value.text for value in values if isinstance(value, Piece)] == ["i", "h"]
        assert isinstance(values[-1], Generation)
        assert engine.identity.model == f"endpoint:{url}#m"
        assert "key" not in json.dumps(engine.identity.as_json())

    with_server(work)


def test_probabilities_from_the_server_or_from_one_token() -> None:
    async def work(engine: OpenAIEngine, server: Server, url: str) -> None:
        text = await engine.render([ChatTurn("user", "B")])
        assert (await engine.next_token(Prompt(text, ""))).log_probabilities == {"A": -0.1, "B": -2.5}

    async def without(engine: OpenAIEngine, server: Server, url: str) -> None:
        text = await engine.render([ChatTurn("user", "BA")])
        assert (await engine.next_token(Prompt(text, ""))).log_probabilities == {"A": 0.0}
        await engine.next_token(Prompt(text, ""))
        assert sum("logprobs" in body for body in server.asked) == 1

    with_server(work)
    with_server(without, logprobs=False)


def test_cancelling_closes_the_request() -> None:
    async def work(engine: OpenAIEngine, server: Server, url: str) -> None:
        text = await engine.render([ChatTurn("user", "slow")])
        task = asyncio.create_task(engine.generate(Prompt(text, ""), Decoding()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 3)

    with_server(work)


def test_faults_are_named() -> None:
    async def work(engine: OpenAIEngine, server: Server, url: str) -> None:
        text = await engine.render([ChatTurn("user", "hi")])
        with pytest.raises(EngineLost, match="broke off"):
            await engine.generate(Prompt(text, ""), Decoding())
        with pytest.raises(EngineError, match="grammar"):
            await engine.generate(Prompt(text, ""), Decoding(grammar="root ::= x"))
        with pytest.raises(EngineStartError, match="does not serve `other`; it serves: m"):
            await OpenAIEngine(url, "other", key="key").start()
        with pytest.raises(EngineStartError, match="401"):
            await OpenAIEngine(url, "m").start()
        with pytest.raises(EngineStartError, match="was lost"):
            await OpenAIEngine("http://127.0.0.1:9/v1", "m").start()

    with_server(work, breaks_off=True)


def test_addresses_with_credentials_are_refused() -> None:
    for url in ("ftp://a/v1", "http://user:pass@host/v1", "host"):
        with pytest.raises(WrongUse, match="without credentials"):
            OpenAIEngine(url, "m")
