"""Tests that look once, and hard stops: against scipy, brute force and their own promises."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from staffroom.stats import (
    Claim,
    ClusterValue,
    Method,
    Outcome,
    SequentialTest,
    above_threshold,
    alpha_for_use,
    below_limit,
    clean_clusters_needed,
    fixed_test,
    hard_stop,
    least_clusters,
    loss_bound_p_value,
    mcnemar_p_value,
    most_violations,
    non_inferior,
    sign_flip_p_value,
    superior,
    upper_bound,
)

ALPHA = alpha_for_use(1)


def values(*ends: float | tuple[float, float]) -> list[ClusterValue]:
    pairs = [end if isinstance(end, tuple) else (end, end) for end in ends]
    return [ClusterValue(f"c{index}", 1, low, high) for index, (low, high) in enumerate(pairs)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_the_binomial_test_of_discordant_pairs(wins: int, losses: int) -> None:
    if wins + losses == 0:
        assert mcnemar_p_value(0, 0) == 1.0
        return
    expected = oracle.binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
    assert mcnemar_p_value(wins, losses) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, -0.25, 0.0, 1 / 3, 0.5, 1.0]), max_size=9))
def test_sign_flips_are_counted_exactly(differences: list[float]) -> None:
    seen = sum(differences)
    sums = [
        sum(sign * value for sign, value in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    brute = sum(total >= seen - 1e-9 for total in sums) / len(sums)
    assert sign_flip_p_value(differences) == pytest.approx(brute, abs=1e-12)


def test_sign_flips_agree_with_scipy_and_with_drawing() -> None:
    chance = np.random.default_rng(4)
    differences = chance.normal(0.1, 0.4, 30).clip(-1, 1)
    drawn = sign_flip_p_value(differences.tolist(), seed=1)
    other = oracle.permutation_test(
        (differences,),
        lambda x, axis: np.sum(x, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=9_999,
        vectorized=True,
        rng=np.random.default_rng(5),
    ).pvalue
    assert drawn == pytest.approx(other, abs=0.02)
    assert drawn == sign_flip_p_value(differences.tolist(), seed=1)
    whole = [1.0] * 12 + [-1.0] * 5
    assert sign_flip_p_value(whole) == pytest.approx(mcnemar_p_value(12, 5))
    assert sign_flip_p_value([0.0, 0.0]) == 1.0
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p_value([float("nan")])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(40, 90), st.floats(0.01, 0.3))
def test_the_loss_bound_is_exact(losses: int, clusters: int, margin: float) -> None:
    expected = oracle.binom.cdf(losses, clusters, margin)
    assert loss_bound_p_value(losses, clusters, margin) == pytest.approx(expected, rel=1e-9)
    assert loss_bound_p_value(0, 69, 0.05) <= ALPHA < loss_bound_p_value(0, 68, 0.05)


def test_fixed_tests_of_each_claim() -> None:
    right = values(*[1.0] * 25, *[0.0] * 5)
    evidence = fixed_test(above_threshold(0.6), right, ALPHA)
    assert evidence.method is Method.FIXED
    assert evidence.p_value == pytest.approx(oracle.binom.sf(24, 30, 0.6))
    assert evidence.p_against == pytest.approx(oracle.binom.cdf(25, 30, 0.6))
    assert (evidence.outcome, evidence.decided_at) == (Outcome.SHOWN, 30)
    assert fixed_test(below_limit(0.6), right, ALPHA).outcome is Outcome.REFUTED
    pairs = values(*[1.0] * 12, *[0.0] * 30, *[-1.0] * 2)
    evidence = fixed_test(superior(), pairs, ALPHA)
    assert evidence.p_value == pytest.approx(mcnemar_p_value(12, 2))
    assert evidence.outcome is Outcome.SHOWN
    assert fixed_test(superior(lower_is_better=True), pairs, ALPHA).outcome is Outcome.REFUTED
    betting = fixed_test(non_inferior(0.05), values(*[0.0] * 69), ALPHA)
    assert (betting.method, betting.outcome) == (Method.ANYTIME, Outcome.SHOWN)


def test_missing_answers_count_against_either_word() -> None:
    missing = values(*[(0.0, 1.0)] * 12, *[1.0] * 12)
    evidence = fixed_test(above_threshold(0.6), missing, ALPHA)
    assert (evidence.outcome, evidence.mean_low, evidence.mean_high) == (Outcome.OPEN, 0.5, 1.0)
    assert fixed_test(superior(), values(*[(-1.0, 1.0)] * 50), ALPHA).outcome is Outcome.OPEN


def test_fractions_are_refused_where_a_test_takes_whole_clusters() -> None:
    for claim, value in ((superior(), 0.25), (above_threshold(0.5), 0.5)):
        with pytest.raises(ValueError, match="fraction"):
            fixed_test(claim, values(1.0, value), ALPHA)
    with pytest.raises(ValueError, match="at least one"):
        fixed_test(superior(), [], ALPHA)
    with pytest.raises(ValueError, match="alpha"):
        fixed_test(superior(), values(1.0), 1.0)
    with pytest.raises(ValueError, match="margin"):
        loss_bound_p_value(0, 10, 0.0)


def test_a_clean_exam_and_the_number_it_takes() -> None:
    assert clean_clusters_needed(0.01, 0.05) == 299
    assert clean_clusters_needed(0.01, ALPHA) == 348
    assert clean_clusters_needed(0.05, ALPHA) == 69
    clean = hard_stop([[False]] * 348, 0.01, ALPHA)
    assert (clean.outcome, clean.violated, clean.at_least) == (Outcome.SHOWN, 0, 0.0)
    assert clean.at_most == pytest.approx(1 - ALPHA ** (1 / 348))
    assert hard_stop([[False]] * 347, 0.01, ALPHA).outcome is Outcome.OPEN
    assert hard_stop([[True]] * 10 + [[False]] * 90, 0.01, ALPHA).outcome is Outcome.REFUTED
    assert hard_stop([], 0.01, ALPHA).outcome is Outcome.OPEN


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.floats(0.005, 0.5), st.sampled_from([0.05, ALPHA, 0.0076]))
def test_how_many_violations_still_pass(clusters: int, limit: float, alpha: float) -> None:
    most = most_violations(clusters, limit, alpha)
    passing = [count for count in range(clusters) if oracle.binom.cdf(count, clusters, limit) <= alpha]
    assert most == (passing[-1] if passing else None)
    assert (most is None) == (clusters < clean_clusters_needed(limit, alpha))
    if most is not None:
        assert upper_bound(most, clusters, alpha) <= limit + 1e-9
        assert upper_bound(most + 1, clusters, alpha) > limit


def test_the_cluster_is_the_unit_of_a_hard_stop() -> None:
    """Twenty clean questions on one page are one clean case; one violation among them is one violated case."""
    one_page = hard_stop([[False] * 20] * 10, 0.2, 0.2)
    assert one_page.clusters == 10
    assert one_page.at_most == pytest.approx(upper_bound(0, 10, 0.2))
    mixed = hard_stop([[True, True, False], [False, None], [None, True]], 0.5, 0.05)
    assert (mixed.violated, mixed.unscored) == (2, 1)
    assert mixed.at_most == 1.0
    assert mixed.at_least == pytest.approx(oracle.beta.ppf(0.05, 2, 2))


def test_looking_after_each_cluster_passes_a_clean_exam_after_the_same_number() -> None:
    limit = 0.05
    needed = clean_clusters_needed(limit, ALPHA)
    assert needed == least_clusters(below_limit(limit), ALPHA)
    test = SequentialTest(below_limit(limit), ALPHA, needed)
    looks = [test.add(0.0) for _ in range(needed)]
    assert looks[-1] is Outcome.SHOWN


def test_wrong_limits_are_refused() -> None:
    for limit in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="limit"):
            hard_stop([[False]], limit, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        clean_clusters_needed(0.1, 0.0)
    with pytest.raises(ValueError, match="without items"):
        hard_stop([[False], []], 0.1, 0.05)


def test_a_violation_is_one_however_it_is_written() -> None:
    for yes, no in ((1, 0), (np.True_, np.False_)):
        found = hard_stop([[yes]] * 10 + [[no]] * 90, 0.01, ALPHA)  # type: ignore[list-item]
        assert (found.violated, found.outcome) == (10, Outcome.REFUTED)


def test_a_border_off_the_middle_is_not_tested_as_a_coin() -> None:
    """On [-1, 3] a mean of 0 is reached with 1 cluster in 4 at the top, which McNemar's coin does not know."""
    found = fixed_test(Claim(0.0, -1.0, 3.0), values(3.0, 3.0, 3.0), 0.25**3)
    assert (found.method, found.outcome) == (Method.ANYTIME, Outcome.SHOWN)
    assert found.p_value == pytest.approx(0.25**3)


def test_differences_too_small_to_count_are_drawn() -> None:
    assert sign_flip_p_value([1e-10]) == pytest.approx(0.5, abs=0.02)
