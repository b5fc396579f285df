"""A better worker in the place of the one that serves, as one plan:

1. read the worker, its job, documents and exam; a run that was killed goes on with what it began with
2. index the documents as they are now
3. climb the ladder: each rung proposes agents, from the corrections that may train; the last one trains an adapter
4. learn how much each proposal leans to one verdict by itself
5. commit to exam, tests, incumbent and proposals in the log; derive the seed from the signed checkpoint
6. race: proposals and incumbent sit the screen split; where the incumbent is ahead, the gate stays shut
7. what a new adapter may not forget: the winner and the incumbent answer the same general items; who forgot goes no further
8. gate: charge alpha, let the winner and the incumbent sit the same items, decide by the rule of step 5
9. the sponsor signs off; only then release, alias and permit

The incumbent serves until the alias moves. Each step runs once for what it depends on.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffroom.pipeline import (
    committing,
    examination,
    improve_report,
    indexing,
    paired_gate,
    releasing,
    remembering,
)
from staffroom.pipeline.adapter_rung import AdapterRung
from staffroom.pipeline.assemble import Assembly, make_embedder
from staffroom.pipeline.committing import Plan
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.examined import keep_examined
from staffroom.pipeline.incumbents import Held, Incumbent, corrections_of, hold, let_go, open_incumbent
from staffroom.pipeline.leanings import learn_leanings
from staffroom.pipeline.paired_gate import INCUMBENT, Contest
from staffroom.pipeline.report import EXIT_CODES
from staffroom.pipeline.revive import revive
from staffroom.pipeline.rungs import LADDER, Climbed, climb
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.signoff import SignOff, what_is_signed
from staffroom.pipeline.step import Step
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision, Verdict
from staffroom.records.digests import digest_value
from staffroom.records.exam import Evaluation
from staffroom.records.protocols import Progress
from staffroom.release import PairedPlan
from staffroom.store import Database, Home, ObjectStore, Responses

__all__ = ["ImproveOrder", "ImproveResult", "improve"]


@dataclass(frozen=True, slots=True)
class ImproveOrder:
    """What `staffroom improve` was asked to do.

    job: the job description, where it lay at the last hire or improvement if left out.  explain: propose, say what it
    would cost, and stop.  force: keep no step.
    """

    alias: str
    job: Path | None = None
    explain: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class ImproveResult:
    """What `improve --json` prints, and the status it ends with."""

    json: dict[str, Any]
    exit_code: int


async def improve(order: ImproveOrder, home: Home, progress: Progress, sign: SignOff) -> ImproveResult:
    """Improve a worker; the same order a second time finds everything done, or the worker it made in service."""
    releasing.require_not_retired(home, order.alias)
    with home.ensure().lock("hire"), Database(home.database) as database:
        objects = ObjectStore(home.objects)
        incumbent = open_incumbent(home, database, objects, order.alias, order.job)
        runner = Runner(database, objects, progress, scope=f"improve/{order.alias}", force=order.force)
        return await _Improve(order, incumbent, home, database, objects, runner, progress, sign).run()


@dataclass(slots=True)
class _Improve:
    order: ImproveOrder
    incumbent: Incumbent
    home: Home
    database: Database
    objects: ObjectStore
    runner: Runner
    progress: Progress
    sign: SignOff

    async def run(self) -> ImproveResult:
        begun, incumbent = time.monotonic(), self.incumbent
        prepared, job, log = incumbent.prepared, incumbent.prepared.job, DecisionLog(self.home)
        embedder, sink = make_embedder(), Responses(self.database)

        # 1. what this run is about
        held = corrections_of(self.home, self.database, incumbent)
        regression = paired_gate.regression_pack(prepared.pack, held.regression)
        contest = Contest(job, prepared.pack, regression, incumbent.release)

        # 2. documents
        inputs = {"documents": prepared.documents, "skip": job.policy.skip_bad_documents}
        index = Step("index", 2, {**inputs, "embedder": embedder.digest}, intact=indexing.kept_in(self.home))
        indexed = await self.runner.run(
            index, indexing.index_documents, job, prepared.folder, self.home, embedder, self.progress
        )

        # 3. the ladder
        shop = HomeWorkshop(
            self.home, embedder, incumbent.assembly, incumbent.job, job, indexed["digest"], prepared.pack, held.train
        )  # fmt: skip
        training = AdapterRung(shop, contest.corrected, prepared.folder, self.order.explain)
        try:
            climbed = await climb(LADDER, shop, self.runner, self.progress, training, held.not_tried)
        finally:
            shop.close()
        agents = {INCUMBENT: incumbent.assembly, **_assemblies(climbed)}
        if self.order.explain or not climbed.proposals:
            return self._explained(contest, held, agents, climbed, log)
        held = replace(held, not_tried=tuple(row["rung"] for row in climbed.not_tried))

        bench = examination.Bench(agents, self.home, embedder)
        try:
            # 4. leanings
            await learn_leanings(bench, self.runner, self.home, self.progress, known=(INCUMBENT,))
            incumbent.require_unchanged(bench.agent(INCUMBENT).spec)

            # 5. commitment
            plan = paired_gate.make_paired_plan(contest, bench.assemblies, self.home, log)
            besides = paired_gate.committed_besides(contest, log, climbed.proposals)
            hold(self.database, incumbent, held, plan.run)
            paired_gate.mark_corrected(contest, plan, log)
            committed = await self.runner.run(
                Step("commit", 1, {"run": plan.run}, after=("index",)),
                committing.commit, plan, log, job, prepared.pack, {"rows": {}}, indexed, besides,
            )  # fmt: skip
            keep_examined(self.database, self.objects, prepared, indexed["digest"], bench)
            self.progress.say(committed["said"])
            seed = committed["seed"]

            # 6. race
            raced = await self.runner.run(
                Step("race", 2, {"run": plan.run}, seed=seed, after=("commit",)),
                examination.race, log, plan, job, prepared.pack, bench, seed, sink, self.progress,
            )  # fmt: skip
            # 7. what may not be forgotten
            winner = raced["winner"]
            kept = await self._remembered(log, plan, winner, climbed, bench, sink)
            if winner == INCUMBENT or not (kept is None or kept["holds"]):
                return self._shut(plan.run, climbed, raced, kept, committed, time.monotonic() - begun)

            # 8. gate
            gated = await self.runner.run(
                Step("gate", 1, {"run": plan.run, "winner": winner}, seed=seed, after=("race",)),
                paired_gate.paired_gate, log, plan, contest, bench, winner, seed, sink, self.database, self.progress,
            )  # fmt: skip
            spec = bench.agent(winner).spec
        finally:
            await bench.close()

        # 9. sign-off and release
        decision, released = revive(Decision, gated["decision"]), None
        if decision.verdict is Verdict.PROMOTED:
            released = await self._release(log, plan, winner, spec, gated, decision, indexed)
        let_go(self.database, job.alias)
        result = improve_report.finished(
            plan=plan, alias=job.alias, runner=self.runner, climbed=climbed, raced=raced, gated=gated,
            kept=kept, committed=committed, decision=decision, released=released, seconds=time.monotonic() - begun,
        )  # fmt: skip
        return ImproveResult(result, EXIT_CODES[decision.verdict])

    async def _remembered(
        self,
        log: DecisionLog,
        plan: Plan[PairedPlan],
        winner: str,
        climbed: Climbed,
        bench: examination.Bench,
        sink: Responses,
    ) -> dict[str, Any] | None:
        """Return what became of the general items where the winner was trained, None where it was not."""
        prepared = self.incumbent.prepared
        if not any(row["name"] == winner and "training" in row for row in climbed.proposals):
            return None
        general = remembering.general_items(prepared.job, prepared.folder, self.home)
        asked = [[item.digest for item in one.items] for one in general]
        inputs = {"run": plan.run, "winner": winner, "asked": digest_value(asked)}
        found: dict[str, Any] = await self.runner.run(
            Step("forgetting", 1, inputs, after=("race",)),
            remembering.remembering, log, plan.run, general, bench, winner, sink, self.progress,
        )  # fmt: skip
        return found

    async def _release(
        self,
        log: DecisionLog,
        plan: Plan[PairedPlan],
        winner: str,
        spec: AgentSpec,
        gated: dict[str, Any],
        decision: Decision,
        indexed: dict[str, Any],
    ) -> dict[str, Any]:
        job, inputs = self.incumbent.prepared.job, {"run": plan.run, "agent": spec.digest}
        shown = what_is_signed(job, spec, decision, indexed["documents"], log.checkpoint())
        signed = await self.runner.run(
            Step("sign-off", 1, inputs), releasing.sign_off, log, plan.run, job, spec, shown, self.sign
        )
        parts = releasing.Parts(self.home, self.database, self.objects, log, plan.run, job)
        released: dict[str, Any] = await self.runner.run(
            Step("release", 1, inputs, after=("sign-off",)), releasing.make_release, parts, spec,
            plan.assemblies[winner], decision, revive(Evaluation, gated["evaluation"]), signed,
        )  # fmt: skip
        return released

    def _explained(
        self,
        contest: Contest,
        held: Held,
        agents: Mapping[str, Assembly],
        climbed: Climbed,
        log: DecisionLog,
    ) -> ImproveResult:
        value = improve_report.explained(contest, held, agents, climbed, self.home, self.database, log)
        return ImproveResult(value, 0)

    def _shut(
        self,
        run: str,
        climbed: Climbed,
        raced: dict[str, Any],
        kept: dict[str, Any] | None,
        committed: dict[str, Any],
        seconds: float,
    ) -> ImproveResult:
        let_go(self.database, self.order.alias)
        value = improve_report.shut(
            run, self.order.alias, self.runner, climbed, raced, kept, committed, seconds
        )
        return ImproveResult(value, EXIT_CODES[Verdict.REJECTED])


def _assemblies(climbed: Climbed) -> dict[str, Assembly]:
    """Return the proposed agents that there are; one that would have to be trained first is none yet."""
    return {row["name"]: Assembly.from_json(row["assembly"]) for row in climbed.proposals if row["assembly"]}
