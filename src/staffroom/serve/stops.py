"""Why an answer is broken off, and what the client is told of it."""

from collections.abc import Mapping
from enum import StrEnum

from staffroom.serve.wire import WireError

__all__ = ["StopReason", "stop_error"]

_NO_RETRY = ((b"x-should-retry", b"false"),)


class StopReason(StrEnum):
    """Why an answer was broken off; the value is the error's code and the duty record's outcome."""

    SUSPENDED = "worker_suspended"
    CLIENT_GONE = "client_gone"
    TOO_LONG = "timeout"
    SHUTDOWN = "shutting_down"
    LOST = "engine_lost"
    STALLED = "engine_stalled"
    BLOCKED = "guardrail_blocked"
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
    StopReason.STALLED: (504, "server_error", "the engine fell silent and was given up; ask again"),
    StopReason.BLOCKED: (400, "invalid_request_error", "a guardrail stopped this answer"),
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
_FINAL = frozenset([StopReason.SUSPENDED, StopReason.CHANGED, StopReason.BLOCKED])


def stop_error(reason: StopReason, problem: str = "") -> WireError:
    """Return what the client is told; `problem` replaces the general message where it may be shown."""
    status, kind, message = _ENDINGS[reason]
    if problem and reason in (StopReason.REJECTED, StopReason.CONTEXT, StopReason.BLOCKED):
        message = problem
    headers = _NO_RETRY if reason in _FINAL else ()
    return WireError(status, message, code=reason.value, kind=kind, headers=headers)
