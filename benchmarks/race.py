"""The race of `staffroom.recruit` replayed on answers that are known, beside the exhaustive exam.

1. `outcomes`: right and wrong of real models on each item of one exam (`--outcomes`, a CSV with the columns subject,
   item and one per model). All models; the three nearest in accuracy alone; all models with the best one twice.
2. `simulated`: worlds whose truth is known: equal arms, gaps of 0.5 to 3 points, 2 to 8 candidates, clusters, fractions.
3. `real`: the four starter models answer the TMMLU items without documents, all of them once (hours on two cores).
   Answers that `benchmarks/recorded/` holds are not asked for again, unless `--afresh`; the others are kept in `--keep`, and the
   same command goes on from there (`--record` writes them to `recorded/`, also after Ctrl-C). Then the race is replayed
   on them, with a cap of a fifth of the items as the exam's author would set it, and without. `--again N` first asks N
   recorded items of each model again and says how many choices are the same here.

The seed decides the order of the items. A race that names no winner is wrong in `wrong_rate`; a race that names one is
wrong in `false_winner_rate`. In `token_share_real` a race that hires another model than the exhaustive exam saved nothing.
"""

import argparse
import asyncio
import csv
import hashlib
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from statistics import NormalDist
from typing import Any

from recorded_answers import RecordedAnswers, write_recorded

from staffroom.engine.fake import FakeEngine
from staffroom.engine.llama import LlamaEngine
from staffroom.engine.protocols import Engine
from staffroom.evaluate import LETTERS, ExamPack, examine, load_pack
from staffroom.gguf import read_header
from staffroom.pipeline.bare import BareCandidate
from staffroom.records.agent import ChatTurn
from staffroom.records.exam import Item, Split
from staffroom.records.policy import PromptBook
from staffroom.records.protocols import ResponseSink
from staffroom.recruit import (
    Entrant,
    ItemScore,
    Race,
    RaceOutcome,
    file_of,
    load_catalogue,
    resolve_candidate,
)
from staffroom.store import Database, Home, Responses

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARTS = ("outcomes", "simulated", "real")
CAPPED_AT = 5
EXAM = """\
name: tmmlu
version: 1
locale: zh-TW
declines: []
facets:
  choice: {}
splits: {screen: 0.5, gate: 0.5, sealed: 0, seed: tmmlu}
cap: CAP
scorers: {choice: 1}
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known beforehand: scores (and tokens) of each candidate on each item, and the items' clusters."""

    scores: Mapping[str, Mapping[str, ItemScore]]
    clusters: Mapping[str, str]

    def only(self, names: Sequence[str]) -> "Answers":
        """Return the same answers of some of the candidates."""
        return Answers({name: self.scores[name] for name in names}, self.clusters)

    def with_twin(self, name: str) -> "Answers":
        """Return the answers with one candidate more, who answers like `name`."""
        twin = f"{name} (twin)"
        rows = {item: replace(row, candidate=twin) for item, row in self.scores[name].items()}
        return Answers({**self.scores, twin: rows}, self.clusters)

    def mean(self, name: str) -> float:
        """Return a candidate's mean over all items."""
        return statistics.fmean(row.value for row in self.scores[name].values())


