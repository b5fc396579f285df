"""`staffroom exam rerun`: what it says of each ending, and its exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

NAME = "sha256:" + "ab" * 32
ROW: dict[str, Any] = {
    "item": "c7",
    "margin_then": 0.031,
    "margin_now": 0.012,
    "shift_nats": 0.043,
    "failed": False,
    "then": "A",
    "now": "B",
}
OPEN: dict[str, Any] = {
    **ROW,
    "item": "s2",
    "margin_then": None,
    "margin_now": None,
    "then": "x" * 90,
    "now": "no",
}
ASKED: dict[str, Any] = {
    "evaluation": NAME,
    "name": "lowwater",
    "items": 60,
    "answered": 59,
    "sample": 20,
    "seed": 77,
    "shown": True,
    "engine": "same",
    "engine_then": {"build": "one", "model": "m"},
    "engine_now": {"build": "two", "model": "m"},
    "same": 20,
    "differ": [],
    "largest_shift_nats": 0.0,
    "ok": True,
}
JUDGED: dict[str, Any] = {
    "evaluation": NAME,
    "digest_now": NAME,
    "name": "lowwater",
    "items": 60,
    "shown": False,
    "differ": [],
    "answers_changed": [],
    "fields": [],
    "ok": True,
}


@pytest.fixture
def asked(pipeline: Callable[..., None]) -> dict[str, Any]:
    state: dict[str, Any] = {"asked": dict(ASKED), "judged": dict(JUDGED), "options": None}

    async def rerun_exam(home: object, name: str, progress: object, **options: object) -> dict[str, Any]:
        state["options"] = {"name": name, **options}
        return dict(state["asked"])

    def rejudge_exam(home: object, name: str, **options: object) -> dict[str, Any]:
        state["options"] = {"name": name, **options}
        return dict(state["judged"])

    pipeline("exam_rerun", rerun_exam=rerun_exam, rejudge_exam=rejudge_exam)
    return state


def test_the_same_choices(staffroom: CommandLine, asked: dict[str, Any]) -> None:
    said = staffroom("exam", "rerun", NAME, "--sample", 20, "--seed", 77, "--pack", "exam")
    assert said.status == 0 and "all of them" in said.out and "20 of 59" in said.out
    assert asked["options"] == {"name": NAME, "sample": 20, "seed": 77, "pack": Path("exam")}
    assert staffroom("exam", "rerun", NAME, "--json").json == asked["asked"]
    assert asked["options"] == {"name": NAME, "sample": 50, "seed": None, "pack": None}


def test_other_choices_are_listed_and_end_with_1(staffroom: CommandLine, asked: dict[str, Any]) -> None:
    gone = {"item": "c9", "failed": True, "margin_then": 0.5, "margin_now": None, "shift_nats": None}
    asked["asked"] |= {"ok": False, "same": 17, "differ": [ROW, OPEN, gone]}
    said = staffroom("exam", "rerun", NAME)
    assert said.status == 1 and "does NOT give the same choices" in said.out
    assert "c7: another choice, margin 0.031 nats then, 0.012 now A → B" in said.out
    assert "s2: another answer xxx" in said.out and "x… → no" in said.out
    assert "c9: no answer this time" in said.out
    assert staffroom("exam", "rerun", NAME, "--json").status == 1
    assert "卻不一樣" in staffroom("exam", "rerun", NAME, STAFFROOM_LANG="zh-TW").out


def test_another_engine_is_no_fault(staffroom: CommandLine, asked: dict[str, Any]) -> None:
    hidden = {key: value for key, value in ROW.items() if key not in ("then", "now")} | {"item": NAME}
    asked["asked"] |= {"engine": "other", "ok": None, "same": 19, "differ": [hidden], "shown": False}
    said = staffroom("exam", "rerun", NAME)
    assert said.status == 0 and "a difference is no fault" in said.out and "build: one → two" in said.out
    assert "this split is not retired" in said.out and "model" not in said.out
    asked["asked"]["engine_then"] = None
    assert "as a digest only" in staffroom("exam", "rerun", NAME).out
    asked["asked"]["engine"] = "unbound"
    assert "proves nothing" in staffroom("exam", "rerun", NAME).out


def test_judging_again(staffroom: CommandLine, asked: dict[str, Any]) -> None:
    said = staffroom("exam", "rerun", NAME, "--judge-only")
    assert said.status == 0 and "Bit for bit the same evaluation" in said.out
    assert asked["options"] == {"name": NAME, "pack": None}
    asked["judged"] |= {
        "ok": False,
        "differ": [{"item": "c7", "then": {"value": 1.0}, "now": {"value": 0.0}}],
        "answers_changed": ["c7"],
        "fields": ["responses", "scores"],
    }
    said = staffroom("exam", "rerun", NAME, "--judge-only")
    assert said.status == 1 and "what differs: responses, scores" in said.out
    assert "c7: another score 1 → 0" in said.out
    assert "c7: the kept answer is not the one" in said.out


def test_what_makes_no_sense_is_refused(staffroom: CommandLine) -> None:
    assert staffroom("exam", "rerun", NAME, "--sample", 0).status == 2
    said = staffroom("exam", "rerun", NAME)
    assert said.status == 2 and "nothing was examined here yet" in said.err
