"""Exact binomial tests and bounds (Clopper and Pearson 1934).

Counts may be fractions in the bounds, because intervals at an effective sample size need them; the test
itself takes whole counts.
"""

from staffroom.stats.beta import beta_cdf, beta_quantile

__all__ = [
    "clopper_pearson",
    "lower_bound",
    "lower_tail",
    "upper_bound",
    "upper_tail_p_value",
]


def upper_tail_p_value(successes: int, trials: int, threshold: float) -> float:
    """Return P(X >= successes) for X ~ Binomial(trials, threshold): the p-value of `rate <= threshold`.

    The tail grows with the rate, so it is exact at the threshold and conservative below it. For
    independent trials of unequal rates with mean at most the threshold it stays valid wherever
    successes >= trials * threshold + 1 (Hoeffding 1956, Theorem 5).
    """
    _check(successes, trials, threshold)
    if successes <= 0:
        return 1.0
    return beta_cdf(threshold, successes, trials - successes + 1)


def lower_tail(successes: int, trials: int, rate: float) -> float:
    """Return P(X <= successes) for X ~ Binomial(trials, rate)."""
    _check(successes, trials, rate)
    if successes >= trials:
        return 1.0
    return beta_cdf(1 - rate, trials - successes, successes + 1)


def upper_bound(successes: float, trials: float, alpha: float) -> float:
    """Return the one-sided upper bound of the rate at confidence 1 - alpha."""
    _check(successes, trials)
    if successes >= trials:
        return 1.0
    return beta_quantile(1 - alpha, successes + 1, trials - successes)


def lower_bound(successes: float, trials: float, alpha: float) -> float:
    """Return the one-sided lower bound of the rate at confidence 1 - alpha."""
    _check(successes, trials)
    if successes <= 0:
        return 0.0
    return beta_quantile(alpha, successes, trials - successes + 1)


def clopper_pearson(successes: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided exact interval of the rate, (0, 1) when there are no trials."""
    if trials == 0:
        return 0.0, 1.0
    alpha = (1 - level) / 2
    return lower_bound(successes, trials, alpha), upper_bound(successes, trials, alpha)


def _check(successes: float, trials: float, rate: float = 0.0) -> None:
    if not 0 <= rate <= 1:
        raise ValueError("a rate lies between 0 and 1")
    if trials < 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials cannot be")
