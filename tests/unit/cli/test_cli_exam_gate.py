"""`exam alpha`, `exam retire`, `exam unseal`: what they say, what they ask, what they refuse."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.cli.terminal import Terminal
from staffroom.evaluate import load_pack
from staffroom.pipeline.alpha import AlphaLedger, item_set, mark
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.exam import Split
from staffroom.stats import alpha_for_use
from staffroom.store import Home

EXAM = """\
name: lowwater
version: 3
locale: en
declines: ["do not say"]
facets:
  unanswerable: {threshold: 0.40, gated: true}
  few: {threshold: 0.50, gated: true}
  bets: {threshold: 0.30, gated: true, method: betting}
  told: {gated: false}
splits: {screen: 0.2, gate: 0.4, sealed: 0.4, seed: "lowwater", stratify: facet}
scorers: {unanswerable: 1}
whitespace: single
"""


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    folder = tmp_path / "exam"
    folder.mkdir()
    (folder / "exam.yaml").write_text(EXAM)
    (folder / "SOURCES.md").write_text("Written for these tests.\n")
    facets = ["unanswerable"] * 15 + ["few"] * 6 + ["bets"] * 60 + ["told"] * 5
    rows = [
        {
            "id": f"u{n}",
            "kind": "unanswerable",
            "facet": facet,
            "input": f"Name of cat {n}?",
            "accept": ["do not say"],
        }
        for n, facet in enumerate(facets)
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def open_gates(home: Path, folder: Path, count: int, decided: bool = True) -> None:
    """Write what runs write to the log when they open the gate."""
    log = DecisionLog(Home(home).ensure())
    items = item_set(log, load_pack(folder), Split.GATE)
    for use in range(len(AlphaLedger.read(log).uses) + 1, count + 1):
        run = f"run{use}"
        mark(log, run, items)
        body = {"gate_split": items.id, "use": use, "alpha": alpha_for_use(use), "agent": "a"}
        log.append("gate-opened", f"{run}:gate", run, body)
        if decided:
            log.append("decision", f"{run}:decision", run, {})


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    said = iter(lines)
    monkeypatch.setattr(Terminal, "asks", property(lambda self: True))
    monkeypatch.setattr("builtins.input", lambda: next(said))


def test_alpha_of_a_gate_never_opened(staffroom: CommandLine, pack: Path) -> None:
    said = staffroom("exam", "alpha", pack)
    assert said.status == 0
    assert "Gate of lowwater, version 3" in said.out and "never opened" in said.out
    assert "number 1, at alpha 0.0304" in said.out
    assert "unanswerable: passes with 6 of 6 right" in said.out
    assert "few: cannot pass, it has 3 sources and needs 6" in said.out
    assert "bets: can pass, by betting on" in said.out and "told: reported only" in said.out
    assert "2 times in all" in said.out
    assert not staffroom.home.exists()
    value = staffroom("exam", "alpha", pack, "--json").json
    assert value["uses"] == [] and value["open"] and value["left"] == pytest.approx(0.05)


def test_alpha_of_a_gate_in_use_and_used_up(staffroom: CommandLine, pack: Path) -> None:
    open_gates(staffroom.home, pack, 1, decided=False)
    said = staffroom("exam", "alpha", pack)
    assert "run1 (not decided)" in said.out and "the same" in said.out
    assert "Spent: 0.0304 of 0.05; left for all uses to come: 0.0196" in said.out
    assert "Items whose question" not in said.out, "all of them were"
    assert "The sealed split has 34 items; nobody has opened it." in said.out
    open_gates(staffroom.home, pack, 2)
    said = staffroom("exam", "alpha", pack)
    assert "Used up" in said.out and "unanswerable: cannot pass, it has 6 sources and needs 7" in said.out
    assert "額度用完了" in staffroom("exam", "alpha", pack, STAFFROOM_LANG="zh-TW").out
    value = staffroom("exam", "alpha", pack, "--json").json
    assert not value["open"] and [row["use"] for row in value["uses"]] == [1, 2]


def test_what_an_edited_gate_shares_is_named(staffroom: CommandLine, pack: Path) -> None:
    open_gates(staffroom.home, pack, 1)
    path = pack / "items.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:15], *(line.replace("cat", "dog") for line in lines[15:])]) + "\n")
    said = staffroom("exam", "alpha", pack)
    assert "some are shared" in said.out and "number 2" in said.out
    assert "Items whose question or source was at a gate before: u" in said.out


def test_a_gate_is_retired_after_its_name_was_typed(
    staffroom: CommandLine, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_gates(staffroom.home, pack, 1)
    said = staffroom("exam", "retire", pack)
    assert said.status == 2 and said.err.rstrip().endswith("--yes")
    answers(monkeypatch, "something", "lowwater")
    assert staffroom("exam", "retire", pack).status == 2
    said = staffroom("exam", "retire", pack, "--by", "Audit Office")
    assert said.status == 0 and "is retired since" in said.out
    said = staffroom("exam", "alpha", pack)
    assert (
        "Closed for good: its questions were retired on" in said.out and "by Audit Office (entry" in said.out
    )
    assert staffroom("exam", "retire", pack, "--yes", "--json").json["why"] == "retired"


def test_runs_that_cannot_decide_any_more_are_named(staffroom: CommandLine, pack: Path) -> None:
    said = staffroom("exam", "retire", pack, "--yes")
    assert said.status == 2 and "no gate was ever opened" in said.err
    open_gates(staffroom.home, pack, 1, decided=False)
    assert "no longer decide: run1" in staffroom("exam", "retire", pack, "--yes").out


FOUND: dict[str, Any] = {
    "alias": "counter",
    "name": "lowwater",
    "items": 6,
    "opened_in": 12,
    "log_entry": 13,
    "facets": [
        {"facet": "a", "n": 6, "score": 1.0, "low": 0.6, "high": 1.0, "threshold": 0.3, "shown": "above"},
        {
            "facet": "b",
            "n": 4,
            "score": 0.5,
            "low": 0.1,
            "high": 0.9,
            "threshold": None,
            "shown": "not tested",
        },
    ],
}


@pytest.fixture
def opened(pipeline: Callable[..., None]) -> list[tuple[str, str, str]]:
    done: list[tuple[str, str, str]] = []

    async def unseal(
        home: Home, alias: str, folder: Path, by: str, how: str, progress: object
    ) -> dict[str, Any]:
        done.append((alias, by, how))
        return FOUND

    def preview(home: Home, alias: str, folder: Path) -> dict[str, Any]:
        return {
            "name": "lowwater",
            "items": 6,
            "committed_in": None if alias == "early" else 2,
            "goes_on": alias == "late",
        }

    pipeline("sealed", unseal=unseal, preview_unseal=preview)
    return done


def test_a_sealed_split_opens_after_the_alias_was_typed(
    staffroom: CommandLine, pack: Path, opened: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = staffroom("exam", "unseal", "counter", pack, "--by", "Audit Office")
    assert said.status == 2 and '--by "Audit Office" --yes' in said.err
    answers(monkeypatch, "lowwater", "counter")
    assert staffroom("exam", "unseal", "counter", pack, "--by", "Audit Office").status == 2
    assert opened == []
    said = staffroom("exam", "unseal", "counter", pack, "--by", "Audit Office")
    assert said.status == 0 and opened == [("counter", "Audit Office", "terminal")]
    assert "opens once for ever, now for counter" in said.err
    assert "above" in said.out and "not tested" in said.out and "0.60–1.00" in said.out
    assert "Opened in entry 12 of the log, result in entry 13" in said.out


def test_unseal_with_yes_without_a_name_and_going_on(
    staffroom: CommandLine, pack: Path, opened: list[tuple[str, str, str]]
) -> None:
    assert staffroom("exam", "unseal", "counter", pack, "--by", "Office", "--yes", "--json").json == FOUND
    assert opened == [("counter", "Office", "--yes")]
    assert staffroom("exam", "unseal", "counter", pack, "--yes").status == 2
    assert staffroom("exam", "unseal", "counter", pack, "--by", " ", "--yes").status == 2
    assert "it goes on" in staffroom("exam", "unseal", "late", pack, "--by", "Office").err
    assert "fixed beforehand" in staffroom("exam", "unseal", "early", pack, "--by", "Office", "--yes").err
    assert (
        "高於門檻"
        in staffroom("exam", "unseal", "counter", pack, "--by", "Office", "--yes", STAFFROOM_LANG="zh-TW").out
    )


def test_unseal_in_an_empty_home_is_refused(staffroom: CommandLine, pack: Path) -> None:
    said = staffroom("exam", "unseal", "counter", pack, "--by", "Office", "--yes")
    assert said.status == 2 and "no worker has been released" in said.err
    assert not staffroom.home.exists()