@dataclass(frozen=True, slots=True)
class Replay:
    """One race: how it ended, who won, who left, and its shares of the exhaustive exam's evaluations and tokens."""

    outcome: RaceOutcome
    winner: str
    left: frozenset[str]
    share: float
    token_share: float


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given again")
    parser.add_argument("--outcomes", type=Path, default=DATA / "outcomes" / "arabic-mmlu-5x11613.csv")
    parser.add_argument("--seeds", type=int, default=1000, help="races per setting of `outcomes`")
    parser.add_argument("--worlds", type=int, default=200, help="races per world of `simulated`")
    parser.add_argument("--real-seeds", type=int, default=200, help="races on the kept answers of `real`")
    parser.add_argument("--items", type=int, help="ask only this many TMMLU items, chosen by their ids")
    parser.add_argument("--keep", type=Path, default=kept_by_default(), help="folder of the real answers")
    parser.add_argument("--afresh", action="store_true", help="use no recorded answers in `real`")
    parser.add_argument("--record", action="store_true", help="write the answers of `real` to recorded/")
    parser.add_argument("--again", type=int, default=0, help="recorded items of each model to ask again")
    parser.add_argument("--only-model", action="append", help="with --record: ask only this starter model")
    parser.add_argument("--dry-run", action="store_true", help="`real` with engines without a model")
    options = parser.parse_args()
    parts = options.only or PARTS
    measures: list[dict[str, Any]] = []
    if "outcomes" in parts:
        measures += outcomes(options.outcomes, options.seeds)
    if "simulated" in parts:
        measures += simulated(options.worlds)
    if "real" in parts:
        asking = Asking(
            dry_run=options.dry_run,
            afresh=options.afresh,
            record=options.record,
            again=options.again,
            only=tuple(options.only_model or ()),
        )
        measures += real(options.keep, options.items, options.real_seeds, asking)
    versions = {"xllamacpp": version("xllamacpp"), "staffroom": version("staffroom"), "cores": os.cpu_count()}
    print(json.dumps({"benchmark": "race", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def kept_by_default() -> Path:
    """Return the folder below the user's cache where hours of answers survive the end of this script."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "staffroom" / "benchmarks" / "race"


def replays(
    answers: Answers, seeds: Sequence[int], entrants: Sequence[Entrant] = (), *, cap: int | None = None
) -> list[Replay]:
    """Race on known answers once a seed; nobody is asked, but the race does not know that."""
    names = list(answers.scores)
    every = [row.tokens_in + row.tokens_out for rows in answers.scores.values() for row in rows.values()]
    most, most_tokens = len(every), max(1, sum(every))
    done = []
    for seed in seeds:
        known = entrants or [Entrant(name) for name in names]
        race = Race(known, answers.clusters, seed=seed, cap=cap)
        asked = tokens = 0
        while (batch := race.next_batch()) is not None:
            rows = [answers.scores[name][item] for name in batch.candidates for item in batch.items]
            asked += len(rows)
            tokens += sum(row.tokens_in + row.tokens_out for row in rows)
            race.feed(rows)
        left = frozenset(row.candidate for row in race.eliminations)
        done.append(Replay(race.outcome, str(race.winner), left, asked / most, tokens / most_tokens))
    return done


def described(name: str, done: Sequence[Replay]) -> str:
    """Return one line on a setting: how the races ended and what they took."""
    ended = Counter(row.outcome.value for row in done)
    shares = sorted(row.share for row in done)
    p95 = shares[min(len(shares) - 1, int(0.95 * len(shares)))]
    ways = ", ".join(f"{ended[way]} {way.replace('_', ' ')}" for way in sorted(ended))
    return f"  {name}: {ways}; evaluations {statistics.fmean(shares):.4f} in the mean, {p95:.4f} at the 95th percentile"


# --- Real outcomes ---------------------------------------------------------------------------------------------------


def outcomes(path: Path, seeds: int) -> list[dict[str, Any]]:
    """Replay the race on the outcomes of real models."""
    answers = read_outcomes(path)
    ranked = sorted(answers.scores, key=lambda name: (-answers.mean(name), name))
    print(f"outcomes: {len(answers.clusters)} items, {seeds} races a setting")
    for name in ranked:
        print(f"  {name}: {answers.mean(name):.4f}")
    near = nearest_three(ranked, answers)
    settings = {
        "all": answers,
        "three nearly equal": answers.only(near),
        "best one twice": answers.with_twin(ranked[0]),
    }
    done = {}
    for name, known in settings.items():
        begun = time.process_time()
        done[name] = replays(known, range(seeds))
        took = (time.process_time() - begun) / seeds
        print(f"{described(name, done[name])} ({1000 * took:.0f} ms a race)", flush=True)
    wrong = [row for row in done["all"] if not (named(row) and row.winner == ranked[0])]
    print(f"  the best one left in {share(ranked[0] in row.left for row in done['all']):.4f} of the races")
    false = [
        share(named(row) for row in done[setting]) for setting in ("three nearly equal", "best one twice")
    ]
    print(
        f"  winners named: {false[0]:.4f} of three nearly equal ({', '.join(near)}), {false[1]:.4f} of twins"
    )
    mean_share = statistics.fmean(row.share for row in done["all"])
    return [
        measure("evaluations_share", mean_share, 0.10),
        measure("wrong_rate", len(wrong) / seeds, 0.05),
        measure("false_winner_rate", max(false), 0.05),
    ]


def read_outcomes(path: Path) -> Answers:
    """Return what a CSV of outcomes holds; each item is its own cluster, subjects are parts of the exam."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there: the acceptance data is not part of this repository")
    with path.open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))
    names = [name for name in table[0] if name not in ("subject", "item")]
    ids = [f"{row['subject']}/{row['item']}" for row in table]
    if len(set(ids)) < len(ids) or len(names) < 3:
        raise SystemExit(f"{path}: an item occurs twice, or there are fewer than three models")
    scores = {
        name: {item: ItemScore(name, item, float(row[name])) for item, row in zip(ids, table, strict=True)}
        for name in names
    }
    return Answers(scores, {item: item for item in ids})


