"""Whether the duty record holds: one row a request and every token in it, while the gateway is killed again and again.

1. `killed`: clients ask a plain model plainly and by streams; a fifth of them leave within their streams; the gateway gets SIGKILL at
   random moments and is started again. Then each request that got a first byte must have one row, each that got its end must not be
   called lost, and the tokens of all rows that are not lost must be those that the engine wrote, by the engine's own account.
2. `waiting`: how long an answer waits for its intent to be on the disk, where the engine takes 20 ms to its first token, and how
   long after its end a row is on the disk.
3. `proofs`: rows of part 1 sealed into a log, a part of them erased; each must be proven by the verifier that runs alone.

The gateway is that of `gateway_sides/ours.py`: key, budgets, guardrails. Nothing listens beyond this machine.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

from gateway import free_port, wait_for  # noqa: E402  # beside this file

from staffroom.ledger.verify_duty import check_duty_proof  # noqa: E402  # of this tree
from staffroom.pipeline import duty_audit  # noqa: E402  # of this tree
from staffroom.pipeline.decision_log import DecisionLog  # noqa: E402  # of this tree
from staffroom.serve.duty import DutyIntent, DutyLog, DutyRecord  # noqa: E402  # of this tree
from staffroom.serve.duty_lookup import DutyQuery, find_rows  # noqa: E402  # of this tree
from staffroom.store import Home, utc_now  # noqa: E402  # of this tree

GOALS: dict[str, tuple[float, str]] = {
    "rows_per_request": (1.0, "exactly"),
    "requests_without_one_row": (0, "lower"),
    "ends_called_lost": (0, "lower"),
    "ledger_tokens_per_engine_tokens": (1.0, "exactly"),
    "intent_wait_ms_p99": (1.0, "lower"),
    "row_on_disk_ms_max": (250.0, "lower"),
    "proofs_good": (1.0, "exactly"),
}


def main() -> int:
    """Run the parts and print the JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="staffroom-audit-") as folder:
        home = Home(Path(folder) / "home").ensure()
        seen = killed(home, options.kills, options.clients, options.seed)
        print(seen.story, flush=True)
        found = seen.measures()
        found |= waiting(Path(folder) / "waiting")
        found["proofs_good"] = proofs(home, options.seed)
    measures = [measure(name, value) for name, value in found.items()]
    versions = {"python": sys.version.split()[0], "staffroom": "this tree"}
    print(json.dumps({"benchmark": "audit", "measures": measures, "versions": versions}))
    return 0 if all(each["holds"] for each in measures) else 1


def measure(name: str, value: float) -> dict[str, Any]:
    """One measure with its goal; what must be 1 must be 1.000, and no more."""
    goal, better = GOALS[name]
    if better == "exactly":
        return {
            "name": name,
            "value": round(value, 6),
            "goal": goal,
            "better": "higher",
            "holds": abs(value - goal) < 0.0005,
        }
    return {"name": name, "value": round(value, 4), "goal": goal, "better": better, "holds": value <= goal}


@dataclass
class Asked:
    """One request as its client saw it."""

    name: str
    audit_id: str = ""
    first_byte: bool = False
    ended: bool = False
    left: bool = False


@dataclass
class Seen:
    """What clients, engine and record say of the same requests."""

    asked: list[Asked]
    engine: dict[str, dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]]
    kills: int
    seconds: float

    @property
    def story(self) -> str:
        """What happened, in a line."""
        outcomes = Counter(
            row["outcome"] for name, rows in self.rows.items() if name.startswith("audit_") for row in rows
        )
        began, ended = sum(each.first_byte for each in self.asked), sum(each.ended for each in self.asked)
        return (
            f"{self.kills} kills in {self.seconds:.0f} s; {len(self.asked)} asked, {began} got a first byte, "
            f"{ended} their end, {sum(each.left for each in self.asked)} left; rows: {dict(outcomes)}"
        )

    def measures(self) -> dict[str, float]:
        """The figures of part 1."""
        began = [each for each in self.asked if each.first_byte]
        counts = [len(self.rows.get(each.audit_id, ())) for each in began]
        called_lost = [
            each for each in began if each.ended and self.rows[each.audit_id][0]["outcome"] == "lost"
        ]
        ledger = engine = 0
        for name, count in self.engine.items():
            for row in self.rows.get(name, ()):
                if row["outcome"] != "lost" and row["counted"] == "engine":
                    ledger += row["tokens_out"]
                    engine += count["written"]
        return {
            "rows_per_request": sum(counts) / len(counts),
            "requests_without_one_row": sum(count != 1 for count in counts),
            "ends_called_lost": len(called_lost),
            "ledger_tokens_per_engine_tokens": ledger / engine,
        }


