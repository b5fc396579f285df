"""One claim, looked at after every cluster: exact on all small exams, latched, and deaf to what is missing."""

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.stats import (
    Claim,
    Method,
    Outcome,
    SequentialTest,
    StakeMixture,
    TargetBets,
    above_threshold,
    alpha_for_use,
    below_limit,
    discordant_log_e_value,
    least_clusters,
    non_inferior,
    superior,
)

FIRST_USE = alpha_for_use(1)
CLAIMS = [
    above_threshold(0.5),
    above_threshold(0.9),
    below_limit(0.1),
    superior(),
    superior(0.1),
    superior(lower_is_better=True),
    non_inferior(0.05),
    non_inferior(0.2),
    non_inferior(0.1, lower_is_better=True),
]


def outcome_of(claim: Claim, values: list[float], alpha: float, **how: int | bool) -> SequentialTest:
    test = SequentialTest(claim, alpha, **how)  # type: ignore[arg-type]
    for value in values:
        test.add(value)
    return test


def test_sixty_nine_clusters_without_disagreement_show_a_margin_of_five_points() -> None:
    """0.95^68 > 0.0304 >= 0.95^69: the fewest of any valid test, and enough for ours."""
    claim = non_inferior(0.05)
    assert least_clusters(claim, FIRST_USE) == 69
    assert 0.95**69 <= FIRST_USE < 0.95**68
    enough = outcome_of(claim, [0.0] * 69, FIRST_USE, planned=69).evidence
    assert (enough.outcome, enough.decided_at) == (Outcome.SHOWN, 69)
    assert enough.p_value <= FIRST_USE
    assert outcome_of(claim, [0.0] * 68, FIRST_USE, planned=68).evidence.outcome is Outcome.OPEN


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("alpha", [0.05, FIRST_USE, 0.0076])
def test_the_least_number_of_calm_clusters_suffices_whatever_the_plan(claim: Claim, alpha: float) -> None:
    best = claim.greatest if claim.above else claim.least
    calm = best if claim.calm is None else claim.calm
    least = least_clusters(claim, alpha)
    for planned in (least, least + 1, 2 * least, 5 * least):
        evidence = outcome_of(claim, [calm] * planned, alpha, planned=planned).evidence
        assert evidence.outcome is Outcome.SHOWN
        assert evidence.decided_at is not None
        assert least <= evidence.decided_at <= planned
    if least > 1:
        assert (
            outcome_of(claim, [calm] * (least - 1), alpha, planned=least - 1).evidence.outcome is Outcome.OPEN
        )


def border_masses(claim: Claim, middle: float) -> dict[float, float]:
    """Chances of the ends and the middle of the range with the mean exactly at the border."""
    centre = (claim.least + claim.greatest) / 2
    top = (claim.border - claim.least) / (claim.greatest - claim.least) - middle / 2
    return {claim.least: 1 - middle - top, centre: middle, claim.greatest: top}


@pytest.mark.parametrize("claim", [above_threshold(0.7), below_limit(0.3), superior(), non_inferior(0.3)])
@pytest.mark.parametrize(("clusters", "planned"), [(7, 7), (7, 12), (6, None)])
def test_every_small_exam_at_the_border(claim: Claim, clusters: int, planned: int | None) -> None:
    """All 3^n exams, weighted: the fortune is fair, and either decision is wrong with probability at most alpha."""
    alpha = 0.3
    masses = border_masses(claim, 0.3)
    fortune = shown = refuted = 0.0
    for path in itertools.product(masses, repeat=clusters):
        weight = math.prod(masses[value] for value in path)
        test = SequentialTest(claim, alpha, planned)
        for value in path:
            test.add(value)
        fortune += weight * math.exp(test.log_e_value)
        shown += weight * (test.evidence.outcome is Outcome.SHOWN)
        refuted += weight * (test.evidence.outcome is Outcome.REFUTED)
    assert fortune == pytest.approx(1.0, abs=1e-9)
    assert 0 < shown <= alpha
    assert refuted <= alpha


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 0.98),
    st.floats(0.001, 0.5),
    st.integers(1, 60),
    st.lists(st.floats(0, 1), max_size=60),
    st.floats(0, 1),
)
def test_the_next_bet_is_fair_whatever_came_before(
    threshold: float, alpha: float, rounds: int, past: list[float], calm: float
) -> None:
    """A stake between 0 and 1 keeps the fortune a supermartingale under every mean at most the threshold."""
    bets = TargetBets(threshold, -math.log(alpha), rounds, max(calm, threshold + 0.01))
    for score in past[: rounds - 1]:
        bets.settle(score)
        assert bets.log_value <= rounds * math.log(1 / threshold) + 1e-9
    assert 0 <= bets.stake <= 1


def test_a_decision_stays_whatever_follows() -> None:
    test = outcome_of(non_inferior(0.1), [0.0] * 34, FIRST_USE, planned=34)
    assert test.evidence.outcome is Outcome.SHOWN
    test.extend(100)
    for _ in range(100):
        test.add(-1.0)
    assert (test.evidence.outcome, test.evidence.decided_at) == (Outcome.SHOWN, 34)
    assert test.evidence.clusters == test.evidence.planned == 134


