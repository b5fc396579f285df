"""Keep answers while the next item is asked: the engine need not wait for the disk.

Answers reach the sink in their order, on a thread. A write begins as soon as an answer is handed over, or when the one before
it has ended; what came meanwhile is written together. So a process that is killed loses at most what one write
holds, and never more than `MOST_WAITING` answers; they are asked again.
It does not know what is asked.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Response
from staffroom.records.protocols import ResponseSink

__all__ = ["MOST_WAITING", "BatchSink", "Keeper"]

MOST_WAITING = 8


@runtime_checkable
class BatchSink(Protocol):
    """A sink that can store several answers at the price of one: all of them, or none."""

    def put_many(self, rows: Sequence[tuple[str, Response]]) -> None:
        """Store responses durably, each with its item's digest."""
        ...


class Keeper:
    """Hands answers to a sink; what the sink raises comes out of the next call of `keep`, or of `flush`."""

    def __init__(self, sink: ResponseSink) -> None:
        self._sink = sink
        self._waiting: list[tuple[str, Response]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, item_digest: str, response: Response) -> None:
        """Hand over an answer; returns at once, unless too many wait."""
        self._waiting.append((item_digest, response))
        if self._writing is not None and (self._writing.done() or len(self._waiting) >= MOST_WAITING):
            await self._written()
        if self._writing is None and self._waiting:
            self._writing = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Return when everything handed over is stored."""
        while self._writing is not None or self._waiting:
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())
            await self._written()

    async def _written(self) -> None:
        writing, failed = self._writing, True
        if writing is None:
            return
        try:
            await asyncio.shield(writing)
            failed = False
        finally:
            if writing.done():
                self._writing = None
                if failed:
                    self._waiting.clear()  # what cannot be stored is not tried again behind the error

    async def _write(self) -> None:
        while self._waiting:
            rows, self._waiting = self._waiting, []
            await asyncio.to_thread(self._put, rows)

    def _put(self, rows: Sequence[tuple[str, Response]]) -> None:
        if len(rows) > 1 and isinstance(self._sink, BatchSink):
            try:
                self._sink.put_many(rows)
                return
            except StaffroomError:
                pass  # one of them is refused; those before it are stored one by one, and it says why
        for item_digest, response in rows:
            self._sink.put(item_digest, response)
