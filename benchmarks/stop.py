"""How long a worker goes on after it was stopped, and whether it ever comes back by itself.

1. `streams`: 64 streams are under way in a gateway of its own process: before a plain model (a stand-in engine that streams
   slowly), and before the whole agent on the fake engine. Another process does what `staffroom suspend` does. Time runs from
   just before that process is asked for, and for each stream until its last words have arrived here. Each kind is stopped
   under four conditions in turn: as it is; with a disk that takes no byte, for the gateway and for whoever stops; with the
   index locked by another process; with both. After each stop a new request must be refused.
2. `kills`: gateways are killed (SIGKILL) and started again, 1,000 times, under the same conditions. Before every twentieth the
   worker runs, streams, and is stopped while its gateway is killed within 40 ms of it. None may answer. A gateway that does
   not start under a condition answers nobody, and is counted apart.

The disk that takes no byte is the kernel's limit on the size of files set to 0: writing fails, removing does not.
Nothing listens beyond this machine.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import platform
import random
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parent / "stop_sides"))

from zygote import AGENT_RELEASE  # needs the path above

from staffroom.pipeline.plain_models import admit_plain
from staffroom.serve import Permits
from staffroom.store import ApiKeys, Database, Home, PlainModels

SIDES = Path(__file__).parent
STREAMS, ROUNDS, RESTARTS, GOAL_MS = 64, 3, 1000, 250.0
CONDITIONS = ("as it is", "disk full", "index locked", "disk full and index locked")
CHUNKS, PAUSE_MS = 3000, 25.0
QUESTION = "規費由誰收取？"


class Quiet:
    """Progress that nobody watches."""

    def stage(self, name: str, total: float) -> None:
        """Hear of a stage."""

    def advance(self, units: float = 1.0, note: str = "") -> None:
        """Hear of progress."""

    def say(self, text: str) -> None:
        """Hear a line."""


@dataclass
class Place:
    """A home with a plain model and an agent, a key, and the process that starts gateways."""

    home: Home
    token: str
    releases: dict[str, str]
    zygote: subprocess.Popen[str]
    stopped: int = 0
    not_started: int = 0
    answered: int = 0
    odd: list[str] = field(default_factory=list)

    def order(self, do: str, **more: Any) -> dict[str, Any]:
        """Give a command to the zygote and return its answer."""
        if self.zygote.stdin is None or self.zygote.stdout is None:
            raise SystemExit("the zygote has no pipes")
        self.zygote.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.zygote.stdin.flush()
        line = self.zygote.stdout.readline()
        if not line:
            raise SystemExit("the process that starts gateways has ended")
        return dict(json.loads(line))

    def grant(self, kind: str) -> None:
        """Let it run."""
        Permits(self.home.permits).grant(kind, self.releases[kind])


@dataclass
class Stream:
    """What was heard of one stream; it begins a little after the one before, so that words come at all times."""

    after: float = 0.0
    words: int = 0
    last: float = 0.0
    ended: float = 0.0
    code: str = ""


def main() -> int:
    """Run the parts asked for and print the JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("streams", "kills"), action="append")
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the four conditions, each kind")
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    parser.add_argument("--seed", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="staffroom-stop-", dir=os.environ.get("BENCHMARK_DIR")) as folder:
        measures = run_parts(Path(folder), options)
    versions = {"python": platform.python_version(), "staffroom": version("staffroom")}
    print(json.dumps({"benchmark": "stop", "measures": measures, "versions": versions}))
    return 0 if all(each["holds"] for each in measures) else 1