def nearest_three(ranked: Sequence[str], answers: Answers) -> list[str]:
    """Return the three neighbours in rank whose means lie closest together."""
    starts = range(len(ranked) - 2)
    first = min(starts, key=lambda at: answers.mean(ranked[at]) - answers.mean(ranked[at + 2]))
    return list(ranked[first : first + 3])


# --- Simulated worlds ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """Candidates of known means, and how their scores hang together.

    item_spread, cluster_spread: standard deviation, against 1 of chance, of how hard an item is for all alike, and of
    how well one candidate does on one cluster.  largest: items of a cluster at most.  parts: a score is the mean of
    so many right or wrong parts.
    """

    name: str
    means: tuple[float, ...]
    items: int = 1000
    item_spread: float = 0.7
    cluster_spread: float = 0.0
    largest: int = 1
    parts: int = 1


WORLDS = (
    World("two equal", (0.60, 0.60)),
    World("three equal", (0.33, 0.33, 0.33)),
    World("eight equal", (0.50,) * 8, items=500),
    World("two equal, clusters, fractions", (0.55, 0.55), cluster_spread=0.6, largest=6, parts=3),
    World("two, gap 0.5 points", (0.605, 0.600)),
    World("three, gap 1 point", (0.61, 0.60, 0.60)),
    World("four, gap 3 points", (0.60, 0.57, 0.57, 0.55)),
    World("close relatives, gap 3 points", (0.63, 0.60), item_spread=3.0),
    World("clusters, gap 2 points", (0.52, 0.50, 0.50), cluster_spread=0.6, largest=6),
    World("fractions, gap 2 points", (0.57, 0.55, 0.53, 0.50), parts=5),
    World("eight, gap 2 points", (0.50, 0.48, 0.47, 0.46, 0.45, 0.44, 0.42, 0.40), items=500),
    World("four in a hire, gap 15 points", (0.65, 0.50, 0.35, 0.25), items=48, cluster_spread=0.3, largest=3),
)


def simulated(races: int) -> list[dict[str, Any]]:
    """Race in worlds whose truth is known; each race has answers of its own."""
    print(f"simulated: {races} races a world")
    lost, false = {}, {}
    for world in WORLDS:
        done = []
        for seed in range(races):
            done += replays(answers_of(world, seed), [seed])
        best = [name for name, mean in named_means(world).items() if mean == max(world.means)]
        if len(best) > 1:
            false[world.name] = share(named(row) for row in done)
            said = f"a winner named {false[world.name]:.3f}"
        else:
            lost[world.name] = share(best[0] in row.left for row in done)
            right = share(named(row) and row.winner == best[0] for row in done)
            said = f"best lost {lost[world.name]:.3f}, named {right:.3f}"
        print(f"{described(world.name, done)}; {said}", flush=True)
    return [
        measure("best_lost_simulated", max(lost.values()), 0.05),
        measure("false_winner_simulated", max(false.values()), 0.05),
    ]


def named_means(world: World) -> dict[str, float]:
    """Return the candidates' names with their means."""
    return {f"c{number}": mean for number, mean in enumerate(world.means)}


def answers_of(world: World, seed: int) -> Answers:
    """Draw a world's answers; a candidate's expected score is its mean, whatever the spreads (a probit model)."""
    chance = random.Random(f"{world.name}|{seed}")
    clusters: dict[str, str] = {}
    while len(clusters) < world.items:
        cluster = str(len(clusters))
        for _ in range(chance.randint(1, world.largest)):
            clusters[str(len(clusters))] = cluster
    hard = {item: chance.gauss(0, world.item_spread) for item in clusters}
    scale = (1 + world.item_spread**2 + world.cluster_spread**2) ** 0.5
    scores = {}
    for name, mean in named_means(world).items():
        level = NormalDist().inv_cdf(mean) * scale
        liking = {cluster: chance.gauss(0, world.cluster_spread) for cluster in set(clusters.values())}
        scores[name] = {
            item: ItemScore(
                name,
                item,
                sum(chance.gauss(level + hard[item] + liking[cluster], 1) > 0 for _ in range(world.parts))
                / world.parts,
            )
            for item, cluster in clusters.items()
        }
    return Answers(scores, clusters)


# --- Real models -----------------------------------------------------------------------------------------------------


