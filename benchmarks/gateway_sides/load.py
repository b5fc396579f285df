"""Clients for the benchmark: so many connections that ask one request after the other and count what comes back.

    python load.py '{"port": 8000, "socket": "", "key": "...", "model": "plain", "requests": 1000, "clients": 16,
                     "stream": false, "prompt": "...", "max_tokens": 40, "extra": {}}'

Prints one JSON line: answers, failures, seconds, first pieces' times, events.
"""

import asyncio
import json
import sys
import time
from typing import Any

import httptools
import uvloop


class Client(asyncio.Protocol):
    """One connection; asks until the common count is used up."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.parser: Any = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked = 0.0
        self.first = 0.0
        self.tail = b""
        self.events = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.run.failures += 1
            self.done.set_result(None)

    def ask(self) -> None:
        if not self.run.left:
            if not self.done.done():
                self.done.set_result(None)
            self.transport.close()
            return
        self.run.left -= 1
        self.parser = httptools.HttpResponseParser(self)
        self.asked, self.first, self.events, self.tail = time.perf_counter(), 0.0, 0, b""
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self.first:
            self.first = time.perf_counter() - self.asked
        self.events += body.count(b"data: ")
        self.tail = (self.tail + body)[-600:]

    def on_message_complete(self) -> None:
        run = self.run
        well = self.parser.get_status_code() == 200
        if run.stream:
            well = well and self.tail.rstrip().endswith(b"data: [DONE]")
        if well:
            run.answers += 1
            run.events += self.events
            run.firsts.append(self.first)
            run.times.append(time.perf_counter() - self.asked)
        else:
            run.failures += 1
            run.problem = self.tail.decode("utf-8", "replace")
        if self.parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self.ask)
        elif not self.done.done():
            self.done.set_result(None)


class Run:
    """What all clients share."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.left = int(order["requests"])
        self.stream = bool(order["stream"])
        self.answers = self.failures = self.events = 0
        self.firsts: list[float] = []
        self.times: list[float] = []
        self.problem = ""
        messages = [{"role": "user", "content": order["prompt"]}]
        body = {
            "model": order["model"],
            "messages": messages,
            "max_tokens": order["max_tokens"],
            **order["extra"],
        }
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        data = json.dumps(body).encode()
        self.request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {order['key']}\r\n"
            f"content-type: application/json\r\naccept: */*\r\ncontent-length: {len(data)}\r\n\r\n"
        ).encode() + data


async def main(order: dict[str, Any]) -> None:
    """Ask, and print what came."""
    loop, run = asyncio.get_running_loop(), Run(order)
    started = time.perf_counter()
    waiting = []
    for _ in range(int(order["clients"])):
        client = Client(run)
        if order["socket"]:
            await loop.create_unix_connection(lambda client=client: client, order["socket"])
        else:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", int(order["port"]))
        waiting.append(client.done)
    await asyncio.gather(*waiting)
    seconds = time.perf_counter() - started
    names = ("answers", "failures", "events", "firsts", "times", "problem")
    print(json.dumps({"seconds": seconds, **{name: getattr(run, name) for name in names}}))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(sys.argv[1])))
