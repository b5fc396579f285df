"""`staffroom exam draft` at a terminal, and what `exam coverage` shows."""

import builtins
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, Said

from staffroom.cli.terminal import Terminal

JOB = {
    "name": "desk",
    "title": "Desk",
    "sponsor": "Records Office",
    "locale": "en",
    "charter": {
        "must_not": ["promise approval", "sing"],
        "turn_to": "Counter 4, 555 0134",
        "ai_notice": "You are talking to an AI.",
    },
    "documents": [{"path": "documents"}],
    "candidates": ["small"],
    "exam": "exam",
    "alias": "desk",
}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(JOB))
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let somebody type these lines at a terminal; after the last one the input ends."""

    def put(*lines: str) -> None:
        waiting: Iterator[str] = iter(lines)

        def read(prompt: str = "") -> str:
            for line in waiting:
                return line
            raise EOFError

        monkeypatch.setattr(Terminal, "asks", property(lambda self: True))
        monkeypatch.setattr(builtins, "input", read)

    return put


def listing(staffroom: CommandLine, job: Path) -> dict[str, Any]:
    return staffroom("exam", "draft", job, job.parent / "pack", "--json").json


def decisions(staffroom: CommandLine, job: Path) -> list[str | None]:
    return [row["decision"] for row in listing(staffroom, job)["drafts"]]


def test_without_a_terminal_only_a_listing_is_given(staffroom: CommandLine, job: Path) -> None:
    said = staffroom("exam", "draft", job, job.parent / "pack")
    assert said.status == 2 and "no terminal to ask at" in said.err and "--json" in said.err
    found = listing(staffroom, job)
    assert found["waiting"] == len(found["drafts"]) == 6 and found["skipped"] == []
    assert [row["text"] for row in found["unmatched"]] == ["sing"]
    assert not (job.parent / "pack").exists()


def test_one_draft_at_a_time_is_accepted_edited_rejected_or_left(
    staffroom: CommandLine, job: Path, typed: Callable[..., None]
) -> None:
    edit = ["", "Scene two, and no other.", "", "", "", "Something else.", "", ""]
    typed("x", "a", "", "e", *edit, "r", "s")
    said: Said = staffroom("exam", "draft", job, job.parent / "pack")
    assert said.status == 0
    assert "Draft 1 of 6: dilemma" in said.out and "Type a, e, r or s." in said.out
    assert "Accepted 1, edited 1, rejected 1, waiting 3." in said.out
    assert "write these by hand:\n  sing" in said.out
    assert decisions(staffroom, job) == ["accepted", "edited", "rejected", None, None, None]
    items = [json.loads(line) for line in (job.parent / "pack/items.jsonl").read_text().splitlines()]
    assert items[3]["input"] == "Scene two, and no other."
    assert items[2]["choices"] == items[3]["choices"] and items[3]["choices"][3] == "Something else."
    assert (
        "Records Office: 2 drafts accepted (1 of them edited)" in (job.parent / "pack/SOURCES.md").read_text()
    )


def test_an_edit_that_breaks_the_pair_is_said_and_asked_again(
    staffroom: CommandLine, job: Path, typed: Callable[..., None]
) -> None:
    letters = [row["items"][0]["accept"][0] for row in listing(staffroom, job)["drafts"][:1]]
    typed("e", "", "", "", "", "", "", "", letters[0].lower(), "Mayor", "a", "s")
    said = staffroom("exam", "draft", job, job.parent / "pack")
    assert f"{letters[0]} is right on both sides" in said.out
    assert decisions(staffroom, job)[0] == "accepted"
    assert "Mayor: 1 drafts" in (job.parent / "pack/SOURCES.md").read_text()


def test_the_end_of_the_input_stops_and_the_next_run_goes_on(
    staffroom: CommandLine, job: Path, typed: Callable[..., None]
) -> None:
    typed("a", "Office")
    assert staffroom("exam", "draft", job, job.parent / "pack").status == 0
    typed("a", "Office", "a", "a", "a", "a", "a")
    said = staffroom("exam", "draft", job, job.parent / "pack")
    assert "Draft 1 of 5" in said.out and "waiting 0." in said.out
    assert set(decisions(staffroom, job)) == {"accepted"}


def test_a_single_item_s_answer_can_be_edited(
    staffroom: CommandLine, job: Path, typed: Callable[..., None]
) -> None:
    typed("r", "Office", "r", "r", "r", "e", "Are you a machine?", "I am an AI, at your service.", "s")
    said = staffroom("exam", "draft", job, job.parent / "pack", STAFFROOM_LANG="zh-TW")
    (line,) = [json.loads(line) for line in (job.parent / "pack/items.jsonl").read_text().splitlines()]
    assert (line["input"], line["answer"]) == ("Are you a machine?", "I am an AI, at your service.")
    assert "草稿" in said.out


ROW = {
    "task": "rubbish",
    "name": "Rubbish",
    "exam": "exam",
    "items": 31,
    "clusters": 31,
    "unscored": 0,
    "score": 0.9,
    "low": 0.75,
    "high": 0.98,
    "needed": 0.7,
    "verdict": "reached",
    "reached_together": True,
    "more": 0,
    "assumed_share": None,
    "minutes": 4.0,
    "cases": 300,
    "wrong_cases": [75.0, 30.0, 6.0],
    "cost_per_accepted": "0.012345",
    "machine_cost_per_accepted": "0.002",
    "cost_basis": "choices",
    "currency": "TWD",
}
OPEN = {**ROW, "name": "Fees", "verdict": "open", "more": 25, "assumed_share": 0.8, "cost_per_accepted": None}
NEAR = {**OPEN, "name": "Near", "more": None}
NONE = {
    **OPEN,
    "name": "Charter",
    "items": 0,
    "score": None,
    "verdict": "not examined",
    "machine_cost_per_accepted": None,
}


def test_coverage_shows_tasks_sums_and_what_is_missing(
    staffroom: CommandLine, pipeline: Callable[..., None], tmp_path: Path
) -> None:
    asked: list[Any] = []

    def job_coverage(home: Any, alias: str, job: Path) -> dict[str, Any]:
        asked.append((alias, job))
        return {
            "alias": alias,
            "tasks": [ROW, OPEN, NEAR, NONE],
            "exams": [
                {"name": "town", "hint": ""},
                {"name": "charter", "hint": "staffroom exam run WORKER charter-exam"},
            ],
            "reached": 1,
            "of": 4,
            "reached_together": 1,
            "share_of_cases": 0.25,
        }

    pipeline("coverage", job_coverage=job_coverage)
    said = staffroom("exam", "coverage", "desk", tmp_path / "job.yaml")
    assert asked == [("desk", tmp_path / "job.yaml")] and said.status == 0
    assert "1 of 4 tasks reach what the job needs (25% of the cases)" in said.out
    assert "0.0123 TWD*" in said.out and "0.002 TWD*" in said.out and "* by choice items" in said.out
    assert "Fees: about 25 more sources would decide, if the true share is 0.80" in said.out
    assert "Near: a true share of 0.80 is too near to 0.7" in said.out
    assert "Never sat: charter. Let it: staffroom exam run desk charter-exam" in said.out
    assert "The minutes are the sponsor's word." in said.out
    assert staffroom("exam", "coverage", "desk", "job.yaml", "--json").json["of"] == 4
    assert "已達標" in staffroom("exam", "coverage", "desk", "job.yaml", STAFFROOM_LANG="zh-TW").out
