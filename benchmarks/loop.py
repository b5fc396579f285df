"""The gate of later releases replayed on answers that are known, and the whole loop on real models.

`--only replay`: how often the gate promotes by luck, and how often rightly.
Each replay draws `--items` items (800) from an exam that real models answered, and a pair of those models. Each item goes to candidate or
incumbent by a coin: so the two differ as real models do, and neither is better. Then
1. `false_promotion_rate`: the gate decides on such a pair; a promotion is false;
2. `planted_gain_promotion_rate`: the candidate is given the right answer to just so many items that it got wrong that it is
   better by `--gain` (0.10) over the whole exam; a promotion is right.

The gate is the one that `staffroom improve` uses (`release.plan_paired`, `release.decide_paired`) at the alpha of a first use; the items
are their own sources, and the task is its only test, because the answers are to one kind of item.

Answers: a CSV with the columns subject, item and one per model (`--outcomes`), or the folder in which `race.py --only real` keeps the
answers of the starter models to TMMLU (`--answers`), where it is there.

`--only real` (hours on two cores; see `loop_sides/real.py`): the 0.5B starter on the six statutes, its supervisor's corrections, all rungs of
the ladder, and the better one on the gate and sealed items beside the worker as it was. What was done is kept in `--keep`, and the
same command goes on from there. `--trial N` asks N items of each split and takes N corrections: it shows that it runs, and no figure.
"""

import argparse
import csv
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

from loop_sides.real import RealOptions, real
from race import tmmlu_pack
from sqlalchemy import select

from staffroom.records.decision import Verdict
from staffroom.records.exam import (
    Evaluation,
    FacetRule,
    FacetSummary,
    Kind,
    LaterRule,
    Role,
    Score,
    ScoreStatus,
    Split,
)
from staffroom.release import PairedPlan, Sat, decide_paired, plan_paired
from staffroom.stats import alpha_for_use
from staffroom.store import Database
from staffroom.store.schema import responses

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARTS = ("replay", "real")
FACET = "choice"
EXAM = "stored answers"


