"""HTTP/1.1 to an engine, for the relay alone: POST and GET with kept connections, bodies as they come, back-pressure.

A general client spends several times what the rest of a request costs here (see design/pass-through.md). This one knows
no redirects, cookies, proxies or compression, and adds nothing to what it is given; parsing is llhttp's.
"""

import asyncio
import ssl
from collections import deque
from typing import cast
from urllib.parse import urlsplit

import httptools

from staffroom.engine.protocols import ServerAddress

__all__ = ["Answer", "ConnectFailed", "ConnectionLost", "Connections"]

_HIGH_BYTES = 256 << 10
_HEAD_BYTES = 64 << 10
_IDLE_MOST = 256


class ConnectionLost(Exception):
    """The connection ended before the answer did."""


class ConnectFailed(ConnectionLost):
    """No connection was made: nothing was asked."""


class Answer:
    """A response whose head is there; its body comes as it comes. `close` it."""

    __slots__ = ("_connection", "_done", "_error", "_pieces", "_size", "_waiter", "headers", "status")

    def __init__(self, connection: "_Connection") -> None:
        self._connection: _Connection | None = connection
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._done = False
        self._error: ConnectionLost | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def ended(self) -> bool:
        """Whether the whole body has come."""
        return self._done

    async def readany(self) -> bytes:
        """Return what has come, or the next that comes; empty at the end. Raises ConnectionLost."""
        while not self._pieces:
            if self._done:
                return b""
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._size > _HIGH_BYTES and self._connection is not None:
            self._connection.resume()
        self._size = 0
        return data

    async def read(self, most: int) -> bytes:
        """Return the whole body; raises ConnectionLost, also where it is larger than `most` bytes."""
        parts: list[bytes] = []
        size = 0
        while data := await self.readany():
            parts.append(data)
            size += len(data)
            if size > most:
                self.close()
                raise ConnectionLost("the answer is too large")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def unread(self) -> bytes:
        """Return what has come and was not read, without taking it."""
        return b"".join(self._pieces)

    def close(self) -> None:
        """Break off what is still coming; an answer that ended has given its connection back already."""
        connection, self._connection = self._connection, None
        if connection is not None and not self._done:
            connection.abort()

    def feed(self, data: bytes) -> bool:
        """Take a piece of the body; says whether the connection should pause."""
        self._pieces.append(data)
        self._size += len(data)
        self._wake()
        return self._size > _HIGH_BYTES

    def finish(self) -> None:
        """The body is whole."""
        self._done = True
        self._wake()

    def fail(self, error: ConnectionLost) -> None:
        """Nothing more will come."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, pool: "Connections") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: Answer | None = None
        self._head: asyncio.Future[Answer] | None = None
        self._head_bytes = 0
        self._until_close = False
        self._paused = False
        self.closed = False

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for the head of its response."""
        if self._transport is None:
            raise ConnectionLost("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer(self)
        self._head_bytes = 0
        self._until_close = True
        head: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._head = head
        self._transport.write(request)
        try:
            return await head
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Close at once; what was asked is not waited for."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came."""
        if self._parser is None:
            self.abort()  # nobody asked
            return
        if self._head is not None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._lose(ConnectionLost(f"the engine does not speak HTTP ({type(error).__name__})"))
        if self._head is not None and self._head_bytes > _HEAD_BYTES:
            self._lose(ConnectionLost("the head of the engine's answer has no end"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's: a header."""
        if self._answer is not None:
            key = name.decode("latin-1").lower()
            self._answer.headers[key] = value.decode("latin-1")
            if key in ("content-length", "transfer-encoding"):
                self._until_close = False

    def on_headers_complete(self) -> None:
        """The parser's: the head is whole."""
        if self._parser is None or self._answer is None or self._head is None:
            return
        self._answer.status = self._parser.get_status_code()
        if self._answer.status >= 200:
            head, self._head = self._head, None
            if not head.done():
                head.set_result(self._answer)

    def on_body(self, body: bytes) -> None:
        """The parser's: a piece of the body."""
        full = self._answer is not None and self._answer.feed(body)
        if full and not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The parser's: the response is whole."""
        answer, parser = self._answer, self._parser
        if answer is None or parser is None or answer.status < 200:
            return
        self._answer = self._parser = None
        answer.finish()
        self.resume()
        if parser.should_keep_alive() and not self._until_close and not self.closed:
            self._pool.keep(self)
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio's: it is gone."""
        self.closed = True
        self._transport = None
        self._pool.forget(self)
        answer = self._answer
        if answer is not None and answer.status >= 200 and self._until_close and error is None:
            self._answer = None
            answer.finish()  # a body without a length ends with its connection
        else:
            self._lose(ConnectionLost(f"the connection ended ({error or 'closed by the engine'})"))

    def _lose(self, error: ConnectionLost) -> None:
        answer, self._answer = self._answer, None
        head, self._head = self._head, None
        if answer is not None:
            answer.fail(error)
        if head is not None and not head.done():
            head.set_exception(error)
        if self._transport is not None:
            self._transport.abort()


class Connections:
    """Kept connections to one engine; it belongs to one event loop."""

    def __init__(self, at: ServerAddress, *, connect_seconds: float) -> None:
        parts = urlsplit(at.base)
        self._at = at
        self._seconds = connect_seconds
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" and not at.socket else None
        self._prefix = parts.path.rstrip("/")
        key = f"authorization: Bearer {at.key}\r\n" if at.key else ""
        self._fixed = f"host: {parts.netloc.rpartition('@')[2]}\r\n{key}content-type: application/json\r\n"
        if "\r" in at.key or "\n" in at.key or "\r" in at.base or "\n" in at.base:
            raise ConnectFailed("the engine's address or key holds a line break")
        self._idle: list[_Connection] = []
        self._heads: dict[tuple[str, str], bytes] = {}

    async def ask(self, method: str, path: str, body: bytes) -> Answer:
        """Send a request and return the answer once its head is there. Raises ConnectionLost, ConnectFailed."""
        head = self._heads.get((method, path))
        if head is None:
            head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._fixed}".encode()
            self._heads[method, path] = head
        request = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return await connection.ask(request)
        return await (await self._connect()).ask(request)

    def keep(self, connection: _Connection) -> None:
        """Take a connection back; called by the connection."""
        if len(self._idle) < _IDLE_MOST:
            self._idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: _Connection) -> None:
        """A connection is gone; called by the connection."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close the idle connections; those at work close when they are done."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                if self._at.socket:
                    _, made = await loop.create_unix_connection(lambda: _Connection(self), self._at.socket)
                else:
                    _, made = await loop.create_connection(
                        lambda: _Connection(self), self._host, self._port, ssl=self._tls
                    )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            raise ConnectFailed(f"{type(error).__name__}: {error}") from error
        return made
