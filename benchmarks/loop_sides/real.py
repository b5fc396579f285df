"""The loop on real models and the six statutes: corrections in, the best rung out, both agents on the exam, and what was forgotten.

1. `assemble`: the 0.5B starter as an agent on the documents, in a home below `--keep`; nothing is hired or released
2. `ladder`: the accepted corrections take their sides; every rung proposes, the last one trains
3. `screen`: incumbent and proposals sit the screen split; the highest mean goes on, the cheaper rung where two are equal
4. `exam`: both sit the gate and sealed items; error = 1 - mean item score, `error_ratio` with its interval
5. `general`: the incumbent's model without and with the adapter answers `--general` TMMLU items; the relative drop

What is answered is kept, a training goes on from its last state, and seconds of each stage add up over all runs in
`minutes.json`: the same command goes on. `minutes` are those of the stages 2 and 3 and of the gate items.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from race import BOOK, Lines, tmmlu_pack

from staffroom.engine.llama import LlamaAdapter
from staffroom.evaluate import ExamPack
from staffroom.improve import assign_side, cases_of
from staffroom.improve.sides import SideOfCase
from staffroom.pipeline import indexing
from staffroom.pipeline.adapter_rung import AdapterRung
from staffroom.pipeline.assemble import Assembly, assemblies_of, llama_engine, make_embedder
from staffroom.pipeline.bare import BareCandidate
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.leanings import learn_leanings
from staffroom.pipeline.orders import HireOrder, Prepared, prepare
from staffroom.pipeline.paired_gate import INCUMBENT, regression_pack
from staffroom.pipeline.rungs import LADDER, Climbed, climb
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.sitting import sit
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.exam import Evaluation, Item, Split
from staffroom.records.feedback import Correction, Side
from staffroom.recruit import resolve_candidate
from staffroom.store import Database, Home, ObjectStore, Responses
from staffroom.train import check_forgetting

__all__ = ["RealOptions", "real"]

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "tw-law"
STARTER = "qwen2.5-coder-0.5b-instruct-q4_k_m"


@dataclass(frozen=True, slots=True)
class RealOptions:
    """keep: folder of the home and of what was measured.  items, corrections, general: at most so many, all where None (a trial)."""

    keep: Path
    items: int | None
    corrections: int | None
    general: int
    minutes: int


@dataclass(slots=True)
class Stopwatch:
    """Seconds of each stage over all runs of an interrupted benchmark."""

    path: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            self.seconds = json.loads(self.path.read_text(encoding="utf-8"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is spent within, also where it is interrupted."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun
            self.path.write_text(json.dumps(self.seconds), encoding="utf-8")


def real(options: RealOptions) -> list[dict[str, Any]]:
    """Run all stages and return the measures."""
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is not there: the acceptance data is not part of this repository")
    options.keep.mkdir(parents=True, exist_ok=True)
    home = Home(options.keep / "home").ensure()
    with home.lock("hire"), Database(home.database) as database:
        return asyncio.run(_Loop(options, home, database).run())


@dataclass(slots=True)
class _Loop:
    options: RealOptions
    home: Home
    database: Database

    async def run(self) -> list[dict[str, Any]]:
        options, watch, progress = self.options, Stopwatch(self.options.keep / "minutes.json"), Lines()
        runner = Runner(self.database, ObjectStore(self.home.objects), progress, scope="loop")
        prepared, embedder = prepare(HireOrder(job_of(options))), make_embedder()
        sink = Responses(self.database)
        with watch.stage("assemble"):
            incumbent = await self._incumbent(prepared, runner, progress)
        train, regression = sides(options)
        kept = regression_pack(prepared.pack, regression)
        shop = HomeWorkshop(
            self.home, embedder, incumbent, prepared.job, prepared.job, incumbent.index, prepared.pack, train
        )
        try:
            with watch.stage("ladder"):
                rung = AdapterRung(shop, kept.items if kept else (), prepared.folder)
                climbed = await climb(LADDER, shop, runner, progress, rung)
        finally:
            shop.close()
        tell(train, regression, climbed)
        agents = {INCUMBENT: incumbent}
        agents |= {row["name"]: Assembly.from_json(row["assembly"]) for row in climbed.proposals}
        bench = Bench(agents, self.home, embedder)
        try:
            with watch.stage("screen"):
                await learn_leanings(bench, runner, self.home, progress, known=(INCUMBENT,))
                screen = cut(prepared.pack.items_of(Split.SCREEN), options.items)
                means = {}
                for name in agents:
                    means[name] = mean(await ask(bench, name, screen, prepared.pack, sink, progress))
                    await bench.stop(name)
                    print(f"screen: {name} {means[name]:.3f} of {len(screen)}", flush=True)
            proposals = [row["name"] for row in climbed.proposals]
            if not proposals:
                raise SystemExit("no rung has anything to propose")
            winner = max(proposals, key=lambda name: (means[name], -proposals.index(name)))
            print(f"the ladder decides for: {winner}", flush=True)
            gate = cut(prepared.pack.items_of(Split.GATE), options.items)
            sealed = cut(prepared.pack.items_of(Split.SEALED), options.items)
            found: dict[str, list[Evaluation]] = {}
            for name in (INCUMBENT, winner):
                with watch.stage("gate"):
                    first = await ask(bench, name, gate, prepared.pack, sink, progress)
                with watch.stage("sealed"):
                    found[name] = [first, await ask(bench, name, sealed, prepared.pack, sink, progress)]
                await bench.stop(name)
        finally:
            await bench.close()
        measures = errors(found[INCUMBENT], found[winner])
        with watch.stage("general"):
            measures += await self._general(agents, sink, progress)
        spent = sum(watch.seconds[name] for name in ("ladder", "screen", "gate")) / 60
        print({name: round(seconds) for name, seconds in watch.seconds.items()}, flush=True)
        return [*measures, measure("minutes_to_gated_candidate", spent, 60.0)]

    async def _incumbent(self, prepared: Prepared, runner: Runner, progress: Lines) -> Assembly:
        embedder = make_embedder()
        candidate = resolve_candidate(self.home.path, STARTER, lambda *_: None)
        indexed = indexing.index_documents(prepared.job, prepared.folder, self.home, embedder, progress)
        guard = indexing.fit_guard(self.home, embedder, progress)
        made = assemblies_of(prepared.job, [candidate], indexed["digest"], guard, dry_run=False)
        bench = Bench({INCUMBENT: made[candidate.id]}, self.home, embedder)
        try:
            await learn_leanings(bench, runner, self.home, progress)
            return bench.assemblies[INCUMBENT]
        finally:
            await bench.close()

    async def _general(
        self, agents: dict[str, Assembly], sink: Responses, progress: Lines
    ) -> list[dict[str, Any]]:
        """Compare the model without and with the adapter; nothing where none was trained."""
        adapter = next((one.adapter for name, one in agents.items() if name == "adapter"), "")
        if not adapter:
            print("no adapter was trained: nothing can have been forgotten", flush=True)
            return []
        pack = tmmlu_pack(self.options.keep / "general", self.options.general)
        path = ObjectStore(self.home.objects).verified_path(adapter)
        scores = []
        for name, adapters in (("base", []), ("adapter", [LlamaAdapter(path, adapter)])):
            engine = llama_engine(replace(agents[INCUMBENT], adapter=""), self.home, adapters)
            await engine.start()
            try:
                agent = BareCandidate(f"{STARTER} {name}", engine, BOOK, orders=1)
                made = await sit(agent, pack.items, pack, Split.GATE, 0, sink, progress)
            finally:
                await engine.close()
            scores.append({score.item_id: score.value for score in made.scores})
        before, after = ([row[item.id] for item in pack.items] for row in scores)
        result = check_forgetting(before, after)
        print(result.reason, flush=True)
        return [
            measure("forgetting_drop", result.drop, 0.02),
            {"name": "forgetting_items", "value": result.items, "goal": 1000, "better": "higher", "holds": result.items >= 1000},
        ]  # fmt: skip


def job_of(options: RealOptions) -> Path:
    """Write the job on the statutes with the one candidate, once."""
    folder = options.keep / "job"
    job = folder / "job.yaml"
    if not job.exists():
        script = ROOT / "tests" / "e2e" / "statutes_job.py"
        arguments = [str(DATA), str(DATA / "exam" / "exam-public.jsonl"), str(folder)]
        subprocess.run([sys.executable, str(script), *arguments], check=True)
    lines = [line for line in job.read_text(encoding="utf-8").splitlines() if "improvement:" not in line]
    text = "\n".join(line for line in lines if not line.startswith("  adapter: {minutes")) + "\n"
    job.write_text(f"{text}improvement:\n  adapter: {{minutes: {options.minutes}}}\n", encoding="utf-8")
    return job


def sides(options: RealOptions) -> tuple[list[Correction], list[Correction]]:
    """Return the supervisor's corrections that may train, and those that are examined and never do."""
    path = DATA / "exam" / "corrections.jsonl"
    found: dict[Side, list[Correction]] = {side: [] for side in Side}
    earlier: list[SideOfCase] = []
    for line in path.read_text(encoding="utf-8").splitlines()[: options.corrections]:
        row = json.loads(line)
        one = Correction(
            row["id"], row["question"], row["bad_answer"], row["edited_answer"], row["fault"],
            f"{row['law']}#{row['article']}",
        )  # fmt: skip
        cases = cases_of(one)
        side = assign_side(one.digest, cases, earlier)
        earlier.append(SideOfCase(side, cases))
        found[side].append(one)
    order = {side: sorted(rows, key=lambda one: one.digest) for side, rows in found.items()}
    return order[Side.TRAIN], order[Side.REGRESSION]


