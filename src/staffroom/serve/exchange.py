"""One answer under way: the agent's task, what it has released so far, and the ways in which it is stopped.

It knows nothing of HTTP. Stopping cancels the agent's task, and with it the engine, and never waits for
either: the place in the queue is given back when the task has really ended.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from staffroom.engine.errors import ContextExceeded
from staffroom.records.agent import AgentAnswer
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import Agent
from staffroom.serve.permit import Permits
from staffroom.serve.queue import EngineQueue, Ticket
from staffroom.serve.wire import Chat, WireError

__all__ = ["Exchange", "PermitWatch", "ServedRelease", "StopReason"]

_WATCH_SECONDS = 0.05
_NO_RETRY = ((b"x-should-retry", b"false"),)


@dataclass(frozen=True, slots=True)
class ServedRelease:
    """A release in service under its alias; releases on one engine share its queue.

    notice: the sentence that says that one talks to an AI.
    """

    alias: str
    release: str
    agent: Agent
    queue: EngineQueue
    notice: str


class StopReason(StrEnum):
    """Why an answer was broken off; the value is the error's code and the duty record's outcome."""

    SUSPENDED = "worker_suspended"
    CLIENT_GONE = "client_gone"
    TOO_LONG = "timeout"
    SHUTDOWN = "shutting_down"
    LOST = "engine_lost"
    REJECTED = "request_rejected"
    CONTEXT = "context_length_exceeded"
    CHANGED = "answer_changed"
    UNRECORDED = "not_recorded"
    INTERNAL = "internal_error"


_ENDINGS: Mapping[StopReason, tuple[int, str, str]] = {
    StopReason.SUSPENDED: (
        503,
        "server_error",
        "this worker has been stopped by the people who answer for it",
    ),
    StopReason.CLIENT_GONE: (503, "server_error", "the client closed the connection"),
    StopReason.TOO_LONG: (504, "server_error", "the answer took too long and was stopped"),
    StopReason.SHUTDOWN: (503, "server_error", "the gateway is shutting down"),
    StopReason.LOST: (502, "server_error", "the engine was lost while it worked on this answer; ask again"),
    StopReason.REJECTED: (400, "invalid_request_error", "the worker cannot take this request"),
    StopReason.CONTEXT: (400, "invalid_request_error", "the conversation is too long for this worker"),
    StopReason.CHANGED: (
        500,
        "server_error",
        "what was shown and the final answer differ; do not rely on it",
    ),
    StopReason.UNRECORDED: (503, "server_error", "the answer could not be recorded and is withheld"),
    StopReason.INTERNAL: (500, "server_error", "the worker failed at this request"),
}


class Exchange:
    """One request's way through a worker; it belongs to one event loop, and so does the agent's `on_text`."""

    def __init__(self, served: ServedRelease, permits: Permits, chat: Chat, ticket: Ticket) -> None:
        self.served = served
        self.stopped: StopReason | None = None
        self.answer: AgentAnswer | None = None
        self.problem = ""
        self._permits = permits
        self._chat = chat
        self._pieces: list[str] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._work(ticket))
        self._task.add_done_callback(self._ended)
        # Not in the task: one that is cancelled before it began would never give its place back.
        self._task.add_done_callback(lambda _: ticket.leave())

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
        reason = self.stopped or StopReason.INTERNAL
        status, kind, message = _ENDINGS[reason]
        if reason in (StopReason.REJECTED, StopReason.CONTEXT) and self.problem:
            message = self.problem
        headers = _NO_RETRY if reason in (StopReason.SUSPENDED, StopReason.CHANGED) else ()
        return WireError(status, message, code=reason.value, kind=kind, headers=headers)

    async def _work(self, ticket: Ticket) -> AgentAnswer:
        await ticket.turn()
        if not self.permitted():
            raise asyncio.CancelledError
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


class PermitWatch:
    """Asks the permits of all answers under way every 50 ms, so that a stop does not wait for the next
    piece of a slow engine."""

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._live: set[Exchange] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> int:
        """Answers under way."""
        return len(self._live)

    def add(self, exchange: Exchange) -> None:
        """Watch an exchange until `remove`."""
        self._live.add(exchange)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())

    def remove(self, exchange: Exchange) -> None:
        """Watch it no more."""
        self._live.discard(exchange)

    def stop_all(self, reason: StopReason) -> None:
        """Stop every answer under way."""
        for exchange in list(self._live):
            exchange.stop(reason)

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while self._live:
            allowed: dict[tuple[str, str], bool] = {}
            for exchange in list(self._live):
                place = (exchange.served.alias, exchange.served.release)
                if place not in allowed:
                    allowed[place] = self._permits.check(*place)
                if not allowed[place]:
                    exchange.stop(StopReason.SUSPENDED)
            await asyncio.sleep(_WATCH_SECONDS)