def run_parts(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the parts asked for in a home of their own."""
    parts = options.only or ["streams", "kills"]
    measures: list[dict[str, Any]] = []
    with place(folder) as there:
        if "streams" in parts:
            measures += asyncio.run(time_streams(there, options.streams, options.rounds))
        if "kills" in parts:
            measures += asyncio.run(kill_and_restart(there, options.restarts, random.Random(options.seed)))
    return measures


# --- streams ---


async def time_streams(there: Place, streams: int, rounds: int) -> list[dict[str, Any]]:
    """Stop both kinds under each condition; the measure is the worse kind's, over all conditions."""
    percentiles, told, asked = [], 0, 0
    for kind in ("plain", "agent"):
        values: list[float] = []
        for condition in CONDITIONS * rounds:
            late, ends, were_told = await one_stop(there, kind, condition, streams)
            values += late
            told += were_told
            asked += streams
            shown = f"last words p50 {percentile(late, 0.5):.1f} ms, p99 {percentile(late, 0.99):.1f} ms"
            shown += f"; streams ended p99 {percentile(ends, 0.99):.1f} ms"
            print(f"{kind}, {condition}: {shown}; told of the stop {were_told} of {streams}", flush=True)
        percentiles.append(percentile(values, 0.99))
        print(f"{kind}: p99 {percentiles[-1]:.1f} ms, worst {max(values):.1f} ms of {len(values)} streams")
    return [
        measure("last_token_ms_p99", max(percentiles), GOAL_MS, "lower"),
        measure("told_of_the_stop", told / asked, 1.0, "higher"),
    ]


async def one_stop(
    there: Place, kind: str, condition: str, streams: int
) -> tuple[list[float], list[float], int]:
    """Return for each stream the milliseconds to its last words and to its end, and how many were told why they ended."""
    there.grant(kind)
    gateway = there.order("start", kind=kind, full=False)
    if not gateway["url"]:
        raise SystemExit(f"the gateway before {kind} did not start")
    heard = [Stream(PAUSE_MS / 1000 * number / streams) for number in range(streams)]
    try:
        async with client(there) as asking:
            listening = [asyncio.create_task(listen(asking, gateway["url"], kind, each)) for each in heard]
            deadline = time.monotonic() + 60
            while any(each.words < 3 for each in heard):
                if time.monotonic() > deadline or any(each.code for each in heard):
                    raise SystemExit(f"{kind}: the streams did not come up: {heard[:3]}")
                await asyncio.sleep(0.02)
            full = "full" in condition
            if full:
                resource.prlimit(gateway["pid"], resource.RLIMIT_FSIZE, (0, 0))
            with locked(there.home) if "locked" in condition else contextlib.nullcontext():
                ordered = time.monotonic()
                stopped = await asyncio.to_thread(there.order, "suspend", alias=kind, full=full)
                if full != bool(stopped["error"]):
                    raise SystemExit(f"{condition}: the record of the stop: {stopped['error'] or 'written'}")
                await asyncio.wait(listening, timeout=30)
                outcome = await ask(asking, gateway["url"], kind)
                if outcome != "worker_suspended":
                    raise SystemExit(f"{kind}, {condition}: after the stop a request got {outcome}")
            for task in listening:
                task.cancel()
    finally:
        there.order("kill", pid=gateway["pid"])
    late = [max(0.0, 1000 * (each.last - ordered)) for each in heard]
    ends = [1000 * ((each.ended or time.monotonic()) - ordered) for each in heard]
    return late, ends, sum(each.code == "worker_suspended" for each in heard)


# --- kills ---


async def kill_and_restart(there: Place, restarts: int, chance: random.Random) -> list[dict[str, Any]]:
    """Kill and start gateways of a stopped worker again and again, and ask each."""
    began = time.monotonic()
    Permits(there.home.permits).revoke_all()
    async with client(there) as asking:
        for number in range(restarts):
            condition = CONDITIONS[number // 2 % len(CONDITIONS)]
            kind = ("plain", "agent")[number % 2]
            if number % 20 == 0:
                await stop_and_kill(there, asking, kind, chance)
            await restart(there, asking, kind, condition, late=number // 8 % 2 == 0)
            if number % 200 == 199:
                seconds = time.monotonic() - began
                print(f"{number + 1} restarts in {seconds:.0f} s, {there.stopped} refused", flush=True)
    print(
        f"of {restarts} restarts: {there.stopped} refused as stopped, {there.not_started} did not start, "
        f"{there.answered} answered; odd: {there.odd[:5]}"
    )
    kept = 1 - (there.answered + len(there.odd)) / restarts
    return [
        measure("still_stopped", kept, 1.0, "higher"),
        measure("restarts", float(restarts), float(RESTARTS), "higher"),
    ]


async def stop_and_kill(
    there: Place, asking: aiohttp.ClientSession, kind: str, chance: random.Random
) -> None:
    """Let it run and stream, then stop it while its gateway is killed."""
    there.grant(kind)
    gateway = there.order("start", kind=kind, full=False)
    heard = [Stream() for _ in range(4)]
    listening = [asyncio.create_task(listen(asking, gateway["url"], kind, each)) for each in heard]
    deadline = time.monotonic() + 20
    while not any(each.words for each in heard) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await asyncio.sleep(chance.random() * 0.02)
    first, pause = chance.random() < 0.5, chance.random() * 0.04
    if first:
        there.order("kill", pid=gateway["pid"])
        time.sleep(pause)
    stopped = there.order("suspend", alias=kind, full=chance.random() < 0.5)
    if not first:
        time.sleep(pause)
        there.order("kill", pid=gateway["pid"])
    if stopped["error"] and "stopped, but not recorded" not in stopped["error"]:
        there.odd.append(stopped["error"])
    await asyncio.wait(listening, timeout=10)


async def restart(
    there: Place, asking: aiohttp.ClientSession, kind: str, condition: str, *, late: bool
) -> None:
    """Start a gateway of the stopped worker, ask it, kill it; late: its disk is full once it runs, not before."""
    full = "full" in condition
    with locked(there.home) if "locked" in condition else contextlib.nullcontext():
        gateway = there.order("start", kind=kind, full=full and not late)
        if full and late and gateway["url"]:
            resource.prlimit(gateway["pid"], resource.RLIMIT_FSIZE, (0, 0))
        try:
            if not gateway["url"]:
                there.not_started += 1
                return
            outcome = await ask(asking, gateway["url"], kind)
        finally:
            there.order("kill", pid=gateway["pid"])
    if outcome == "worker_suspended":
        there.stopped += 1
    elif outcome == "answered":
        there.answered += 1
    else:
        there.odd.append(f"{condition}: {outcome}")


# --- what both need ---


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Make the home, and start what stands behind it."""
    home = Home(folder / "home").ensure()
    port = free_port()
    engine = subprocess.Popen(
        [sys.executable, str(SIDES / "gateway_sides/mock_engine.py"), str(port), str(CHUNKS), str(PAUSE_MS)]
    )
    target = f"server:http://127.0.0.1:{port}/v1#weights-7b"
    admit_plain(
        home, "plain", target, "Benchmark", Quiet(), max_output=4096, context=65_536, slots=256, waiting=256
    )
    with Database(home.database) as database:
        admitted = PlainModels(database).get("plain")
        _, token = ApiKeys(database).create("benchmark")
        _, loopback = ApiKeys(database).create("loopback", loopback=True)
    (home.keys / "loopback.key").write_text(loopback)
    if admitted is None:
        raise SystemExit("the plain model was not admitted")
    zygote = subprocess.Popen(
        [sys.executable, str(SIDES / "stop_sides/zygote.py"), str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(port)
        yield Place(home, token, {"plain": admitted.model.digest, "agent": AGENT_RELEASE}, zygote)
    finally:
        if zygote.stdin is not None:
            zygote.stdin.close()
        zygote.wait(timeout=30)
        engine.terminate()
        engine.wait(timeout=10)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the index as somebody does who writes into it and does not end."""
    connection = sqlite3.connect(home.database, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def client(there: Place) -> aiohttp.ClientSession:
    """Return a client with a key and room for all streams."""
    return aiohttp.ClientSession(
        headers={"authorization": f"Bearer {there.token}"},
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=120),
    )


async def listen(asking: aiohttp.ClientSession, url: str, kind: str, heard: Stream) -> None:
    """Listen to one stream to its end."""
    body = {"model": kind, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    body["max_tokens"] = 4096
    await asyncio.sleep(heard.after)
    try:
        async with asking.post(f"{url}/v1/chat/completions", json=body) as response:
            if response.status != 200:
                heard.code = str((await response.json())["error"]["code"])
                return
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                if line.startswith(b'data: {"error"'):
                    heard.code = str(json.loads(line[6:])["error"]["code"])
                elif b'"content":"' in line and b'"content":""' not in line:
                    heard.words += 1
                    heard.last = time.monotonic()
                elif line.startswith(b"data: [DONE]"):
                    heard.code = "done"
    except (aiohttp.ClientError, OSError):
        heard.code = heard.code or "lost"
    finally:
        heard.ended = time.monotonic()


async def ask(asking: aiohttp.ClientSession, url: str, kind: str) -> str:
    """Ask for an answer that must not come; returns the error's code."""
    body = {"model": kind, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8}
    headers = {"idempotency-key": f"stop-{kind}"}
    try:
        async with asking.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
            return "answered" if response.status == 200 else str((await response.json())["error"].get("code"))
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(name: str, value: float, goal: float, better: str) -> dict[str, Any]:
    """One measure with its goal."""
    holds = value <= goal if better == "lower" else value >= goal
    return {"name": name, "value": round(value, 4), "goal": goal, "better": better, "holds": holds}


if __name__ == "__main__":
    sys.exit(main())
