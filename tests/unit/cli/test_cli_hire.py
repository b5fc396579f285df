import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.cli.language import Words
from staffroom.cli.progress import LineProgress, time_left
from staffroom.cli.signing import Signing
from staffroom.cli.terminal import Terminal
from staffroom.pipeline.signoff import SignedBy, SignOffRequest
from staffroom.records.errors import StaffroomError


@dataclass(frozen=True)
class HireOrder:
    job: Path
    dry_run: bool = False
    force: bool = False
    explain: bool = False
    anew: bool = False


@dataclass(frozen=True)
class HireResult:
    json: dict[str, Any]
    exit_code: int


def facet(name: str, score: float, verdict: str, threshold: float | None) -> dict[str, Any]:
    gated = threshold is not None
    row = {
        "facet": name,
        "n": 40,
        "score": score,
        "low": score - 0.1,
        "high": score + 0.1,
        "threshold": threshold,
    }
    return {
        **row,
        "gated": gated,
        "verdict": verdict,
        "tested": 31 if gated else 0,
        "passed": 24.0,
        "reason": "",
    }


def outcome(verdict: str = "promoted", **more: Any) -> dict[str, Any]:
    row = {"admitted": True, "items": 20, "mean": 0.81, "low": 0.7, "high": 0.9, "wrong_language": 3}
    row |= {
        "facets": [{"facet": "choice", "n": 9, "score": 0.62, "low": 0.41, "high": 0.83}],
        "currency": "TWD",
    }
    row |= {"tokens_per_100": 123456, "cost_per_100": "1.2500", "license": "Apache-2.0", "maker": "A maker"}
    candidates = [
        {**row, "candidate": "large-model", "left": ""},
        {
            **row,
            "candidate": "small-model",
            "left": "left after 16 items with 0.31 against 0.81 of large-model",
        },
        {
            "candidate": "closed-model",
            "maker": "",
            "license": "secret",
            "admitted": False,
            "reasons": ["the licence"],
        },
    ]
    return {
        "run": "r1",
        "verdict": verdict,
        "reason": f"{verdict.capitalize()}: choice 24 of 31 right against 0.45, 20 needed.",
        "release": "sha256:" + "ab" * 32 if verdict == "promoted" else None,
        "alias": "town-hall",
        "facets": [facet("choice", 0.77, verdict, 0.45), facet("short", 0.5, "reported", None)],
        "kinds": [],
        "candidates": candidates,
        "winner": "large-model",
        "race": {"separated": True, "reason": "large-model was told apart"},
        "checkpoint": "log.example/decisions\n12\nROOT=\n\n— log.example/decisions SIGNATURE\n",
        "seconds": 1.0,
        "tokens": 5,
        "unchanged": False,
        "explained": [{"step": "race", "reason": "changed", "detail": "documents"}],
        **more,
    }


@pytest.fixture
def hire(pipeline: Callable[..., None]) -> Callable[..., list[HireOrder]]:
    """Let `hire` give this object and exit code; returns the orders that come."""

    def put(value: dict[str, Any], status: int = 0, signs: bool = False) -> list[HireOrder]:
        orders: list[HireOrder] = []

        async def run(order: HireOrder, home: object, progress: Any, sign: Any) -> HireResult:
            orders.append(order)
            progress.stage("gate", 2)
            progress.advance(2)
            if signs:
                signed = await asyncio.to_thread(
                    sign, SignOffRequest("The sponsor", ("worker  x", "agent  y"))
                )
                value["signed"] = [signed.name, signed.how]
            return HireResult(value, status)

        pipeline("hire", hire=run, HireOrder=HireOrder)
        return orders

    return put


def test_a_promotion_shows_what_a_newcomer_needs(staffroom: CommandLine, hire: Callable[..., Any]) -> None:
    hire(outcome())
    said = staffroom("hire", "job.yaml", "--yes")
    assert said.status == 0
    for text in (
        "large-model", "0.62 (0.41–0.83)", "123,456", "1.2500 TWD", "Apache-2.0", "A maker", "wrong language",
        "left after 16 items", "closed-model was refused: the licence", "0.67–0.87", "0.45", "24/31", "reported",
        "Promoted: choice 24 of 31 right against 0.45", "http://127.0.0.1:8321/v1, model = town-hall",
        "staffroom chat town-hall", "staffroom serve", "staffroom suspend town-hall", "staffroom log verify",
        "12 entries, root ROOT=", "staffroom log checkpoint", "sha256:" + "ab" * 32,
    ):  # fmt: skip
        assert text in said.out, text
    assert "gate 2/2" in said.err
    assert "SIGNATURE" not in said.out
    assert "passed" in said.out
    assert said.out.count("Promoted") == 1


@pytest.mark.parametrize(("verdict", "status"), [("promoted", 0), ("rejected", 1), ("undecided", 4)])
def test_the_exit_code_is_the_verdict(
    staffroom: CommandLine, hire: Callable[..., Any], verdict: str, status: int
) -> None:
    hire(outcome(verdict), status)
    said = staffroom("hire", "job.yaml", "--yes", "--json")
    assert said.status == status
    assert said.json["verdict"] == verdict
    assert said.json["commands"]["verify"] == "staffroom log verify"
    assert ("chat" in said.json["commands"]) == (verdict == "promoted")


def test_without_a_release_no_address_is_promised(staffroom: CommandLine, hire: Callable[..., Any]) -> None:
    hire(outcome("rejected"), 1)
    said = staffroom("hire", "job.yaml", "--yes")
    assert "8321" not in said.out
    assert "staffroom chat" not in said.out
    assert "No release was made." in said.out