@pytest.mark.parametrize("planned", [40, None])
def test_a_worse_agent_is_refuted_and_a_better_one_shown(planned: int | None) -> None:
    worse, better = [-1.0, 0.0] * 20, [1.0, 0.0] * 20
    for claim in (non_inferior(0.05), superior()):
        assert outcome_of(claim, worse, FIRST_USE, planned=planned).evidence.outcome is Outcome.REFUTED
        assert outcome_of(claim, better, FIRST_USE, planned=planned).evidence.outcome is Outcome.SHOWN
    for claim in (non_inferior(0.05, lower_is_better=True), superior(lower_is_better=True)):
        assert outcome_of(claim, worse, FIRST_USE, planned=planned).evidence.outcome is Outcome.SHOWN
        assert outcome_of(claim, better, FIRST_USE, planned=planned).evidence.outcome is Outcome.REFUTED


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(CLAIMS),
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([None, 30]),
)
def test_a_claim_and_its_mirror_image_agree(claim: Claim, shares: list[float], planned: int | None) -> None:
    calm = None if claim.calm is None else claim.least + claim.greatest - claim.calm
    mirror = Claim(
        claim.least + claim.greatest - claim.border, claim.least, claim.greatest, not claim.above, calm
    )
    values = [claim.least + share * (claim.greatest - claim.least) for share in shares]
    one = outcome_of(claim, values, 0.2, planned=planned).evidence
    other = outcome_of(
        mirror, [claim.least + claim.greatest - value for value in values], 0.2, planned=planned
    ).evidence
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
    assert one.p_against == pytest.approx(other.p_against, rel=1e-6)
    assert claim.negated.negated.border == claim.border


def test_whole_pairs_without_a_plan_are_the_beta_mixture() -> None:
    values = [1.0, 0.0, 1.0, -1.0, 1.0, 0.0, 1.0, 1.0]
    test = outcome_of(superior(), values, 0.05, whole=True)
    assert test.log_e_value == pytest.approx(discordant_log_e_value(5, 1))
    nodes = outcome_of(superior(), values, 0.05)
    assert test.log_e_value == pytest.approx(nodes.log_e_value, abs=0.02)


@pytest.mark.parametrize(
    ("claim", "calm"), [(non_inferior(0.05), 0.0), (superior(), 1.0), (above_threshold(0.9), 1.0)]
)
def test_an_alpha_that_takes_every_single_cluster_is_reached(claim: Claim, calm: float) -> None:
    """Where the least number is exact, everything must be staked on each cluster, not a rounding error less."""
    for clusters in (6, 34, 69, 200):
        alpha = (claim.scaled_border / claim.scaled_calm) ** clusters
        assert least_clusters(claim, alpha) == clusters
        assert outcome_of(claim, [calm] * clusters, alpha, planned=clusters).evidence.outcome is Outcome.SHOWN


def test_an_alpha_next_to_1_does_not_decide_by_itself() -> None:
    assert outcome_of(superior(), [-1.0], 1 - 1e-13, planned=6).evidence.outcome is not Outcome.SHOWN


@pytest.mark.parametrize("planned", [60, None])
def test_missing_answers_never_decide(planned: int | None) -> None:
    """Everything unscored shows nothing; scored clusters decide as if the missing ones spoke against either word."""
    for claim in CLAIMS:
        test = SequentialTest(claim, FIRST_USE, planned)
        for _ in range(60):
            test.add(claim.least, claim.greatest)
        assert test.evidence.outcome is Outcome.OPEN
        assert (test.evidence.mean_low, test.evidence.mean_high) == (claim.least, claim.greatest)
    half = SequentialTest(superior(), FIRST_USE, planned)
    for index in range(40):
        half.add(1.0, 1.0) if index % 2 else half.add(-1.0, 1.0)
    assert half.evidence.outcome is Outcome.OPEN


def test_evidence_says_what_it_is() -> None:
    empty = SequentialTest(superior(), 0.05, 10).evidence
    assert (empty.outcome, empty.clusters, empty.p_value) == (Outcome.OPEN, 0, 1.0)
    assert (empty.mean_low, empty.mean_high) == (-1.0, 1.0)
    assert empty.method is Method.ANYTIME


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: above_threshold(0.0), "strictly between"),
        (lambda: above_threshold(1.0), "strictly between"),
        (lambda: below_limit(float("nan")), "strictly between"),
        (lambda: non_inferior(0.0), "strictly between"),
        (lambda: non_inferior(1.0), "strictly between"),
        (lambda: superior(1.0), "at least 0"),
        (lambda: superior(-0.1), "at least 0"),
        (lambda: Claim(0.5, calm=0.4), "calm"),
        (lambda: SequentialTest(superior(), 0.0), "alpha"),
        (lambda: SequentialTest(superior(), float("nan")), "alpha"),
        (lambda: SequentialTest(superior(), 0.05, 0), "at least one round"),
        (lambda: SequentialTest(non_inferior(0.1), 0.05, whole=True), "without a margin"),
        (lambda: SequentialTest(superior(), 0.05).extend(3), "no extension"),
        (lambda: SequentialTest(superior(), 0.05, 3).extend(0), "at least one"),
        (lambda: SequentialTest(superior(), 0.05, 3).add(float("nan")), "lie between"),
        (lambda: SequentialTest(superior(), 0.05, 3).add(1.5), "lie between"),
        (lambda: SequentialTest(superior(), 0.05, 3).add(0.5, 0.2), "above its high"),
        (lambda: SequentialTest(superior(), 0.05, whole=True).add(0.5), "whole differences"),
        (lambda: outcome_of(superior(), [0.0] * 4, 0.05, planned=3), "extend the plan"),
        (lambda: StakeMixture([]), "stakes"),
        (lambda: TargetBets(1.0, 3.0, 5), "threshold"),
        (lambda: TargetBets(0.5, 0.0, 5), "target"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wrong()
