"""What a test of given size can decide, computed before the first item is asked."""

from staffroom.stats.binomial import lower_tail, upper_bound, upper_tail_p_value

__all__ = [
    "can_ever_decide",
    "items_needed",
    "least_to_pass",
    "most_to_reject",
    "power_to_pass",
    "power_to_reject",
]

_SEARCH_LIMIT = 3000
_STEADY = 8


def least_to_pass(trials: int, threshold: float, alpha: float) -> int | None:
    """Return the least number of successes whose exact p-value is at most alpha, None if none is."""
    low, high = 0, trials + 1
    while low < high:
        middle = (low + high) // 2
        if upper_tail_p_value(middle, trials, threshold) <= alpha:
            high = middle
        else:
            low = middle + 1
        if low > trials:
            return None
    return low


def most_to_reject(trials: int, threshold: float, alpha: float) -> int | None:
    """Return the greatest number of successes whose one-sided upper bound is below the threshold."""
    if trials == 0 or upper_bound(0, trials, alpha) >= threshold:
        return None
    low, high = 0, trials
    while low < high:
        middle = (low + high + 1) // 2
        if upper_bound(middle, trials, alpha) < threshold:
            low = middle
        else:
            high = middle - 1
    return low


def can_ever_decide(trials: int, threshold: float, alpha: float) -> bool:
    """Say whether a perfect result on `trials` independent items would pass the exact test.

    A facet that could only ever be rejected or left open cannot be a gate: it would bar everybody.
    """
    return least_to_pass(trials, threshold, alpha) is not None


def power_to_pass(trials: int, threshold: float, alpha: float, rate: float) -> float:
    """Return the probability that an agent whose true rate is `rate` passes the exact test."""
    least = least_to_pass(trials, threshold, alpha)
    return 0.0 if least is None else upper_tail_p_value(least, trials, rate)


def power_to_reject(trials: int, threshold: float, alpha: float, rate: float) -> float:
    """Return the probability that an agent whose true rate is `rate` is rejected."""
    most = most_to_reject(trials, threshold, alpha)
    return 0.0 if most is None else lower_tail(most, trials, rate)


def items_needed(
    threshold: float, alpha: float, rate: float, power: float = 0.8, limit: int = _SEARCH_LIMIT
) -> int | None:
    """Return how many independent items decide with probability `power` if the true rate is `rate`.

    Above the threshold it is the number that passes, below it the number that rejects; None when the
    rate is so near the threshold that `limit` items are not enough. The power of an exact test is a
    saw-tooth in the number of items, so the least number is taken from which it holds eight times running.
    """
    if rate == threshold:
        return None
    # Rejecting `rate < threshold` is passing the mirrored test on failures.
    if rate < threshold:
        rate, threshold = 1 - rate, 1 - threshold
    if not _reaches(limit, threshold, alpha, rate, power):
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        if _reaches(middle, threshold, alpha, rate, power):
            high = middle
        else:
            low = middle + 1
    return low


def _reaches(trials: int, threshold: float, alpha: float, rate: float, power: float) -> bool:
    return all(
        power_to_pass(count, threshold, alpha, rate) >= power for count in range(trials, trials + _STEADY)
    )
