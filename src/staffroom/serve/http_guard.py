"""The connection's limits: how large a request's head may be, how long it may take, how long nobody may read.

uvicorn bounds the body's buffer and closes idle connections; a head that never ends, or comes a byte a minute, it would
take for ever, and it waits for ever for a client that takes nothing of its answer. Such a client is cut off, which looks
to the answer like one that left. Heads that come in one piece, as nearly all do, cost nothing here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["GuardedProtocol"]

_HEAD_BYTES = 64 << 10
_URL_BYTES = 8 << 10
_HEAD_SECONDS = 10.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a bounded head, and an end for clients that do not read."""

    def __init__(self, *args: Any, reader_seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reader_seconds = reader_seconds
        self._full: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head = self._fields = 0
        self._clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection its time for the first head."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head is whole."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _HEAD_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            elif self._clock is None:
                self._clock = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head, self._fields = True, 0, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        if len(self.url) > _URL_BYTES:
            raise ValueError("the address is too long")  # the parser answers 400

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header: many of them in one read are no less than many reads."""
        self._fields += len(name) + len(value)
        if self._fields > _HEAD_BYTES:
            raise ValueError("the head is too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """The buffers to the client are full."""
        super().pause_writing()
        if self._full is None:
            self._full = self.loop.call_later(self._reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        for clock in (self._clock, self._full):
            if clock is not None:
                clock.cancel()
        self._clock = self._full = None
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        self._clock = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()
