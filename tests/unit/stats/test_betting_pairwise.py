"""Betting tests: fair under the null by exact enumeration, monotone, and quick to see a difference."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.stats import (
    BettingTest,
    StakeMixture,
    betting_lower_bound,
    betting_p_value,
    betting_upper_bound,
    discordant_log_e_value,
    upper_bound,
)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_a_bet_at_the_threshold_is_fair(threshold: float) -> None:
    """All sequences of nine 0/1 scores: mean fortune 1, and it reaches 20 with probability at most 1/20."""
    mean = ruin = 0.0
    for scores in itertools.product((0, 1), repeat=9):
        weight = math.prod(threshold if score else 1 - threshold for score in scores)
        test = BettingTest(threshold)
        for score in scores:
            test.add(score)
        mean += weight * math.exp(test.log_e_value)
        ruin += weight * (test.p_value <= 0.05)
    assert mean == pytest.approx(1.0)
    assert ruin <= 0.05


def test_a_pairwise_bet_on_a_tie_is_fair() -> None:
    exact = sum(
        math.comb(12, wins) / 2**12 * math.exp(discordant_log_e_value(wins, 12 - wins)) for wins in range(13)
    )
    assert exact == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_closed_form_is_the_bet_on_differences(wins: int, losses: int) -> None:
    mixture = StakeMixture([math.sin((index + 0.5) / 64 * math.pi / 2) for index in range(64)])
    mixture.settle(1.0, wins)
    mixture.settle(-1.0, losses)
    if wins > losses:
        assert discordant_log_e_value(wins, losses) == pytest.approx(mixture.log_value, abs=0.01)
    assert min(discordant_log_e_value(wins, losses), discordant_log_e_value(losses, wins)) <= 1e-9


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=25))
def test_bounds_hold_the_mean_and_follow_the_test(scores: list[float]) -> None:
    low, high = betting_lower_bound(scores, 0.05), betting_upper_bound(scores, 0.05)
    mean = sum(scores) / len(scores)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
    assert betting_p_value(scores, min(0.999, low + 0.01)) > 0.05


def test_the_bound_is_not_far_from_the_exact_one() -> None:
    scores = [1.0, 1.0, 1.0, 0.0] * 25
    exact = upper_bound(75, 100, 0.05)
    assert exact <= betting_upper_bound(scores, 0.05) <= exact + 0.08


def test_a_ruined_gambler_and_one_who_did_not_bet() -> None:
    mixture = StakeMixture([1.0, 0.5])
    mixture.settle(-1.0, 0)
    mixture.settle(0.0, 3)
    assert mixture.log_value == 0.0
    mixture.settle(-1.0)
    assert mixture.log_value == pytest.approx(math.log(0.25))


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        BettingTest(0.5).add(1.2)
    with pytest.raises(ValueError, match="strictly"):
        BettingTest(1.0)
    with pytest.raises(ValueError, match="negative"):
        discordant_log_e_value(-1, 0)
