"""Where text guardrails look at a plain model's traffic: the whole input before it goes in, the output before it goes out.

A streamed answer is held back by a window: a piece leaves when what comes after it has been looked at as well, so that
nothing forbidden has left by the time it is whole. A guardrail never sees a half of something and its other half apart,
as long as it is no longer than the window.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import orjson

__all__ = ["Blocked", "HeldStream", "TextGuardrail", "TextVerdict", "check_texts"]

_WINDOW = 96
_STEP = 32
_TEXT = re.compile(
    rb'"(?:content|arguments|reasoning_content|reasoning|refusal|text|delta)":\s?"((?:[^"\\]|\\.)*)"'
)


@dataclass(frozen=True, slots=True)
class TextVerdict:
    """What a guardrail says of a text, with the reason in one sentence that the client may read."""

    allowed: bool
    reason: str = ""


class TextGuardrail(Protocol):
    """A rule about text, by a name and version that go into records. `check` must be quick: it runs between pieces."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> str:
        """Changes with its verdicts."""
        ...

    @property
    def stages(self) -> tuple[str, ...]:
        """`input`, `output` or both."""
        ...

    def check(self, text: str) -> TextVerdict:
        """Look at a text, or at a window of one."""
        ...


class Blocked(Exception):
    """A guardrail said no; `guardrail` names it, `reason` may be shown."""

    def __init__(self, guardrail: str, reason: str) -> None:
        super().__init__(reason)
        self.guardrail = guardrail
        self.reason = reason


def check_texts(guardrails: tuple[TextGuardrail, ...], stage: str, text: str) -> None:
    """Raise Blocked where a guardrail of this stage does not allow a text."""
    for guardrail in guardrails:
        if stage in guardrail.stages:
            verdict = guardrail.check(text)
            if not verdict.allowed:
                raise Blocked(
                    f"{guardrail.id}@{guardrail.version}", verdict.reason or "a guardrail stopped this"
                )


class HeldStream:
    """Holds the events of a streamed answer back until their text, and a window behind it, has been looked at."""

    def __init__(self, guardrails: tuple[TextGuardrail, ...], *, window: int = _WINDOW) -> None:
        self._guardrails = guardrails
        self._window = window
        self._held: deque[tuple[int, bytes]] = deque()
        self._text = ""
        self._start = 0
        self._checked = 0

    def feed(self, data: bytes) -> bytes:
        """Take whole events and return those that may leave; raises Blocked."""
        found = _TEXT.findall(data)
        if found:
            self._text += _decoded(b"".join(found))
        end = self._start + len(self._text)
        self._held.append((end, data))
        if end - self._checked < _STEP:
            return b""
        self._check(end)
        return self._release(end - self._window)

    def rest(self) -> bytes:
        """Return all that is left, at the end of the answer; raises Blocked."""
        end = self._start + len(self._text)
        if end > self._checked:
            self._check(end)
        return self._release(end)

    def _check(self, end: int) -> None:
        check_texts(self._guardrails, "output", self._text)
        self._checked = end

    def _release(self, upto: int) -> bytes:
        leaving = []
        while self._held and self._held[0][0] <= upto:
            leaving.append(self._held.popleft()[1])
        # What has left stays in view for one window more: something may begin in it.
        spare = len(self._text) - 2 * self._window - _STEP
        if spare > 0:
            self._text = self._text[spare:]
            self._start += spare
        return b"".join(leaving)


def _decoded(escaped: bytes) -> str:
    if b"\\" not in escaped:
        return escaped.decode("utf-8", "replace")
    try:
        return str(orjson.loads(b'"' + escaped + b'"'))
    except orjson.JSONDecodeError:
        return escaped.decode("utf-8", "replace")
