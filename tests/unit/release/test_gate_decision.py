"""The gate: who is promoted, rejected or left open, and that it errs at most with probability alpha."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.decision import Decision, Verdict
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, FacetRule, FacetSummary, Kind, Score, ScoreStatus, Split
from staffroom.release import (
    GatePlan,
    clusters_to_pass,
    decide,
    draw_items,
    explain,
    judge_facets,
    lost_facets,
    more_items,
    plan_gate,
    uses_in_all,
)
from staffroom.stats import alpha_for_use, cluster_interval, least_to_pass

ALPHA = alpha_for_use(1)
GATED = FacetRule(0.5, True)


def score(facet: str, number: int, value: float, cluster: str = "", **fields: object) -> Score:
    name = f"{facet}-{number}"
    base = Score(name, cluster or name, facet, Kind.SHORT, value, ScoreStatus.SCORED, "short/1", "as planned")
    return replace(base, **fields)  # type: ignore[arg-type]


def facet_scores(facet: str, right: int, total: int) -> list[Score]:
    return [score(facet, number, float(number < right)) for number in range(total)]


def evaluation(scores: Sequence[Score], split: Split = Split.GATE) -> Evaluation:
    rows = []
    for facet in sorted({row.facet for row in scores}):
        own = [row for row in scores if row.facet == facet]
        interval = cluster_interval([row.value for row in own], [row.cluster for row in own])
        rows.append(
            FacetSummary(facet, len(own), interval.clusters, interval.mean, interval.low, interval.high)
        )
    return Evaluation("sha256:a", "sha256:p", split, 1, tuple(scores), tuple(rows), tuple(rows), 0, 0, 0, 0.0)


def judge(
    scores: Sequence[Score], rules: dict[str, FacetRule], seed: int = 1, alpha: float = ALPHA
) -> Decision:
    clusters = {name: len({row.cluster for row in scores if row.facet == name}) for name in rules}
    return decide(evaluation(scores), plan_gate(rules, clusters, alpha), seed=seed)


def test_promoted_when_every_gated_facet_passes() -> None:
    scores = [
        *facet_scores("choice", 45, 60),
        *facet_scores("unanswerable", 10, 13),
        *facet_scores("short", 1, 30),
    ]
    rules = {"choice": GATED, "unanswerable": FacetRule(0.3, True), "short": FacetRule(None, False)}
    decision = judge(scores, rules)
    assert decision.verdict is Verdict.PROMOTED
    assert decision.alpha == ALPHA
    rows = {row.facet: row for row in decision.facets}
    assert (rows["choice"].tested, rows["choice"].passed, rows["choice"].gated) == (60, 45.0, True)
    assert (rows["short"].verdict, rows["short"].gated, rows["short"].n) == (Verdict.REPORTED, False, 30)
    assert decision.reason == (
        "Promoted: every gated facet is above its threshold (choice 45 of 60 right against 0.5, 38 needed; "
        "unanswerable 10 of 13 right against 0.3, 8 needed)."
    )
    assert explain(decision, "zh-TW").startswith(
        "錄用：把關的面向全部通過（choice 抽 60 題答對 45 題，需 38 題"
    )


def test_one_failing_facet_rejects_and_one_open_facet_leaves_undecided() -> None:
    rules = {"a": GATED, "b": GATED}
    rejected = judge([*facet_scores("a", 40, 40), *facet_scores("b", 8, 40)], rules)
    assert rejected.verdict is Verdict.REJECTED
    assert rejected.reason == "Rejected: b got 8 of 40 right and is at most 0.350, below 0.5."
    assert explain(rejected, "zh-TW") == "不錄用：b 抽 40 題答對 8 題，實力最多 0.350，低於門檻 0.5。"
    undecided = judge([*facet_scores("a", 40, 40), *facet_scores("b", 24, 40)], rules)
    assert undecided.verdict is Verdict.UNDECIDED
    assert "27 needed" in undecided.reason
    assert "more items from new sources would likely decide" in undecided.reason
    assert explain(undecided) == undecided.reason
    assert "才分得出高下" in explain(undecided, "zh-TW")
    more = more_items(undecided.facets[1], ALPHA)
    assert more is not None
    assert 150 < more < 250
    even = judge([*facet_scores("a", 40, 40), *facet_scores("b", 20, 40)], rules)
    assert "too near the threshold" in even.reason


def test_a_facet_too_small_to_decide_is_reported_and_an_empty_gate_promotes_nobody() -> None:
    scores = [*facet_scores("a", 40, 40), *facet_scores("tiny", 0, 4)]
    plan = plan_gate({"a": GATED, "tiny": GATED}, {"a": 40, "tiny": 4}, ALPHA)
    assert [(facet.facet, facet.gated, facet.least) for facet in plan.facets] == [
        ("a", True, 27),
        ("tiny", False, None),
    ]
    assert "even 4 of 4 right" in plan.facets[1].reason
    assert decide(evaluation(scores), plan, seed=1).verdict is Verdict.PROMOTED
    alone = judge(facet_scores("tiny", 4, 4), {"tiny": GATED})
    assert alone.verdict is Verdict.UNDECIDED
    assert "no facet has enough items" in alone.reason
    assert explain(alone, "zh-TW").startswith("無法判定：沒有任何面向")


def test_missing_answers_decide_nothing() -> None:
    lost = [score("a", number, 0.0, status=ScoreStatus.UNSCORED) for number in range(40)]
    assert judge(lost, {"a": GATED}).verdict is Verdict.UNDECIDED
    mixed = [
        *facet_scores("a", 26, 26),
        *(replace(row, item_id=f"x{i}", cluster=f"x{i}") for i, row in enumerate(lost[:14])),
    ]
    assert judge(mixed, {"a": GATED}).verdict is Verdict.UNDECIDED


def test_one_item_per_cluster_is_tested_and_all_are_scored() -> None:
    scores = [score("a", number, float(number % 2), f"k{number // 2}") for number in range(80)]
    decision = judge(scores, {"a": GATED})
    row = decision.facets[0]
    assert (row.n, row.score, row.tested) == (80, 0.5, 40)
    drawn = draw_items(scores, 1)["a"]
    assert len({item.cluster for item in drawn}) == 40
    assert drawn == draw_items(list(reversed(scores)), 1)["a"]
    assert drawn != draw_items(scores, 2)["a"]
    picks = [item.value for seed in range(30) for item in draw_items(scores, seed)["a"]]
    assert 0.45 < sum(picks) / len(picks) < 0.55


def test_an_evaluation_that_was_not_planned_is_refused() -> None:
    scores = facet_scores("a", 30, 40)
    with pytest.raises(StaffroomError, match="not on screen"):
        decide(evaluation(scores, Split.SCREEN), plan_gate({"a": GATED}, {"a": 40}, ALPHA), seed=1)
    with pytest.raises(StaffroomError, match="planned with 40 clusters and came back with 39"):
        decide(evaluation(scores[:39]), plan_gate({"a": GATED}, {"a": 40}, ALPHA), seed=1)
    with pytest.raises(StaffroomError, match="scored twice"):
        decide(evaluation([*scores, scores[0]]), plan_gate({"a": GATED}, {"a": 40}, ALPHA), seed=1)
    with pytest.raises(StaffroomError, match="sums up other facets"):
        decide(replace(evaluation(scores), facets=()), plan_gate({"a": GATED}, {"a": 40}, ALPHA), seed=1)
    with pytest.raises(StaffroomError, match="an exact test takes 0 or 1"):
        judge([*scores, score("a", 99, 0.5)], {"a": GATED})
    with pytest.raises(ValueError, match="unknown gate method"):
        plan_gate({"a": FacetRule(0.5, True, "vibes")}, {"a": 40}, ALPHA)


def test_betting_takes_fractions_by_cluster_means() -> None:
    rules = {"a": FacetRule(0.5, True, "betting")}
    high = [score("a", number, 0.9 if number % 3 else 0.6, f"k{number // 2}") for number in range(80)]
    assert judge(high, rules).verdict is Verdict.PROMOTED
    low = [replace(row, value=round(1 - row.value, 3)) for row in high]
    decision = judge(low, rules)
    assert decision.verdict is Verdict.REJECTED
    assert decision.facets[0].tested == 40
    assert judge([replace(row, value=0.5) for row in high], rules).verdict is Verdict.UNDECIDED
    small: GatePlan = plan_gate(rules, {"a": 3}, ALPHA)
    assert not small.facets[0].gated


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=6, max_size=40),
    st.floats(0.25, 0.8),
    st.sampled_from([0.05, ALPHA, alpha_for_use(2)]),
)
def test_false_promotion_of_unequal_clusters_is_at_most_alpha(
    rates: list[float], threshold: float, alpha: float
) -> None:
    """Exact: each cluster has its own rate, their mean is at the threshold; convolve the number right."""
    mean = sum(rates) / len(rates)
    if mean <= 0:
        return
    # Shrink towards the threshold until all rates lie in [0, 1] with exactly that mean.
    spread = min(
        (min(threshold, 1 - threshold) / abs(rate - mean) for rate in rates if rate != mean), default=0.0
    )
    fixed = [threshold + min(1.0, spread) * (rate - mean) for rate in rates]
    least = least_to_pass(len(fixed), threshold, alpha)
    if least is None:
        return
    chances = [1.0]
    for rate in fixed:
        chances = [
            (chances[k] if k < len(chances) else 0.0) * (1 - rate) + (chances[k - 1] * rate if k else 0.0)
            for k in range(len(chances) + 1)
        ]
    assert math.fsum(chances[least:]) <= alpha + 1e-9


def test_false_promotion_by_enumeration_through_the_gate_with_clusters() -> None:
    """Six clusters of two items that are always alike: the gate counts clusters, so it errs at most alpha."""
    threshold, alpha = 0.5, 0.0304
    wrong = wrong_reject = 0.0
    for pattern in itertools.product((0.0, 1.0), repeat=6):
        scores = [
            score("a", 2 * k + copy, value, f"k{k}") for k, value in enumerate(pattern) for copy in (0, 1)
        ]
        verdict = judge(scores, {"a": FacetRule(threshold, True)}, alpha=alpha).verdict
        wrong += 0.5**6 * (verdict is Verdict.PROMOTED)
        wrong_reject += 0.5**6 * (verdict is Verdict.REJECTED)
    assert 0 < wrong <= alpha
    assert 0 < wrong_reject <= alpha


RULES = st.fixed_dictionaries(
    {
        "a": st.builds(FacetRule, st.floats(0.2, 0.9), st.booleans(), st.sampled_from(["exact", "betting"])),
        "b": st.builds(FacetRule, st.floats(0.2, 0.9), st.booleans(), st.just("exact")),
    }
)


@settings(max_examples=40, deadline=None)
@given(RULES, st.integers(0, 40), st.integers(0, 40))
def test_a_facet_is_lost_when_a_perfect_result_no_longer_passes(
    rules: dict[str, FacetRule], one: int, two: int
) -> None:
    clusters = {"a": one, "b": two}
    most = uses_in_all(rules, clusters, 0.05)

    def gated(use: int) -> set[str]:
        return {row.facet for row in plan_gate(rules, clusters, alpha_for_use(use)).facets if row.gated}

    if most == 0:
        assert not gated(1)
        return
    last = 1000 if most is None else most
    assert gated(last) == gated(1)
    if most is None:
        return
    now = alpha_for_use(most + 1)
    lost = lost_facets(rules, clusters, first=ALPHA, now=now)
    assert set(lost) == gated(1) - gated(most + 1) != set()
    for name in lost:
        need = clusters_to_pass(rules[name], now)
        assert need > clusters[name]
        for count in (need - 1, need):
            plan = plan_gate({name: rules[name]}, {name: count}, now)
            assert plan.facets[0].gated == (count == need)


def test_the_sealed_split_is_judged_facet_by_facet_and_decided_by_nobody() -> None:
    scores = facet_scores("a", 40, 40)
    plan = plan_gate({"a": GATED}, {"a": 40}, 0.05)
    rows = judge_facets(evaluation(scores, Split.SEALED), plan, seed=1)
    assert [(row.facet, row.verdict, row.passed) for row in rows] == [("a", Verdict.PROMOTED, 40.0)]
    with pytest.raises(StaffroomError, match="not on sealed"):
        decide(evaluation(scores, Split.SEALED), plan, seed=1)
