"""What the gateway costs before a plain model, beside LiteLLM's proxy and vllm-router, in interleaved rounds.

1. `mock`: a stand-in engine in a process of its own answers plain requests and streams of chunks that differ. In each
   round all sides get the same load, in another order. CPU is the kernel's account of a side's whole process tree;
   ratios are medians over rounds. Ours runs with key, three budgets, duty record, and four text patterns as guardrails
   both ways; LiteLLM with a master key and no database; vllm-router with nothing but one worker.
2. `soak`: requests until the memory of request 10,000 and of request 200,000 (or of the last one, if `--soak-seconds`
   ends before; then the measure does not hold) can be compared.
3. `engine`: SmolLM2 behind llama.cpp with four slots, asked directly and through the gateway in turn.

Needs `make bench-peers`; the engine part needs the starter model. Nothing listens beyond this machine.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).parent / "gateway_sides"
STARTER = "smollm2-135m-instruct-q4_1"
PEERS = ("litellm", "vllm-router")
CHUNKS, PAUSE_MS, PROMPT = 200, 2.0, "rain on the north river " * 32
GOALS: dict[str, tuple[float, str]] = {
    "cpu_per_request_vs_litellm": (0.05, "lower"),
    "cpu_per_chunk_vs_litellm": (0.10, "lower"),
    "cpu_per_request_vs_vllm_router": (2.5, "lower"),
    "cpu_per_chunk_vs_vllm_router": (1.5, "lower"),
    "rss_vs_litellm": (0.20, "lower"),
    "rss_growth": (0.02, "lower"),
    "engine_tokens_ratio": (0.99, "higher"),
    "first_token_added_ms": (1.0, "lower"),
}


def main() -> int:
    """Run the parts asked for and print the JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("mock", "soak", "engine"), action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=1500, help="plain requests a round; LiteLLM gets a fifth"
    )
    parser.add_argument("--streams", type=int, default=48, help="streams a round; LiteLLM gets a third")
    parser.add_argument("--soak-seconds", type=float, default=240.0)
    parser.add_argument("--without", choices=PEERS, action="append", default=[])
    options = parser.parse_args()
    parts = options.only or ["mock", "soak", "engine"]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="staffroom-gateway-") as folder:
        if "mock" in parts or "soak" in parts:
            with mock_engine() as port:
                if "mock" in parts:
                    found |= against_peers(Path(folder), port, options)
                if "soak" in parts:
                    found |= soak(Path(folder), port, options.soak_seconds)
        if "engine" in parts:
            found |= before_engine(Path(folder))
    measures = [measure(name, value) for name, value in found.items()]
    print(json.dumps({"benchmark": "gateway", "measures": measures, "versions": versions()}))
    return 0 if all(each["holds"] for each in measures) else 1


def measure(name: str, value: float) -> dict[str, Any]:
    """One measure with its goal."""
    goal, better = GOALS[name]
    holds = value <= goal if better == "lower" else value >= goal
    return {"name": name, "value": round(value, 4), "goal": goal, "better": better, "holds": holds}


@dataclass
class Side:
    """A gateway under load: its process, where it listens, the key and model name it wants, and what it used."""

    name: str
    process: subprocess.Popen[str]
    port: int
    key: str
    model: str
    request_us: list[float] = field(default_factory=list)
    chunk_us: list[float] = field(default_factory=list)

    def cpu(self) -> float:
        """Seconds of processor that the whole process tree has used."""
        return sum(cpu_of(pid) for pid in tree(self.process.pid))

    def rss(self) -> int:
        """Resident bytes of the whole process tree."""
        return sum(rss_of(pid) for pid in tree(self.process.pid))


def against_peers(folder: Path, engine: int, options: argparse.Namespace) -> dict[str, float]:
    """All sides in interleaved rounds."""
    chance = random.Random(7)
    found: dict[str, float] = {}
    with ours(folder / "mock", f"http://127.0.0.1:{engine}/v1") as mine:
        sides = [mine]
        with peers(folder, engine, [name for name in PEERS if name not in options.without]) as others:
            sides += others
            for side in sides:
                for stream in (False, True):
                    load(side, 20, 4, stream=stream)
            for number in range(options.rounds):
                chance.shuffle(sides)
                for side in sides:
                    small = side.name == "litellm"
                    one_round(
                        side, options.requests // (5 if small else 1), options.streams // (3 if small else 1)
                    )
                show = sorted((s.name, round(s.request_us[-1]), round(s.chunk_us[-1], 1)) for s in sides)
                print(f"round {number + 1}: µs a request and a chunk: {show}", flush=True)
            for other in others:
                name = other.name.replace("-", "_")
                found[f"cpu_per_request_vs_{name}"] = ratio(mine.request_us, other.request_us)
                found[f"cpu_per_chunk_vs_{name}"] = ratio(mine.chunk_us, other.chunk_us)
                if other.name == "litellm":
                    print(f"resident: ours {mine.rss() >> 20} MiB, LiteLLM {other.rss() >> 20} MiB")
                    found["rss_vs_litellm"] = mine.rss() / other.rss()
    return found


