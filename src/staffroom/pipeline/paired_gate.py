"""A later gate in a home: the plan against the incumbent, both agents on the same items, what the log says of it.

Order: alpha is charged, candidate and incumbent sit the gate split and the corrected cases under one seed, their sums go into the
log, then the values of each test under marks of their sources, then the decision. So an outsider can make every bet again
without learning which question a value is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from staffroom import __version__
from staffroom.evaluate import ExamPack, later_rules, split_digest
from staffroom.pipeline.alpha import (
    AlphaLedger,
    correction_set,
    item_set,
    mark,
    marks_of_clusters,
    require_open,
)
from staffroom.pipeline.assemble import Assembly, engine_for, spec_of
from staffroom.pipeline.committing import GateRule, Plan, open_gate
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.examination import Bench, aggregates, price_of
from staffroom.pipeline.sitting import sit
from staffroom.records.decision import Release
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, FacetRule, Item, Kind, Split
from staffroom.records.feedback import Correction
from staffroom.records.job_description import JobDescription
from staffroom.records.protocols import Progress, ResponseSink
from staffroom.release import PairedPlan, Sat, decide_paired, paired_values, plan_paired
from staffroom.release.paired import REGRESSION
from staffroom.stats import alpha_for_use
from staffroom.store import Database, Evaluations, Home

__all__ = [
    "INCUMBENT",
    "Contest",
    "committed_besides",
    "make_paired_plan",
    "mark_corrected",
    "paired_gate",
    "regression_pack",
]

INCUMBENT = "incumbent"
_ROWS_PER_ENTRY = 700


@dataclass(frozen=True, slots=True)
class Contest:
    """Who stands against whom, on what: the exam, and the corrected cases that never train."""

    job: JobDescription
    pack: ExamPack
    regression: ExamPack | None
    incumbent: Release

    @property
    def corrected(self) -> tuple[Item, ...]:
        """The corrected cases as items."""
        return () if self.regression is None else self.regression.items_of(Split.GATE)


def regression_pack(pack: ExamPack, corrections: Sequence[Correction]) -> ExamPack | None:
    """Return the corrected cases as a pack of one split, scored as the exam's declining is; None where there is none."""
    if not corrections:
        return None
    items = tuple(_item(one, pack.locale) for one in corrections)
    return ExamPack(
        folder=pack.folder,
        name=f"{pack.name}-{REGRESSION}",
        version=pack.version,
        locale=pack.locale,
        declines=pack.declines,
        facets=MappingProxyType({REGRESSION: FacetRule(None, False, "betting")}),
        alpha=pack.alpha,
        cap=None,
        items=items,
        splits=MappingProxyType({item.id: Split.GATE for item in items}),
        definition=MappingProxyType({"name": f"{pack.name}-{REGRESSION}", "declines": list(pack.declines)}),
        patterns=pack.patterns,
        lines=MappingProxyType({}),
        sources="",
    )


def make_paired_plan(
    contest: Contest, assemblies: Mapping[str, Assembly], home: Home, log: DecisionLog
) -> Plan[PairedPlan]:
    """Return the plan of a run; the same inputs give the same run. assemblies: by name, the incumbent's among them.

    Raises WrongUse where its gate is used up, or asks questions that were retired or unsealed.
    """
    job, pack = contest.job, contest.pack
    specs = {name: spec_of(one, engine_for(one, home)).digest for name, one in assemblies.items()}
    made_of = {
        "staffroom": __version__,
        "job": job.as_json(),
        "pack": pack.digest,
        "agents": specs,
        "incumbent": contest.incumbent.digest,
        "corrected": None if contest.regression is None else contest.regression.digest,
    }

    def run_of(use: int) -> str:
        return digest_value({**made_of, "use": use})[7:23]

    gate_items = item_set(log, pack, Split.GATE, split_digest(pack, Split.GATE))
    ledger = AlphaLedger.read(log)
    own = ledger.own_use(run_of)
    use = len(ledger.related(gate_items)) + 1 if own is None else own.use
    rule = plan_paired(
        pack.facets,
        later_rules(pack),
        _clusters(log, pack),
        pack.clusters_of(Split.GATE),
        alpha=alpha_for_use(use, pack.alpha),
        first_alpha=alpha_for_use(1, pack.alpha),
        next_alpha=alpha_for_use(use + 1, pack.alpha),
        incumbent=specs[INCUMBENT],
        release=contest.incumbent.digest,
        replacing=[specs[name] for name in _replacing(job, assemblies)],
        task_margin=job.improvement.margin,
        regression_clusters=len(set(marks_of_clusters(log, contest.corrected).values())),
        regression_margin=job.improvement.regression_margin,
    )
    lost = [(test.name, test.clusters, test.least) for test in rule.tests if test.lost]
    require_open(ledger, pack, gate_items, use, own, log=log, lost=lost)
    return Plan(
        run_of(use), dict(assemblies), specs, rule, gate_items, item_set(log, pack, Split.SCREEN), use
    )


