"""What a client is told when an engine says no to its request."""

import orjson

from staffroom.serve.wire import WireError

__all__ = ["rejection"]


def rejection(status: int, body: bytes, retry_after: str) -> WireError:
    """Return what an engine says against a request, in our form; retry_after: its header, or empty."""
    message, code, param = f"the engine refused the request ({status})", "request_rejected", None
    try:
        error = orjson.loads(body)["error"]
        message, code = str(error["message"]), str(error.get("code") or error.get("type") or code)
        param = error.get("param") if isinstance(error.get("param"), str) else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        pass  # an engine with another form of error: the status says enough
    if "context" in message.lower() and status == 400:
        code = "context_length_exceeded"
    headers = ((b"retry-after", retry_after.encode()),) if retry_after else ()
    return WireError(status, message[:2000], code=code[:100], param=param, headers=headers)