def killed(home: Home, kills: int, clients: int, seed: int, *, pause_ms: float = 4.0) -> Seen:
    """Part 1."""
    chance = random.Random(seed)
    port, gateway_port = free_port(), free_port()
    started = time.monotonic()
    with process(
        [str(Path(__file__).parent / "audit_sides" / "engine.py"), str(port), str(pause_ms)]
    ) as engine:
        wait_for(engine, f"http://127.0.0.1:{port}/counts")
        asked = asyncio.run(_ask_and_kill(home, port, gateway_port, kills, clients, chance))
        order = _order(home, port, gateway_port)
        finish(start(order)[0])  # it closes what the last kill left open
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as answer:
            counts = json.loads(answer.read())
    rows: dict[str, list[dict[str, Any]]] = {}
    for found in find_rows(home.private / "duty", DutyQuery()):
        rows.setdefault(found.audit_id, []).append(found.row)
        rows.setdefault(str(found.texts.get("question")), []).append(found.row)
    return Seen(asked, counts, rows, kills, time.monotonic() - started)


async def _ask_and_kill(
    home: Home, engine: int, port: int, kills: int, clients: int, chance: random.Random
) -> list[Asked]:
    asked: list[Asked] = []
    over = asyncio.Event()
    key: list[str] = []

    async def client(number: int) -> None:
        own = random.Random(chance.random())
        while not over.is_set():
            if not key:
                await asyncio.sleep(0.02)
                continue
            each = Asked(f"request {number}-{len(asked)}")
            asked.append(each)
            with suppress(aiohttp.ClientError, ConnectionError, asyncio.TimeoutError):
                await _one(f"http://127.0.0.1:{port}/v1/chat/completions", key[-1], each, own)

    working = [asyncio.create_task(client(number)) for number in range(clients)]
    for _ in range(kills):
        running, token = await asyncio.to_thread(start, _order(home, engine, port))
        key.append(token)
        # By what was done, not by the clock alone: on a busy machine a life would end before its first answer.
        goal, ends = sum(each.ended for each in asked) + chance.randint(2, 40), time.monotonic() + 60
        while sum(each.ended for each in asked) < goal and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0, 0.2))
        os.kill(running.pid, signal.SIGKILL)
        key.clear()
        await asyncio.to_thread(finish, running)
    over.set()
    await asyncio.gather(*working)
    return asked


async def _one(url: str, key: str, each: Asked, chance: random.Random) -> None:
    stream = chance.random() < 0.7
    leaves = chance.randrange(1, 40) if stream and chance.random() < 0.3 else 0
    body = {"model": "plain", "messages": [{"role": "user", "content": each.name}], "stream": stream}
    async with aiohttp.ClientSession() as session:
        headers = {"authorization": f"Bearer {key}"}
        async with session.post(
            url, json=body, headers=headers, timeout=aiohttp.ClientTimeout(20)
        ) as response:
            each.audit_id = response.headers.get("x-staffroom-audit", "")
            each.first_byte = response.status == 200
            pieces = 0
            async for piece in response.content.iter_any():
                pieces += piece.count(b"data: ")
                each.ended = each.ended or b"[DONE]" in piece
                if leaves and pieces >= leaves and not each.ended:
                    each.left = True
                    return
            each.ended = each.ended or not stream