BOOK = PromptBook(
    locale="zh-TW",
    system="以下是選擇題，每題只有一個正確的選項，只回答它的英文字母。",
    answer_word="答",
    nothing_word="無",
    refuse_word="拒",
    excerpt="{number}{heading}{text}",
    question="{excerpts}{question}",
    choice="{excerpts}{question}\n",
    choice_end="",
    demonstrations=(),
)


class BaseModelEngine(LlamaEngine):
    """A base model, which has no chat template: it goes on with a plain text that ends where the answer stands."""

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the turns as a plain text."""
        return "\n".join(turn.content for turn in turns) + "\n答案：" + opening


class Lines:
    """Progress as lines with the time left, at the speed of the last fifty items."""

    def __init__(self) -> None:
        self._name, self._done, self._total, self._said = "", 0.0, 0.0, time.monotonic()

    def stage(self, name: str, total: float) -> None:
        """Begin a stage."""
        self._name, self._done, self._total, self._said = name, 0.0, total, time.monotonic()

    def advance(self, units: float = 1.0, note: str = "") -> None:
        """Say every fifty items how long the rest will take."""
        self._done += units
        if self._done % 50 == 0:
            seconds, self._said = (time.monotonic() - self._said) / 50, time.monotonic()
            left = seconds * (self._total - self._done) / 60
            print(f"  {self._name}: {self._done:.0f} of {self._total:.0f}, {left:.0f} min left", flush=True)

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"  {text}", flush=True)


@dataclass(frozen=True, slots=True)
class Asking:
    """How `real` comes to its answers; see the options of the same names. only: of these models, and no race is held."""

    dry_run: bool
    afresh: bool
    record: bool
    again: int
    only: tuple[str, ...]


def real(folder: Path, most: int | None, seeds: int, asking: Asking) -> list[dict[str, Any]]:
    """Let the starter models answer every item, once, then replay the race on their answers."""
    folder = folder / "dry-run" if asking.dry_run else folder
    pack = tmmlu_pack(folder / "exam", most)
    answers, seconds = asyncio.run(exhaustive(folder, pack, asking))
    tokens = {
        name: sum(row.tokens_in + row.tokens_out for row in rows.values())
        for name, rows in answers.scores.items()
    }
    for name in answers.scores:
        asked = len(pack.items)
        print(
            f"  {name}: {answers.mean(name):.4f} of {asked}; {tokens[name] / asked:.0f} tokens and "
            f"{seconds[name] / asked:.2f} s an item"
        )
    if asking.only:
        return []
    top = max(answers.mean(name) for name in answers.scores)
    hired = {name for name in answers.scores if answers.mean(name) == top}
    price = Decimal(1)
    entrants = [Entrant(name, price_in=price, price_out=price) for name in answers.scores]
    kind = "dry_run" if asking.dry_run else "real"
    measures = []
    for ending, cap in (("", pack.cap), ("_uncapped", None)):
        done = replays(answers, range(seeds), entrants, cap=cap)
        same = share(row.winner in hired for row in done)
        spent = statistics.median(row.token_share if row.winner in hired else 1.0 for row in done)
        print(described(f"{seeds} races with a cap of {cap} items", done))
        print(f"  the hire of the exhaustive exam in {same:.3f}, for {spent:.4f} of its tokens in the median")
        goals = (0.20, 0.95) if cap else (None, None)
        measures += [
            measure(f"token_share_{kind}{ending}", spent, goals[0]),
            measure(f"same_hire_{kind}{ending}", same, goals[1], better="higher"),
        ]
    return measures


async def exhaustive(folder: Path, pack: ExamPack, asking: Asking) -> tuple[Answers, dict[str, float]]:
    """Return every starter's answers to every item, from where they are kept or recorded, and the seconds they took."""
    home, progress = Home(folder / "home").ensure(), Lines()
    scores: dict[str, dict[str, ItemScore]] = {}
    seconds: dict[str, float] = {}
    with Database(home.database) as database:
        for starter in load_catalogue():
            if asking.only and starter.id not in asking.only:
                continue
            engine = FakeEngine(starter.id) if asking.dry_run else engine_of(home, starter.id)
            agent = BareCandidate(starter.id, engine, BOOK)
            spec = {**agent.spec.as_json(), "digest": agent.spec.digest}
            kept = Responses(database)
            sink = RecordedAnswers(kept, starter.id, spec, () if asking.afresh else pack.items)
            progress.stage(starter.id, len(pack.items))
            if len(sink):
                print(
                    f"  {starter.id}: {len(sink)} recorded answers, by {sink.engine.get('build')}", flush=True
                )
            missing = any(sink.get(agent.spec.digest, item.digest, 0) is None for item in pack.items)
            if missing or (asking.again and len(sink)):
                await engine.start()
            try:
                if asking.again and len(sink):
                    await ask_again(agent, pack, sink, asking.again)
                evaluation = await examine(
                    agent,
                    pack.items,
                    pack=pack,
                    split=Split.SCREEN,
                    seed=0,
                    sink=sink,
                    progress=progress,
                    wrong_language=lambda response: False,
                )
            finally:
                await engine.close()
                if asking.record:
                    written = write_recorded(starter.id, spec, engine.identity.as_json(), pack.items, sink)
                    print(f"  {starter.id}: {written} answers are recorded", flush=True)
            values = {score.item_id: score.value for score in evaluation.scores}
            scores[starter.id] = {
                item.id: kept_score(starter.id, item, values[item.id], sink, agent.spec.digest)
                for item in pack.items
            }
            seconds[starter.id] = evaluation.seconds
    return Answers(scores, {item.id: item.cluster for item in pack.items}), seconds


