"""Planning agrees with brute force; alpha never overspends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from staffroom.stats import (
    alpha_for_use,
    can_ever_decide,
    items_needed,
    least_to_pass,
    most_to_reject,
    power_to_pass,
    power_to_reject,
    upper_bound,
)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.floats(0.2, 0.95), st.sampled_from([0.05, 0.0304, 0.0076]))
def test_least_and_most_agree_with_trying_all(n: int, threshold: float, alpha: float) -> None:
    passing = [k for k in range(n + 1) if oracle.binom.sf(k - 1, n, threshold) <= alpha]
    failing = [k for k in range(n + 1) if upper_bound(k, n, alpha) < threshold]
    assert least_to_pass(n, threshold, alpha) == (passing[0] if passing else None)
    assert most_to_reject(n, threshold, alpha) == (failing[-1] if failing else None)
    assert can_ever_decide(n, threshold, alpha) == (threshold**n <= alpha)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 80), st.floats(0.2, 0.9), st.floats(0.0, 1.0))
def test_a_gate_at_its_threshold_errs_at_most_alpha(n: int, threshold: float, slack: float) -> None:
    alpha = 0.0304
    rate_below = threshold * slack
    rate_above = threshold + (1 - threshold) * slack
    assert power_to_pass(n, threshold, alpha, rate_below) <= alpha + 1e-12
    assert power_to_reject(n, threshold, alpha, rate_above) <= alpha + 1e-12


def test_items_needed_is_enough_and_hardly_more() -> None:
    for threshold, rate in ((0.5, 0.75), (0.3, 0.6), (0.5, 0.3), (0.9, 0.97)):
        needed = items_needed(threshold, 0.0304, rate)
        assert needed is not None
        power = power_to_pass if rate > threshold else power_to_reject
        assert power(needed, threshold, 0.0304, rate) >= 0.8
        assert power(max(1, int(needed * 0.7)), threshold, 0.0304, rate) < 0.8
    assert items_needed(0.5, 0.0304, 0.5) is None
    assert items_needed(0.5, 0.0304, 0.501) is None


def test_alpha_of_all_uses_stays_within_the_lifetime() -> None:
    assert alpha_for_use(1) == pytest.approx(0.0304, abs=5e-5)
    assert sum(alpha_for_use(use) for use in range(1, 20_000)) < 0.05
    with pytest.raises(ValueError, match="from 1"):
        alpha_for_use(0)
