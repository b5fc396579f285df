"""The connection to one engine: requests with a retry before the first byte, and a breaker for an engine that fails.

A request is tried again only while nothing of an answer has come, once, and only while such second tries stay under a
tenth of all requests: an engine in trouble must not get twice the load. After `failures` in a row the breaker opens;
then requests are refused at once, and one at a time is let through to see whether the engine is back.

It must not know who asks, and it never chooses another engine.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from staffroom.engine.errors import EngineError
from staffroom.engine.protocols import ServerAddress
from staffroom.serve.plain.http1 import Answer, ConnectFailed, ConnectionLost, Connections
from staffroom.serve.wire import WireError

__all__ = ["AddressedEngine", "Breaker", "Upstream", "UpstreamLost"]

_CONNECT_SECONDS = 5.0
_RETRY_STATUS = frozenset([502, 503, 504])
_RETRY_SHARE = 0.1
_RETRY_MOST = 10.0
_FAILURES = 5
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class UpstreamLost(Exception):
    """The engine was not reached, or went away; the text says how.

    reached: whether the engine may have worked on the request.
    """

    def __init__(self, problem: str, *, reached: bool = True) -> None:
        super().__init__(problem)
        self.reached = reached


class AddressedEngine(Protocol):
    """What an upstream asks of whoever keeps the engine running."""

    async def address(self) -> ServerAddress:
        """Return where the engine listens now, starting it where it has ended; raises EngineError."""
        ...


class Breaker:
    """Open after failures in a row; then one request at a time may try, after a pause that doubles."""

    def __init__(self, *, failures: int = _FAILURES, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._clock = clock
        self._failures = 0
        self._opens_at = 0.0
        self._pause = _FIRST_PAUSE
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether requests are refused at present."""
        return self._failures >= self._limit

    def admit(self) -> float:
        """Return 0 where a request may go to the engine, else the seconds after which to ask again."""
        if self._failures < self._limit:
            return 0.0
        left = self._opens_at - self._clock()
        if left > 0 or self._trying:
            return max(left, _FIRST_PAUSE)
        self._trying = True
        return 0.0

    def worked(self) -> None:
        """The engine answered."""
        self._failures, self._pause, self._trying = 0, _FIRST_PAUSE, False

    def failed(self) -> None:
        """The engine was lost, stalled, or answered with an error of its own."""
        self._failures += 1
        self._trying = False
        if self._failures >= self._limit:
            self._opens_at = self._clock() + self._pause
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def left(self) -> None:
        """The request ended without a word about the engine (the client went away)."""
        self._trying = False


class Upstream:
    """One engine as the gateway sees it; `close` when done. It belongs to one event loop."""

    def __init__(self, engine: AddressedEngine, *, breaker: Breaker | None = None) -> None:
        self._engine = engine
        self._at: ServerAddress | None = None
        self._connections: Connections | None = None
        self._second_tries = _RETRY_MOST
        self.breaker = breaker or Breaker()

    async def post(self, path: str, body: bytes) -> Answer:
        """Send a request and return the answer once its head is there; the caller closes it.

        Raises WireError (503) while the breaker is open, UpstreamLost where the engine cannot be reached.
        """
        wait = self.breaker.admit()
        if wait:
            seconds = str(int(wait + 0.999)).encode()
            raise WireError(
                503,
                "the engine of this model is not answering; try again later",
                code="engine_unavailable",
                kind="server_error",
                headers=((b"retry-after", seconds),),
            )
        self._second_tries = min(_RETRY_MOST, self._second_tries + _RETRY_SHARE)
        response = lost = None
        try:
            response = await self._send(path, body)
        except UpstreamLost as error:
            lost = error
        if response is not None and response.status not in _RETRY_STATUS:
            return response
        if self._second_tries >= 1:
            self._second_tries -= 1
            if response is not None:
                response.close()
            await asyncio.sleep(random.uniform(0.01, 0.05))
            return await self._send(path, body)
        if response is None:
            raise lost or UpstreamLost("the engine was not reached", reached=False)
        return response

    async def close(self) -> None:
        """Close all connections; idempotent."""
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()

    async def _send(self, path: str, body: bytes) -> Answer:
        try:
            at = await self._engine.address()
        except EngineError as error:
            raise UpstreamLost(str(error), reached=False) from error
        try:
            if self._connections is None or at != self._at:
                await self.close()
                self._at, self._connections = at, Connections(at, connect_seconds=_CONNECT_SECONDS)
            return await self._connections.ask("POST", path, body)
        except ConnectionLost as error:
            raise UpstreamLost(str(error), reached=not isinstance(error, ConnectFailed)) from error
