"""The stakes of the e-values by which the race decides: a gambler's fortune on differences of scores (`StakeMixture`).

One question, one gambler. He stakes a share `s` of what he has on each difference `d`, which multiplies his fortune by
1 + s * d; where the differences have a mean of at most 0 given the past, no way of betting is expected to gain
(Ville 1939: a fortune of b is reached with probability at most 1 / b, whenever one looks). The stakes are mixed evenly
on a logarithmic scale, from the least that could still decide within the exam up to everything: on n differences a
stake below sqrt(2 * ln(b) / n) cannot reach b, so none is wasted on it.

It knows numbers only: no candidates, no items.
"""

import math

__all__ = ["race_stakes"]

_STAKES = 24
_MOST_LEAST = 0.5


def race_stakes(clusters: int, log_bar: float) -> tuple[float, ...]:
    """Return the stakes of a race of so many clusters in which a fortune of exp(log_bar) decides; all below 1.

    For small mean m and variance v, n differences bring the best stake m / v a log fortune of n * m**2 / (2 * v) =
    n * v * stake**2 / 2, and v is at most 1: hence the least stake.
    """
    if clusters < 1 or log_bar <= 0:
        raise ValueError("a race has clusters and a bar above 1")
    least = min(_MOST_LEAST, math.sqrt(2 * log_bar / clusters))
    return tuple(float(least ** ((place + 0.5) / _STAKES)) for place in range(_STAKES))
