"""The connection to one engine: requests with a retry before the first byte, and a breaker for an engine that fails.

A request is tried again only while nothing of an answer has come, once, and only while such second tries stay under a
tenth of all requests: an engine in trouble must not get twice the load. After `failures` in a row the breaker opens;
then requests are refused at once, and one at a time is let through to see whether the engine is back.

It must not know who asks, and it never chooses another engine.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import aiohttp
from yarl import URL

from staffroom.engine.errors import EngineError
from staffroom.engine.protocols import ServerAddress
from staffroom.serve.wire import WireError

__all__ = ["AddressedEngine", "Breaker", "Upstream", "UpstreamLost"]

_CONNECT_SECONDS = 5.0
_RETRY_STATUS = frozenset([502, 503, 504])
_RETRY_SHARE = 0.1
_RETRY_MOST = 10.0
_FAILURES = 5
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_NO_BODY_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)


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
        self._target: ServerAddress | None = None
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}
        self._headers: Mapping[str, str] = {}
        self._second_tries = _RETRY_MOST
        self.breaker = breaker or Breaker()

    async def post(
        self, path: str, body: bytes, extra: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response once its headers are there.

        The caller closes it. Raises WireError (503) while the breaker is open, UpstreamLost where the engine
        cannot be reached.
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
            response = await self._send(path, body, extra)
        except UpstreamLost as error:
            lost = error
        if response is not None and response.status not in _RETRY_STATUS:
            return response
        if self._second_tries >= 1:
            self._second_tries -= 1
            if response is not None:
                response.close()
            await asyncio.sleep(random.uniform(0.01, 0.05))
            return await self._send(path, body, extra)
        if response is None:
            raise lost or UpstreamLost("the engine was not reached", reached=False)
        return response

    async def get(self, path: str) -> int:
        """Return the status of a GET, for health; raises UpstreamLost."""
        session = await self._connected()
        try:
            async with session.get(self._url(path), headers=self._headers, allow_redirects=False) as response:
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamLost(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close all connections; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, path: str, body: bytes, extra: Mapping[str, str] | None) -> aiohttp.ClientResponse:
        session = await self._connected()
        headers = self._headers if extra is None else {**self._headers, **extra}
        try:
            return await session.post(self._url(path), data=body, headers=headers, allow_redirects=False)
        except aiohttp.ClientConnectorError as error:
            raise UpstreamLost(f"{type(error).__name__}: {error}", reached=False) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamLost(f"{type(error).__name__}: {error}") from error

    def _url(self, path: str) -> URL:
        return self._urls[path]

    async def _connected(self) -> aiohttp.ClientSession:
        try:
            target = await self._engine.address()
        except EngineError as error:
            raise UpstreamLost(str(error), reached=False) from error
        if self._session is None or target != self._target:
            await self.close()
            self._target = target
            base = URL(target.base)
            self._urls = _Urls(base)
            self._headers = {"Content-Type": "application/json"}
            if target.key:
                self._headers = {**self._headers, "Authorization": f"Bearer {target.key}"}
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(path=str(Path(target.socket)), limit=0)
                if target.socket
                else aiohttp.TCPConnector(limit=0, ttl_dns_cache=60)
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=_NO_BODY_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            )
        return self._session


class _Urls(dict[str, URL]):
    """Addresses of the engine's routes, each made once."""

    def __init__(self, base: URL) -> None:
        super().__init__()
        self._base = base

    def __missing__(self, path: str) -> URL:
        made = self[path] = URL(f"{self._base}{path}", encoded=True)
        return made
