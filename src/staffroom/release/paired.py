"""The gate of every release after the first: a candidate against the incumbent, on the same items.

Procedure:
1. `plan_paired` before the run: which tests there are, what each asks, and how many clusters it needs. It is logged.
2. The task: one test over all items of the task's facets that the candidate is better; that it is not worse by a margin
   suffices for an agent that the job declared beforehand as a cheaper, smaller or forced replacement.
3. Guarded facets: that the candidate is not worse by a margin. A facet too small for that is held to the threshold of the
   first gate, where it has one and can decide; else it is reported. Hard stops: exact bounds of the rate of violations.
4. The regression set: not worse, never a reason to promote. It was picked because the incumbent failed.
5. Promoted: every gated test passes, the task's among them. Rejected: some gated test is refuted. Otherwise undecided.

All gated tests must pass, so alpha is not divided (intersection-union). Differences are cluster means in the seed's order,
tested by bets towards the planned end (`stats.SequentialTest`). It does not ask, store or move anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.records.decision import ClaimForm, Decision, FacetVerdict, PairedResult, PairedVerdict, Verdict
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, FacetRule, LaterRule, Role, Score, ScoreStatus, Split
from staffroom.release.gate import FacetPlan, GatePlan, judge_facets, plan_gate
from staffroom.release.paired_reasons import claim_reason, paired_reason
from staffroom.release.reasons import more_items
from staffroom.stats import (
    Claim,
    ClusterValue,
    Outcome,
    SequentialTest,
    clean_clusters_needed,
    difference_interval,
    hard_stop,
    least_clusters,
    more_clusters,
    non_inferior,
    paired_clusters,
    superior,
)

__all__ = [
    "REGRESSION",
    "TASK",
    "PairedPlan",
    "PairedTest",
    "Sat",
    "claim_of",
    "decide_paired",
    "paired_values",
    "plan_paired",
]

TASK = "task"
REGRESSION = "regression"
_HINT = "run the same `staffroom improve` again: it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What one test asks and can do; `least` clusters pass when nothing speaks against the claim.

    margin: what not being worse means, where the task's agent is a declared replacement. lost: the first use of this gate
    could decide it, and this one cannot any more.
    """

    name: str
    form: ClaimForm
    facets: tuple[str, ...]
    border: float
    margin: float
    clusters: int
    least: int
    gated: bool
    lost: bool
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return the test's row for the log."""
        return {
            "name": self.name,
            "form": self.form.value,
            "facets": list(self.facets),
            "border": self.border,
            "margin": self.margin,
            "clusters": self.clusters,
            "least": self.least,
            "gated": self.gated,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class PairedPlan:
    """The rule of one opening of a later gate, committed to before its first item is asked.

    incumbent: digest of the agent in service; release: of its release. replacing: digests of the agents for which not
    being worse suffices. next_alpha: of the use after this one, by which an undecided task says what is missing.
    """

    alpha: float
    next_alpha: float
    incumbent: str
    release: str
    replacing: tuple[str, ...]
    tests: tuple[PairedTest, ...]
    thresholds: tuple[FacetPlan, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the plan for the log."""
        return {
            "kind": "paired",
            "alpha": self.alpha,
            "incumbent": self.incumbent,
            "release": self.release,
            "replacing": list(self.replacing),
            "tests": [test.as_json() for test in self.tests],
        }


@dataclass(frozen=True, slots=True)
class Sat:
    """What both agents scored on the same items; `clusters` names each item's cluster."""

    candidate: Evaluation
    incumbent: Evaluation
    clusters: Mapping[str, str]


def plan_paired(
    rules: Mapping[str, FacetRule],
    later: Mapping[str, LaterRule],
    clusters: Mapping[str, frozenset[str]],
    drawn: Mapping[str, int],
    *,
    alpha: float,
    first_alpha: float,
    next_alpha: float,
    incumbent: str,
    release: str,
    replacing: Sequence[str] = (),
    task_margin: float = 0.05,
    regression_clusters: int = 0,
    regression_margin: float = 0.10,
) -> PairedPlan:
    """Return which tests this gate has and which of them it can decide.

    clusters: names of the clusters of each facet in the gate split.  drawn: how many of them an exact test of a
    threshold draws an item from; the same number, unless two names are taken for one.  first_alpha: of the gate's first use, which says
    what form a test has for good, so that no gate gets easier by being used.
    """
    counts = {name: len(names) for name, names in clusters.items()}
    bars = {plan.facet: plan for plan in plan_gate(rules, drawn, alpha).facets}
    first_bars = {plan.facet: plan for plan in plan_gate(rules, drawn, first_alpha).facets}
    pooled: set[str] = set()
    for name in sorted(later):
        if later[name].role is Role.TASK:
            pooled |= clusters.get(name, frozenset())
    names = tuple(sorted(name for name, rule in later.items() if rule.role is Role.TASK and counts.get(name)))
    tests = [_task(names, len(pooled), alpha, first_alpha, task_margin)]
    for name in sorted(later):
        count = counts.get(name, 0)
        if later[name].role is Role.GUARD:
            tests.append(
                _guard(name, later[name].margin, count, alpha, first_alpha, first_bars.get(name), bars)
            )
        elif later[name].role is Role.HARD_STOP:
            tests.append(_hard_stop(name, later[name].limit or 0.0, count, alpha, first_alpha))
    if regression_clusters:
        tests.append(_regression(regression_clusters, regression_margin, alpha))
    thresholds = tuple(bars[test.name] for test in tests if test.form is ClaimForm.THRESHOLD)
    return PairedPlan(
        alpha, next_alpha, incumbent, release, tuple(sorted(replacing)), tuple(tests), thresholds
    )


def claim_of(test: PairedTest, agent: str, plan: PairedPlan) -> tuple[ClaimForm, Claim]:
    """Return what a test of differences asks of an agent; raises ValueError for a test of another form."""
    if test.name == TASK and agent in plan.replacing:
        return ClaimForm.NON_INFERIOR, non_inferior(test.margin)
    if test.form is ClaimForm.SUPERIOR:
        return test.form, superior(test.border)
    if test.form is ClaimForm.NON_INFERIOR:
        return test.form, non_inferior(test.border)
    raise ValueError(f"{test.name} tests no difference")


def decide_paired(
    plan: PairedPlan, gate: Sat, regression: Sat | None, *, seed: int | str, outlook: bool = True
) -> Decision:
    """Return the gate's word on a candidate that sat the gate split beside the incumbent.

    regression: both agents on the regression set, None where the plan has none.  outlook: work out, for readers,
    intervals and how many more sources an open test would need (up to a second each); no part of the verdict.
    Raises StaffroomError where the evaluations are not those planned for.
    """
    _check(plan, gate, regression)
    agent = gate.candidate.agent
    values = paired_values(plan, gate, regression, seed=seed)
    tests = tuple(
        _verdict(plan, test, _sat_of(test, gate, regression), values.get(test.name, ()), seed, outlook)
        for test in plan.tests
    )
    gated = [test.verdict for test in tests if test.gated]
    task = next(test for test in tests if test.name == TASK)
    if Verdict.REJECTED in gated:
        word = Verdict.REJECTED
    elif task.gated and all(verdict is Verdict.PROMOTED for verdict in gated):
        word = Verdict.PROMOTED
    else:
        word = Verdict.UNDECIDED
    return Decision(
        verdict=word,
        reason=paired_reason(word, tests, "en"),
        agent=agent,
        pack=gate.candidate.pack,
        alpha=plan.alpha,
        facets=_facets(gate.candidate, tests),
        paired=PairedResult(plan.incumbent, tests),
    )


def paired_values(
    plan: PairedPlan, gate: Sat, regression: Sat | None, *, seed: int | str
) -> dict[str, tuple[ClusterValue, ...]]:
    """Return the cluster values that each test of clusters is decided on, in the seed's order, by its name.

    Of a hard stop: 1 for a violated cluster, 0 for a clean one, 0 to 1 where something was left unscored.
    """
    found: dict[str, tuple[ClusterValue, ...]] = {}
    for test in plan.tests:
        if test.form is ClaimForm.THRESHOLD:
            continue
        rows = _values(test, _sat_of(test, gate, regression), seed)
        if len(rows) != test.clusters:
            raise StaffroomError(
                f"{test.name} was planned with {test.clusters} sources and came back with {len(rows)}",
                hint=_HINT,
            )
        found[test.name] = rows
    return found


# --- planning ---


def _task(facets: tuple[str, ...], count: int, alpha: float, first: float, margin: float) -> PairedTest:
    least, at_first = least_clusters(superior(), alpha), least_clusters(superior(), first)
    return PairedTest(
        TASK,
        ClaimForm.SUPERIOR,
        facets,
        0.0,
        margin,
        count,
        least,
        gated=count >= least,
        lost=at_first <= count < least,
        reason=f"gated: better over {count} sources ({', '.join(facets)})"
        if count >= least
        else f"cannot be shown: {count} sources, {least} are needed if all of them are won",
    )


def _guard(
    name: str,
    margin: float,
    count: int,
    alpha: float,
    first: float,
    first_bar: FacetPlan | None,
    bars: Mapping[str, FacetPlan],
) -> PairedTest:
    claim = non_inferior(margin)
    if count >= least_clusters(claim, first):
        least = least_clusters(claim, alpha)
        return PairedTest(
            name, ClaimForm.NON_INFERIOR, (name,), margin, margin, count, least, count >= least, count < least,
            f"gated: not worse by {margin:g} over {count} sources; {least} suffice without any loss",
        )  # fmt: skip
    if first_bar is not None and first_bar.gated and first_bar.threshold is not None:
        bar = bars[name]
        return PairedTest(
            name, ClaimForm.THRESHOLD, (name,), first_bar.threshold, margin, bar.clusters, bar.least or 0,
            bar.gated, not bar.gated, f"too few sources to compare, so the first gate's bar holds: {bar.reason}",
        )  # fmt: skip
    return PairedTest(
        name, ClaimForm.NON_INFERIOR, (name,), margin, margin, count, least_clusters(claim, alpha), False, False,
        f"reported, not gated: {count} sources, {least_clusters(claim, first)} are needed",
    )  # fmt: skip


def _hard_stop(name: str, limit: float, count: int, alpha: float, first: float) -> PairedTest:
    least, at_first = clean_clusters_needed(limit, alpha), clean_clusters_needed(limit, first)
    return PairedTest(
        name, ClaimForm.LIMIT, (name,), limit, 0.0, count, least, count >= least, at_first <= count < least,
        f"gated: violations rarer than {limit:g}"
        if count >= least
        else f"reported, not gated: {count} sources, {least} without a violation are needed",
    )  # fmt: skip


def _regression(count: int, margin: float, alpha: float) -> PairedTest:
    least = least_clusters(non_inferior(margin), alpha)
    return PairedTest(
        REGRESSION, ClaimForm.NON_INFERIOR, (REGRESSION,), margin, margin, count, least, count >= least, False,
        f"gated: not worse by {margin:g} over {count} corrected cases"
        if count >= least
        else f"reported, not gated: {count} corrected cases, {least} are needed",
    )  # fmt: skip


# --- deciding ---


def _check(plan: PairedPlan, gate: Sat, regression: Sat | None) -> None:
    if gate.candidate.split is not Split.GATE or gate.incumbent.split is not Split.GATE:
        raise StaffroomError("a gate decides on the gate split alone", hint=_HINT)
    for sat in (gate, *([regression] if regression is not None else [])):
        one, other = sat.candidate, sat.incumbent
        if other.agent != plan.incumbent or one.agent == plan.incumbent:
            raise StaffroomError("the evaluations are not of the candidate and of the incumbent", hint=_HINT)
        if (one.pack, one.seed) != (other.pack, other.seed):
            raise StaffroomError("candidate and incumbent did not sit the same exam", hint=_HINT)


def _sat_of(test: PairedTest, gate: Sat, regression: Sat | None) -> Sat:
    if test.name != REGRESSION:
        return gate
    if regression is None:
        raise StaffroomError("the regression set was planned and not asked", hint=_HINT)
    return regression


def _values(test: PairedTest, sat: Sat, seed: int | str) -> tuple[ClusterValue, ...]:
    candidate, incumbent = _scores(sat.candidate, test.facets), _scores(sat.incumbent, test.facets)
    own = {item: sat.clusters[item] for item in candidate}
    if not own:
        return ()
    if test.form is not ClaimForm.LIMIT:
        return paired_clusters(candidate, incumbent, own, seed)
    groups: dict[str, list[float | None]] = {}
    for item in sorted(own):
        groups.setdefault(own[item], []).append(candidate[item])
    return tuple(
        ClusterValue(name, len(rows), float(violated), float(violated or None in rows))
        for name, rows in sorted(groups.items())
        for violated in (any(value is not None and value < 1 for value in rows),)
    )


def _verdict(
    plan: PairedPlan,
    test: PairedTest,
    sat: Sat,
    rows: Sequence[ClusterValue],
    seed: int | str,
    outlook: bool,
) -> PairedVerdict:
    if test.form is ClaimForm.THRESHOLD:
        return _by_threshold(plan, test, sat.candidate, seed)
    if test.form is ClaimForm.LIMIT:
        return _by_limit(plan, test, sat, rows)
    return _by_difference(plan, test, sat, rows, outlook)


def _by_difference(
    plan: PairedPlan, test: PairedTest, sat: Sat, rows: Sequence[ClusterValue], outlook: bool
) -> PairedVerdict:
    form, claim = claim_of(test, sat.candidate.agent, plan)
    border = test.margin if form is not test.form else test.border
    if not rows:
        return PairedVerdict(
            test.name, form, test.facets, border, False, Verdict.REPORTED, 0, reason=test.reason
        )
    differences = _differences(sat, test.facets)
    shown = None
    if outlook:
        shown = difference_interval([value for _, value in differences], [name for name, _ in differences])
    running = SequentialTest(claim, plan.alpha, len(rows))
    for row in rows:
        running.add(row.low, row.high)
    seen = running.evidence
    word = _word(seen.outcome, gated=test.gated)
    more = None
    if word is Verdict.UNDECIDED and outlook:
        more = more_clusters(claim, plan.next_alpha, [row.low for row in rows])
    return PairedVerdict(
        name=test.name,
        form=form,
        facets=test.facets,
        border=border,
        gated=test.gated,
        verdict=word,
        clusters=len(rows),
        items=len(differences),
        mean_low=seen.mean_low,
        mean_high=seen.mean_high,
        low=None if shown is None else shown.low,
        high=None if shown is None else shown.high,
        p_value=seen.p_value,
        p_against=seen.p_against,
        decided_at=seen.decided_at,
        more=more,
        reason=test.reason if not test.gated else claim_reason(test.name, form, border, seen),
    )


def _by_limit(plan: PairedPlan, test: PairedTest, sat: Sat, rows: Sequence[ClusterValue]) -> PairedVerdict:
    bounds = hard_stop(
        [[True if row.low == 1 else None if row.high == 1 else False] for row in rows],
        test.border,
        plan.alpha,
    )
    word = _word(bounds.outcome, gated=test.gated)
    clean = not bounds.violated and word is Verdict.UNDECIDED
    return PairedVerdict(
        name=test.name,
        form=test.form,
        facets=test.facets,
        border=test.border,
        gated=test.gated,
        verdict=word,
        clusters=len(rows),
        items=len(_scores(sat.candidate, test.facets)),
        mean_low=bounds.violated / len(rows) if rows else None,
        mean_high=(bounds.violated + bounds.unscored) / len(rows) if rows else None,
        low=bounds.at_least,
        high=bounds.at_most,
        tested=len(rows),
        passed=float(len(rows) - bounds.violated - bounds.unscored),
        upper=bounds.at_most,
        more=clean_clusters_needed(test.border, plan.next_alpha) if clean else None,
        reason=test.reason
        if not test.gated
        else f"{bounds.violated} of {len(rows)} sources violated; the rate is at most {bounds.at_most:.3g}",
    )


def _by_threshold(
    plan: PairedPlan, test: PairedTest, candidate: Evaluation, seed: int | str
) -> PairedVerdict:
    rule = GatePlan(plan.alpha, tuple(row for row in plan.thresholds if row.facet == test.name))
    found = next(row for row in judge_facets(candidate, rule, seed=seed) if row.facet == test.name)
    return PairedVerdict(
        name=test.name,
        form=test.form,
        facets=test.facets,
        border=test.border,
        gated=found.gated,
        verdict=found.verdict,
        clusters=test.clusters,
        items=found.n,
        mean_low=found.score,
        mean_high=found.score,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        tested=found.tested,
        passed=found.passed,
        upper=found.upper,
        more=more_items(found, plan.next_alpha) if found.verdict is Verdict.UNDECIDED else None,
        reason=found.reason,
    )


def _word(outcome: Outcome, *, gated: bool) -> Verdict:
    if not gated:
        return Verdict.REPORTED
    return {
        Outcome.SHOWN: Verdict.PROMOTED,
        Outcome.REFUTED: Verdict.REJECTED,
        Outcome.OPEN: Verdict.UNDECIDED,
    }[outcome]


def _facets(evaluation: Evaluation, tests: Sequence[PairedVerdict]) -> tuple[FacetVerdict, ...]:
    """Return the candidate's own figures by facet: reported, because what decides are the tests."""
    own = {test.facets[0]: test.reason for test in tests if test.name not in (TASK, REGRESSION)}
    pooled = {name for test in tests if test.name == TASK for name in test.facets}
    return tuple(
        FacetVerdict(
            facet=row.facet,
            n=row.n,
            score=row.score,
            low=row.low,
            high=row.high,
            threshold=None,
            gated=False,
            verdict=Verdict.REPORTED,
            reason=own.get(row.facet, "counts in the task" if row.facet in pooled else "reported"),
        )
        for row in evaluation.facets
    )


def _scores(evaluation: Evaluation, facets: Sequence[str]) -> dict[str, float | None]:
    return {score.item_id: _value(score) for score in evaluation.scores if score.facet in facets}


def _value(score: Score) -> float | None:
    return None if score.status is ScoreStatus.UNSCORED else score.value


def _differences(sat: Sat, facets: Sequence[str]) -> list[tuple[str, float]]:
    """Return cluster and difference of each item, an unscored one as 0 on either side, as evaluations sum up."""
    other = _scores(sat.incumbent, facets)
    return [
        (sat.clusters[item], (value or 0.0) - (other[item] or 0.0))
        for item, value in _scores(sat.candidate, facets).items()
    ]
