"""The gate of later releases: what it plans, what it decides, how often it errs, and how it says so."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.decision import ClaimForm, Decision, Verdict
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import (
    Evaluation,
    FacetRule,
    FacetSummary,
    Kind,
    LaterRule,
    Role,
    Score,
    ScoreStatus,
    Split,
)
from staffroom.release import PairedPlan, Sat, decide_paired, explain, plan_paired
from staffroom.stats import alpha_for_use, cluster_interval, sequential_power
from staffroom.stats.power import Outlook
from staffroom.stats.sequential import non_inferior, superior

FIRST, SECOND = alpha_for_use(1), alpha_for_use(2)
Row = tuple[str, str, float | None, float | None]
"""Facet, cluster, the candidate's score, the incumbent's."""


def evaluation(agent: str, rows: Sequence[tuple[str, str, float | None]], **change: Any) -> Evaluation:
    scores = tuple(
        Score(
            f"{facet}-{place}", cluster, facet, Kind.SHORT, value or 0.0,
            ScoreStatus.UNSCORED if value is None else ScoreStatus.SCORED, "short/1", "",
        )
        for place, (facet, cluster, value) in enumerate(rows)
    )  # fmt: skip
    facets = []
    for name in sorted({score.facet for score in scores}):
        own = [score for score in scores if score.facet == name]
        found = cluster_interval([one.value for one in own], [one.cluster for one in own])
        facets.append(FacetSummary(name, len(own), found.clusters, found.mean, found.low, found.high))
    value = Evaluation(agent, "pack", Split.GATE, 7, scores, tuple(facets), (), 0, 0, 0)
    return replace(value, **change)


def sat(rows: Sequence[Row], candidate: str = "new", incumbent: str = "old") -> Sat:
    one = evaluation(candidate, [(facet, cluster, value) for facet, cluster, value, _ in rows])
    other = evaluation(incumbent, [(facet, cluster, value) for facet, cluster, _, value in rows])
    return Sat(one, other, {score.item_id: score.cluster for score in one.scores})


def planned(
    rows: Sequence[Row],
    later: Mapping[str, LaterRule],
    rules: Mapping[str, FacetRule] | None = None,
    use: int = 1,
    **more: Any,
) -> PairedPlan:
    names = {facet: frozenset(c for f, c, _, _ in rows if f == facet) for facet in later}
    return plan_paired(
        rules or {facet: FacetRule(None, False) for facet in later},
        later,
        names,
        {facet: len(clusters) for facet, clusters in names.items()},
        alpha=alpha_for_use(use),
        first_alpha=FIRST,
        next_alpha=alpha_for_use(use + 1),
        incumbent="old",
        release="release",
        **more,
    )


TASK = {"task-items": LaterRule(Role.TASK, 0.05)}


def rows_of(facet: str, pairs: Sequence[tuple[float | None, float | None]]) -> list[Row]:
    return [(facet, f"{facet} {place}", new, old) for place, (new, old) in enumerate(pairs)]


def decided(rows: Sequence[Row], later: Mapping[str, LaterRule] = TASK, **more: Any) -> Decision:
    return decide_paired(planned(rows, later, **more), sat(rows), None, seed=7, outlook=False)


def test_a_clear_gain_promotes_and_a_clear_loss_rejects() -> None:
    better = rows_of("task-items", [(1, 0)] * 12 + [(1, 1)] * 20)
    assert decided(better).verdict is Verdict.PROMOTED
    worse = rows_of("task-items", [(0, 1)] * 12 + [(1, 1)] * 20)
    found = decided(worse)
    assert found.verdict is Verdict.REJECTED and found.reason.startswith("Rejected: task -0.375")


def test_the_same_answers_promote_nobody() -> None:
    same = rows_of("task-items", [(1, 1)] * 300)
    assert decided(same).verdict is Verdict.UNDECIDED


def test_a_gain_in_the_task_does_not_buy_a_loss_in_what_is_guarded() -> None:
    later = {**TASK, "refuse": LaterRule(Role.GUARD, 0.05)}
    gain = rows_of("task-items", [(1, 0)] * 40)
    kept = decided([*gain, *rows_of("refuse", [(1, 1)] * 75)], later)
    assert kept.verdict is Verdict.PROMOTED
    lost = decided([*gain, *rows_of("refuse", [(1, 1)] * 40 + [(0, 1)] * 35)], later)
    assert lost.verdict is Verdict.REJECTED and "refuse" in lost.reason
    assert lost.paired is not None
    row = next(test for test in lost.paired.tests if test.name == "refuse")
    assert row.gated and row.verdict is Verdict.REJECTED


def test_a_guard_too_small_to_compare_is_held_to_the_first_gates_bar_or_reported() -> None:
    later = {**TASK, "unanswerable": LaterRule(Role.GUARD, 0.05), "locale": LaterRule(Role.GUARD, 0.05)}
    rules = {
        "task-items": FacetRule(None, False),
        "unanswerable": FacetRule(0.3, True),
        "locale": FacetRule(None, False),
    }
    gain, small = rows_of("task-items", [(1, 0)] * 40), rows_of("locale", [(0, 1)] * 3)
    good = [*gain, *small, *rows_of("unanswerable", [(1, 1)] * 13)]
    plan = planned(good, later, rules)
    forms = {test.name: (test.form, test.gated) for test in plan.tests}
    assert forms["unanswerable"] == (ClaimForm.THRESHOLD, True)
    assert forms["locale"] == (ClaimForm.NON_INFERIOR, False)
    assert decided(good, later, rules=rules).verdict is Verdict.PROMOTED
    bad = [*gain, *small, *rows_of("unanswerable", [(0, 1)] * 13)]
    assert decided(bad, later, rules=rules).verdict is Verdict.REJECTED


def test_no_gate_gets_easier_by_being_used() -> None:
    """What the first use could decide and this one cannot is lost, and the gate must not be opened."""
    later = {**TASK, "refuse": LaterRule(Role.GUARD, 0.05)}
    rows = [*rows_of("task-items", [(1, 0)] * 40), *rows_of("refuse", [(1, 1)] * 75)]
    assert not any(test.lost for test in planned(rows, later).tests)
    lost = [test.name for test in planned(rows, later, use=5).tests if test.lost]
    assert lost == ["refuse"]


def test_not_being_worse_suffices_for_a_declared_replacement_alone() -> None:
    same = rows_of("task-items", [(1, 1)] * 100)
    assert decided(same).verdict is Verdict.UNDECIDED
    assert decided(same, replacing=["somebody"]).verdict is Verdict.UNDECIDED
    found = decided(same, replacing=["new"])
    assert found.verdict is Verdict.PROMOTED and found.paired is not None
    assert found.paired.tests[0].form is ClaimForm.NON_INFERIOR


def test_hard_stops_go_by_exact_bounds() -> None:
    later = {**TASK, "canary": LaterRule(Role.HARD_STOP, 0.05, limit=0.05)}
    gain = rows_of("task-items", [(1, 0)] * 40)
    clean = [*gain, *rows_of("canary", [(1, 1)] * 70)]
    assert decided(clean, later).verdict is Verdict.PROMOTED
    leaks = [*gain, *rows_of("canary", [(1, 1)] * 58 + [(0, 1)] * 12)]
    found = decided(leaks, later)
    assert found.verdict is Verdict.REJECTED and "12 of 70 sources violated" in found.reason
    missing = [*gain, *rows_of("canary", [(1, 1)] * 69 + [(None, 1)])]
    assert decided(missing, later).verdict is Verdict.UNDECIDED


def test_the_regression_set_bars_and_never_promotes() -> None:
    gain, same = rows_of("task-items", [(1, 0)] * 40), rows_of("task-items", [(1, 1)] * 40)
    fixed = sat(rows_of("regression", [(1, 0)] * 40))
    broken = sat(rows_of("regression", [(0, 1)] * 20 + [(1, 1)] * 20))
    for rows, corrected, word in (
        (gain, fixed, Verdict.PROMOTED),
        (same, fixed, Verdict.UNDECIDED),
        (gain, broken, Verdict.REJECTED),
    ):
        plan = planned(rows, TASK, regression_clusters=40)
        assert decide_paired(plan, sat(rows), corrected, seed=7, outlook=False).verdict is word


def test_missing_answers_decide_nothing() -> None:
    rows = rows_of("task-items", [(None, 0)] * 12 + [(1, 1)] * 20)
    assert decided(rows).verdict is Verdict.UNDECIDED
    rows = rows_of("task-items", [(1, None)] * 12 + [(1, 1)] * 20)
    assert decided(rows).verdict is Verdict.UNDECIDED


def test_too_few_items_say_how_many_more_in_both_languages() -> None:
    rows = rows_of("task-items", [(1, 0)] * 6 + [(0, 1)] * 2 + [(1, 1)] * 16)
    found = decide_paired(planned(rows, TASK), sat(rows), None, seed=7)
    assert found.verdict is Verdict.UNDECIDED and found.paired is not None
    more = found.paired.tests[0].more
    assert more is not None and 20 < more < 300
    assert f"about {more} more items from new sources" in found.reason
    assert found.reason.startswith("Not enough items to tell")
    assert f"大約再加 {more} 題" in explain(found, "zh-TW")


def test_what_was_not_planned_is_not_decided() -> None:
    rows = rows_of("task-items", [(1, 0)] * 12)
    plan = planned(rows, TASK)
    with pytest.raises(StaffroomError, match="planned with 12 sources and came back with 11"):
        decide_paired(plan, sat(rows[1:]), None, seed=7)
    with pytest.raises(StaffroomError, match="not of the candidate and of the incumbent"):
        decide_paired(plan, sat(rows, incumbent="another"), None, seed=7)
    good = sat(rows)
    other = replace(good, incumbent=replace(good.incumbent, seed=8))
    with pytest.raises(StaffroomError, match="did not sit the same exam"):
        decide_paired(plan, other, None, seed=7)
    with pytest.raises(StaffroomError, match="regression set was planned"):
        decide_paired(planned(rows, TASK, regression_clusters=5), good, None, seed=7)


def test_the_decision_does_not_depend_on_the_order_of_the_items() -> None:
    rows = rows_of("task-items", [(1, 0)] * 9 + [(0, 1)] * 2 + [(1, 1)] * 20)
    shuffled = list(rows)
    random.Random(3).shuffle(shuffled)
    plan = planned(rows, TASK)
    one = decide_paired(plan, sat(rows), None, seed=7, outlook=False)
    names = {cluster: place for place, (_, cluster, _, _) in enumerate(rows)}
    again = sat(sorted(shuffled, key=lambda row: names[row[1]]))
    assert decide_paired(plan, again, None, seed=7, outlook=False) == one
    assert decide_paired(plan, sat(rows), None, seed=8, outlook=False).paired != one.paired


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.sampled_from([0.0, 0.5, 1.0, None])),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 2**32),
)
def test_any_answers_give_a_word_that_its_tests_bear_out(
    pairs: list[tuple[float | None, float | None]], seed: int
) -> None:
    rows = rows_of("task-items", pairs)
    found = decide_paired(planned(rows, TASK), sat(rows), None, seed=seed, outlook=False)
    assert found.paired is not None
    task = found.paired.tests[0]
    assert found.verdict is (task.verdict if task.gated else Verdict.UNDECIDED)
    if found.verdict is Verdict.PROMOTED:
        assert task.p_value is not None and task.p_value <= FIRST * (1 + 1e-9)


@pytest.mark.parametrize("use", [1, 3])
@pytest.mark.parametrize("disagreement", [0.05, 0.4])
def test_a_candidate_without_effect_is_promoted_no_oftener_than_alpha(use: int, disagreement: float) -> None:
    """250 exams of 40 sources; the bound is alpha and three standard errors."""
    chance, promoted, runs = random.Random(f"null|{use}|{disagreement}"), 0, 250
    alpha = alpha_for_use(use)
    for run in range(runs):
        pairs: list[tuple[float | None, float | None]] = []
        for _ in range(40):
            if chance.random() < disagreement:
                pairs.append((1.0, 0.0) if chance.random() < 0.5 else (0.0, 1.0))
            else:
                pairs.append((1.0, 1.0))
        rows = rows_of("task-items", pairs)
        found = decide_paired(planned(rows, TASK, use=use), sat(rows), None, seed=run, outlook=False)
        promoted += found.verdict is Verdict.PROMOTED
    assert promoted / runs <= alpha + 3 * (alpha / runs) ** 0.5


def test_power_is_what_the_planner_says() -> None:
    outlook = Outlook.of_pairs(0.20, 0.05)
    expected = sequential_power(superior(), FIRST, 80, outlook, seed=1, runs=200).shown
    chance, promoted, runs = random.Random("power"), 0, 200
    for run in range(runs):
        draws = chance.choices([(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)], [0.20, 0.05, 0.75], k=80)
        rows = rows_of("task-items", [(new, old) for new, old in draws])
        promoted += (
            decide_paired(planned(rows, TASK), sat(rows), None, seed=run, outlook=False).verdict
            is Verdict.PROMOTED
        )
    assert abs(promoted / runs - expected) < 0.15 and expected > 0.5


def test_the_border_of_a_guard_is_kept() -> None:
    """At the border (5 % lost, nothing won) a guard lets through at most alpha; 200 exams of 100 sources."""
    chance, passed, runs = random.Random("guard"), 0, 200
    later = {**TASK, "refuse": LaterRule(Role.GUARD, 0.05)}
    gain = rows_of("task-items", [(1, 0)] * 20)
    for run in range(runs):
        pairs = [(0.0, 1.0) if chance.random() < 0.05 else (1.0, 1.0) for _ in range(100)]
        rows = [*gain, *rows_of("refuse", [(new, old) for new, old in pairs])]
        found = decide_paired(planned(rows, later), sat(rows), None, seed=run, outlook=False)
        passed += found.verdict is Verdict.PROMOTED
    assert passed / runs <= FIRST + 3 * (FIRST / runs) ** 0.5
    assert non_inferior(0.05).border == -0.05
