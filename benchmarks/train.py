"""Training on two cores beside TRL, on the same tokens, masks, first adapter, order and rates; and planted faults.

    python benchmarks/train.py [--only speed|parity|faults] [--steps 8] [--default-steps 2] [--keep DIR]

Sides, in processes of their own, which take turns step by step (whose turn is first goes round):

- own: our loop, with what this machine multiplies faster (`choose_compute`)
- own_apart: the same without sharing what several examples begin with (reported)
- trl_tuned: TRL's SFTTrainer with `use_cpu`, no gradient checkpointing, the same number type as our loop
- trl_default: SFTTrainer with `use_cpu` and its defaults otherwise: bf16 autocast, gradient checkpointing

All have the order of our plan, in which neighbours are of about the same length: TRL pads less than with its own random
order. `vs_*` is the median over steps of its seconds by ours; the same of processor seconds is reported beside it, which
other work on the machine disturbs less. `loss_gap` is the relative difference of validation loss between our adapter and the tuned
side's after the same steps, both judged by one forward pass; that of the default side, after its steps, is reported.

`--only parity` trains 20 small steps with the smallest starter in both and compares the losses step by step.
Takes about a quarter of an hour on two quiet cores, most of it TRL's defaults. Needs `make bench-peers`, the
acceptance data, and the two starters: `staffroom models get NAME`.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from staffroom.engine import LlamaEngine
from staffroom.engine.torch_shape import network_shape
from staffroom.engine.torch_training import TorchTrainer, choose_compute
from staffroom.engine.training import TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.engine.trl import TrlTrainer, write_job
from staffroom.gguf import read_header
from staffroom.records.agent import ChatTurn
from staffroom.records.training import Example
from staffroom.recruit.catalogue import starter_named
from staffroom.train.planning import families, plan_steps
from staffroom.train.sequences import check_sequences, end_tokens, sequence_of

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "tw-law"
PEER = ROOT / ".peers" / "trl" / "bin" / "python"
SIDES = Path(__file__).with_name("train_sides")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "staffroom" / "models"
BIG, SMALL = "qwen2.5-coder-0.5b-instruct-q4_k_m", "smollm2-135m-instruct-q4_1"
SYSTEM = (
    "你是市政府的法規櫃檯。只根據下列條文回答，用繁體中文，一到兩句，並指出條號。條文沒有寫的，就說沒有寫。"
)
MOST_LOSS_SHARE = 0.30
PARITY_STEPS = 20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("speed", "parity", "faults"))
    parser.add_argument("--model", default=BIG, help="starter that is trained for the speed")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--default-steps", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--peer", type=Path, default=PEER, help="an interpreter that has TRL")
    parser.add_argument("--keep", type=Path, help="folder for what the sides write")
    options = parser.parse_args()
    measures: list[dict[str, Any]] = []
    versions: dict[str, str] = {"gguf": version("gguf"), "xllamacpp": version("xllamacpp")}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if options.only in (None, "faults"):
            measures += faults(folder / "faults")
        if options.only == "parity":
            measures += parity(options.peer, folder / "parity")
        if options.only in (None, "speed"):
            found, named = speed(options, folder / "speed")
            measures += found
            versions |= named
    print(json.dumps({"benchmark": "train", "measures": measures, "versions": versions}))
    return 0 if all(item["holds"] for item in measures) else 1


def measure(name: str, value: float, goal: float, better: str) -> dict[str, Any]:
    holds = value >= goal if better == "higher" else value <= goal
    return {"name": name, "value": round(value, 4), "goal": goal, "better": better, "holds": holds}


def model_file(name: str) -> tuple[Path, str]:
    digest = starter_named(name).digest
    path = CACHE / f"{digest.removeprefix('sha256:')}.gguf"
    if not path.exists():
        sys.exit(f"{name} is not here\nhint: staffroom models get {name}")
    return path, digest


def faults(folder: Path) -> list[dict[str, Any]]:
    sys.path.insert(0, str(SIDES))
    import planted_faults

    path, digest = model_file(SMALL)
    found = asyncio.run(planted_faults.plant_all(path, digest, folder))
    for name, refusal in found:
        print(f"{name:<58} {refusal or 'NOT REFUSED'}", flush=True)
    refused = sum(1 for _, refusal in found if refusal)
    print(f"{refused} of {len(found)} planted faults refused before serving")
    return [measure("planted_faults_refused", refused, 19, "higher")]


def examples() -> list[Example]:
    """Questions about articles with the articles, from the corrections that come with the acceptance data."""
    path = DATA / "exam" / "corrections.jsonl"
    if not path.exists():
        sys.exit(f"the acceptance data is absent: {path}")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    laws = {
        file.stem: articles(file.read_text(encoding="utf-8")) for file in (DATA / "documents").glob("*.md")
    }
    made = []
    for row in rows:
        text = laws.get(row["law"], {}).get(row["article"])
        if text is None or len(text) > 400:
            continue
        shown = f"條文：\n《{row['law']}》{row['article']} {text}\n\n問題：{row['question']}"
        turns = (ChatTurn("system", SYSTEM), ChatTurn("user", shown))
        made.append(Example(turns, row["edited_answer"], row["id"], case=f"{row['law']}{row['article']}"))
    return made


def articles(text: str) -> dict[str, str]:
    parts = re.split(r"^#+\s*(第\s*[\d-]+\s*條)\s*$", text, flags=re.M)
    return {
        part.replace(" ", ""): " ".join(body.split("\n#")[0].split())
        for part, body in zip(parts[1::2], parts[2::2], strict=True)
    }


async def tokenised(path: Path, digest: str, made: list[Example]) -> list[TrainingSequence]:
    engine = LlamaEngine(path, digest, n_ctx=2048)
    await engine.start()
    try:
        ends = await end_tokens(engine, read_header(path))
        found = [await sequence_of(engine, example, ends, number) for number, example in enumerate(made, 1)]
        check_sequences(found, ends)
        return found
    finally:
        await engine.close()


def chosen(
    sequences: list[TrainingSequence], count: int
) -> tuple[list[TrainingSequence], list[TrainingSequence]]:
    """Training sequences of whole families, largest first, while the share of loss stays below the bound; and held ones."""
    groups = sorted(families(sequences), key=lambda group: (-len(group), group))
    flat = [sequences[place] for group in groups for place in group]
    return flat[:count], flat[-8:]


def share_of_loss(sequences: list[TrainingSequence]) -> float:
    return sum(item.loss_tokens for item in sequences) / sum(len(item.tokens) for item in sequences)


class Side:
    """A trainer in a process of its own that waits for its turn."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.steps: list[dict[str, Any]] = []
        self.log = log
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
            env=os.environ | environment,
        )
        self.ready = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early\nhint: read {self.log}")
        value: dict[str, Any] = json.loads(line)
        return value

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def step(self) -> None:
        self.say("go")
        self.steps.append(self.read())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def speed(options: argparse.Namespace, folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    path, digest = model_file(options.model)
    if not options.peer.exists():
        sys.exit(f"TRL is not installed: {options.peer}\nhint: make bench-peers")
    shape = network_shape(read_header(path))
    compute = choose_compute(shape.width, shape.feed_forward)
    print(f"number type: {compute.name}, {compute.reason}")
    all_of_them = asyncio.run(tokenised(path, digest, examples()))
    training, held = chosen(all_of_them, options.steps * options.batch)
    settings = TrainingSettings(batch=options.batch, epochs=1)
    plan = TrainingPlan(path, digest, tuple(training), plan_steps(training, settings), settings)
    share = share_of_loss(training)
    tokens = sum(len(item.tokens) for item in training)
    print(f"{len(training)} examples, {tokens} tokens, {share:.1%} of them learnt, {len(plan.steps)} steps")
    if share > MOST_LOSS_SHARE:
        sys.exit(f"{share:.1%} of the tokens are learnt; the goal is about at most {MOST_LOSS_SHARE:.0%}")
    sides = start(options, folder, plan, held, compute.name)
    for number in range(len(plan.steps)):
        turn = sides[number % len(sides) :] + sides[: number % len(sides)]
        for side in turn:
            if side.name != "trl_default" or number < options.default_steps:
                side.step()
                print(json.dumps({"side": side.name, **side.steps[-1]}), flush=True)
    return told(options, folder, sides)


def start(
    options: argparse.Namespace, folder: Path, plan: TrainingPlan, held: list[TrainingSequence], compute: str
) -> list[Side]:
    cpu = {"use_cpu": True}
    tuned = cpu | {"gradient_checkpointing": False, "bf16": compute == "bfloat16"}
    sides = []
    for name, share in (("own", True), ("own_apart", False)):
        job = folder / name
        job.mkdir(parents=True, exist_ok=True)
        (job / "plan.json").write_text(
            json.dumps(plan_json(plan, held, compute, share, options.default_steps))
        )
        sides.append(Side(name, [sys.executable, str(SIDES / "own_side.py"), str(job)], job / "log.txt", {}))
    child = ROOT / "src" / "staffroom" / "engine" / "trl_child.py"
    for name, kind, arguments, last in (
        ("trl_tuned", compute, tuned, len(plan.steps)),
        ("trl_default", "float32", cpu, options.default_steps),
    ):
        job = folder / name
        write_job(plan, job, compute=kind, arguments=arguments, gate=True, last_step=last)
        # TRL gets the same mercy on a busy machine: libgomp's threads sleep at barriers instead of spinning.
        sides.append(
            Side(name, [str(options.peer), "-P", str(child), str(job)], job / "log.txt", {"PYTHONPATH": ""})
        )
    return sides


def plan_json(
    plan: TrainingPlan, held: list[TrainingSequence], compute: str, share: bool, keep: int
) -> dict[str, Any]:
    return {
        "model": str(plan.model),
        "base": plan.base,
        "sequences": [[item.tokens, item.learnt] for item in plan.sequences],
        "validation": [[item.tokens, item.learnt] for item in held],
        "steps": plan.steps,
        "settings": plan.settings.as_json(),
        "compute": compute,
        "share": share,
        "keep_step": keep if share else 0,
    }


def told(
    options: argparse.Namespace, folder: Path, sides: list[Side]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    own, apart, tuned, default = sides
    for side in sides:
        side.read()
    losses: dict[str, float] = {}
    for name, kind, file in (
        ("own", "own", folder / "own" / "state.npz"),
        ("own_early", "own", folder / "own" / "kept.npz"),
        ("trl_tuned", "trl", folder / "trl_tuned" / "adapter.npz"),
        ("trl_default", "trl", folder / "trl_default" / "adapter.npz"),
    ):
        own.say(f"{kind} {file}")
        losses[name] = own.read()["loss"]
    for side in sides:
        side.end()
    gap = abs(losses["own"] / losses["trl_tuned"] - 1)
    early = abs(losses["own_early"] / losses["trl_default"] - 1)
    for side in (apart, tuned, default):
        print(
            f"{side.name}: {ratio(side, own, 'seconds'):.2f} times our seconds, "
            f"{ratio(side, own, 'busy_seconds'):.2f} times our processor seconds; "
            f"largest difference of a step's loss {largest(side, own):.4f}"
        )
    print(
        f"validation loss: own {losses['own']:.4f}, tuned {losses['trl_tuned']:.4f} (gap {gap:.4%}); after "
        f"{options.default_steps} steps own {losses['own_early']:.4f}, default {losses['trl_default']:.4f} (gap {early:.4%})"
    )
    return [
        measure("vs_trl_default", ratio(default, own, "seconds"), 3.0, "higher"),
        measure("vs_trl_tuned", ratio(tuned, own, "seconds"), 1.8, "higher"),
        measure("loss_gap", gap, 0.01, "lower"),
    ], tuned.ready["versions"]


def ratio(side: Side, own: Side, key: str) -> float:
    return statistics.median(one[key] / other[key] for one, other in zip(side.steps, own.steps, strict=False))


def largest(side: Side, own: Side) -> float:
    return max(abs(one["loss"] - other["loss"]) for one, other in zip(side.steps, own.steps, strict=False))


def parity(peer: Path, folder: Path) -> list[dict[str, Any]]:
    """Twenty steps of two short examples in both trainers, in 32 bits: the losses must be the same step by step."""
    path, digest = model_file(SMALL)
    made = [
        Example(
            (ChatTurn("system", "Answer in one sentence."), ChatTurn("user", f"What is {left} and {right}?")),
            f"It is {left + right}.",
            "sums",
        )
        for left in range(2, 10)
        for right in range(11, 16)
    ][: 2 * PARITY_STEPS]
    sequences = asyncio.run(tokenised(path, digest, made))
    settings = TrainingSettings(batch=2, epochs=1)
    plan = TrainingPlan(path, digest, tuple(sequences), plan_steps(sequences, settings), settings)
    compute = choose_compute()
    own = TorchTrainer(compute=type(compute)("float32", "as asked", 0.0)).train(plan, folder / "own")
    other = TrlTrainer(
        python=str(peer),
        compute="float32",
        arguments={"use_cpu": True, "bf16": False, "gradient_checkpointing": False},
    ).train(plan, folder / "trl")
    gaps = [abs(one - two) / two for one, two in zip(own.losses, other.losses, strict=True)]
    print(f"{len(gaps)} steps, losses from {own.losses[0]:.4f} to {own.losses[-1]:.4f}; {other.facts}")
    return [measure("parity_largest_relative_gap", max(gaps), 0.01, "lower")]


if __name__ == "__main__":
    sys.exit(main())
