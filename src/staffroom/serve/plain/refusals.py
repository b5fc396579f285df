"""What a client is told before anything of an answer was sent: the queue is full, a budget is used up, the engine says no."""

import orjson

from staffroom.serve.budgets import BudgetCurrency, BudgetExceeded
from staffroom.serve.queue import QueueFull
from staffroom.serve.wire import WireError

__all__ = ["budget_error", "queue_error", "rejection"]


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


def queue_error(full: QueueFull) -> WireError:
    """Return what a client is told when nobody more may wait."""
    seconds = str(int(full.retry_after)).encode()
    return WireError(
        429,
        "too many requests are waiting for this worker; try again later",
        code="queue_full",
        kind="rate_limit_error",
        headers=((b"retry-after", seconds), (b"retry-after-ms", seconds + b"000")),
    )


def budget_error(refused: BudgetExceeded | BudgetCurrency) -> WireError:
    """Return what a client is told when a budget does not allow the request: to wait only where waiting helps."""
    if isinstance(refused, BudgetCurrency):
        return WireError(403, str(refused), code="budget_currency", kind="invalid_request_error")
    cap = refused.cap
    if refused.passing:
        return WireError(
            429,
            f"the budget of this {cap.scope.value} is reserved by requests under way; try again in a moment",
            code="budget_reserved",
            kind="rate_limit_error",
            headers=((b"retry-after", b"1"), (b"retry-after-ms", b"1000")),
        )
    period = {"day": "today", "month": "this month", "total": "for good"}[cap.period.value]
    return WireError(
        429,
        f"the budget of this {cap.scope.value} is used up {period}",
        code="insufficient_quota",
        kind="insufficient_quota",
        headers=((b"x-should-retry", b"false"),),
    )
