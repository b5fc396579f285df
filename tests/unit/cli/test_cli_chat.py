import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.records.agent import AgentAnswer, ChatTurn, Citation, Outcome

CITATION = Citation(
    number=1, chunk_id="c", document="fees.xlsx", document_digest="sha256:00", heading="Copies", page=2, start=10, end=20,
    quote="a page costs [17]\n", as_of="2026-02-01",
)  # fmt: skip


@dataclass
class Agent:
    """Answers in two pieces, and remembers what it was asked."""

    asked: list[list[str]] = field(default_factory=list)
    stop_after_first: Callable[[], None] | None = None
    interrupt: bool = False

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: Callable[[str], None] | None = None
    ) -> AgentAnswer:
        self.asked.append([turn.content for turn in turns])
        assert on_text is not None
        on_text("It costs ")
        if self.stop_after_first:
            self.stop_after_first()
        if self.interrupt:
            self.interrupt = False
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)
        on_text("NT$17.")
        return AgentAnswer(
            "It costs NT$17.", "raw", Outcome.ANSWERED, "grounded", (CITATION,), tokens_in=9, tokens_out=4
        )


@dataclass
class Worker:
    agent: Agent = field(default_factory=Agent)
    notice: str = "You are talking to an AI."
    release: str = "sha256:ab"
    stopped: bool = False
    closed: bool = False

    def permitted(self) -> bool:
        return not self.stopped


@pytest.fixture
def worker(pipeline: Callable[..., None]) -> Worker:
    worker = Worker()

    @asynccontextmanager
    async def open_worker(home: object, alias: str) -> AsyncIterator[Any]:
        try:
            yield worker
        finally:
            worker.closed = True

    pipeline("service", open_worker=open_worker)
    return worker


def test_one_question_for_scripts(staffroom: CommandLine, worker: Worker) -> None:
    said = staffroom("chat", "town-hall", "--once", "What does a page cost?", "--json")
    assert said.status == 0
    assert said.json["text"] == "It costs NT$17."
    assert said.json["outcome"] == "answered"
    assert said.json["release"] == "sha256:ab"
    assert said.json["notice"] == worker.notice
    citation = said.json["citations"][0]
    assert (citation["document"], citation["page"], citation["start"], citation["end"]) == (
        "fees.xlsx",
        2,
        10,
        20,
    )
    assert worker.closed


def test_an_answer_streams_and_names_its_places(staffroom: CommandLine, worker: Worker) -> None:
    said = staffroom("chat", "town-hall", "--once", "What does a page cost?")
    assert worker.notice in said.err
    assert said.out.startswith("It costs NT$17.\n")
    assert "[1] fees.xlsx · Copies · page 2 · as of 2026-02-01" in said.out
    assert "“a page costs [17]”" in said.out


def test_a_conversation_begins_with_the_notice_and_has_a_memory(
    staffroom: CommandLine, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first\n\nsecond\n/exit\nnever\n"))
    said = staffroom("chat", "town-hall")
    assert said.status == 0
    assert said.out.startswith(worker.notice)
    assert worker.agent.asked == [["first"], ["first", "It costs NT$17.", "second"]]
    assert worker.closed


def test_ctrl_c_ends_the_answer_and_not_the_chat(
    staffroom: CommandLine, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.agent.interrupt = True
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond\n"))
    said = staffroom("chat", "town-hall")
    assert said.status == 0
    assert "(answer stopped)" in said.err
    assert worker.agent.asked == [["first"], ["second"]]


def test_a_suspended_worker_stops_in_the_middle(staffroom: CommandLine, worker: Worker) -> None:
    worker.agent.stop_after_first = lambda: setattr(worker, "stopped", True)
    said = staffroom("chat", "town-hall", "--once", "What?")
    assert said.status == 3
    assert said.out == "It costs "
    assert said.err.rstrip().endswith("hint: staffroom resume town-hall")
    assert worker.closed


def test_a_suspended_worker_is_asked_nothing(staffroom: CommandLine, worker: Worker) -> None:
    worker.stopped = True
    assert staffroom("chat", "town-hall", "--once", "What?").status == 3
    assert worker.agent.asked == []


def test_json_is_for_one_question(staffroom: CommandLine) -> None:
    assert staffroom("chat", "town-hall", "--json").status == 2
    assert staffroom("chat", "town-hall", "--once", " ").status == 2
