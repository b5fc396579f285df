"""The gate of a first hire: exact one-sample tests against thresholds that were fixed beforehand.

Procedure:
1. `plan_gate` before the run: which facets are gated, and how many right answers each needs. It is logged.
2. Per gated facet and cluster one item is drawn by the seed; its scores are tested at level alpha.
3. A facet passes if the p-value of "true score <= threshold" is at most alpha, and fails if the one-sided upper bound
   at the same alpha is below the threshold.
4. Promoted: every gated facet passes. Rejected: some gated facet fails. Otherwise undecided.

All facets must pass, so alpha is not divided among them (an intersection-union test, Berger 1982).
It does not measure, store or move anything.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from staffroom.records.decision import Decision, FacetVerdict, Verdict
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, FacetRule, FacetSummary, Score, ScoreStatus, Split
from staffroom.release.reasons import decision_reason, facet_reason
from staffroom.stats import (
    alpha_for_use,
    betting_p_value,
    betting_upper_bound,
    can_ever_decide,
    least_to_pass,
    upper_bound,
    upper_tail_p_value,
)

__all__ = [
    "FacetPlan",
    "GatePlan",
    "clusters_to_pass",
    "decide",
    "draw_items",
    "judge_facets",
    "lost_facets",
    "plan_gate",
    "uses_in_all",
]

_MOST_USES = 1000


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """What one facet can do at this gate; `least` successes of `clusters` pass (None with betting)."""

    facet: str
    threshold: float | None
    gated: bool
    method: str
    clusters: int
    least: int | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return the plan's row for the log."""
        return {
            "facet": self.facet,
            "threshold": self.threshold,
            "gated": self.gated,
            "method": self.method,
            "clusters": self.clusters,
            "least": self.least,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class GatePlan:
    """The rule of one opening of a gate, committed to before its first item is asked."""

    alpha: float
    facets: tuple[FacetPlan, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the plan for the log."""
        return {"alpha": self.alpha, "facets": [facet.as_json() for facet in self.facets]}


def plan_gate(rules: Mapping[str, FacetRule], clusters: Mapping[str, int], alpha: float) -> GatePlan:
    """Return which facets this gate can decide; those too small are reported, not gated.

    clusters: distinct clusters of each facet in the gate split.  alpha: for this use of the split.
    """
    if not 0 < alpha < 1:
        raise ValueError("alpha lies between 0 and 1")
    return GatePlan(
        alpha, tuple(_plan(name, rule, clusters.get(name, 0), alpha) for name, rule in sorted(rules.items()))
    )


def lost_facets(
    rules: Mapping[str, FacetRule], clusters: Mapping[str, int], *, first: float, now: float
) -> tuple[str, ...]:
    """Return the gated facets that a perfect result would pass at alpha `first` and would no longer pass at `now`.

    Reporting them instead would let a gate become easier each time it is used.
    """
    before, after = plan_gate(rules, clusters, first), plan_gate(rules, clusters, now)
    return tuple(
        one.facet for one, two in zip(before.facets, after.facets, strict=True) if one.gated and not two.gated
    )


def clusters_to_pass(rule: FacetRule, alpha: float) -> int:
    """Return the least number of clusters on which a perfect result passes a gated facet at this alpha."""
    high = 1
    while not _can_pass(rule, high, alpha):
        high *= 2
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        if _can_pass(rule, middle, alpha):
            high = middle
        else:
            low = middle + 1
    return low


def uses_in_all(rules: Mapping[str, FacetRule], clusters: Mapping[str, int], lifetime: float) -> int | None:
    """Return how often this gate can be opened before a facet is lost; None for more than a thousand times.

    0 where no facet can decide even at the first use.
    """
    first = alpha_for_use(1, lifetime)

    def lasts(use: int) -> bool:
        return not lost_facets(rules, clusters, first=first, now=alpha_for_use(use, lifetime))

    if not any(facet.gated for facet in plan_gate(rules, clusters, first).facets):
        return 0
    if lasts(_MOST_USES + 1):
        return None
    low, high = 1, _MOST_USES + 1
    while high - low > 1:
        middle = (low + high) // 2
        if lasts(middle):
            low = middle
        else:
            high = middle
    return low


def decide(evaluation: Evaluation, plan: GatePlan, *, seed: int | str) -> Decision:
    """Return the gate's word on an evaluation of the gate split.

    seed: the one derived from the checkpoint that holds the commitment; it draws one item per cluster and facet.
    An unscored item counts as wrong where the facet would pass and as right where it would fail: missing
    evidence decides nothing. Raises StaffroomError where the evaluation is not the one planned for.
    """
    if evaluation.split is not Split.GATE:
        raise StaffroomError(
            f"a gate decides on the gate split, not on {evaluation.split.value}",
            hint="run `staffroom hire` with the job description: it asks the gate split",
        )
    verdicts = judge_facets(evaluation, plan, seed=seed)
    gated = [verdict.verdict for verdict in verdicts if verdict.gated]
    if Verdict.REJECTED in gated:
        word = Verdict.REJECTED
    elif gated and all(verdict is Verdict.PROMOTED for verdict in gated):
        word = Verdict.PROMOTED
    else:
        word = Verdict.UNDECIDED
    return Decision(
        verdict=word,
        reason=decision_reason(word, verdicts, plan.alpha),
        agent=evaluation.agent,
        pack=evaluation.pack,
        alpha=plan.alpha,
        facets=verdicts,
    )


def judge_facets(evaluation: Evaluation, plan: GatePlan, *, seed: int | str) -> tuple[FacetVerdict, ...]:
    """Return what an evaluation shows of each facet under a plan; steps 2 and 3 of a gate, of whichever split."""
    planned = {facet.facet: facet for facet in plan.facets}
    drawn = draw_items(evaluation.scores, seed)
    _check_counts(planned, drawn, evaluation.scores)
    if sorted(summary.facet for summary in evaluation.facets) != sorted(drawn):
        raise StaffroomError("an evaluation sums up other facets than it scored", hint="staffroom doctor")
    return tuple(
        _verdict(summary, planned.get(summary.facet), drawn, evaluation.scores, plan.alpha, seed)
        for summary in evaluation.facets
    )


def draw_items(scores: Iterable[Score], seed: int | str) -> dict[str, tuple[Score, ...]]:
    """Return one score per cluster and facet: the item with the lowest sha256(seed | facet | item id)."""
    best: dict[tuple[str, str], tuple[str, Score]] = {}
    for score in scores:
        rank = hashlib.sha256(f"{seed}|{score.facet}|{score.item_id}".encode()).hexdigest()
        key = score.facet, score.cluster
        if key not in best or rank < best[key][0]:
            best[key] = rank, score
    result: dict[str, list[Score]] = {}
    for (facet, _), (_, score) in sorted(best.items()):
        result.setdefault(facet, []).append(score)
    return {facet: tuple(rows) for facet, rows in result.items()}


def _plan(name: str, rule: FacetRule, clusters: int, alpha: float) -> FacetPlan:
    if not rule.gated or rule.threshold is None:
        return FacetPlan(
            name, rule.threshold, False, rule.method, clusters, None, "reported: the pack does not gate it"
        )
    if not _can_pass(rule, clusters, alpha):
        reason = f"reported, not gated: even {clusters} of {clusters} right would not show more than {rule.threshold:g}"
        return FacetPlan(name, rule.threshold, False, rule.method, clusters, None, reason)
    least = least_to_pass(clusters, rule.threshold, alpha) if rule.method == "exact" else None
    needs = (
        f"{least} of {clusters} right"
        if least is not None
        else f"a bet on {clusters} cluster means that wins"
    )
    return FacetPlan(name, rule.threshold, True, rule.method, clusters, least, f"gated: passes with {needs}")


def _can_pass(rule: FacetRule, clusters: int, alpha: float) -> bool:
    """Say whether a perfect result on so many clusters would pass."""
    if rule.threshold is None:
        raise ValueError("a gated facet has a threshold")
    if rule.method == "exact":
        return can_ever_decide(clusters, rule.threshold, alpha)
    if rule.method == "betting":
        return betting_p_value([1.0] * clusters, rule.threshold) <= alpha
    raise ValueError(f"unknown gate method {rule.method!r}")


def _check_counts(
    planned: Mapping[str, FacetPlan], drawn: Mapping[str, tuple[Score, ...]], scores: tuple[Score, ...]
) -> None:
    if len({score.item_id for score in scores}) != len(scores):
        raise StaffroomError("an item is scored twice in one evaluation", hint="staffroom doctor")
    for name, plan in planned.items():
        found = len(drawn.get(name, ()))
        if plan.gated and found != plan.clusters:
            raise StaffroomError(
                f"facet {name} was planned with {plan.clusters} clusters and came back with {found}",
                hint="run the same `staffroom hire` again: it goes on where it stopped",
            )


def _verdict(
    summary: FacetSummary,
    plan: FacetPlan | None,
    drawn: Mapping[str, tuple[Score, ...]],
    scores: tuple[Score, ...],
    alpha: float,
    seed: int | str,
) -> FacetVerdict:
    if plan is None or not plan.gated or plan.threshold is None:
        reason = plan.reason if plan is not None else "reported: the pack does not gate it"
        threshold = plan.threshold if plan is not None else None
        return _facet_verdict(summary, threshold, False, Verdict.REPORTED, reason=reason)
    if plan.method == "betting":
        own = [score for score in scores if score.facet == summary.facet]
        low, high = _cluster_means(own, seed, 0.0), _cluster_means(own, seed, 1.0)
        tested, passed = len(low), sum(low)
        p_value = betting_p_value(low, plan.threshold)
        upper = betting_upper_bound(high, alpha)
    else:
        rows = drawn[summary.facet]
        tested = len(rows)
        right = sum(_whole(row) for row in rows)
        missing = sum(row.status is ScoreStatus.UNSCORED for row in rows)
        p_value = upper_tail_p_value(right, tested, plan.threshold)
        upper = upper_bound(right + missing, tested, alpha)
        passed = float(right)
    if p_value <= alpha:
        word = Verdict.PROMOTED
    elif upper < plan.threshold:
        word = Verdict.REJECTED
    else:
        word = Verdict.UNDECIDED
    reason = facet_reason(word, tested, passed, plan.threshold, p_value, upper)
    return _facet_verdict(
        summary,
        plan.threshold,
        True,
        word,
        reason,
        tested=tested,
        passed=passed,
        p_value=p_value,
        upper=upper,
    )


def _facet_verdict(
    summary: FacetSummary,
    threshold: float | None,
    gated: bool,
    word: Verdict,
    reason: str,
    *,
    tested: int = 0,
    passed: float = 0.0,
    p_value: float | None = None,
    upper: float | None = None,
) -> FacetVerdict:
    return FacetVerdict(
        facet=summary.facet,
        n=summary.n,
        score=summary.score,
        low=summary.low,
        high=summary.high,
        threshold=threshold,
        gated=gated,
        verdict=word,
        tested=tested,
        passed=passed,
        p_value=p_value,
        upper=upper,
        reason=reason,
    )


def _whole(score: Score) -> int:
    if score.value not in (0.0, 1.0):
        raise StaffroomError(
            f"item {score.item_id} scored {score.value:g}; an exact test takes 0 or 1",
            hint="set `method: betting` for this facet in exam.yaml",
        )
    return int(score.value)


def _cluster_means(scores: list[Score], seed: int | str, unscored: float) -> list[float]:
    """Return cluster means in an order that the seed decides, unscored items taken as given."""
    groups: dict[str, list[float]] = {}
    for score in scores:
        value = unscored if score.status is ScoreStatus.UNSCORED else score.value
        groups.setdefault(score.cluster, []).append(value)

    def rank(cluster: str) -> str:
        return hashlib.sha256(f"{seed}|{cluster}".encode()).hexdigest()

    return [sum(groups[cluster]) / len(groups[cluster]) for cluster in sorted(groups, key=rank)]
