"""Race and gate over assembled agents: asks through `evaluate`, decides through `recruit.race` and `release.gate`.

Every response is kept as it comes, so that a run that was killed asks nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from staffroom.engine.embed import Embedder
from staffroom.engine.protocols import Engine, EngineIdentity
from staffroom.evaluate import ExamPack, declined_share, summarize_facets, summarize_kinds
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.pipeline.assemble import Assembly, assemble, engine_for, index_path
from staffroom.pipeline.committing import GateRule, Plan, open_gate
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.judges import Judges
from staffroom.pipeline.sitting import sit
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Evaluation, Item, Kind, Score, Split
from staffroom.records.job_description import JobDescription, Price
from staffroom.records.protocols import Progress, ResponseSink
from staffroom.recruit import license_named
from staffroom.recruit.race import Entrant, ItemScore, Race
from staffroom.release import GatePlan, decide
from staffroom.serve.agent import DocumentAgent
from staffroom.serve.leaning import Leaning
from staffroom.store import Home

__all__ = ["Bench", "aggregates", "gate", "price_of", "race"]


class Bench:
    """The agents that sit an exam, by name; engines start when first asked and stop when no longer needed.

    Agents on one model with one adapter share its engine, and agents on one index its retriever.
    """

    def __init__(self, assemblies: Mapping[str, Assembly], home: Home, embedder: Embedder) -> None:
        self._assemblies = dict(assemblies)
        self._home = home
        self._embedder = embedder
        self._engines: dict[str, Engine] = {}
        self._agents: dict[str, DocumentAgent] = {}
        self.judges = Judges(home, rehearsal=any(one.dry_run for one in assemblies.values()))
        self._users: dict[str, set[str]] = {}
        self._retrievers: dict[str, IndexRetriever] = {}

    @property
    def assemblies(self) -> Mapping[str, Assembly]:
        """What the agents are made of, by name."""
        return self._assemblies

    def lean(self, name: str, leaning: Leaning) -> None:
        """Count an agent's odds from its own middles from now on; its engine goes on as it is."""
        assembly = self._assemblies[name]
        policy = replace(
            assembly.policy, nothing_middle=leaning.nothing_middle, refuse_middle=leaning.refuse_middle
        )
        self._assemblies[name] = replace(assembly, policy=policy)
        self._agents.pop(name, None)

    def agent(self, name: str) -> DocumentAgent:
        """Return an agent whose engine may not run yet."""
        if name not in self._agents:
            assembly = self._assemblies[name]
            engine, index = self._engine(name), assembly.index
            if index not in self._retrievers:
                self._retrievers[index] = IndexRetriever(index_path(self._home, index), self._embedder)
            self._agents[name] = assemble(
                assembly, engine, self._home, self._embedder, self._retrievers[index]
            )
        return self._agents[name]

    def engine_of(self, name: str) -> EngineIdentity:
        """Return by what build, weights, template and settings an agent is asked; it need not run."""
        return self._engine(name).identity

    async def ready(self, name: str) -> DocumentAgent:
        """Return an agent whose engine runs."""
        agent, place = self.agent(name), self._place(name)
        users = self._users.setdefault(place, set())
        if not users:
            await self._engines[place].start()
        users.add(name)
        return agent

    async def stop(self, name: str) -> None:
        """Stop an agent's engine, once no other agent that was asked needs it."""
        users = self._users.get(self._place(name), set())
        if name in users:
            users.discard(name)
            if not users:
                await self._engines[self._place(name)].close()

    async def close(self) -> None:
        """Stop all engines, those of judges too, and close the indexes."""
        try:
            for name in sorted({name for users in self._users.values() for name in users}):
                await self.stop(name)
            await self.judges.close()
        finally:
            for retriever in self._retrievers.values():
                retriever.close()

    def _engine(self, name: str) -> Engine:
        place = self._place(name)
        if place not in self._engines:
            self._engines[place] = engine_for(self._assemblies[name], self._home)
        return self._engines[place]

    def _place(self, name: str) -> str:
        assembly = self._assemblies[name]
        return digest_value(
            [assembly.candidate.as_json(), assembly.context, assembly.dry_run, assembly.adapter]
        )


def price_of(job: JobDescription, candidate: str) -> Price:
    """Return the declared price of a candidate's tokens."""
    return job.budget.prices.get(candidate, job.budget.price)