async def ask(
    bench: Bench, name: str, items: Sequence[Item], pack: ExamPack, sink: Responses, progress: Lines
) -> Evaluation:
    """Let an agent sit items; what it answered before is kept."""
    progress.stage(f"{name}: {len(items)} items", len(items))
    return await sit(await bench.ready(name), items, pack, Split.GATE, 0, sink, progress, bench.judges)


def errors(before: Sequence[Evaluation], after: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return the ratio of the errors on the same items, with an interval from the paired test turned round."""
    pairs = [
        (first, second)
        for one, other in zip(before, after, strict=True)
        for first, second in zip(one.scores, other.scores, strict=True)
    ]
    result = check_forgetting(
        [1 - first.value for first, _ in pairs],
        [1 - second.value for _, second in pairs],
        [first.cluster for first, _ in pairs],
    )
    for kind in sorted({first.kind for first, _ in pairs}):
        own = [(first.value, second.value) for first, second in pairs if first.kind is kind]
        old, new = (sum(column) / len(own) for column in zip(*own, strict=True))
        print(f"  {kind.value}: {old:.3f} to {new:.3f} of {len(own)}", flush=True)
    low, high = 1 - result.high, 1 - result.low
    print(
        f"error {result.before:.3f} to {result.after:.3f} of {len(pairs)} items: ratio {1 - result.drop:.3f} "
        f"({low:.3f} to {high:.3f})",
        flush=True,
    )
    return [{**measure("error_ratio", 1 - result.drop, 0.80), "low": round(low, 4), "high": round(high, 4)}]


def tell(train: Sequence[Correction], regression: Sequence[Correction], climbed: Climbed) -> None:
    """Print what the rungs propose."""
    print(f"corrections: {len(train)} may train, {len(regression)} are examined", flush=True)
    for row in climbed.proposals:
        print(f"proposal {row['name']} ({row['rung']}): {row['reason']}", flush=True)
        print(f"  left out: {len(row['left_out'])}; {json.dumps(row.get('training', {}))}", flush=True)
    for left in climbed.not_tried:
        print(f"not tried: {left['rung']}: {left['reason']}", flush=True)


def cut(items: Sequence[Item], most: int | None) -> tuple[Item, ...]:
    """Return the items, in a trial the first ones."""
    return tuple(items)[:most]


def mean(evaluation: Evaluation) -> float:
    """Return the mean item score."""
    return sum(score.value for score in evaluation.scores) / len(evaluation.scores)


def measure(name: str, value: float, goal: float) -> dict[str, Any]:
    """Return a measure of which less is better."""
    return {"name": name, "value": round(value, 4), "goal": goal, "better": "lower", "holds": value <= goal}
