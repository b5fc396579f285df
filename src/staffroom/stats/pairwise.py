"""E-values that one agent scores higher than another on the same items.

Both forms are one e-process: the fortune of a gambler who bets a share `s` on each difference `d` in
[-1, 1], mixed over `s` by one fixed prior (the arcsine, Jeffreys' prior of a coin, on its upper half). On 0/1 scores
only discordant items move it and it has a closed form; on fractions it is summed over fixed nodes.
"""

import math
from collections.abc import Iterable

from staffroom.stats.beta import beta_cdf, log_beta
from staffroom.stats.betting import BettingTest

__all__ = ["DifferenceTest", "EquivalenceTest", "difference_log_e_value", "discordant_log_e_value"]

_NODES = 64
_LOG_PRIOR = math.log(math.pi / 2)


def discordant_log_e_value(wins: int, losses: int) -> float:
    """Return the log e-value of "the first agent is better" from discordant items of 0/1 scores.

    wins: items that only the first got right; losses: only the second. Under the null hypothesis (a
    discordant item favours the first with probability at most 1/2) its expectation is at most 1 at any
    stopping time. Beta mixture after Robbins 1970.
    """
    if wins < 0 or losses < 0:
        raise ValueError("counts are not negative")
    a, b = wins + 0.5, losses + 0.5
    above_half = beta_cdf(0.5, b, a)
    if above_half <= 0.0:
        return -math.inf
    return (wins + losses) * math.log(2) + log_beta(a, b) + math.log(above_half) - _LOG_PRIOR


class DifferenceTest:
    """The running e-process against `mean difference <= 0` for differences in [-1, 1]."""

    def __init__(self) -> None:
        self._stakes = [math.sin((index + 0.5) / _NODES * math.pi / 2) for index in range(_NODES)]
        self._logs = [0.0] * _NODES

    def add(self, difference: float, times: int = 1) -> None:
        """Settle `times` bets on one difference: the first agent's score less the second's."""
        if not -1 <= difference <= 1:
            raise ValueError("differences of scores lie between -1 and 1")
        if difference == 0:
            return
        for index, stake in enumerate(self._stakes):
            self._logs[index] += times * math.log1p(stake * difference)

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the fortune now."""
        top = max(self._logs)
        return top + math.log(sum(math.exp(value - top) for value in self._logs) / _NODES)


def difference_log_e_value(differences: Iterable[float]) -> float:
    """Return the log e-value of "the first agent is better" from differences of scores in [-1, 1]."""
    test = DifferenceTest()
    for difference in differences:
        test.add(difference)
    return test.log_e_value


class EquivalenceTest:
    """Whether two agents' mean scores differ by less than a margin: two one-sided betting tests."""

    def __init__(self, margin: float) -> None:
        if not 0 < margin < 1:
            raise ValueError("an equivalence margin lies strictly between 0 and 1")
        self._above = BettingTest((1 - margin) / 2)
        self._below = BettingTest((1 - margin) / 2)

    def add(self, difference: float, times: int = 1) -> None:
        """Take one difference of scores in [-1, 1], `times` times."""
        self._above.add((1 + difference) / 2, times)
        self._below.add((1 - difference) / 2, times)

    @property
    def p_value(self) -> float:
        """The anytime-valid p-value of "they differ by the margin or more" (the greater of both sides)."""
        return max(self._above.p_value, self._below.p_value)
