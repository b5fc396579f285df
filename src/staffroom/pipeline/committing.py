"""What is fixed before the first item, and what goes into the log when: commitment, gate opening, decision.

Order: commitment entry, signed checkpoint, seed derived from its root, first item. The gate's alpha is charged by
the entry that opens it, and stays charged if the run dies; a resumed run keeps its use. A run that committed and
whose use another run took before it opened the gate begins anew under another name: its rule is another one.
A dry run charges uses of its own, because it examines no model.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from staffroom import __version__
from staffroom.engine.embed import Embedder
from staffroom.evaluate import ExamPack, commit_to
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.pipeline.assemble import Assembly, engine_for, spec_of
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.digests import digest_value
from staffroom.records.exam import Split
from staffroom.records.job_description import JobDescription
from staffroom.records.models import Candidate
from staffroom.records.policy import RequestGuardModel
from staffroom.release import GatePlan, plan_gate
from staffroom.stats import alpha_for_use
from staffroom.store import Home

__all__ = ["Plan", "commit", "make_plan", "open_gate"]

_GATE_OPENED = "gate-opened"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's rule: who is examined, with which gate, at which alpha; `run` names it in the log."""

    run: str
    assemblies: dict[str, Assembly]
    specs: dict[str, str]
    gate: GatePlan
    gate_split: str
    use: int


def make_plan(
    job: JobDescription,
    pack: ExamPack,
    candidates: list[Candidate],
    index: str,
    guard: dict[str, Any],
    home: Home,
    embedder: Embedder,
    log: DecisionLog,
    *,
    dry_run: bool,
) -> Plan:
    """Return the plan of a run; the same inputs give the same run."""
    book, policy = prompt_book(job), agent_policy(job)
    assemblies = {
        candidate.id: Assembly(
            name=job.name,
            locale=job.locale,
            candidate=candidate,
            context=job.requirements.context,
            dry_run=dry_run,
            index=index,
            book=book,
            policy=policy,
            guard=RequestGuardModel.from_json(guard),
        )
        for candidate in candidates
    }
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

    gate_split = digest_value(sorted(item.digest for item in pack.items_of(Split.GATE)))
    if dry_run:
        gate_split = f"dry-run {gate_split}"
    use = _use_of(log, gate_split, run_of)
    gate = plan_gate(pack.facets, pack.clusters_of(Split.GATE), alpha_for_use(use, pack.alpha))
    return Plan(run_of(use), assemblies, specs, gate, gate_split, use)


def commit(
    plan: Plan,
    log: DecisionLog,
    job: JobDescription,
    pack: ExamPack,
    admitted: dict[str, Any],
    indexed: dict[str, Any],
) -> dict[str, Any]:
    """Record admissions and the commitment, and derive the seed from the checkpoint that holds them."""
    for name, row in admitted["rows"].items():
        log.append(
            "admission" if row["admitted"] else "refusal", f"{plan.run}:admission:{name}", plan.run, row
        )
    first = next(iter(plan.assemblies.values()))
    protocol = {
        "prompt": first.book.digest,
        "policy": first.policy.digest,
        "option_orders": "cyclic",
        "decoding": "greedy",
        "pinning": "pinned-1",
    }
    body = {
        **commit_to(pack, prompt_protocol=protocol, salt=log.kept_salt(f"sealed {pack.digest}")).entry,
        "plan": plan.gate.as_json(),
        "use": plan.use,
        "gate_split": plan.gate_split,
        "agents": plan.specs,
        "documents": log.commitment_to("documents", indexed["digest"]),
        "sponsor": log.commitment_to("person", job.sponsor),
        "cap": pack.cap,
    }
    index = log.append("exam-committed", f"{plan.run}:commit", plan.run, body)
    root = log.root_after(index)
    seed = int.from_bytes(hashlib.sha256(f"staffroom seed {root}".encode()).digest()[:6], "big")
    return {
        "entry": index,
        "size": index + 1,
        "root": root,
        "seed": seed,
        "alpha": plan.gate.alpha,
        "checkpoint": log.kept_checkpoint(plan.run),
        "said": f"committed before the first item: log size {index + 1}, root {root[:16]}…, seed {seed}",
    }


def open_gate(log: DecisionLog, plan: Plan, winner: str) -> None:
    """Charge alpha for this use of the gate split."""
    body = {
        "gate_split": plan.gate_split,
        "use": plan.use,
        "alpha": plan.gate.alpha,
        "agent": plan.specs[winner],
    }
    log.append(_GATE_OPENED, f"{plan.run}:gate", plan.run, body)


def _use_of(log: DecisionLog, gate_split: str, run_of: Callable[[int], str]) -> int:
    """Return which use of this gate split the run is: the one it had, if it opened the gate already.

    run_of: the name that the run has as the n-th use.
    """
    used = 0
    for logged in log.entries():
        entry = logged.entry
        body = entry.get("body", {})
        if entry.get("type") != _GATE_OPENED or body.get("gate_split") != gate_split:
            continue
        if entry.get("run") == run_of(int(body["use"])):
            return int(body["use"])
        used += 1
    return used + 1
