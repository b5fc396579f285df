"""An engine that knows how many tokens it wrote for each request, so that a ledger can be held against it.

    python engine.py PORT PAUSE_MS

It answers `/v1/chat/completions` plainly or as a stream and tells of tokens in each event, as llama.cpp does. The last message is
the request's name, by which `/counts` tells what was written for it, and whether its end was. A stream counts what it handed to its
connection.
"""

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

TOKENS = 60


class Engine:
    """The counts by request."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.counts: dict[str, dict[str, Any]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Write what was asked for."""
        body = await request.json()
        name = body["messages"][-1]["content"]
        count = self.counts[name] = {"read": 5, "written": 0, "ended": False}
        head = {"id": "x", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            await asyncio.sleep(self.pause * TOKENS / 8)
            count["written"] = TOKENS
            message = {"role": "assistant", "content": "wort " * TOKENS}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": TOKENS, "total_tokens": TOKENS + 5}
            count["ended"] = True
            return web.json_response(
                {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            )
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        head["object"] = "chat.completion.chunk"
        for number in range(1, TOKENS + 1):
            await asyncio.sleep(self.pause)
            if request.transport is None or request.transport.is_closing():
                return response
            count["written"] = number
            delta = {"index": 0, "delta": {"content": f" word {number:012d}"}, "finish_reason": None}
            timings = {"cache_n": 0, "prompt_n": 5, "predicted_n": number}
            await self._event(response, {**head, "choices": [delta], "timings": timings})
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await self._event(response, {**head, "choices": [last]})
        usage = {"prompt_tokens": 5, "completion_tokens": TOKENS, "total_tokens": TOKENS + 5}
        await self._event(response, {**head, "choices": [], "usage": usage})
        count["ended"] = True
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _event(self, response: web.StreamResponse, event: dict[str, Any]) -> None:
        await response.write(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")

    async def tell(self, _: web.Request) -> web.Response:
        """Tell the counts."""
        return web.json_response(self.counts)


async def main(port: int, pause_ms: float) -> None:
    """Serve for ever."""
    engine = Engine(pause_ms / 1000)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", engine.answer)
    app.router.add_get("/counts", engine.tell)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