async def ask_again(agent: BareCandidate, pack: ExamPack, sink: RecordedAnswers, count: int) -> None:
    """Ask some recorded items again, drawn by chance, and say how many choices are the same on this machine."""
    known = [item for item in pack.items if sink.get(agent.spec.digest, item.digest, 0) is not None]
    drawn = random.Random().sample(known, min(count, len(known)))
    same = 0
    for item in drawn:
        answer = await agent.choose(item.input, item.choices)
        then = sink.get(agent.spec.digest, item.digest, 0)
        same += (
            then is not None and then.text == LETTERS[answer.probabilities.index(max(answer.probabilities))]
        )
    print(f"  {agent.spec.candidate}: asked again, {same} of {len(drawn)} choices are the same", flush=True)


def kept_score(name: str, item: Item, value: float, sink: ResponseSink, agent: str) -> ItemScore:
    """Return a score with the tokens of the answer that is kept."""
    response = sink.get(agent, item.digest, 0)
    if response is None:
        raise SystemExit(f"the answer of {name} to {item.id} was not kept")
    return ItemScore(name, item.id, value, response.tokens_in, response.tokens_out)


def engine_of(home: Home, name: str) -> Engine:
    """Return a starter's engine, not started; its file comes from the machine's folder, or is fetched."""
    candidate = resolve_candidate(home.path, name, lambda done, total, note: None)
    path = file_of(home.path, candidate)
    if candidate.model is None:
        raise SystemExit(f"{name} has no file")
    kind = LlamaEngine if (read_header(path).chat_template or "").strip() else BaseModelEngine
    return kind(path, candidate.model.digest, n_ctx=4096)


def tmmlu_pack(folder: Path, most: int | None) -> ExamPack:
    """Write the TMMLU items as a pack and load it; `most` of them, those with the lowest hash of their ids.

    A question that occurs again with the same options, in whichever subject, is asked once; each is its own cluster.
    """
    path = DATA / "tmmlu" / "tmmlu.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is not there: the acceptance data is not part of this repository")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
    different: dict[str, dict[str, Any]] = {}
    for row in rows:
        different.setdefault("".join("\n".join([row["question"], *sorted(row["choices"])]).split()), row)
    lines = [
        {
            "id": row["id"],
            "kind": "choice",
            "input": row["question"],
            "choices": row["choices"],
            "accept": [row["answer"]],
        }
        for row in list(different.values())[:most]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    exam = EXAM.replace("CAP", str(max(8, len(lines) // CAPPED_AT)))
    (folder / "exam.yaml").write_text(exam, encoding="utf-8")
    (folder / "SOURCES.md").write_text("TMMLU, from mtkresearch/MR-Models (Apache-2.0)\n", encoding="utf-8")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "items.jsonl").write_text(text, encoding="utf-8")
    return load_pack(folder)


# --- Counting --------------------------------------------------------------------------------------------------------


def named(row: Replay) -> bool:
    """Say whether a race named a winner; a tie that is settled by cost names none."""
    return row.outcome is RaceOutcome.SEPARATED


def share(yes: Iterable[bool]) -> float:
    """Return the share of what is true."""
    return statistics.fmean(map(float, yes))


def measure(name: str, value: float, goal: float | None, better: str = "lower") -> dict[str, Any]:
    """Return one row of the result; what has no goal is reported."""
    holds = goal is None or (value >= goal if better == "higher" else value <= goal)
    return {"name": name, "value": round(value, 4), "goal": goal, "better": better, "holds": holds}


if __name__ == "__main__":
    sys.exit(main())
