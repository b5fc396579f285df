"""Tokens of one request as engines come to them, so that an answer that is broken off is counted too.

Whoever serves a request calls `metered` in the task that will ask engines; drivers find the meter there and keep it up to date. Where
nobody asked for one, nothing is counted. A driver that cannot tell within an answer leaves the meter unknown.
"""

from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["TokenMeter", "meter_here", "metered"]

_METER: ContextVar["TokenMeter | None"] = ContextVar("staffroom_token_meter", default=None)


@dataclass(slots=True)
class TokenMeter:
    """What was read and written so far, by the engine's own count, as an answer's own figures are made.

    read: tokens of the longest prompt, for a prompt that goes on from another is read once.  written: tokens of all calls.
    """

    read: int = 0
    written: int = 0
    _before: int = 0
    _reading: bool = False

    @property
    def known(self) -> bool:
        """Whether an engine told, and none is at work of which nothing is known yet."""
        return self.read > 0 and not self._reading

    def begin(self) -> None:
        """A call is on its way to the engine."""
        self._before, self._reading = self.written, True

    def came_to(self, read: int, written: int) -> None:
        """The call has read its prompt of `read` tokens and written so many."""
        self.read = max(self.read, read)
        self.written = self._before + written
        self._reading = False


def metered() -> TokenMeter:
    """Return a new meter for what the running task asks of engines."""
    meter = TokenMeter()
    _METER.set(meter)
    return meter


def meter_here() -> TokenMeter | None:
    """Return the meter of the running task, None where nobody counts."""
    return _METER.get()
