"""Kept answers end with the permit, also in the middle of being given out again."""

import asyncio
from typing import Any

import pytest

from staffroom.serve.once import Once
from staffroom.serve.wire import WireError

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"req_1")]}
PIECES = [b"data: {}\n\n", b"data: {}\n\n", b"data: [DONE]\n\n"]


def parts(*bodies: bytes) -> list[dict[str, Any]]:
    more = [{"type": "http.response.body", "body": body, "more_body": True} for body in bodies[:-1]]
    return [dict(START), *more, {"type": "http.response.body", "body": bodies[-1]}]


async def keep(once: Once, messages: list[dict[str, Any]]) -> None:
    async def drop(message: Any) -> None:
        pass

    async with once.answer("key", "k1", "/v1", b"{}", "r1", drop, lambda: True) as send:
        assert send is not None
        for message in messages:
            await send(message)


async def again(once: Once, stop_after: int) -> list[dict[str, Any]]:
    """Ask for the kept answer, whose permit goes after so many messages."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with once.answer("key", "k1", "/v1", b"{}", "r1", send, lambda: len(sent) < stop_after) as first:
        assert first is None
    return sent


def test_a_kept_stream_ends_where_the_permit_goes() -> None:
    once = Once()
    asyncio.run(keep(once, parts(*PIECES)))
    assert [each.get("body") for each in asyncio.run(again(once, 9))][1:] == PIECES
    for stop_after in (1, 2, 3):
        sent = asyncio.run(again(once, stop_after))
        assert len(sent) == stop_after + 1
        assert b'"code":"worker_suspended"' in sent[-1]["body"] and b"req_1" in sent[-1]["body"]
        assert not sent[-1].get("more_body")


def test_nothing_of_a_kept_answer_is_sent_after_a_stop() -> None:
    once = Once()
    asyncio.run(keep(once, parts(b"{}")))
    with pytest.raises(WireError) as refused:
        asyncio.run(again(once, 0))
    assert refused.value.status == 503 and refused.value.code == "worker_suspended"
    assert len(asyncio.run(again(once, 1))) == 2, "a whole body leaves with its head"