def ratio(ours_us: list[float], theirs_us: list[float]) -> float:
    """Median over rounds of the quotient within a round."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours_us, theirs_us, strict=True))


def one_round(side: Side, requests: int, streams: int) -> None:
    """Plain requests from sixteen connections, then streams all at once; CPU of each."""
    before = side.cpu()
    answered = load(side, requests, 16, stream=False)
    between = side.cpu()
    streamed = load(side, streams, streams, stream=True)
    side.request_us.append((between - before) / answered["answers"] * 1e6)
    side.chunk_us.append((side.cpu() - between) / streamed["events"] * 1e6)


def soak(folder: Path, engine: int, seconds: float) -> dict[str, float]:
    """Memory of our gateway at request 10,000 and at request 200,000."""
    with ours(folder / "soak", f"http://127.0.0.1:{engine}/v1") as side:
        load(side, 10_000, 32, stream=False)
        first, done, ends = side.rss(), 10_000, time.monotonic() + seconds
        while done < 200_000 and time.monotonic() < ends:
            load(side, 5_000, 32, stream=False)
            done += 5_000
        growth = side.rss() / first - 1
        print(f"resident: {first >> 10} KiB at 10,000 requests, {side.rss() >> 10} KiB at {done:,}")
        # Cut short it proves nothing of the rest: told as a growth that does not hold.
        return {"rss_growth": growth if done >= 200_000 else max(growth, 1.0)}


def before_engine(folder: Path) -> dict[str, float]:
    """Tokens a second and time to the first token of a real engine, directly and through the gateway."""
    with llama(folder) as (path, key):
        place = {"engine": "http://localhost/v1", "socket": path, "engine_key": key, "model": STARTER}
        with ours(folder / "engine", kind="llama", **place) as side:
            direct = Side("direct", side.process, 0, key, STARTER)
            rates: dict[str, list[float]] = {"ours": [], "direct": []}
            firsts: dict[str, list[float]] = {"ours": [], "direct": []}
            for number in range(6):
                order = [(side, ""), (direct, path)]
                for target, through in order if number % 2 else reversed(order):
                    busy = load(
                        target, 8, 4, stream=True, path=through, tokens=64, prompt=f"Count {number}: one,"
                    )
                    quiet = load(target, 6, 1, stream=True, path=through, tokens=8, prompt=f"Say {number}.")
                    if number:  # the first time warms both up
                        rates[target.name].append(busy["events"] / busy["seconds"])
                        firsts[target.name].append(statistics.median(quiet["firsts"]) * 1000)
    for name in rates:
        print(
            f"{name}: events/s {[round(v, 1) for v in rates[name]]}, first ms {[round(v, 1) for v in firsts[name]]}"
        )
    pairs = zip(firsts["ours"], firsts["direct"], strict=True)
    return {
        "engine_tokens_ratio": ratio(rates["ours"], rates["direct"]),
        "first_token_added_ms": statistics.median(mine - bare for mine, bare in pairs),
    }


def load(
    side: Side,
    requests: int,
    clients: int,
    *,
    stream: bool,
    path: str = "",
    tokens: int = 40,
    prompt: str = PROMPT,
) -> dict[str, Any]:
    """Let the clients ask, and return what they saw; raises SystemExit where not all were answered well."""
    extra: dict[str, Any] = {"temperature": 0, "ignore_eos": True} if path else {"temperature": 0}
    order = {"port": side.port, "socket": path, "key": side.key, "model": side.model, "requests": requests}
    order |= {"clients": min(clients, requests), "stream": stream, "prompt": prompt, "max_tokens": tokens}
    done = subprocess.run(
        [sys.executable, str(SIDES / "load.py"), json.dumps({**order, "extra": extra})],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise SystemExit(f"the clients of {side.name} failed:\n{done.stderr[-2000:]}")
    seen: dict[str, Any] = json.loads(done.stdout)
    if seen["failures"]:
        raise SystemExit(
            f"{side.name}: {seen['failures']} of {requests} failed, the last with: {seen['problem']}"
        )
    return seen


@contextmanager
def mock_engine() -> Iterator[int]:
    """The stand-in engine; gives its port."""
    port = free_port()
    command = [sys.executable, str(SIDES / "mock_engine.py"), str(port), str(CHUNKS), str(PAUSE_MS)]
    with running(command, {}) as process:
        wait_for(process, f"http://127.0.0.1:{port}/v1/models")
        yield port


@contextmanager
def ours(
    home: Path,
    engine: str,
    *,
    kind: str = "openai",
    socket: str = "",
    engine_key: str = "",
    model: str = "weights-7b",
) -> Iterator[Side]:
    """Our gateway in a process of its own."""
    port = free_port()
    order = {"home": str(home), "port": port, "engine": engine, "socket": socket, "engine_key": engine_key}
    order |= {"model": model, "kind": kind, "guardrails": True}
    environment = {"PYTHONPATH": str(ROOT / "src")}
    with running([sys.executable, str(SIDES / "ours.py"), json.dumps(order)], environment) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit("our gateway did not start")
        yield Side("ours", process, port, json.loads(line)["key"], "plain")


@contextmanager
def peers(folder: Path, engine: int, names: list[str]) -> Iterator[list[Side]]:
    """The others, each before the same engine."""
    if not names:
        yield []
        return
    name, port = names[0], free_port()
    binary = ROOT / ".peers" / name / "bin" / name
    if not binary.exists():
        raise SystemExit(f"{name} is not installed: make bench-peers")
    environment = {"DO_NOT_TRACK": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    if name == "litellm":
        config = folder / "litellm.yaml"
        config.write_text(
            "model_list:\n- model_name: plain\n  litellm_params:\n    model: openai/weights-7b\n"
            f"    api_base: http://127.0.0.1:{engine}/v1\n    api_key: none\n"
            "general_settings:\n  master_key: sk-benchmark\nlitellm_settings:\n  telemetry: false\n"
        )
        command = [str(binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--num_workers", "1"]
        alive, model = f"http://127.0.0.1:{port}/health/liveliness", "plain"
    else:
        command = [str(binary), "--worker-urls", f"http://127.0.0.1:{engine}", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--policy", "round_robin", "--prometheus-port", str(free_port())]
        command += ["--prometheus-host", "127.0.0.1", "--log-level", "warning"]
        alive, model = f"http://127.0.0.1:{port}/health", "weights-7b"
    with running(command, environment) as process:
        wait_for(process, alive)
        with peers(folder, engine, names[1:]) as others:
            yield [Side(name, process, port, "sk-benchmark", model), *others]


@contextmanager
def llama(folder: Path) -> Iterator[tuple[str, str]]:
    """A llama.cpp child with four slots, as the gateway starts it; gives its socket and key."""
    code = (
        "import asyncio, json, sys\nfrom pathlib import Path\n"
        "from staffroom.engine.llama_server import LlamaServer\n"
        "from staffroom.recruit import file_of, get_starter\n"
        "async def main():\n"
        "    home = Path(sys.argv[1])\n"
        "    entry = get_starter(home, sys.argv[2], lambda *_: None)\n"
        "    server = LlamaServer(file_of(home, entry.candidate), context=2048, slots=4)\n"
        "    at = await server.address()\n"
        "    print(json.dumps([at.socket, at.key]), flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.read)\n"
        "    await server.close()\n"
        "asyncio.run(main())\n"
    )
    home = folder / "models-home"
    home.mkdir()
    environment = {"PYTHONPATH": str(ROOT / "src")}
    with running([sys.executable, "-c", code, str(home), STARTER], environment) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit(f"the engine did not start; try: staffroom models get {STARTER}")
        path, key = json.loads(line)
        yield path, key


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, ended with all its children."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if command[0] == sys.executable else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(process: subprocess.Popen[str], url: str, seconds: float = 180.0) -> None:
    """Wait until an address answers."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise SystemExit(f"nothing answers at {url}")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        with suppress(OSError):
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


def cpu_of(pid: int) -> float:
    """Seconds of processor of all threads of a process, from the kernel's own clock of it."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def rss_of(pid: int) -> int:
    """Resident bytes."""
    with suppress(OSError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def versions() -> dict[str, str]:
    """What was compared."""
    found = {"python": sys.version.split()[0], "staffroom": "this tree", "aiohttp": version("aiohttp")}
    for name in PEERS:
        lines = (Path(__file__).parent / "peers" / f"{name}.txt").read_text().splitlines()
        found[name] = next(
            (line.split(" ")[0].split("==")[1] for line in lines if line.startswith(f"{name}==")), "?"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
