"""`POST /v1/feedback`: a word on one recorded answer, as JSON; what it says goes into quarantine and nowhere else.

Body: `audit_id` (required), and at least one of `rating` (`up` or `down`), `edited_answer`, `verdict` (`right` or `wrong`, with `by`);
`comment`, `fault`, `person`, `passage` as texts.
"""

import asyncio

import orjson
from starlette.types import Receive, Scope

from staffroom.records.errors import WrongUse
from staffroom.records.protocols import FeedbackSink
from staffroom.serve.asgi import read_body, require_method
from staffroom.serve.wire import WireError
from staffroom.store import ApiKey

__all__ = ["FEEDBACK_PATH", "read_feedback", "receive_feedback", "take_feedback"]

FEEDBACK_PATH = "/v1/feedback"
_FIELDS = frozenset(
    ["audit_id", "rating", "edited_answer", "verdict", "by", "comment", "fault", "person", "passage"]
)
_LONGEST = 20_000


async def receive_feedback(
    sink: FeedbackSink, key: ApiKey | None, scope: Scope, receive: Receive, most: int
) -> bytes:
    """Take what a request of at most `most` bytes says, and return the answer's body; raises WireError as the parts do."""
    require_method(scope["method"], "POST")
    row = read_feedback(await read_body(scope, receive, most))
    # In a thread: it looks through the duty log and waits for the disk.
    return await asyncio.to_thread(take_feedback, sink, row, key)


def read_feedback(body: bytes) -> dict[str, str]:
    """Return the fields of a request; raises WireError (400) saying which one is wrong."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _wrong("the body is not valid JSON", None) from error
    if not isinstance(value, dict):
        raise _wrong("the body must be a JSON object", None)
    for name, content in value.items():
        if name not in _FIELDS:
            raise _wrong(f"`{name}` is no field of feedback", name)
        if not isinstance(content, str) or len(content) > _LONGEST:
            raise _wrong(f"`{name}` must be a text of at most {_LONGEST} characters", name)
    if not value.get("audit_id"):
        raise _wrong("`audit_id` is missing: it stands in the answer that is meant", "audit_id")
    return {name: content for name, content in value.items() if content}


def take_feedback(sink: FeedbackSink, row: dict[str, str], key: ApiKey | None) -> bytes:
    """Hand feedback on and return the answer's body; raises WireError (404, 400) where it is not taken."""
    try:
        name = sink.take(row, key=key.id if key else "", opens=lambda alias: key is None or key.opens(alias))
    except WrongUse as error:
        missing = "no answer with the audit id" in error.message
        code = "unknown_audit_id" if missing else "invalid_value"
        raise WireError(
            404 if missing else 400, error.message, code=code, param="audit_id" if missing else None
        ) from error
    return orjson.dumps(
        {"object": "feedback", "id": name, "audit_id": row["audit_id"], "state": "quarantined"}
    )


def _wrong(message: str, param: str | None) -> WireError:
    return WireError(400, message, code="invalid_value", param=param)
