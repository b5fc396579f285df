"""What a client is told when its key, the worker's standing, the queue or a budget does not let a request in."""

from staffroom.serve.budgets import BudgetCurrency, BudgetExceeded
from staffroom.serve.queue import QueueFull
from staffroom.serve.stops import StopReason
from staffroom.serve.wire import WireError

__all__ = ["budget_error", "queue_error", "standing", "unauthorised"]

_NO_RETRY = ((b"x-should-retry", b"false"),)


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


def standing(*, retired: bool) -> WireError:
    """Return what a client is told of a worker without a permit."""
    if retired:
        message, code, status = "this worker is retired", "worker_retired", 410
    else:
        message, code, status = (
            "this worker has been stopped by the people who answer for it",
            StopReason.SUSPENDED.value,
            503,
        )
    return WireError(status, message, code=code, kind="server_error", headers=_NO_RETRY)


def unauthorised(message: str, code: str) -> WireError:
    """Return what a client without a good key is told."""
    return WireError(
        401,
        message,
        code=code,
        kind="authentication_error",
        headers=((b"www-authenticate", b"Bearer"),),
    )
