"""How much error probability each use of a gate split may spend."""

import math

__all__ = ["LIFETIME_ALPHA", "alpha_for_use"]

LIFETIME_ALPHA = 0.05


def alpha_for_use(use: int, lifetime: float = LIFETIME_ALPHA) -> float:
    """Return the error probability of the `use`-th opening of a gate split, counted from 1.

    lifetime * 6 / (pi^2 * use^2): the shares of all uses for ever sum to `lifetime`, so the probability that any
    of them promotes wrongly is at most that, without knowing how many there will be.
    """
    if use < 1:
        raise ValueError("uses of a gate split are counted from 1")
    if not 0 < lifetime < 1:
        raise ValueError("a lifetime error probability lies between 0 and 1")
    return lifetime * 6 / (math.pi**2 * use**2)
