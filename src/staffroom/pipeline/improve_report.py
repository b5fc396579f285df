"""The objects that `improve --json` prints: before, with what it would cost; and after, from what a run kept."""

from collections.abc import Mapping
from typing import Any

from staffroom.evaluate import summarize_kinds
from staffroom.pipeline.assemble import Assembly, engine_for, spec_of
from staffroom.pipeline.committing import Plan
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.incumbents import Held
from staffroom.pipeline.paired_gate import INCUMBENT, Contest, make_paired_plan
from staffroom.pipeline.report import explained as steps_of
from staffroom.pipeline.revive import revive
from staffroom.pipeline.rungs import Climbed
from staffroom.pipeline.runner import Runner
from staffroom.records.decision import Decision, Verdict
from staffroom.records.exam import Evaluation, Split
from staffroom.release import PairedPlan, explain
from staffroom.stats import Outlook, non_inferior, plan_test, superior
from staffroom.store import Database, Home, Responses

__all__ = ["explained", "finished", "shut"]

_GAIN, _LOSSES = 0.10, 0.05
_SHUT: Mapping[str, str] = {
    "en": "Not replaced: no proposal was ahead of the incumbent on the screen split. The gate stayed shut and no alpha was spent.",
    "zh-TW": "不換：初選時沒有任何提案贏過現任，所以沒有打開正式考試，也沒有用掉犯錯額度。",
}
_FORGOT: Mapping[str, str] = {
    "en": "Not replaced: with its adapter the candidate does worse on general items. The gate stayed shut and no alpha was spent.",
    "zh-TW": "不換：裝上新的微調之後，一般題目答得比現任差，所以沒有打開正式考試，也沒有用掉犯錯額度。",
}
_NOTHING: Mapping[str, str] = {
    "en": "Nothing to try: no document and no wording changed, and the corrections ask for nothing that the worker has not.",
    "zh-TW": "沒有可以試的：文件和用語都沒變，更正裡也沒有現任還沒有的東西。",
}


def explained(
    contest: Contest,
    held: Held,
    agents: Mapping[str, Assembly],
    climbed: Climbed,
    home: Home,
    database: Database,
    log: DecisionLog,
) -> dict[str, Any]:
    """Return what an improvement would try, ask and spend, and what its gate could show; nothing was asked yet."""
    proposals = climbed.proposals
    value: dict[str, Any] = {
        "alias": contest.job.alias,
        "incumbent": contest.incumbent.digest,
        "corrections": {"train": len(held.train), "regression": len(held.regression)},
        "proposals": [_proposal(row) for row in proposals],
        "not_tried": list(climbed.not_tried),
        "verdict": None if proposals else "unchanged",
        "reason": "" if proposals else _NOTHING["en"],
        "reasons": {} if proposals else dict(_NOTHING),
        "release": None,
    }
    if not proposals:
        return value
    plan = make_paired_plan(contest, agents, home, log)
    return {
        **value,
        "use": plan.use,
        "alpha": plan.gate.alpha,
        "tests": [test.as_json() for test in plan.gate.tests],
        "cost": _cost(contest, agents, len(proposals) + 1, home, database),
        "outlook": _outlook(plan.gate),
    }


def finished(
    *,
    plan: Plan[PairedPlan],
    alias: str,
    runner: Runner,
    climbed: Climbed,
    raced: dict[str, Any],
    gated: dict[str, Any],
    kept: dict[str, Any] | None,
    committed: dict[str, Any],
    decision: Decision,
    released: dict[str, Any] | None,
    seconds: float,
) -> dict[str, Any]:
    """Return the result of a run whose gate was opened; `kinds` are of the gate split, candidate and incumbent."""
    own, other = revive(Evaluation, gated["evaluation"]), revive(Evaluation, gated["incumbent"])
    tokens = sum(row["tokens"] for row in raced["rows"]) + own.tokens + other.tokens
    return {
        **_common(plan.run, alias, runner, climbed, raced, committed, seconds),
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "reasons": {"en": explain(decision, "en"), "zh-TW": explain(decision, "zh-TW")},
        "release": released["release"] if released else None,
        "forgetting": kept,
        "state": released.get("state") if released else None,
        "tests": [test.as_json() for test in decision.paired.tests] if decision.paired else [],
        "facets": [facet.as_json() for facet in decision.facets],
        "kinds": [kind.as_json() for kind in summarize_kinds(own.scores)],
        "incumbent_kinds": [kind.as_json() for kind in summarize_kinds(other.scores)],
        "wrong_language": [own.wrong_language, other.wrong_language],
        "alpha": decision.alpha,
        "use": plan.use,
        "tokens": tokens,
    }


def shut(
    run: str,
    alias: str,
    runner: Runner,
    climbed: Climbed,
    raced: dict[str, Any],
    kept: dict[str, Any] | None,
    committed: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Return the result of a run whose gate stayed shut: the incumbent was ahead on the screen split, or the candidate forgot.

    kept: what became of the general items, None where none were asked.
    """
    said = _SHUT if kept is None else _FORGOT
    return {
        **_common(run, alias, runner, climbed, raced, committed, seconds),
        "verdict": Verdict.REJECTED.value,
        "reason": said["en"],
        "reasons": dict(said),
        "release": None,
        "forgetting": kept,
        "state": None,
        "tests": [],
        "facets": [],
        "kinds": [],
        "incumbent_kinds": [],
        "tokens": sum(row["tokens"] for row in raced["rows"]),
    }


def _common(
    run: str,
    alias: str,
    runner: Runner,
    climbed: Climbed,
    raced: dict[str, Any],
    committed: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    return {
        "run": run,
        "alias": alias,
        "proposals": [_proposal(row) for row in climbed.proposals],
        "not_tried": list(climbed.not_tried),
        "candidates": raced["rows"],
        "winner": raced["winner"],
        "race": {"separated": raced["separated"], "reason": raced["reason"]},
        "seed": committed["seed"],
        "checkpoint": committed["checkpoint"],
        "seconds": round(seconds, 3),
        **steps_of(runner),
    }


def _proposal(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "rung", "reason", "left_out", *(("training",) if "training" in row else ()))
    return {name: row[name] for name in names}


def _cost(
    contest: Contest, agents: Mapping[str, Assembly], racing: int, home: Home, database: Database
) -> dict[str, Any]:
    """Return how many answers it takes at most, and about how long by the pace of the incumbent's kept answers; training apart.

    racing: how many agents sit the screen split, one that is not trained yet among them.
    """
    pack, incumbent = contest.pack, agents[INCUMBENT]
    screen = min(len(pack.items_of(Split.SCREEN)), pack.cap or len(pack.items)) * racing
    gate = 2 * (len(pack.items_of(Split.GATE)) + len(contest.corrected))
    pace = Responses(database).pace(spec_of(incumbent, engine_for(incumbent, home)).digest)
    return {
        "screen_answers": screen,
        "gate_answers": gate,
        "seconds": None if pace is None else round((screen + gate) * pace[0], 1),
        "tokens": None if pace is None else round((screen + gate) * pace[1]),
    }


def _outlook(gate: PairedPlan) -> dict[str, Any]:
    """Return how likely the task's test shows a true gain of ten points, and how many sources would make it 0.80 likely."""
    task = gate.tests[0]
    claim = non_inferior(task.margin) if gate.replacing else superior(task.border)
    plan = plan_test(claim, gate.alpha, task.clusters, Outlook.of_pairs(_GAIN + _LOSSES, _LOSSES))
    return {
        "gain": _GAIN,
        "sources": task.clusters,
        "probability": None if plan.power is None else plan.power.shown,
        "needed": plan.needed,
    }
