"""How fast an exhaustive exam is: Staffroom beside Inspect and lm-eval on the same llama.cpp build, weights and TMMLU items.

1. `overhead`: an exam with the engine of rules and the real store; what an item takes beyond the engine's own time.
2. `peers`: the starter of half a billion parameters answers the items, once with one order of the options and once with
   four. Each tool asks multiple choice as it recommends: Staffroom one token an order, by its own engine driver;
   Inspect `multiple_choice()`; lm-eval the generative form of its MMLU tasks, because its log-likelihood form needs what
   llama.cpp's server does not give (`--try-loglikelihood` shows what happens). Loading, imports and a
   warm-up are not counted for anybody; from the peers' time that of a run of two items is taken off. The peers have llama.cpp's defaults, its prompt cache too, and `--slots` slots.
3. `same`: the peers send our prompt and take one token; where the choice is clear (0.2 nats) all must score alike.

Needs `make bench-peers`, the starter model and the acceptance data. Nothing that is measured here is kept.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from race import BOOK, Lines, tmmlu_pack

from staffroom.engine.fake import FakeEngine
from staffroom.engine.llama import LlamaEngine
from staffroom.engine.llama_process import physical_cores
from staffroom.engine.protocols import Engine, NextToken, Prompt
from staffroom.evaluate import UNSTABLE_NATS, ExamPack, examine
from staffroom.pipeline.bare import BareCandidate
from staffroom.records.agent import ChatTurn
from staffroom.records.exam import Evaluation, Item, Response, Split
from staffroom.recruit import file_of, resolve_candidate
from staffroom.store import Database, Home, Responses

ROOT = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).parent / "exam_sides"
STARTER = "qwen2.5-coder-0.5b-instruct-q4_k_m"
PEERS = {"inspect": "inspect_side.py", "lm-eval": "lm_eval_side.py"}
CONTEXT, BATCH, ORDERS, WARM = 4096, 256, 4, 2
GOALS = {1: ("one_order", 1.2), ORDERS: ("four_orders", 2.0)}


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("overhead", "peers", "same"), action="append")
    parser.add_argument("--items", type=int, default=200, help="TMMLU items of `peers` and `same`")
    parser.add_argument("--overhead-items", type=int, default=500, help="items of `overhead`")
    parser.add_argument("--model", default=STARTER, help="a starter model")
    parser.add_argument("--slots", type=int, default=4, help="parallel slots and connections of the peers")
    parser.add_argument(
        "--try-loglikelihood", action="store_true", help="let lm-eval try its usual way first"
    )
    options = parser.parse_args()
    parts = options.only or ("overhead", "peers", "same")
    measures: list[dict[str, Any]] = []
    versions: dict[str, Any] = {"xllamacpp": version("xllamacpp"), "cores": os.cpu_count()}
    # Not in /tmp, which may lie in memory: what is kept is waited for.
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        folder = Path(name)
        if "overhead" in parts:
            measures += overhead(folder / "overhead", options.overhead_items)
        if "peers" in parts or "same" in parts:
            bench = Bench(folder / "peers", options.model, options.items, options.slots, versions)
            if options.try_loglikelihood:
                print(f"  lm-eval by log-likelihood: {bench.peer('lm-eval', 'loglikelihood', 1)}", flush=True)
            if "peers" in parts:
                measures += bench.race_peers()
            if "same" in parts:
                measures += bench.compare_scores()
    print(json.dumps({"benchmark": "exam", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def measure(name: str, value: float | None, goal: float, better: str, reason: str = "") -> dict[str, Any]:
    """Return one row of the result; without a value it does not hold, and says why."""
    holds = value is not None and (value >= goal if better == "higher" else value <= goal)
    rounded = None if value is None else round(value, 4)
    row: dict[str, Any] = {"name": name, "value": rounded, "goal": goal, "better": better, "holds": holds}
    return {**row, "reason": reason} if reason else row


# --- Overhead --------------------------------------------------------------------------------------------------------


class TimedEngine(FakeEngine):
    """The engine of rules, with the seconds that it takes itself."""

    busy = 0.0

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Render, timed."""
        begun = time.perf_counter()
        text = await super().render(turns, opening=opening)
        self.busy += time.perf_counter() - begun
        return text

    async def count(self, text: str) -> int:
        """Count, timed; `next_token` counts too, and takes this in."""
        return await super().count(text)

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        """Answer, timed."""
        begun = time.perf_counter()
        seen = await super().next_token(prompt, candidates)
        self.busy += time.perf_counter() - begun
        return seen


