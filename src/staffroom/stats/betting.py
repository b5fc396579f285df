"""Anytime-valid tests of a bounded mean by betting (Waudby-Smith and Ramdas, JRSS B 86, 2024).

A gambler bets against `mean <= threshold` at fair odds; a fortune of 1/alpha refutes it at level alpha,
whenever one looks (Ville 1939). The stake is a fixed mixture of constant fractions, so no tuning is left
to whoever runs the test, and the bounds that follow are monotone.
"""

import math
from collections.abc import Iterable, Sequence

__all__ = ["BettingTest", "StakeMixture", "betting_lower_bound", "betting_p_value", "betting_upper_bound"]

_STAKES = 32
_HALVINGS = 40


class StakeMixture:
    """The fortune of equally many gamblers, each of whom always bets the same share of what it has.

    stakes: the shares, in [0, 1]. A gain of g multiplies the fortune of a gambler with share s by 1 + s * g, so gains
    are at least -1; where their expectation is never above 0, that of the fortune never rises.
    """

    def __init__(self, stakes: Sequence[float]) -> None:
        if not stakes or not all(0 <= stake <= 1 for stake in stakes):
            raise ValueError("stakes lie between 0 and 1")
        self._stakes = tuple(stakes)
        self._logs = [0.0] * len(self._stakes)

    def settle(self, gain: float, times: int = 1) -> None:
        """Settle `times` bets on one gain, at least -1; one of 0 changes nothing."""
        if not gain or not times:
            return
        for index, stake in enumerate(self._stakes):
            change = stake * gain
            self._logs[index] += times * (math.log1p(change) if change > -1 else -math.inf)

    @property
    def log_value(self) -> float:
        """Natural logarithm of the mean fortune now, -inf when all are ruined."""
        top = max(self._logs)
        if top == -math.inf:
            return top
        return top + math.log(sum(math.exp(value - top) for value in self._logs) / len(self._logs))


class BettingTest:
    """The running e-process against `mean <= threshold` for scores in [0, 1]; 0 < threshold < 1."""

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold < 1:
            raise ValueError("a threshold lies strictly between 0 and 1")
        self._threshold = threshold
        self._bets = StakeMixture([(index + 0.5) / _STAKES for index in range(_STAKES)])
        self._best = 0.0

    def add(self, score: float) -> None:
        """Settle the bet on one score; none must have been seen when the order of the items was chosen."""
        if not 0 <= score <= 1:
            raise ValueError("scores lie between 0 and 1")
        self._bets.settle(score / self._threshold - 1)
        self._best = max(self._best, self.log_e_value)

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the fortune now."""
        return self._bets.log_value

    @property
    def p_value(self) -> float:
        """1 over the greatest fortune so far: valid at any stopping time."""
        return math.exp(-self._best)


def betting_p_value(scores: Iterable[float], threshold: float) -> float:
    """Return the anytime-valid p-value of `mean <= threshold` after all scores, in the order given."""
    test = BettingTest(threshold)
    for score in scores:
        test.add(score)
    return test.p_value


def betting_lower_bound(scores: Sequence[float], alpha: float) -> float:
    """Return the greatest threshold that the scores refute at level alpha, 0 if none."""
    if not 0 < alpha < 1:
        raise ValueError("alpha lies strictly between 0 and 1")
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if betting_p_value(scores, middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def betting_upper_bound(scores: Sequence[float], alpha: float) -> float:
    """Return the least upper bound of the mean at confidence 1 - alpha, 1 if there is none."""
    return 1.0 - betting_lower_bound([1.0 - score for score in scores], alpha)