def waiting(folder: Path) -> dict[str, float]:
    """Part 2, in this process: 16 requests at a time, 20 ms of engine each."""
    rows_at: list[float] = []
    synced: list[tuple[float, float]] = []
    real = os.fdatasync

    def timed(handle: int) -> None:
        begun = time.perf_counter()
        real(handle)
        if not str(Path(f"/proc/self/fd/{handle}").readlink()).endswith(".texts.jsonl"):
            synced.append((begun, time.perf_counter()))

    waits: list[float] = []

    async def request(duty: DutyLog, number: int) -> None:
        audit_id = f"audit_{number:032x}"
        begun = duty.begin(DutyIntent(audit_id, utc_now(), "plain", "sha256:r", "k", "rain " * 160))
        await asyncio.sleep(0.02)
        before = time.perf_counter()
        await duty.durable(begun)
        waits.append(time.perf_counter() - before)
        entry = DutyRecord(
            audit_id, utc_now(), "plain", "sha256:r", "k", "answered", (), 1, 1, None, 0.1, "q", "a " * 200
        )
        duty.record(entry)
        rows_at.append(time.perf_counter())

    async def run(duty: DutyLog) -> None:
        for start in range(0, 1600, 16):
            await asyncio.gather(*(request(duty, start + number) for number in range(16)))

    os.fdatasync = timed
    try:
        with DutyLog(folder) as duty:
            asyncio.run(run(duty))
            time.sleep(0.5)
            late = max(next(end for begun, end in synced if begun >= at) - at for at in rows_at)
    finally:
        os.fdatasync = real
    p99 = statistics.quantiles(waits, n=100)[98]
    print(f"waits for intents: median {statistics.median(waits) * 1000:.3f} ms, p99 {p99 * 1000:.3f} ms")
    return {"intent_wait_ms_p99": p99 * 1000, "row_on_disk_ms_max": late * 1000}


def proofs(home: Home, seed: int) -> float:
    """Part 3: the share of rows that the verifier proves, of 60 drawn, half of them erased."""
    duty_audit.seal_rows(home)
    ids = [found.audit_id for found in find_rows(home.private / "duty", DutyQuery())]
    drawn = random.Random(seed).sample(ids, min(60, len(ids)))
    duty_audit.erase(home, drawn[::2], None, "benchmark")
    vkeys = list(DecisionLog(home).keys().vkeys)
    good = 0
    for audit_id in drawn:
        with suppress(ValueError):
            good += (
                check_duty_proof(duty_audit.prove(home, audit_id, texts=True), vkeys)["audit_id"] == audit_id
            )
    report = duty_audit.verify(home)
    print(f"audit verify: {report.as_json()}")
    return good / len(drawn) if not report.problems else 0.0


def _order(home: Home, engine: int, port: int) -> dict[str, Any]:
    return {
        "home": str(home.path),
        "port": port,
        "engine": f"http://127.0.0.1:{engine}/v1",
        "socket": "",
        "engine_key": "",
        "model": "weights-7b",
        "kind": "llama",
        "guardrails": True,
    }


def start(order: dict[str, Any]) -> tuple[subprocess.Popen[str], str]:
    """Start the gateway in a process of its own; returns it with a key once it serves."""
    running = spawn([str(Path(__file__).parent / "gateway_sides" / "ours.py"), json.dumps(order)])
    line = running.stdout.readline() if running.stdout else ""
    if not line:
        finish(running)
        raise SystemExit("the gateway did not start")
    return running, json.loads(line)["key"]


@contextmanager
def process(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A Python process with this tree, ended at the end."""
    running = spawn(arguments)
    try:
        yield running
    finally:
        finish(running)


def spawn(arguments: list[str]) -> subprocess.Popen[str]:
    """Start a Python process with this tree."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def finish(running: subprocess.Popen[str]) -> None:
    """End a process, in an orderly way where it still can."""
    with suppress(ProcessLookupError):
        running.send_signal(signal.SIGTERM)
    try:
        running.wait(60)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
    if running.stdout is not None:
        running.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
