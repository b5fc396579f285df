"""One JSON line for each answer and each refusal, for the system's journal: no text, no key, no person.

Writing happens in a thread, because whoever reads the lines may be slow. Lines for which there is no room are dropped, and their
number is told in the next one.
"""

import threading
from collections import deque
from typing import Any, TextIO

import orjson

from staffroom.serve.counters import Ended, Refused
from staffroom.store import to_text, utc_now

__all__ = ["RequestLog", "line_of"]

_MOST = 10_000


class RequestLog:
    """A listener of `Counters` that writes lines to a stream; `close` when done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._some = threading.Event()
        self._closing = False
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._writer.start()

    def __call__(self, event: Ended | Refused) -> None:
        """Keep the line of what happened."""
        if len(self._lines) >= _MOST:
            self._dropped += 1
            return
        value = line_of(event)
        if self._dropped:
            value["dropped"], self._dropped = self._dropped, 0
        self._lines.append(orjson.dumps(value).decode())
        self._some.set()

    def close(self) -> None:
        """Write what is left; waits a second for a reader that takes nothing."""
        self._closing = True
        self._some.set()
        self._writer.join(1.0)

    def _write(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            while self._lines:
                try:
                    self._stream.write(self._lines.popleft() + "\n")
                    self._stream.flush()
                except (OSError, ValueError):
                    return  # nobody reads any more; the record stands without it
            if self._closing:
                return


def line_of(event: Ended | Refused) -> dict[str, Any]:
    """Return what is told of an answer, or of a request that was refused before a worker was asked."""
    if isinstance(event, Refused):
        return {"at": to_text(utc_now()), "event": "refused", "code": event.code}
    record = event.record
    return {
        "at": to_text(record.at),
        "event": "request",
        "audit_id": record.audit_id,
        "model": record.alias,
        "release": record.release,
        "operation": event.operation,
        "outcome": event.outcome,
        "tokens_in": record.tokens_in,
        "tokens_out": record.tokens_out,
        "counted": record.counted.value,
        "first_text_seconds": _rounded(record.first_text_seconds),
        "seconds": _rounded(record.seconds),
        "guardrails": [
            [each.guardrail, each.verdict.value, each.reason, each.count] for each in record.rulings
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
