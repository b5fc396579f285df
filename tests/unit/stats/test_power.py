"""The planner's word against many exams, and against formulas where there are some."""

import math
import time

import numpy as np
import pytest
from border_exams import planned_peaks

from staffroom.stats import (
    Claim,
    Outlook,
    above_threshold,
    alpha_for_use,
    below_limit,
    clusters_needed,
    least_clusters,
    more_clusters,
    non_inferior,
    plan_test,
    power_to_pass,
    sequential_power,
    superior,
)

ALPHA = alpha_for_use(1)
CASES = [
    (non_inferior(0.1), Outlook.of_pairs(0.05, 0.05), 110),
    (non_inferior(0.05), Outlook.of_pairs(0.08, 0.03), 110),
    (non_inferior(0.05), Outlook.of_pairs(0.2, 0.2, 0.25), 120),
    (superior(), Outlook.of_pairs(0.15, 0.05), 150),
    (superior(lower_is_better=True), Outlook.of_pairs(0.05, 0.15), 150),
    (above_threshold(0.5), Outlook.of_rate(0.75), 30),
    (below_limit(0.1), Outlook.of_rate(0.02), 70),
]


def many_exams(claim: Claim, outlook: Outlook, clusters: int, exams: int = 4000) -> float:
    chance = np.random.default_rng(clusters)
    scores = chance.choice(
        [claim.scaled(value) for value in outlook.values], (exams, clusters), p=outlook.shares
    )
    peaks = planned_peaks(scores, claim.scaled_border, ALPHA, claim.scaled_calm)
    return float(np.mean(peaks >= -math.log(ALPHA) - 1e-12))


@pytest.mark.parametrize(("claim", "outlook", "clusters"), CASES)
def test_the_planned_power_is_what_many_exams_show(claim: Claim, outlook: Outlook, clusters: int) -> None:
    said = sequential_power(claim, ALPHA, clusters, outlook, runs=300)
    assert said.shown == pytest.approx(many_exams(claim, outlook, clusters), abs=4 * said.error + 0.01)
    assert said.refuted <= 0.02
    assert 0 < said.mean_clusters <= clusters
    assert said == sequential_power(claim, ALPHA, clusters, outlook, runs=300)


@pytest.mark.parametrize(("claim", "outlook", "clusters"), CASES)
def test_the_clusters_said_to_be_needed_are_needed(claim: Claim, outlook: Outlook, clusters: int) -> None:
    needed = clusters_needed(claim, ALPHA, outlook)
    assert needed is not None
    assert 0.74 <= many_exams(claim, outlook, needed) <= 0.87
    assert many_exams(claim, outlook, max(1, needed // 2)) < 0.7


def test_agents_that_never_disagree_need_the_least_number() -> None:
    assert clusters_needed(non_inferior(0.05), ALPHA, Outlook.of_pairs(0, 0)) == 69
    assert least_clusters(non_inferior(0.03), ALPHA) == 115
    assert least_clusters(non_inferior(0.1), ALPHA) == 34
    assert least_clusters(superior(), ALPHA) == 6


def test_what_is_not_so_needs_no_clusters() -> None:
    assert clusters_needed(superior(), ALPHA, Outlook.of_pairs(0.1, 0.1)) is None
    assert clusters_needed(non_inferior(0.05), ALPHA, Outlook.of_pairs(0.0, 0.2)) is None
    assert clusters_needed(superior(), ALPHA, Outlook.of_pairs(0.201, 0.2)) is None


def test_planned_betting_comes_close_to_the_exact_test_that_looks_once() -> None:
    for threshold, rate, clusters in ((0.5, 0.7, 60), (0.7, 0.85, 80), (0.45, 0.75, 30)):
        betting = many_exams(above_threshold(threshold), Outlook.of_rate(rate), clusters)
        assert betting >= power_to_pass(clusters, threshold, ALPHA, rate) - 0.06


def test_a_plan_is_made_at_once_and_says_what_cannot_be() -> None:
    began = time.perf_counter()
    plan = plan_test(non_inferior(0.05), ALPHA, 51, Outlook.of_pairs(0.03, 0.03))
    assert time.perf_counter() - began < 10  # about half a second on a free machine
    assert (plan.decidable, plan.least) == (False, 69)
    assert plan.power is not None
    assert plan.power.shown < 0.3
    assert plan.needed is not None
    assert plan.needed > 150
    bare = plan_test(non_inferior(0.05), ALPHA, 69)
    assert (bare.decidable, bare.power, bare.needed) == (True, None, None)
    assert plan_test(superior(), ALPHA, 0, Outlook.of_pairs(0.2, 0.1)).power is None


def test_an_open_claim_is_told_how_many_more() -> None:
    claim, next_alpha = non_inferior(0.05), alpha_for_use(2)
    seen = [0.0] * 57 + [1.0, 1.0, -1.0]
    more = more_clusters(claim, next_alpha, seen)
    assert more is not None
    assert least_clusters(claim, next_alpha) < more < 400
    power = sequential_power(claim, next_alpha, more, Outlook.of_seen(seen, claim), seed="again").shown
    assert power == pytest.approx(0.8, abs=0.1)
    assert more_clusters(superior(), next_alpha, [1.0, -1.0] * 20) is None


def test_what_was_seen_becomes_an_outlook_that_rules_nothing_out() -> None:
    outlook = Outlook.of_seen([0.0] * 9, non_inferior(0.1))
    assert outlook.values == (-1.0, 0.0, 1.0)
    assert outlook.shares == pytest.approx((0.05, 0.9, 0.05))
    assert Outlook.of_rate(0.7).mean == pytest.approx(0.7)


def test_impossible_outlooks_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        Outlook.of_pairs(0.7, 0.6)
    with pytest.raises(ValueError, match="sum to 1"):
        Outlook((0.0, 1.0), (float("nan"), 1.0))
    with pytest.raises(ValueError, match="needs a share"):
        Outlook((), ())
    with pytest.raises(ValueError, match="lie between"):
        sequential_power(superior(), ALPHA, 10, Outlook((2.0,), (1.0,)))
    with pytest.raises(ValueError, match="at least one"):
        sequential_power(superior(), ALPHA, 0, Outlook((0.0,), (1.0,)))
    with pytest.raises(ValueError, match="nothing was seen"):
        more_clusters(superior(), ALPHA, [])
    with pytest.raises(ValueError, match="goal"):
        clusters_needed(superior(), ALPHA, Outlook((1.0,), (1.0,)), goal=1.0)
    with pytest.raises(ValueError, match="alpha"):
        least_clusters(superior(), 1.0)
