"""A town whose worker can get better: choice items whose right option the fake engine knows from corrections alone.

The fake engine takes the option whose letter pairs it has seen in its prompt. The right option of each item is a word that
stands in no document; a correction that says it makes it known, as a worked example.
"""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town, sign, unanswerable

from staffroom.engine import FakeEngine
from staffroom.pipeline import adapter_rung, feedback, improve, improve_report, paired_gate
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.feedback import decide_feedback, import_feedback
from staffroom.pipeline.improve import ImproveOrder, ImproveResult
from staffroom.pipeline.signoff import SignOff
from staffroom.records.feedback import FeedbackState
from staffroom.store import Home

RIGHT, WRONG = "qxzkvjq", "moorpwx"
EXAM = """\
name: lowwater
version: 1
locale: en
declines: ["documents do not say"]
facets:
  unanswerable: {threshold: 0.30, gated: true}
  choice: {gated: false}
splits: {screen: 0.2, gate: 0.6, sealed: 0.2, seed: "lowwater"}
scorers: {choice: 1, unanswerable: 1}
whitespace: single
"""


def choice(number: int, right: str = RIGHT) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "kind": "choice",
        "input": f"Which word belongs to permit number {number}?",
        "choices": [WRONG, "wfgpbw", RIGHT, "kpcfdx"],
        "accept": ["ABCD"[[WRONG, "wfgpbw", RIGHT, "kpcfdx"].index(right)]],
    }


def correction(number: int, says: str = RIGHT) -> dict[str, str]:
    return {
        "question": f"What does clause {number} of the harbour rules name?",
        "bad_answer": "It names nothing that I know of, and I would rather say so at some length.",
        "edited_answer": f"It names the {says}.",
        "passage": f"harbour clause {number}",
        "fault": "wrong_fact",
    }


def ready_town(town: Town, monkeypatch: pytest.MonkeyPatch, choices: int = 40) -> Town:
    """Give a town this exam, hire its worker, and put fakes in the place of what an improvement opens."""
    write_exam(town, choices)
    fakes(town, monkeypatch)
    assert town.hire().json["verdict"] == "promoted"
    return town


def write_exam(town: Town, choices: int, right: str = RIGHT) -> None:
    items = [choice(number, right) for number in range(choices)]
    town.write_exam([*items, *(unanswerable(number) for number in range(20))], EXAM)


def fakes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def engine_for(assembly: Assembly, home: Home) -> FakeEngine:
        return FakeEngine(assembly.candidate.id, n_ctx=assembly.context)

    for module in (paired_gate, improve_report):
        monkeypatch.setattr(module, "engine_for", engine_for)
    for other in (improve, feedback):
        monkeypatch.setattr(other, "make_embedder", lambda: town.embedder)
    # As where the extra is not installed; what trains has tests of its own.
    monkeypatch.setattr(adapter_rung, "training_available", lambda: False)


def correct(town: Town, count: int = 20, says: str = RIGHT, first: int = 0) -> None:
    """Import corrections as a file, and accept them."""
    path = town.folder / f"corrections-{first}.csv"
    rows = [correction(number, says) for number in range(first, first + count)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    import_feedback(town.home, "counter", path, "Harbour master")
    decide_feedback(town.home, [], FeedbackState.ACCEPTED, "Harbour master", alias="counter")


def run_improve(town: Town, signing: SignOff = sign, **order: Any) -> ImproveResult:
    return asyncio.run(improve.improve(ImproveOrder("counter", **order), town.home, town.progress, signing))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
