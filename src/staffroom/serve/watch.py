"""Asks of all answers under way, every 50 ms, whether they may go on: permit, deadline, signs of life.

A stop must not wait for the next piece of a slow engine, so nothing here waits for an engine, a client or a disk.
"""

import asyncio
import time
from typing import Protocol

from staffroom.serve.permit import Permits
from staffroom.serve.stops import StopReason

__all__ = ["AnswerWatch", "Watched"]

_WATCH_SECONDS = 0.05
_FRESH_SECONDS = 0.005


class Watched(Protocol):
    """An answer under way."""

    @property
    def alias(self) -> str:
        """Whose permit it needs."""
        ...

    @property
    def release(self) -> str:
        """What that permit must name."""
        ...

    def stop(self, reason: StopReason) -> None:
        """Break it off; the first reason stays."""
        ...

    def overdue(self, now: float) -> StopReason | None:
        """Return why it has lasted too long by `time.monotonic`, if it has."""
        ...


class AnswerWatch:
    """The answers under way, and what stops them; it belongs to one event loop."""

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._live: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None
        self._asked: dict[tuple[str, str], tuple[float, bool]] = {}

    @property
    def live(self) -> int:
        """Answers under way."""
        return len(self._live)

    def permitted(self, alias: str, release: str, *, fresh: bool = False) -> bool:
        """Say whether a release may run, by a look at its permit that is new, or else at most 5 ms old.

        For streams of many small pieces: a look costs two system calls, a piece may cost less.
        """
        now = time.monotonic()
        place = (alias, release)
        asked = None if fresh else self._asked.get(place)
        if asked is None or now - asked[0] > _FRESH_SECONDS:
            asked = self._asked[place] = (now, self._permits.check(alias, release))
        return asked[1]

    def add(self, answer: Watched) -> None:
        """Watch an answer until `remove`."""
        self._live.add(answer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())

    def remove(self, answer: Watched) -> None:
        """Watch it no more."""
        self._live.discard(answer)

    def stop_all(self, reason: StopReason) -> None:
        """Stop every answer under way."""
        for answer in list(self._live):
            answer.stop(reason)

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        # It stays once it has begun: to start a task for every lone request would cost more than the look does.
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if not self._live:
                self._asked.clear()
                continue
            now = time.monotonic()
            allowed: dict[tuple[str, str], bool] = {}
            for answer in list(self._live):
                place = (answer.alias, answer.release)
                if place not in allowed:
                    allowed[place] = self._permits.check(*place)
                if not allowed[place]:
                    answer.stop(StopReason.SUSPENDED)
                elif (reason := answer.overdue(now)) is not None:
                    answer.stop(reason)
