"""What is fixed before the first item, and what goes into the log when: commitment, gate opening, decision.

Order: marks of the items, commitment entry, signed checkpoint, seed derived from its root, first item. The gate's alpha is
charged by the entry that opens it, and stays charged if the run dies; a resumed run keeps its use. A run that committed and
whose use another run took before it opened the gate begins anew under another name: its rule is another one. What may
be charged is in `alpha`. A dry run charges uses of its own, because it examines no model, and is never refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from staffroom import __version__
from staffroom.evaluate import ExamPack, commit_to, split_digest
from staffroom.onboard.prompt import agent_policy
from staffroom.pipeline.alpha import GATE_OPENED, AlphaLedger, ItemSet, item_set, mark, require_open
from staffroom.pipeline.assemble import Assembly, engine_for, spec_of
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.digests import digest_value
from staffroom.records.exam import Split
from staffroom.records.job_description import JobDescription
from staffroom.release import GatePlan, plan_gate
from staffroom.stats import alpha_for_use
from staffroom.store import Home

__all__ = ["GateRule", "Plan", "commit", "make_plan", "open_gate"]


class GateRule(Protocol):
    """The rule of one opening of a gate, of a first one or of a later one."""

    @property
    def alpha(self) -> float:
        """What the opening may err with."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return the rule for the log."""
        ...


Rule = TypeVar("Rule", bound=GateRule, covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[Rule]):
    """One run's rule: who is examined, with which gate, at which alpha; `run` names it in the log."""

    run: str
    assemblies: dict[str, Assembly]
    specs: dict[str, str]
    gate: Rule
    gate_items: ItemSet
    screen_items: ItemSet
    use: int


def make_plan(
    job: JobDescription,
    pack: ExamPack,
    assemblies: Mapping[str, Assembly],
    home: Home,
    log: DecisionLog,
    *,
    dry_run: bool,
) -> Plan[GatePlan]:
    """Return the plan of a run; the same inputs give the same run. assemblies: by candidate, as they are examined.

    Raises WrongUse where its gate is used up, or asks questions that were retired or unsealed.
    """
    specs = {
        name: spec_of(assembly, engine_for(assembly, home)).digest for name, assembly in assemblies.items()
    }
    made_of = {
        "staffroom": __version__,
        "job": job.as_json(),
        "pack": pack.digest,
        "agents": specs,
        "dry_run": dry_run,
    }

    def run_of(use: int) -> str:
        return digest_value({**made_of, "use": use})[7:23]

    gate_split = split_digest(pack, Split.GATE)
    gate_items = item_set(log, pack, Split.GATE, f"dry-run {gate_split}" if dry_run else gate_split)
    ledger = AlphaLedger.read(log)
    own = ledger.own_use(run_of)
    use = len(ledger.related(gate_items)) + 1 if own is None else own.use
    if not dry_run:
        require_open(ledger, pack, gate_items, use, own, log=log)
    gate = plan_gate(pack.facets, pack.clusters_of(Split.GATE), alpha_for_use(use, pack.alpha))
    return Plan(
        run_of(use), dict(assemblies), specs, gate, gate_items, item_set(log, pack, Split.SCREEN), use
    )


def commit(
    plan: Plan[GateRule],
    log: DecisionLog,
    job: JobDescription,
    pack: ExamPack,
    admitted: dict[str, Any],
    indexed: dict[str, Any],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Record admissions and the commitment, and derive the seed from the checkpoint that holds them.

    more: what a later gate commits to besides.
    """
    for name, row in admitted["rows"].items():
        log.append(
            "admission" if row["admitted"] else "refusal", f"{plan.run}:admission:{name}", plan.run, row
        )
    first = next(iter(plan.assemblies.values()))
    protocol = {
        "prompt": first.book.digest,
        "policy": agent_policy(job).digest,
        "option_orders": "cyclic",
        "decoding": "greedy",
        "pinning": "pinned-1",
    }
    _mark(log, plan)
    body = {
        **commit_to(pack, prompt_protocol=protocol, salt=log.kept_salt(f"sealed {pack.digest}")).entry,
        "plan": plan.gate.as_json(),
        "use": plan.use,
        "gate_split": plan.gate_items.id,
        "agents": plan.specs,
        "middles": {
            name: {"nothing": made.policy.nothing_middle, "refuse": made.policy.refuse_middle}
            for name, made in plan.assemblies.items()
        },
        "documents": log.commitment_to("documents", indexed["digest"]),
        "sponsor": log.commitment_to("person", job.sponsor),
        "cap": pack.cap,
        **(more or {}),
    }
    index = log.append("exam-committed", f"{plan.run}:commit", plan.run, body)
    root, seed = log.root_after(index), log.seed_after(index)
    return {
        "entry": index,
        "size": index + 1,
        "root": root,
        "seed": seed,
        "alpha": plan.gate.alpha,
        "checkpoint": log.kept_checkpoint(plan.run),
        "said": f"committed before the first item: log size {index + 1}, root {root[:16]}…, seed {seed}",
    }


def open_gate(log: DecisionLog, plan: Plan[GateRule], winner: str) -> None:
    """Charge alpha for this use of the gate split."""
    _mark(log, plan)  # once more, for a run that committed when there were no marks yet
    body = {
        "gate_split": plan.gate_items.id,
        "use": plan.use,
        "alpha": plan.gate.alpha,
        "agent": plan.specs[winner],
    }
    log.append(GATE_OPENED, f"{plan.run}:gate", plan.run, body)


def _mark(log: DecisionLog, plan: Plan[GateRule]) -> None:
    for items in (plan.gate_items, plan.screen_items):
        mark(log, plan.run, items)