def overhead(folder: Path, items: int) -> list[dict[str, Any]]:
    """Sit an exam with an engine that answers at once; every answer is on disk at the end."""
    pack, engine = tmmlu_pack(folder / "exam", items), TimedEngine("fake", n_ctx=CONTEXT)
    sat = asyncio.run(sit(engine, pack, pack.items, folder / "home", None))
    each = 1000 * (sat.seconds - engine.busy) / len(pack.items)
    print(
        f"overhead: {len(pack.items)} items, {each:.2f} ms an item beyond the engine's own time", flush=True
    )
    return [measure("overhead_ms", each, 2, "lower")]


class Sat:
    """What one sitting left."""

    def __init__(self, evaluation: Evaluation, seconds: float, responses: Mapping[str, Response]) -> None:
        self.evaluation, self.seconds, self.responses = evaluation, seconds, responses


async def sit(engine: Engine, pack: ExamPack, items: Sequence[Item], home: Path, orders: int | None) -> Sat:
    """Let an engine sit the items, after a warm-up that is not counted."""
    agent = BareCandidate("examined", engine, BOOK, orders=orders)
    with Database(Home(home).ensure().database) as database:
        sink, progress = Responses(database), Lines()

        async def ask(seed: int, asked: Sequence[Item]) -> Evaluation:
            return await examine(
                agent,
                asked,
                pack=pack,
                split=Split.SCREEN,
                seed=seed,
                sink=sink,
                progress=progress,
                wrong_language=lambda response: False,
            )

        await engine.start()
        try:
            await ask(1, items[:WARM])
            if isinstance(engine, TimedEngine | TimedLlama):
                engine.busy = 0.0
            progress.stage("staffroom", len(items))
            begun = time.perf_counter()
            evaluation = await ask(0, items)
            seconds = time.perf_counter() - begun
        finally:
            await engine.close()
        kept = {item.id: sink.get(agent.spec.digest, item.digest, 0) for item in items}
    return Sat(evaluation, seconds, {name: row for name, row in kept.items() if row is not None})


# --- Real models -----------------------------------------------------------------------------------------------------


class TimedLlama(LlamaEngine):
    """llama.cpp, with the seconds that it says it computed: prompt and prediction."""

    busy = 0.0

    def _check(self, send: Any, answer: Mapping[str, Any]) -> None:
        super()._check(send, answer)
        timings = answer["timings"]
        self.busy += (timings["prompt_ms"] + max(0.0, timings["predicted_ms"])) / 1000


