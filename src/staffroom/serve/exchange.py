"""One answer under way: the agent's task, what it has released so far, and the ways in which it is stopped.

It knows nothing of HTTP. Stopping cancels the agent's task, and with it the engine, and never waits for
either: the place in the queue is given back when the task has really ended.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from staffroom.engine.errors import ContextExceeded
from staffroom.engine.metering import TokenMeter, metered
from staffroom.records.agent import AgentAnswer
from staffroom.records.budgets import CapScope, TokenPrice
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import Agent
from staffroom.serve.permit import Permits
from staffroom.serve.queue import EngineQueue, Ticket
from staffroom.serve.stops import StopReason, stop_error
from staffroom.serve.wire import Chat, WireError

__all__ = ["Exchange", "ServedRelease"]


@dataclass(frozen=True, slots=True)
class ServedRelease:
    """A release in service under its alias; releases on one engine share its queue.

    notice: the sentence that says that one talks to an AI.  sponsor, price: what budgets go by.  read_most,
    written_most: tokens that one answer cannot exceed, as they are reserved.
    """

    alias: str
    release: str
    agent: Agent
    queue: EngineQueue
    notice: str
    sponsor: str = ""
    price: TokenPrice | None = None
    read_most: int = 0
    written_most: int = 0

    @property
    def subjects(self) -> tuple[tuple[CapScope, str], ...]:
        """Whose budgets a request falls under, beside its key's."""
        return ((CapScope.WORKER, self.alias), (CapScope.SPONSOR, self.sponsor))


class Exchange:
    """One request's way through a worker; it belongs to one event loop, and so does the agent's `on_text`."""

    def __init__(self, served: ServedRelease, permits: Permits, chat: Chat, ticket: Ticket) -> None:
        self.served = served
        self.stopped: StopReason | None = None
        self.answer: AgentAnswer | None = None
        self.problem = ""
        self.begun = False
        self.meter = TokenMeter()
        self._permits = permits
        self._chat = chat
        self._pieces: list[str] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._work(ticket))
        self._task.add_done_callback(self._ended)
        # Not in the task: one that is cancelled before it began would never give its place back.
        self._task.add_done_callback(lambda _: ticket.leave())

    @property
    def alias(self) -> str:
        """Whose permit it needs."""
        return self.served.alias

    @property
    def release(self) -> str:
        """What that permit must name."""
        return self.served.release

    def overdue(self, now: float) -> StopReason | None:
        """Return None: the gateway keeps this answer's clock."""
        return None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.stopped is not None or self.answer is not None

    def permitted(self) -> bool:
        """Ask the permit now; without it the exchange is stopped."""
        if self.stopped is None and not self._permits.check(self.served.alias, self.served.release):
            self.stop(StopReason.SUSPENDED)
        return self.stopped is None

    def stop(self, reason: StopReason) -> None:
        """Break the answer off; the first reason stays. What was not sent yet is dropped."""
        if self.stopped is None:
            self.stopped = reason
            self._pieces.clear()
            self._task.cancel()
            self._wake.set()

    async def changed(self, seconds: float) -> bool:
        """Wait at most `seconds` for news; says whether there was any."""
        if not self._wake.is_set() and not self.over:
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return False
        self._wake.clear()
        return True

    def take(self) -> str:
        """Return the text released since the last call."""
        text = "".join(self._pieces)
        self._pieces.clear()
        return text

    def error(self) -> WireError:
        """Return what the client is told of the stop."""
        return stop_error(self.stopped or StopReason.INTERNAL, self.problem)

    async def _work(self, ticket: Ticket) -> AgentAnswer:
        await ticket.turn()
        if not self.permitted():
            raise asyncio.CancelledError
        self.begun = True
        self.meter = metered()
        listener: Callable[[str], None] | None = self._hear if self._chat.stream else None
        return await self.served.agent.answer(self._chat.turns, seed=self._chat.seed, on_text=listener)

    def _hear(self, piece: str) -> None:
        if self.permitted() and piece:
            self._pieces.append(piece)
            self._wake.set()

    def _ended(self, task: asyncio.Task[AgentAnswer]) -> None:
        if task.cancelled():
            self._fail(StopReason.INTERNAL, "the agent's task was cancelled")
        elif (error := task.exception()) is None:
            self.answer = task.result()
        elif isinstance(error, ContextExceeded):
            self._fail(StopReason.CONTEXT, error.message)
        elif isinstance(error, WrongUse):
            self._fail(StopReason.REJECTED, error.message)
        elif isinstance(error, StaffroomError):
            self._fail(StopReason.LOST, str(error))
        else:
            # The boundary to an agent's code: whatever it raised becomes a refusal and a line in the record.
            self._fail(StopReason.INTERNAL, f"{type(error).__name__}: {error}")
        self._wake.set()

    def _fail(self, reason: StopReason, problem: str) -> None:
        if self.stopped is None:
            self.stopped, self.problem = reason, problem
            self._pieces.clear()