def committed_besides(
    contest: Contest, log: DecisionLog, proposals: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a later gate commits to besides what a first one does: rules, rungs, corrected cases, what was trained on what."""
    corrected = contest.corrected
    trained = {
        row["name"]: {
            name: row["training"][name] for name in ("adapter", "record", "dataset", "leaks", "exam")
        }
        for row in proposals
        if "training" in row
    }
    return {
        "alias": contest.job.alias,
        "later": {name: rule.as_json() for name, rule in sorted(later_rules(contest.pack).items())},
        "rungs": {row["name"]: row["rung"] for row in proposals},
        "corrected_items": correction_set(log, corrected).id if corrected else None,
        **({"trained": trained} if trained else {}),
    }


def mark_corrected(contest: Contest, plan: Plan[GateRule], log: DecisionLog) -> None:
    """Record the marks of the corrected cases, before the commitment names them."""
    if contest.corrected:
        mark(log, plan.run, correction_set(log, contest.corrected))


async def paired_gate(
    log: DecisionLog,
    plan: Plan[PairedPlan],
    contest: Contest,
    bench: Bench,
    winner: str,
    seed: int,
    sink: ResponseSink,
    database: Database,
    progress: Progress,
) -> dict[str, Any]:
    """Charge alpha, let winner and incumbent sit the same items, decide, and record sums, values and decision."""
    open_gate(log, plan, winner)
    corrected, items = contest.corrected, contest.pack.items_of(Split.GATE)
    progress.stage("gate, beside the incumbent", 2 * (len(items) + len(corrected)))
    own: dict[str, Evaluation] = {}
    again: dict[str, Evaluation] = {}
    for name in (winner, INCUMBENT):
        agent = await bench.ready(name)
        own[name] = await sit(agent, items, contest.pack, Split.GATE, seed, sink, progress)
        if contest.regression is not None:
            again[name] = await sit(agent, corrected, contest.regression, Split.GATE, seed, sink, progress)
    gate = Sat(own[winner], own[INCUMBENT], marks_of_clusters(log, items))
    regression = None
    if again:
        regression = Sat(again[winner], again[INCUMBENT], marks_of_clusters(log, corrected))
    decision = decide_paired(plan.gate, gate, regression, seed=seed)
    for evaluation in (*own.values(), *again.values()):
        _keep(database, evaluation)
    log.append("evaluation", f"{plan.run}:evaluation", plan.run, aggregates(own[winner]))
    log.append("incumbent-evaluation", f"{plan.run}:incumbent", plan.run, aggregates(own[INCUMBENT]))
    if again:
        body = {"candidate": aggregates(again[winner]), "incumbent": aggregates(again[INCUMBENT])}
        log.append("corrected-evaluation", f"{plan.run}:corrected", plan.run, body)
    _log_values(log, plan, gate, regression, seed)
    log.append("decision", f"{plan.run}:decision", plan.run, decision.as_json())
    return {
        "evaluation": own[winner].as_json(),
        "incumbent": own[INCUMBENT].as_json(),
        "decision": decision.as_json(),
    }


def _log_values(
    log: DecisionLog, plan: Plan[PairedPlan], gate: Sat, regression: Sat | None, seed: int
) -> None:
    for name, values in paired_values(plan.gate, gate, regression, seed=seed).items():
        # Sorted by mark: the order in which they count follows from the seed, and the log need not show it.
        rows = sorted([value.cluster, value.low, value.high] for value in values)
        parts = max(1, -(-len(rows) // _ROWS_PER_ENTRY))
        for part in range(1, parts + 1):
            body = {
                "test": name,
                "part": part,
                "parts": parts,
                "rows": rows[(part - 1) * _ROWS_PER_ENTRY : part * _ROWS_PER_ENTRY],
            }
            log.append("paired-values", f"{plan.run}:values:{name}:{part}", plan.run, body)


def _keep(database: Database, evaluation: Evaluation) -> None:
    Evaluations(database).put(
        agent=evaluation.agent,
        pack=evaluation.pack,
        split=evaluation.split.value,
        seed=evaluation.seed,
        value=evaluation.as_json(),
    )


def _clusters(log: DecisionLog, pack: ExamPack) -> dict[str, frozenset[str]]:
    items = pack.items_of(Split.GATE)
    marks = marks_of_clusters(log, items)
    return {name: frozenset(marks[item.id] for item in items if item.facet == name) for name in pack.facets}


def _replacing(job: JobDescription, assemblies: Mapping[str, Assembly]) -> list[str]:
    """Return the proposals for which the job declared beforehand that not being worse suffices."""
    kind, incumbent = job.improvement.replacement, assemblies[INCUMBENT]
    return [
        name
        for name, one in assemblies.items()
        if name != INCUMBENT and _is_replacement(kind, job, one, incumbent)
    ]


def _is_replacement(kind: str, job: JobDescription, one: Assembly, incumbent: Assembly) -> bool:
    if kind == "forced":
        return True
    new, old = one.candidate, incumbent.candidate
    if kind == "smaller":
        return new.model is not None and old.model is not None and new.model.bytes < old.model.bytes
    if kind == "cheaper":
        price, before = price_of(job, new.id), price_of(job, old.id)
        pairs = (
            (price.per_million_tokens_in, before.per_million_tokens_in),
            (price.per_million_tokens_out, before.per_million_tokens_out),
        )
        same = price.currency == before.currency and all(now <= then for now, then in pairs)
        return same and any(now < then for now, then in pairs)
    return False


def _item(one: Correction, locale: str) -> Item:
    if not one.question:
        raise StaffroomError("a correction has no question", hint="staffroom feedback list")
    name = f"correction-{one.digest[7:23]}"
    return Item(
        id=name,
        cluster=one.passage or name,
        locale=locale,
        facet=REGRESSION,
        kind=Kind.CORRECTION,
        input=one.question,
        accept=(one.corrected,),
        reject=(one.wrong,) if one.wrong else (),
    )