class Bench:
    """The real part: one model, some items, our driver and the peers, one after another."""

    def __init__(self, folder: Path, model: str, items: int, slots: int, versions: dict[str, Any]) -> None:
        self.folder, self.slots, self.versions = folder, slots, versions
        self.pack = tmmlu_pack(folder / "exam", items)
        home = Home(folder / "models").ensure()
        candidate = resolve_candidate(home.path, model, lambda done, total, note: None)
        if candidate.model is None:
            raise SystemExit(f"{model} has no file")
        self.model, self.digest = file_of(home.path, candidate), candidate.model.digest
        self.ours: dict[int, Sat] = {}

    def sit(self, orders: int) -> tuple[Sat, float]:
        """Let our driver ask; return what came and the engine's share of the time."""
        engine = TimedLlama(self.model, self.digest, n_ctx=CONTEXT, n_batch=BATCH)
        sat = asyncio.run(sit(engine, self.pack, self.pack.items, self.folder / f"home-{orders}", orders))
        self.ours[orders] = sat
        share = engine.busy / sat.seconds
        print(f"  staffroom, {orders} order(s): {self._each(sat.seconds):.3f} s an item, engine {share:.3f}")
        return sat, share

    def race_peers(self) -> list[dict[str, Any]]:
        """Let everybody ask with one order and with four."""
        measures, shares = [], []
        for orders, (name, goal) in GOALS.items():
            sat, share = self.sit(orders)
            shares.append(share)
            for peer in PEERS:
                found = self.peer(peer, "own", orders)
                ratio, reason = None, str(found.get("reason", ""))
                if not reason:
                    ratio = found["seconds"] / sat.seconds
                    right = sum(found["right"].values()) / len(found["right"])
                    print(
                        f"  {peer}, {orders} order(s): {self._each(found['seconds']):.3f} s an item, right {right:.3f}"
                    )
                called = f"vs_{peer.replace('-', '_')}_{name}"
                measures.append(measure(called, ratio, goal, "higher", reason))
        measures.append(measure("engine_busy_share", min(shares), 0.95, "higher"))
        return measures

    def compare_scores(self) -> list[dict[str, Any]]:
        """Compare item by item where the peers send our prompt and take one token."""
        ours = self.ours.get(1) or self.sit(1)[0]
        scores = {score.item_id: score.value == 1.0 for score in ours.evaluation.scores}
        measures = []
        for peer in PEERS:
            found = self.peer(peer, "same", 1)
            reason, value = str(found.get("reason", "")), None
            if not reason:
                clear = [
                    name for name, row in ours.responses.items() if (row.margin_nats or 0.0) >= UNSTABLE_NATS
                ]
                other = [name for name in clear if found["right"][f"{name}#0"] != scores[name]]
                value = 1 - len(other) / len(clear) if clear else None
                for name in other:
                    row = ours.responses[name]
                    print(
                        f"  {peer} differs on {name}: {found['answers'][f'{name}#0']!r}, ours {row.text} "
                        f"by {row.margin_nats:.2f} nats"
                    )
                print(f"  {peer}, our prompt: {len(clear) - len(other)} of {len(clear)} clear items alike")
            measures.append(measure(f"same_scores_{peer.replace('-', '_')}", value, 1.0, "higher", reason))
        return measures

    def peer(self, peer: str, way: str, orders: int) -> dict[str, Any]:
        """Let a peer ask; the result holds a `reason` where it could not."""
        python = ROOT / ".peers" / peer / "bin" / "python"
        if not python.exists():
            return {"reason": f"{peer} is not installed; run: make bench-peers"}
        connections = 1 if way == "same" else self.slots
        rows = [row for item in self.pack.items for row in rows_of(item, orders)]
        with server(self.model, connections) as url:
            plan = {"url": url, "connections": connections, "way": way, "warm": rows[:WARM], "rows": rows}
            paths = [self.folder / f"{peer}-{way}-{orders}-{kind}.json" for kind in ("plan", "out")]
            paths[0].write_text(json.dumps(plan, ensure_ascii=False), encoding="utf-8")
            done = subprocess.run(
                [python, SIDES / PEERS[peer], *paths],
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "NO_PROXY": "127.0.0.1"},
            )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            return {"reason": lines[-1][:300] if lines else f"it ended with {done.returncode}"}
        value: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
        self.versions |= value["versions"]
        if len(rows) > WARM:
            # What each row takes, without what a run takes however few they are: the start of the tool is not its speed.
            each = (value["seconds"] - value["start_seconds"]) / (len(rows) - WARM)
            value["seconds"] = max(each * len(rows), 1e-9)
        return value

    def _each(self, seconds: float) -> float:
        return seconds / len(self.pack.items)


def rows_of(item: Item, orders: int) -> Iterator[dict[str, Any]]:
    """Give an item as the peers take it, with its options rotated 0, 1, … times."""
    for turn in range(orders):
        choices = [*item.choices[turn:], *item.choices[:turn]]
        right = ["ABCDEFGHIJ".index(letter) for letter in item.accept]
        letters = "".join("ABCDEFGHIJ"[(place - turn) % len(choices)] for place in right)
        lines = "".join(f"{'ABCDEFGHIJ'[place]}. {choice}\n" for place, choice in enumerate(choices))
        yield {
            "id": f"{item.id}#{turn}",
            "question": item.input,
            "choices": choices,
            "target": letters,
            "system": BOOK.system,
            "prompt": (
                BOOK.choice.format(excerpts="", question=item.input) + lines + BOOK.choice_end
            ).strip(),
        }


@contextmanager
def server(model: Path, slots: int) -> Iterator[str]:
    """Run llama.cpp's server on loopback and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "model": str(model),
        "port": port,
        "n_ctx": CONTEXT * slots,
        "threads": physical_cores(),
        "batch": BATCH,
        "slots": slots,
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, SIDES / "server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes to the server")
        try:
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise SystemExit("llama.cpp's server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
