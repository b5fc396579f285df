"""The special functions and exact bounds against scipy, and the properties a gate relies on."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from staffroom.stats import (
    beta_cdf,
    beta_quantile,
    clopper_pearson,
    lower_bound,
    lower_tail,
    student_t_quantile,
    upper_bound,
    upper_tail_p_value,
)

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RATES = st.floats(0.01, 0.99)
SHAPES = st.floats(0.3, 300)


@settings(max_examples=60, deadline=None)
@given(COUNTS, RATES)
def test_tails_agree_with_an_independent_implementation(count: tuple[int, int], rate: float) -> None:
    k, n = count
    assert upper_tail_p_value(k, n, rate) == pytest.approx(
        oracle.binom.sf(k - 1, n, rate), rel=1e-9, abs=1e-250
    )
    assert lower_tail(k, n, rate) == pytest.approx(oracle.binom.cdf(k, n, rate), rel=1e-9, abs=1e-250)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.001, 0.999), SHAPES, SHAPES)
def test_beta_functions_agree_with_an_independent_implementation(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(oracle.beta.cdf(x, a, b), rel=1e-8, abs=1e-13)
    assert beta_quantile(x, a, b) == pytest.approx(oracle.beta.ppf(x, a, b), rel=1e-7, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(COUNTS, st.sampled_from([0.05, 0.0304, 0.01]))
def test_bounds_are_those_of_clopper_and_pearson(count: tuple[int, int], alpha: float) -> None:
    k, n = count
    two_sided = oracle.binomtest(k, n).proportion_ci(1 - 2 * alpha, method="exact")
    low, high = clopper_pearson(k, n, 1 - 2 * alpha)
    assert (low, high) == pytest.approx((two_sided.low, two_sided.high), abs=1e-9)
    assert lower_bound(k, n, alpha) == pytest.approx(low, abs=1e-12)
    assert upper_bound(k, n, alpha) == pytest.approx(high, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(COUNTS, st.floats(0.05, 0.95), st.sampled_from([0.05, 0.0304]))
def test_a_result_never_both_passes_and_fails(count: tuple[int, int], threshold: float, alpha: float) -> None:
    k, n = count
    passes = upper_tail_p_value(k, n, threshold) <= alpha
    fails = upper_bound(k, n, alpha) < threshold
    assert not (passes and fails)


def test_student_quantiles() -> None:
    for degrees in (1, 2, 5, 30, 1000):
        for level in (0.975, 0.95, 0.5, 0.1):
            assert student_t_quantile(level, degrees) == pytest.approx(oracle.t.ppf(level, degrees), abs=1e-7)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        upper_tail_p_value(4, 3, 0.5)
    with pytest.raises(ValueError, match="cannot be"):
        upper_bound(-1, 3, 0.5)
    with pytest.raises(ValueError, match="positive"):
        beta_cdf(0.5, 0, 1)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert math.isclose(upper_bound(0, 100, 0.05), 1 - 0.05**0.01)


@pytest.mark.parametrize("rate", [float("nan"), -0.1, 1.1])
def test_a_rate_that_is_none_is_no_evidence(rate: float) -> None:
    """NaN compared false with everything, and came out as a p-value of 0."""
    for tail in (upper_tail_p_value, lower_tail):
        with pytest.raises(ValueError, match="a rate lies"):
            tail(5, 10, rate)
    for x, a in ((float("nan"), 2.0), (0.5, float("nan")), (0.5, float("inf"))):
        with pytest.raises(ValueError, match="beta distribution"):
            beta_cdf(x, a, 2.0)


def test_a_million_items() -> None:
    for successes, rate in ((501_000, 0.5), (900, 0.001), (999_000, 0.999)):
        expected = oracle.binom.sf(successes - 1, 10**6, rate)
        assert upper_tail_p_value(successes, 10**6, rate) == pytest.approx(expected, rel=1e-8)
