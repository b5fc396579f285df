"""A request to a plain model as the gateway hands it over, and what is recorded of it where nothing more is known."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from staffroom.serve.duty import Counted, DutyIntent, DutyRecord
from staffroom.serve.plain.served import ServedPlain
from staffroom.store import ApiKey

__all__ = ["PlainCall", "RelayLimits", "unanswered"]


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How long things may last, in seconds: an answer, and an engine's silence within it."""

    answer_seconds: float = 600.0
    stall_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class PlainCall:
    """What the gateway knows of a request before it is handed over; `at` and `arrived` (by `time.perf_counter`) are when it came.

    user: whom the client says it asks for.  trace: its `traceparent`.
    """

    request_id: str
    audit_id: str
    at: datetime
    arrived: float
    key: ApiKey | None
    user: str = ""
    trace: str = ""

    def intent(self, served: ServedPlain, question: str) -> DutyIntent:
        """Return what is recorded of it before the engine is asked."""
        key = self.key.id if self.key else ""
        return DutyIntent(self.audit_id, self.at, served.alias, served.release, key, question, self.user)


def unanswered(intent: DutyIntent, outcome: str, arrived: float, **more: Any) -> DutyRecord:
    """Return the record of a request, of one that came to nothing where no more is said of it."""
    values: dict[str, Any] = {
        "tokens_in": 0,
        "tokens_out": 0,
        "counted": Counted.NOTHING,
        "first_text_seconds": None,
        "answer": "",
    }
    return DutyRecord(
        audit_id=intent.audit_id,
        at=intent.at,
        alias=intent.alias,
        release=intent.release,
        key=intent.key,
        user=intent.user,
        outcome=outcome,
        chunks=(),
        seconds=time.perf_counter() - arrived,
        question=intent.question,
        **{**values, **more},
    )
