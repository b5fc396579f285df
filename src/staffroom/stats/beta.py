"""The regularized incomplete beta function and what follows from it: beta and Student t quantiles.

Pure Python, so that a verifier can recompute a decision with the standard library alone. Relative error
is about 1e-12 for shapes up to some ten thousands (tested against an independent implementation).
"""

import math

__all__ = ["beta_cdf", "beta_quantile", "log_beta", "student_t_quantile"]

_TINY = 1e-300
_EPSILON = 1e-15
_MAX_TERMS = 20_000
_HALVINGS = 200


def log_beta(a: float, b: float) -> float:
    """Return the natural logarithm of the beta function B(a, b); a, b > 0."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return I_x(a, b), the probability that a Beta(a, b) variable is at most x; a, b > 0.

    Continued fraction evaluated by the modified Lentz method (NIST DLMF 8.17.22), on the side where it
    converges fast. Raises ValueError for NaN, which would pass for a probability of 0, and for shapes without end.
    """
    if math.isnan(x) or not 0 < a < math.inf or not 0 < b < math.inf:
        raise ValueError("the shapes of a beta distribution are positive, and x is a number")
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _continued_fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _continued_fraction(1 - x, b, a) / b)


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the x at which I_x(a, b) reaches `probability`, by bisection.

    Bisection is slow and cannot diverge; a = 0 puts all mass at 0, b = 0 all at 1 (limits used by exact
    binomial bounds).
    """
    if not 0 <= probability <= 1:
        raise ValueError("a probability lies between 0 and 1")
    if a == 0:
        return 0.0
    if b == 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if high - low < 1e-14 * high:
            break
        if beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution; degrees > 0, 0 < probability < 1."""
    if not 0 < probability < 1 or degrees <= 0:
        raise ValueError("needs 0 < probability < 1 and positive degrees of freedom")
    if probability == 0.5:
        return 0.0
    tail = 2 * min(probability, 1 - probability)
    x = beta_quantile(tail, degrees / 2, 0.5)
    size = math.sqrt(degrees * (1 - x) / x) if x > 0 else math.inf
    return size if probability > 0.5 else -size


def _continued_fraction(x: float, a: float, b: float) -> float:
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    result = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if abs(c) > _TINY else _TINY
            step = c * d
            result *= step
        if abs(step - 1.0) < _EPSILON:
            return result
    return result
