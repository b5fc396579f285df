"""The e-value that one agent scores higher than another on the same 0/1 items, in closed form.

It is the fortune of a gambler who bets a share `s` on each difference `d` in [-1, 1], mixed over `s` by one fixed prior:
the arcsine, Jeffreys' prior of a coin, on its upper half. Only discordant items move it.
"""

import math

from staffroom.stats.beta import beta_cdf, log_beta

__all__ = ["discordant_log_e_value"]

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
