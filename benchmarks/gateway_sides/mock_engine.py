"""A stand-in for an engine: answers at once, or streams chunks that differ, at a pace; as cheap as Python can be.

    python mock_engine.py PORT CHUNKS PAUSE_MS

LiteLLM breaks a stream off whose chunks repeat, so each chunk says another word.
"""

import asyncio
import json
import sys
from typing import Any

import httptools
import uvloop

_WORDS = (
    "rain",
    "north",
    "seven",
    "paper",
    "lamp",
    "river",
    "quiet",
    "stone",
    "early",
    "green",
    "letter",
    "open",
)
_USAGE = b'"usage":{"prompt_tokens":160,"completion_tokens":40,"total_tokens":200}'
_HEAD = b'{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"weights-7b",'
_MODELS = b'{"object":"list","data":[{"id":"weights-7b","object":"model","created":1,"owned_by":"mock"}]}'


class Engine(asyncio.Protocol):
    """One connection."""

    def __init__(self, chunks: int, pause: float) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()
        self.chunks, self.pause = chunks, pause
        self.url = b""
        self.body = b""
        self.count = 0
        self.gone = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.url.startswith(b"/v1/chat"):
            self.answer(_MODELS)
        elif json.loads(self.body).get("stream"):
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            self.loop.call_later(self.pause, self.chunk, 0)
        else:
            self.count += 1
            words = " ".join(_WORDS[(self.count * 7 + place) % len(_WORDS)] for place in range(40))
            self.answer(
                b'{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"weights-7b",'
                b'"choices":[{"index":0,"message":{"role":"assistant","content":"'
                + words.encode()
                + b'"},"finish_reason":"stop"}],'
                + _USAGE
                + b"}"
            )

    def answer(self, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def chunk(self, number: int) -> None:
        if self.gone:
            return
        if number < self.chunks:
            word = f" {_WORDS[(number * 5 + number // 12) % len(_WORDS)]} {number}"
            self.event(
                _HEAD
                + b'"choices":[{"index":0,"delta":{"content":"'
                + word.encode()
                + b'"},"logprobs":null,"finish_reason":null}]}'
            )
            self.loop.call_later(self.pause, self.chunk, number + 1)
            return
        self.event(_HEAD + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
        self.event(_HEAD + b'"choices":[],' + _USAGE + b"}")
        self.transport.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def event(self, event: bytes) -> None:
        data = b"data: " + event + b"\n\n"
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))


async def main(port: int, chunks: int, pause_ms: float) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Engine(chunks, pause_ms / 1000), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