@dataclass(frozen=True, slots=True)
class Stored:
    """Right (True) or wrong of each model on each item; `items` names them."""

    items: tuple[str, ...]
    right: Mapping[str, tuple[bool, ...]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One replay: who stood against whom, what the gate said, and after how many sources the task's test fell."""

    pair: tuple[str, str]
    verdict: Verdict
    decided_at: int | None


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", type=Path, default=DATA / "outcomes" / "arabic-mmlu-5x11613.csv")
    parser.add_argument("--answers", type=Path, help="folder in which race.py keeps the answers to TMMLU")
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--items", type=int, default=800, help="items a replay")
    parser.add_argument("--gain", type=float, default=0.10, help="the planted gain, as a share of the items")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--keep", type=Path, help="folder of the real part; the same one goes on")
    parser.add_argument("--general", type=int, default=1000, help="items that nothing may be forgotten of")
    parser.add_argument("--minutes", type=int, default=600, help="longest training that is begun")
    parser.add_argument("--trial", type=int, help="so many items and corrections of the real part, to try it")
    options = parser.parse_args()
    measures: list[dict[str, Any]] = []
    if options.only in (None, "replay"):
        measures += replays(options)
    if options.only in (None, "real"):
        if options.keep is None:
            parser.error("--keep DIR is needed for the real part")
        general = options.trial or options.general
        measures += real(RealOptions(options.keep, options.trial, options.trial, general, options.minutes))
    versions = {"staffroom": version("staffroom"), "cores": os.cpu_count()}
    print(json.dumps({"benchmark": "loop", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def replays(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Replay the gate and return its two measures."""
    kept = read_kept(options.answers) if options.answers is not None else None
    stored = kept or read_outcomes(options.outcomes)
    print(f"{len(stored.right)} models, {len(stored.items)} items, {options.items} of them a replay")
    begun = time.monotonic()
    measures: list[dict[str, Any]] = []
    for name, gain, goal, better in (
        ("false_promotion_rate", 0.0, 0.05, "lower"),
        ("planted_gain_promotion_rate", options.gain, 0.80, "higher"),
    ):
        done = [replay(stored, options.items, gain, seed) for seed in range(options.replays)]
        print(described(name, done))
        rate = sum(row.verdict is Verdict.PROMOTED for row in done) / len(done)
        holds = rate <= goal if better == "lower" else rate >= goal
        measures.append(
            {"name": name, "value": round(rate, 4), "goal": goal, "better": better, "holds": holds}
        )
    print(f"{time.monotonic() - begun:.0f} s")
    return measures


def replay(stored: Stored, count: int, gain: float, seed: int) -> Replayed:
    """Let the gate decide once on a pair of which neither is better, but for what is planted."""
    chance = random.Random(f"loop|{gain}|{seed}")
    pair = chance.choice(list(combinations(sorted(stored.right), 2)))
    one, other = (stored.right[name] for name in pair)
    places = chance.sample(range(len(stored.items)), count)
    wrong = 1 - (sum(one) + sum(other)) / (2 * len(stored.items))
    candidate, incumbent = [], []
    for place in places:
        first, second = one[place], other[place]
        if chance.random() < 0.5:
            first, second = second, first
        candidate.append(first or chance.random() < gain / wrong)
        incumbent.append(second)
    names = [stored.items[place] for place in places]
    plan = plan_of(names)
    sat = Sat(
        evaluation("candidate", names, candidate),
        evaluation(plan.incumbent, names, incumbent),
        {n: n for n in names},
    )
    decision = decide_paired(plan, sat, None, seed=seed, outlook=False)
    task = decision.paired.tests[0] if decision.paired else None
    return Replayed(pair, decision.verdict, task.decided_at if task else None)


def plan_of(names: Sequence[str]) -> PairedPlan:
    """Return the plan of a gate at its first use over items that are their own sources."""
    return plan_paired(
        {FACET: FacetRule(None, False)},
        {FACET: LaterRule(Role.TASK, 0.05)},
        {FACET: frozenset(names)},
        {FACET: len(names)},
        alpha=alpha_for_use(1),
        first_alpha=alpha_for_use(1),
        next_alpha=alpha_for_use(2),
        incumbent="incumbent",
        release="release",
    )


def evaluation(agent: str, names: Sequence[str], right: Sequence[bool]) -> Evaluation:
    """Return known answers as an evaluation of the gate split."""
    scores = tuple(
        Score(name, name, FACET, Kind.CHOICE, float(value), ScoreStatus.SCORED, "choice/1", "")
        for name, value in zip(names, right, strict=True)
    )
    mean = sum(right) / len(right)
    summary = FacetSummary(FACET, len(names), len(names), mean, 0.0, 1.0)
    return Evaluation(agent, EXAM, Split.GATE, 0, scores, (summary,), (summary,), 0, 0, 0)


def read_outcomes(path: Path) -> Stored:
    """Read a table of right and wrong."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there: name the table with --outcomes")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    models = [name for name in rows[0] if name not in ("subject", "item")]
    items = tuple(f"{row['subject']}/{row['item']}" for row in rows)
    return Stored(items, {name: tuple(row[name] == "1" for row in rows) for name in models})


def read_kept(folder: Path) -> Stored | None:
    """Read the answers that race.py keeps, of the models that answered every item; None where there are not two."""
    database = folder / "home" / "staffroom.db"
    if not database.is_file():
        print(f"{folder} holds no answers: the table is taken")
        return None
    items = {item.digest: item for item in tmmlu_pack(folder / "exam", None).items}
    found: dict[str, dict[str, bool]] = {}
    with Database(database) as index, index.read() as connection:
        rows = connection.execute(select(responses.c.agent, responses.c.item_digest, responses.c.json))
        for agent, digest, text in rows:
            if digest in items:
                found.setdefault(agent, {})[digest] = json.loads(text)["text"] in items[digest].accept
    whole = {agent: rows for agent, rows in found.items() if len(rows) == len(items)}
    if len(whole) < 2:
        print(f"{len(whole)} models answered all of the {len(items)} items: the table is taken")
        return None
    return Stored(
        tuple(items), {agent[:19]: tuple(rows[digest] for digest in items) for agent, rows in whole.items()}
    )


def described(name: str, done: Sequence[Replayed]) -> str:
    """Return what a person reads of some replays."""
    lines = [name]
    for pair in sorted({row.pair for row in done}):
        own = [row for row in done if row.pair == pair]
        lines.append(f"  {' and '.join(pair)}: {counted(own)}")
    decided = [row.decided_at for row in done if row.decided_at is not None]
    mean = f"{sum(decided) / len(decided):.0f}" if decided else "none"
    return "\n".join([*lines, f"  all: {counted(done)}; the test fell after {mean} sources on average"])


def counted(rows: Sequence[Replayed]) -> str:
    """Return how many replays ended how."""
    words: list[Any] = [row.verdict.value for row in rows]
    return ", ".join(f"{words.count(word)} {word}" for word in ("promoted", "rejected", "undecided"))


if __name__ == "__main__":
    sys.exit(main())
