"""A bounded queue before an engine: so many answers at a time, so many waiting, and the rest told when.

Workers that share an engine share its queue. First come, first served.
"""

import asyncio
import math
import time
from collections import deque

__all__ = ["EngineQueue", "QueueFull", "Ticket"]

_FIRST_GUESS_SECONDS = 5.0
_NEWEST_WEIGHT = 0.2


class QueueFull(Exception):
    """Nobody more may wait; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the queue is full")
        self.retry_after = retry_after


class EngineQueue:
    """`slots` answers at a time (1 unless the engine has more), at most `waiting` requests behind them.

    It belongs to one event loop.
    """

    def __init__(self, *, slots: int = 1, waiting: int = 16) -> None:
        self.slots = slots
        self.limit = waiting
        self._free = slots
        self._waiting: deque[Ticket] = deque()
        self._mean_seconds = _FIRST_GUESS_SECONDS

    @property
    def active(self) -> int:
        """Answers under way."""
        return self.slots - self._free

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._waiting)

    def admit(self) -> "Ticket":
        """Take a place now; the caller must `leave` whatever happens. Raises QueueFull."""
        ticket = Ticket(self)
        if self._free and not self._waiting:
            self._free -= 1
            ticket.begin()
        elif len(self._waiting) >= self.limit:
            raise QueueFull(max(1.0, math.ceil(self._mean_seconds * (self.waiting + 1) / self.slots)))
        else:
            self._waiting.append(ticket)
        return ticket

    def leave(self, ticket: "Ticket") -> None:
        """Give a ticket's place to the next; called by the ticket."""
        if ticket.began is None:
            self._waiting.remove(ticket)
            return
        seconds = time.monotonic() - ticket.began
        self._mean_seconds += _NEWEST_WEIGHT * (seconds - self._mean_seconds)
        if self._waiting:
            self._waiting.popleft().begin()
        else:
            self._free += 1


class Ticket:
    """A place in the queue; its turn has come when `turn` returns."""

    def __init__(self, queue: EngineQueue) -> None:
        self._queue = queue
        self._turn = asyncio.Event()
        self._left = False
        self.began: float | None = None

    async def turn(self) -> None:
        """Wait for a slot."""
        if self.began is None:
            await self._turn.wait()

    def begin(self) -> None:
        """A slot is free for this ticket; called by the queue."""
        self.began = time.monotonic()
        self._turn.set()

    def leave(self) -> None:
        """Give the place back; idempotent, allowed while still waiting."""
        if not self._left:
            self._left = True
            self._queue.leave(self)