async def race(
    log: DecisionLog,
    plan: Plan[GateRule],
    job: JobDescription,
    pack: ExamPack,
    bench: Bench,
    seed: int,
    sink: ResponseSink,
    progress: Progress,
) -> dict[str, Any]:
    """Let the candidates sit the screen split in batches; losers leave early, the winner goes to the gate.

    Returns the winner, the reason, the candidates' rows and the winner's scores, all recorded in the log first.
    """
    assemblies = plan.assemblies
    items = {item.id: item for item in pack.items_of(Split.SCREEN)}
    entrants = [_entrant(job, name, assembly) for name, assembly in assemblies.items()]
    clusters = {item.id: item.cluster for item in items.values()}
    try:
        running = Race(entrants, clusters, seed=seed, cap=pack.cap)
    except ValueError as error:
        raise WrongUse(
            f"the race cannot be held ({error})", where=str(pack.folder / "exam.yaml"), hint="raise `cap`"
        ) from error
    scores: dict[str, list[Score]] = {name: [] for name in assemblies}
    wrong = dict.fromkeys(assemblies, 0)
    most = min(len(items), pack.cap or len(items))
    progress.stage("race on the screen split", most * len(assemblies))
    while (batch := running.next_batch()) is not None:
        rows: list[ItemScore] = []
        for name in batch.candidates:
            asked = [items[item] for item in batch.items]
            evaluation = await sit(
                await bench.ready(name), asked, pack, Split.SCREEN, seed, sink, progress, bench.judges
            )
            scores[name] += evaluation.scores
            wrong[name] += evaluation.wrong_language
            rows += _item_scores(name, bench.agent(name).spec.digest, asked, evaluation, seed, sink)
        before = set(batch.candidates)
        running.feed(rows)
        following = running.next_batch()
        for name in before - set(following.candidates if following else [str(running.state().winner)]):
            await bench.stop(name)
    state = running.state()
    winner = str(state.winner)
    standings = {row.candidate: row for row in state.standings}
    table = [
        _row(job, name, assemblies[name], scores[name], wrong[name], standings[name]) for name in standings
    ]
    gone = {out.candidate: out.reason for out in state.eliminations}
    for row in table:
        row["left"] = gone.get(row["candidate"], "")
    kept = {
        "winner": winner,
        "separated": state.separated,
        "reason": state.reason,
        "rows": table,
        "scores": [score.as_json() for score in scores[winner]],
    }
    body = {**state.as_json(), "scores": digest_value(kept["scores"])}
    log.append("race", f"{plan.run}:race", plan.run, body)
    return kept


async def gate(
    log: DecisionLog,
    plan: Plan[GatePlan],
    pack: ExamPack,
    bench: Bench,
    winner: str,
    seed: int,
    sink: ResponseSink,
    progress: Progress,
) -> dict[str, Any]:
    """Charge alpha, let the winner sit the gate split, decide, and record aggregates and decision."""
    open_gate(log, plan, winner)
    items = pack.items_of(Split.GATE)
    progress.stage("gate", len(items))
    evaluation = await sit(
        await bench.ready(winner), items, pack, Split.GATE, seed, sink, progress, bench.judges
    )
    decision = decide(evaluation, plan.gate, seed=seed)
    log.append("evaluation", f"{plan.run}:evaluation", plan.run, aggregates(evaluation))
    log.append("decision", f"{plan.run}:decision", plan.run, decision.as_json())
    return {"evaluation": evaluation.as_json(), "decision": decision.as_json()}


def aggregates(evaluation: Evaluation) -> dict[str, Any]:
    """Return what the log says of an evaluation: sums, and the digest of the whole."""
    return {
        "agent": evaluation.agent,
        "pack": evaluation.pack,
        "split": evaluation.split.value,
        "seed": evaluation.seed,
        "evaluation": evaluation.digest,
        "facets": [facet.as_json() for facet in evaluation.facets],
        "kinds": [kind.as_json() for kind in evaluation.kinds],
        "tokens_in": evaluation.tokens_in,
        "tokens_out": evaluation.tokens_out,
        "wrong_language": evaluation.wrong_language,
        "responses": digest_value(list(evaluation.responses)),
    }


def _entrant(job: JobDescription, name: str, assembly: Assembly) -> Entrant:
    candidate = assembly.candidate
    price = price_of(job, candidate.id)
    license = license_named(candidate.license)
    return Entrant(
        name=name,
        price_in=price.per_million_tokens_in,
        price_out=price.per_million_tokens_out,
        openness=(2 if license.name and not license.field_of_use else 1) if license.name else 0,
        size_bytes=candidate.model.bytes if candidate.model is not None else 0,
    )


def _item_scores(
    name: str, agent: str, items: Sequence[Item], evaluation: Evaluation, seed: int, sink: ResponseSink
) -> list[ItemScore]:
    values = {score.item_id: score.value for score in evaluation.scores}
    rows = []
    for item in items:
        response = sink.get(agent, item.digest, seed)
        tokens = (response.tokens_in, response.tokens_out) if response is not None else (0, 0)
        rows.append(ItemScore(name, item.id, values[item.id], *tokens))
    return rows


def _row(
    job: JobDescription, name: str, assembly: Assembly, scores: Sequence[Score], wrong: int, standing: Any
) -> dict[str, Any]:
    candidate = assembly.candidate
    asked = max(1, standing.items)
    declined, unanswerable = declined_share(scores, Kind.UNANSWERABLE)
    return {
        "candidate": name,
        "maker": candidate.maker,
        "license": candidate.license,
        "admitted": True,
        "items": standing.items,
        "mean": standing.mean,
        "low": standing.low,
        "high": standing.high,
        "facets": [facet.as_json() for facet in summarize_facets(scores)] if scores else [],
        "kinds": [kind.as_json() for kind in summarize_kinds(scores)] if scores else [],
        "declined_unanswerable": [declined, unanswerable],
        "wrong_language": wrong,
        "tokens": standing.tokens_in + standing.tokens_out,
        "tokens_per_100": round(100 * (standing.tokens_in + standing.tokens_out) / asked),
        "cost_per_100": str(round(100 * standing.cost / asked, 4)),
        "currency": price_of(job, candidate.id).currency,
    }
