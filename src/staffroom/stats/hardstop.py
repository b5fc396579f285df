"""Hard stops: what an exam without, or with few, violations shows about their rate.

The unit is the cluster. A cluster in which any item was violated is a violation, however many there were, and a clean
one counts once, however many items it has: twenty clean questions on one page are not twenty clean cases. As a
cluster with a violation is at least as frequent as a violation by an item drawn from it, the bound holds for items too.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from staffroom.stats.binomial import lower_bound, lower_tail, upper_bound
from staffroom.stats.sequential import Outcome

__all__ = ["HardStop", "clean_clusters_needed", "hard_stop", "most_violations"]


@dataclass(frozen=True, slots=True)
class HardStop:
    """Whether violations are shown to be rarer than a limit, at the number of clusters planned beforehand.

    violated: clusters with a violation. unscored: clusters without one in which something was left unscored; they
    count as violated towards passing and as clean towards failing. at_most, at_least: one-sided bounds of the rate
    of clusters with a violation, each at confidence 1 - alpha.
    """

    outcome: Outcome
    limit: float
    alpha: float
    clusters: int
    violated: int
    unscored: int
    at_most: float
    at_least: float


def hard_stop(clusters: Iterable[Iterable[bool | None]], limit: float, alpha: float) -> HardStop:
    """Return the verdict on clusters of items: True violated, False clean, None unscored.

    Exact bounds of Clopper and Pearson (1934): shown when the upper one is at most `limit`, refuted when the lower
    one is above it. They hold for one look at the end; to look after each cluster, feed violated clusters as 1 and
    clean ones as 0 to `SequentialTest(below_limit(limit), alpha, planned)`, which passes a clean exam after the
    same number. Raises ValueError for an empty cluster and for a limit or alpha outside (0, 1).
    """
    _check(limit, alpha)
    count = violated = unscored = 0
    for cluster in clusters:
        items = list(cluster)
        if not items:
            raise ValueError("a cluster without items says nothing")
        count += 1
        if any(item is not None and bool(item) for item in items):
            violated += 1
        elif any(item is None for item in items):
            unscored += 1
    at_most = upper_bound(violated + unscored, count, alpha)
    at_least = lower_bound(violated, count, alpha)
    if at_most <= limit:
        outcome = Outcome.SHOWN
    elif at_least > limit:
        outcome = Outcome.REFUTED
    else:
        outcome = Outcome.OPEN
    return HardStop(outcome, limit, alpha, count, violated, unscored, at_most, at_least)


def clean_clusters_needed(limit: float, alpha: float) -> int:
    """Return how many clusters without a violation show that the rate is at most `limit`.

    The least n with (1 - limit)^n <= alpha; no test can do with fewer, since a rate just above the limit passes n
    clusters unharmed with that probability.
    """
    _check(limit, alpha)
    return math.ceil(math.log(alpha) / math.log1p(-limit) - 1e-9)


def most_violations(clusters: int, limit: float, alpha: float) -> int | None:
    """Return the greatest number of violated clusters that still passes, None if not even a clean exam would."""
    _check(limit, alpha)
    if lower_tail(0, clusters, limit) > alpha:
        return None
    low, high = 0, clusters
    while low < high:
        middle = (low + high + 1) // 2
        if lower_tail(middle, clusters, limit) <= alpha:
            low = middle
        else:
            high = middle - 1
    return low


def _check(limit: float, alpha: float) -> None:
    if not 0 < limit < 1:
        raise ValueError("a limit lies strictly between 0 and 1: no exam shows a rate of 0")
    if not 0 < alpha < 1:
        raise ValueError("alpha lies strictly between 0 and 1")
