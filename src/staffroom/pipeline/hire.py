"""The life of a worker, from a job description to an answering release, as one plan:

1. read the job, its documents and its exam; nothing starts while anything is wrong with them
2. find the candidates, and admit or refuse each by the header of its file
3. index the documents
4. learn how much each candidate leans to one verdict by itself
5. commit to exam, thresholds and plan in the log; derive the seed from the signed checkpoint
6. race: the candidates sit the screen split as assembled agents, losers leave early
7. gate: charge alpha, let the winner sit the gate split, decide by the rule of step 5
8. the sponsor signs off; only then release, alias and permit

Each step runs once for what it depends on; a run that was killed goes on where it stopped.
"""

import time
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate import summarize_kinds
from staffroom.pipeline import admitting, committing, examination, indexing, releasing, report
from staffroom.pipeline.assemble import assemblies_of, make_embedder
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.examined import keep_examined
from staffroom.pipeline.incumbents import replaced_unseen
from staffroom.pipeline.leanings import learn_leanings
from staffroom.pipeline.orders import HireOrder, Prepared, prepare
from staffroom.pipeline.revive import revive
from staffroom.pipeline.runner import Runner, WouldRun
from staffroom.pipeline.signoff import SignOff, what_is_signed
from staffroom.pipeline.step import Step
from staffroom.records.decision import Decision, Verdict
from staffroom.records.exam import Evaluation, Score
from staffroom.records.protocols import Progress
from staffroom.store import Database, Home, ObjectStore, Responses

__all__ = ["HireOrder", "HireResult", "hire"]


@dataclass(frozen=True, slots=True)
class HireResult:
    """What `hire --json` prints, and the status it ends with."""

    json: dict[str, Any]
    exit_code: int


async def hire(order: HireOrder, home: Home, progress: Progress, sign: SignOff) -> HireResult:
    """Hire a worker; the same order a second time finds everything done."""
    prepared = prepare(order)
    releasing.require_not_retired(home, prepared.job.alias)
    with home.ensure().lock("hire"), Database(home.database) as database:
        objects = ObjectStore(home.objects)
        scope = prepared.job.name + ("/dry" if order.dry_run else "")
        runner = Runner(
            database, objects, progress, scope=scope, force=order.force, explain_only=order.explain
        )
        try:
            return await _Hire(order, prepared, home, database, objects, runner, progress, sign).run()
        except WouldRun:
            return HireResult(report.explained(runner), 0)


@dataclass(slots=True)
class _Hire:
    order: HireOrder
    prepared: Prepared
    home: Home
    database: Database
    objects: ObjectStore
    runner: Runner
    progress: Progress
    sign: SignOff

    async def run(self) -> HireResult:
        prepared, home, progress, step = self.prepared, self.home, self.progress, self.runner.run
        begun, job, pack = time.monotonic(), prepared.job, prepared.pack
        dry, embedder, sink = self.order.dry_run, make_embedder(), Responses(self.database)
        log = DecisionLog(home, rehearsal=dry)

        # 2. candidates
        candidates = admitting.resolve_candidates(prepared, home, progress)
        admit = Step("admit", 1, admitting.admission_inputs(job, candidates, dry_run=dry))
        admitted = await step(admit, admitting.admit_candidates, prepared, candidates, home)

        # 3. documents
        inputs = {"documents": prepared.documents, "skip": job.policy.skip_bad_documents}
        index = Step("index", 2, {**inputs, "embedder": embedder.digest}, intact=indexing.kept_in(home))
        indexed = await step(index, indexing.index_documents, job, prepared.folder, home, embedder, progress)
        fitted = Step("request-guard", 1, indexing.guard_inputs(embedder))
        guard = await step(fitted, indexing.fit_guard, home, embedder, progress)

        # 4. leanings
        examined = [item for item in candidates if item.id in admitted["admitted"]]
        assemblies = assemblies_of(job, examined, indexed["digest"], guard, dry_run=dry)
        bench = examination.Bench(assemblies, home, embedder)
        try:
            await learn_leanings(bench, self.runner, home, progress)

            # 5. commitment
            plan = committing.make_plan(job, pack, bench.assemblies, home, log, dry_run=dry)
            unseen = replaced_unseen(self.order, self.database, log, plan.run, job.alias)
            committed = await step(
                Step("commit", 1, {"run": plan.run}, after=("admit", "index", "request-guard")),
                committing.commit, plan, log, job, pack, admitted, indexed, unseen,
            )  # fmt: skip
            keep_examined(self.database, self.objects, prepared, indexed["digest"], bench)
            progress.say(committed["said"])
            seed = committed["seed"]

            # 6. race
            raced = await step(
                Step("race", 2, {"run": plan.run}, seed=seed, after=("commit",)),
                examination.race, log, plan, job, pack, bench, seed, sink, progress,
            )  # fmt: skip

            # 7. gate
            gated = await step(
                Step("gate", 1, {"run": plan.run, "winner": raced["winner"]}, seed=seed, after=("race",)),
                examination.gate, log, plan, pack, bench, raced["winner"], seed, sink, progress,
            )  # fmt: skip
            spec = bench.agent(raced["winner"]).spec
        finally:
            await bench.close()

        # 8. sign-off and release
        evaluation, decision = revive(Evaluation, gated["evaluation"]), revive(Decision, gated["decision"])
        released = None
        if decision.verdict is Verdict.PROMOTED and not dry:
            shown = what_is_signed(job, spec, decision, indexed["documents"], log.checkpoint())
            inputs = {"run": plan.run, "agent": spec.digest}
            signed = await step(
                Step("sign-off", 1, inputs), releasing.sign_off, log, plan.run, job, spec, shown, self.sign
            )
            parts = releasing.Parts(home, self.database, self.objects, log, plan.run, job)
            released = await step(
                Step("release", 1, inputs, after=("sign-off",)),
                releasing.make_release, parts, spec, plan.assemblies[spec.candidate], decision, evaluation, signed,
            )  # fmt: skip

        screened = [revive(Score, row) for row in raced["scores"]]
        return HireResult(
            report.finished(
                run=plan.run, alias=job.alias, runner=self.runner, admitted=admitted, indexed=indexed,
                committed=committed, raced=raced, evaluation=evaluation, decision=decision, screened=screened,
                kinds=summarize_kinds([*screened, *evaluation.scores]), released=released,
                seconds=time.monotonic() - begun, dry_run=dry,
            ),
            report.EXIT_CODES[decision.verdict],
        )  # fmt: skip