def test_documents_that_were_left_out_are_named(staffroom: CommandLine, hire: Callable[..., Any]) -> None:
    documents = {
        "skipped": [["old.doc", "legacy_format", "save it as DOCX"]],
        "warnings": ["a.pdf: no text on page 2"],
    }
    hire(outcome(documents=documents))
    said = staffroom("hire", "job.yaml", "--yes")
    assert "old.doc: save it as DOCX" in said.out
    assert "a.pdf: no text on page 2" in said.out


def test_it_speaks_chinese(staffroom: CommandLine, hire: Callable[..., Any]) -> None:
    hire(outcome("undecided", reasons={"zh-TW": "無法判定：題數不夠。"}), 4)
    said = staffroom("hire", "job.yaml", "--yes", STAFFROOM_LANG="zh-TW")
    assert "無法判定：題數不夠。" in said.out
    assert "授權條款" in said.out
    assert "Undecided" not in said.out


def test_nobody_to_sign_is_said_before_anything_starts(
    staffroom: CommandLine, hire: Callable[..., Any]
) -> None:
    orders = hire(outcome())
    said = staffroom("hire", "job.yaml")
    assert said.status == 2
    assert said.err.rstrip().endswith("hint: staffroom hire job.yaml --yes")
    assert not orders


def test_dry_runs_and_explanations_need_no_signature(
    staffroom: CommandLine, hire: Callable[..., Any]
) -> None:
    orders = hire(outcome("undecided", dry_run=True), 4)
    said = staffroom("hire", "job.yaml", "--dry-run", "--force")
    assert said.status == 4
    assert "fake engine" in said.out
    assert "staffroom hire job.yaml" in said.out
    said = staffroom("hire", "job.yaml", "--explain")
    assert "race" in said.out
    assert "changed" in said.out
    assert "documents" in said.out
    assert orders == [
        HireOrder(Path("job.yaml"), dry_run=True, force=True),
        HireOrder(Path("job.yaml"), explain=True),
    ]


def test_nothing_changed_is_said(
    staffroom: CommandLine, hire: Callable[..., Any], pipeline: Callable[..., None]
) -> None:
    @dataclass(frozen=True)
    class Entry:
        entry: dict[str, Any]

    class DecisionLog:
        def __init__(self, home: object) -> None:
            self.home = home

        def entries(self) -> list[Entry]:
            return [Entry({"run": "r1", "at": "2026-01-02T03:04:05Z"}), Entry({"run": "r2", "at": "2027"})]

    pipeline("decision_log", DecisionLog=DecisionLog)
    hire(outcome(unchanged=True))
    said = staffroom("hire", "job.yaml", "--yes")
    assert "Nothing changed since 2026-01-02T03:04:05Z" in said.out


def test_yes_signs_as_whoever_runs_it(
    staffroom: CommandLine, hire: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "clerk")
    value = outcome()
    hire(value, signs=True)
    said = staffroom("hire", "job.yaml", "--yes", "--json")
    assert said.json["signed"] == ["clerk", "--yes"]
    assert "agent  y" in said.err


@pytest.mark.parametrize(
    ("typed", "signed"),
    [
        (["The sponsor\n"], SignedBy("The sponsor", "terminal")),
        (["the sponsor\n", " The sponsor \n"], SignedBy("The sponsor", "terminal")),
        (["\n"], None),
        ([None], None),
        (["a", "b", "c", "The sponsor"], None),
    ],
)
def test_only_the_sponsor_as_written_signs(
    typed: list[str | None], signed: SignedBy | None, capsys: pytest.CaptureFixture[str]
) -> None:
    progress: Any = type("Still", (), {"paused": lambda self: nullcontext()})()
    lines = iter(typed)
    signing = Signing(Terminal(Words()), progress, False, threading.Event(), read=lambda _: next(lines))
    assert signing(SignOffRequest("The sponsor", ("worker [1]", "decision promoted"))) == signed
    shown = capsys.readouterr()
    assert "worker [1]" in shown.err
    assert shown.out == ""


def test_an_unsigned_release_is_an_error_with_a_hint(
    staffroom: CommandLine, pipeline: Callable[..., None]
) -> None:
    async def run(*_: object) -> None:
        raise StaffroomError("the sponsor did not sign off", hint="run it again")

    pipeline("hire", hire=run, HireOrder=HireOrder)
    assert staffroom("hire", "job.yaml", "--yes").status == 3


def test_lines_come_every_few_seconds_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = LineProgress(Terminal(Words()), every_seconds=5, clock=lambda: now[0])
    progress.stage("gate", 40)
    for _ in range(40):
        now[0] += 10
        progress.advance(1, "an item")
    progress.stage("fetching a-model", 491_400_064)
    progress.advance(100_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gate 0/40"
    assert "gate 12/40, 5 min left" in lines
    assert lines[40] == "gate 40/40"
    assert lines[41] == "fetching a-model 0/491 MB"
    assert len(lines) == 42


def test_time_left() -> None:
    assert time_left(0, 10, 5) is None
    assert time_left(5, 10, 5) == 5
    assert time_left(12, 10, 5) == 0


def test_json_is_one_object_even_where_progress_is_shown(
    staffroom: CommandLine, hire: Callable[..., Any]
) -> None:
    hire(outcome())
    said = staffroom("hire", "job.yaml", "--yes", "--json")
    assert json.loads(said.out) == said.json
    assert "gate 2/2" in said.err
