"""Starts gateways by fork from a process that has loaded everything, so that a restart costs milliseconds.

    python zygote.py HOME

Reads one JSON command a line and answers each with one JSON line:

    {"do": "start", "kind": "plain" | "agent", "full": false}   {"pid": 1, "url": "http://127.0.0.1:1"} or {"pid": 1, "url": ""}
    {"do": "suspend", "alias": "plain", "full": false}          {"pid": 2, "error": ""}
    {"do": "kill", "pid": 1}                                    {}

Each child is a new process that knows nothing but what is on the disk. `plain` is `staffroom serve` itself; `agent` is the
gateway before the whole agent on the fake engine, one engine an answer. `full`: the kernel lets the process write no byte
into any file (a limit of 0 on the size of files), as on a full disk. A url that is empty: it did not start.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from staffroom.engine import FakeEngine
from staffroom.onboard.guardrails import guardrail_plan
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.pipeline import service, workers
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Retrieved
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError
from staffroom.records.job_description import JobDescription
from staffroom.records.protocols import TextListener
from staffroom.serve import (
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    Permits,
    ServedRelease,
    serve_until_signal,
)
from staffroom.serve.agent import DocumentAgent
from staffroom.store import ApiKeys, Database, Home

AGENT_RELEASE = digest_bytes(b"the agent of the stop benchmark")
_TEXT = "規費由窗口收取，收據當場開立，其他事項依本規則辦理。"
_SAID = "答" + "規費由窗口收取。收據當場開立。其他事項依規則辦理。" * 200
_TOKEN_SECONDS = 0.03
_START_SECONDS = 30


class Shelf:
    """Finds one text, whatever is asked."""

    digest = "sha256:shelf"

    def search(self, question: str, limit: int) -> list[Retrieved]:
        """Return the text."""
        place = digest_bytes(_TEXT.encode())
        return [
            Retrieved(
                chunk_id="c0",
                document_digest=place,
                document_name="rules.md",
                heading_path=("規則",),
                text=_TEXT,
                page=None,
                start=0,
                end=len(_TEXT),
                as_of="2026-01-01",
                score=1.0,
                lexical_rank=1,
                dense_rank=1,
            )
        ][:limit]

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return that everything is close."""
        return [0.9] * len(texts)


class Guard:
    """Refuses nothing."""

    digest = "sha256:guard"

    def refuse_probability(self, request: str) -> float:
        """Return a small probability."""
        return 0.01


class ManyEngines:
    """The whole agent, with a fake engine of its own for each answer: a fake engine has one slot."""

    def __init__(self) -> None:
        self._job = JobDescription.model_validate(
            {
                "name": "w",
                "title": "T",
                "sponsor": "Office",
                "locale": "zh-TW",
                "charter": {"turn_to": "服務台", "ai_notice": "這是 AI。"},
                "documents": [{"path": "d"}],
                "candidates": ["c"],
                "exam": "e",
                "alias": "agent",
            }
        )
        self.spec = AgentSpec("agent", "b", "e", "i", "p", "q", "g", "zh-TW")

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        """Answer on an engine that is started for it."""
        engine = FakeEngine(n_ctx=65_536, delay=_TOKEN_SECONDS, always=_SAID)
        await engine.start()
        agent = DocumentAgent(
            spec=self.spec,
            engine=engine,
            retriever=Shelf(),
            book=prompt_book(self._job),
            policy=agent_policy(self._job),
            guard=Guard(),
            plan=guardrail_plan(self._job),
        )
        return await agent.answer(turns, seed=seed, on_text=on_text)

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        """Refuse: the gateway asks no choice items."""
        raise RuntimeError("the gateway asks no choice items")


async def serve_agent(home: Home, on_ready: Callable[[str], None]) -> None:
    """Serve the agent until SIGTERM."""
    with Database(home.database) as database, DutyLog(home.private / "duty") as duty:
        gateway = Gateway(
            permits=Permits(home.permits),
            keys=ApiKeys(database),
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
            control=workers.HomeControl(home),
        )
        gateway.serve(ServedRelease("agent", AGENT_RELEASE, ManyEngines(), EngineQueue(slots=256), ""))
        await serve_until_signal(
            GatewayServer(gateway, port=0, drain_seconds=1), on_ready=lambda at: on_ready(at.url)
        )


def fill_disk() -> None:
    """Let this process write into no file any more; its pipes and sockets go on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def start(home: Home, order: dict[str, Any]) -> dict[str, Any]:
    """Fork a gateway and wait until it serves or has ended."""

    def work(say: Callable[[str], None]) -> None:
        run = (
            serve_agent(home, say) if order["kind"] == "agent" else service.serve(home, port=0, on_ready=say)
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run)

    pid, url = child(work, full=order["full"])
    return {"pid": pid, "url": url}


def suspend(home: Home, order: dict[str, Any]) -> dict[str, Any]:
    """Fork a process that does what `staffroom suspend` does, and wait for its end."""

    def work(say: Callable[[str], None]) -> None:
        try:
            workers.suspend(home, order["alias"], "benchmark")
        except StaffroomError as error:
            say(error.message)

    pid, error = child(work, full=order["full"])
    os.waitpid(pid, 0)
    return {"pid": pid, "error": error}


def child(work: Callable[[Callable[[str], None]], None], *, full: bool) -> tuple[int, str]:
    """Fork a process that works; returns its id and the first thing that it says."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
        try:
            if full:
                fill_disk()

            def say(text: str) -> None:
                os.write(write, text.encode() + b"\n")

            work(say)
            status = 0
        except StaffroomError:
            status = 3
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pid, pipe.readline().decode().strip()


def main() -> None:
    """Do what stdin says until it ends; then end what is left."""
    home = Home(Path(sys.argv[1]))
    running: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if order["do"] == "start":
            answer = start(home, order)
            running.add(answer["pid"])
        elif order["do"] == "suspend":
            answer = suspend(home, order)
        else:
            os.kill(order["pid"], signal.SIGKILL)
            os.waitpid(order["pid"], 0)
            running.discard(order["pid"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
