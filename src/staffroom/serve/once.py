"""`Idempotency-Key`: the same request again gets the same answer, and is answered once.

A key belongs to the API key that sent it, and to one body. Kept for a day, in memory and within a bound: a gateway
that was restarted answers again. Only answers that came to a good end are kept.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Send

from staffroom.serve.stops import StopReason, stop_error
from staffroom.serve.wire import WireError, error_event

__all__ = ["Once"]

_SECONDS = 86_400.0
_BYTES = 64 << 20
_ONE = 4 << 20
_NAME_MOST = 255
_REPLAYED = (b"x-staffroom-replayed", b"true")


@dataclass(slots=True)
class _Kept:
    """One request: what it asked, and its answer once that is whole."""

    digest: bytes
    began: float
    release: str
    messages: list[Message] = field(default_factory=list)
    size: int = 0
    whole: bool = False


class Once:
    """The answers of the last day that may be asked for again; it belongs to one event loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most_bytes: int = _BYTES) -> None:
        self._clock = clock
        self._most = most_bytes
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._size = 0

    @asynccontextmanager
    async def answer(
        self,
        owner: str,
        name: str,
        path: str,
        body: bytes,
        release: str,
        send: Send,
        permitted: Callable[[], bool],
    ) -> AsyncIterator[Send | None]:
        """Give the `send` to answer with, or None where the kept answer has been sent already.

        permitted: asked before each piece of a kept answer, which a stop ends like any other.
        Raises WireError: 409 while the first one is under way, 400 where the key was used for another body,
        503 where the worker was stopped before anything of a kept answer was sent.
        """
        if len(name) > _NAME_MOST:
            raise WireError(400, "the Idempotency-Key is too long", code="invalid_value")
        self._forget_old()
        place = (owner, name)
        digest = hashlib.sha256(path.encode() + b"\n" + body).digest()
        found = self._kept.get(place)
        if found is not None:
            self._require_same(found, digest)
            if found.release == release:
                await _send_again(found.messages, send, permitted)
                yield None
                return
            self._drop(place)  # another release answers now: what the old one said is not its answer
        entry = self._kept[place] = _Kept(digest, self._clock(), release)

        async def recorded(message: Message) -> None:
            self._record(entry, message)
            await send(message)

        try:
            yield recorded
        finally:
            if entry.whole:
                self._size += entry.size
                self._shrink()
            elif self._kept.get(place) is entry:
                del self._kept[place]

    def _require_same(self, found: _Kept, digest: bytes) -> None:
        if found.digest != digest:
            raise WireError(
                400,
                "this Idempotency-Key was used for another request",
                code="idempotency_key_reused",
                headers=((b"x-should-retry", b"false"),),
            )
        if not found.whole:
            raise WireError(
                409,
                "the request with this Idempotency-Key is under way",
                code="idempotency_in_progress",
                headers=((b"retry-after", b"1"), (b"retry-after-ms", b"1000")),
            )

    def _record(self, entry: _Kept, message: Message) -> None:
        if entry.size > _ONE:
            return
        body = message.get("body", b"")
        entry.messages.append(message)
        entry.size += len(body) + 200
        well = entry.messages[0].get("status") == 200 and not body.startswith(b'data: {"error"')
        entry.whole = (
            well and entry.size <= _ONE and "body" in message and not message.get("more_body", False)
        )

    def _forget_old(self) -> None:
        limit = self._clock() - _SECONDS
        for place, entry in list(self._kept.items()):
            if entry.began > limit:
                break
            if entry.whole:
                self._drop(place)

    def _shrink(self) -> None:
        for place, entry in list(self._kept.items()):
            if self._size <= self._most:
                break
            if entry.whole:
                self._drop(place)

    def _drop(self, place: tuple[str, str]) -> None:
        entry = self._kept.pop(place)
        self._size -= entry.size if entry.whole else 0


async def _send_again(messages: list[Message], send: Send, permitted: Callable[[], bool]) -> None:
    """Send a kept answer; a stream ends with its error event where the worker is stopped within it."""
    for place, message in enumerate(messages):
        # A body that is not a stream leaves with its head: there is nothing to end it with.
        if (place == 0 or len(messages) > 2) and not permitted():
            error = stop_error(StopReason.SUSPENDED)
            if place == 0:
                raise error
            await send({"type": "http.response.body", "body": error_event(error, _request_id(messages[0]))})
            return
        await send(_marked(message))


def _request_id(start: Message) -> str:
    return next((value.decode() for name, value in start["headers"] if name == b"x-request-id"), "")


def _marked(message: Message) -> dict[str, Any]:
    if message["type"] != "http.response.start":
        return dict(message)
    return {**message, "headers": [*message["headers"], _REPLAYED]}
