"""A real hire: the smallest real model, the real embedder, a town of three pages and twelve questions."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from staffroom.pipeline import service, workers
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.hire import HireOrder, HireResult, hire
from staffroom.pipeline.signoff import SignedBy, SignOffRequest
from staffroom.records.agent import ChatTurn, Outcome
from staffroom.store import Home

STARTER = "smollm2-135m-instruct-q4_1"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
MODEL = CACHE / "staffroom/models/b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53.gguf"

PAGES = {
    "harbour.md": "# Harbour fees\n\n## Mooring\n\nA boat under 6 metres pays 40 crowns for each night.\n",
    "library.md": "# Library\n\n## Loans\n\nA reader may borrow 10 books for 21 days.\n",
    "waste.txt": "Waste\n\nGlass is collected on Friday at 7 in the morning, in blue bins.\n",
}
EXAM = """\
name: lowwater
version: 1
locale: en
declines: ["documents do not say", "cannot (?:help|confirm)"]
facets:
  choice: {threshold: 0.50, gated: true}
  short: {gated: false}
  unanswerable: {threshold: 0.30, gated: true}
splits: {screen: 0.25, gate: 0.5, sealed: 0.25, seed: "lowwater"}
scorers: {choice: 1, short: 1, unanswerable: 1}
whitespace: single
"""


def items() -> list[dict[str, Any]]:
    choices = [
        ("What does mooring cost each night?", ["40 crowns", "4 crowns", "400 crowns", "nothing"]),
        ("How many books may a reader borrow?", ["10", "1", "5", "100"]),
        ("For how many days are books lent?", ["21", "7", "14", "60"]),
        ("On which day is glass collected?", ["Friday", "Monday", "Sunday", "Tuesday"]),
    ]
    rows: list[dict[str, Any]] = [
        {"id": f"c{number}", "kind": "choice", "input": text, "choices": options, "accept": ["A"]}
        for number, (text, options) in enumerate(choices)
    ]
    for number, (text, accept) in enumerate(
        [
            ("What is the nightly mooring fee?", "40"),
            ("When is glass collected?", "Friday"),
            ("How long may I keep a book?", "21"),
            ("Which bins take glass?", "blue"),
        ]
    ):
        rows.append({"id": f"s{number}", "kind": "short", "input": text, "accept": [accept]})
    for number, text in enumerate(
        [
            "Who is the mayor?",
            "What is a dog licence?",
            "Where is the swimming pool?",
            "Is there a bus to the airport?",
        ]
    ):
        rows.append({"id": f"u{number}", "kind": "unanswerable", "input": text, "accept": ["do not say"]})
    return rows


class Quiet:
    """Progress for nobody."""

    def stage(self, name: str, total: float) -> None:
        pass

    def advance(self, units: float = 1.0, note: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        pass


def sign(request: SignOffRequest) -> SignedBy:
    return SignedBy("test", "--yes")


def write_job(folder: Path) -> Path:
    for name, text in PAGES.items():
        (folder / "documents").mkdir(exist_ok=True)
        (folder / "documents" / name).write_text(text)
    exam = folder / "exam"
    exam.mkdir()
    (exam / "exam.yaml").write_text(EXAM)
    (exam / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items()))
    (exam / "SOURCES.md").write_text("Written for this test.\n")
    job = {
        "name": "lowwater",
        "title": "Counter of Lowwater",
        "sponsor": "Records Office of Lowwater",
        "locale": "en",
        "charter": {"turn_to": "the counter, room 4", "ai_notice": "You are talking to an AI."},
        "documents": [{"path": "documents", "as_of": "2026-03-01"}],
        "candidates": [STARTER],
        "exam": "exam",
        "alias": "counter",
    }
    (folder / "job.yaml").write_text(json.dumps(job))
    return folder / "job.yaml"


def run(job: Path, home: Home) -> HireResult:
    return asyncio.run(hire(HireOrder(job), home, Quiet(), sign))


async def _ask(home: Home) -> Outcome:
    async with service.open_worker(home, "counter") as worker:
        answer = await worker.agent.answer([ChatTurn("user", "What is the nightly mooring fee?")])
        for citation in answer.citations:
            document = worker.retriever.document(citation.document_digest)
            assert document is not None and document.text[citation.start : citation.end] == citation.quote
        return answer.outcome


def test_a_real_hire_ends_with_a_verdict_and_a_second_one_changes_nothing(tmp_path: Path) -> None:
    if not MODEL.exists():
        pytest.fail(f"the smallest model is absent; run: staffroom models get {STARTER}")
    job, home = write_job(tmp_path), Home(tmp_path / "home")
    first = run(job, home)
    assert first.json["verdict"] in ("promoted", "rejected", "undecided")
    assert first.exit_code == {"promoted": 0, "rejected": 1, "undecided": 4}[first.json["verdict"]]
    assert (first.json["release"] is not None) is (first.json["verdict"] == "promoted")
    assert sum(row["n"] for row in first.json["kinds"]) == first.json["candidates"][0]["items"] + sum(
        row["n"] for row in first.json["facets"]
    )
    assert first.json["tokens"] > 0 and first.json["candidates"][0]["license"] == "Apache-2.0"

    second = run(job, home)
    changing = {"seconds", "explained", "unchanged"}
    assert second.json["unchanged"] and second.json["seconds"] < 10
    assert {key: value for key, value in first.json.items() if key not in changing} == {
        key: value for key, value in second.json.items() if key not in changing
    }

    log = DecisionLog(home)
    keys = [item.entry["key"] for item in log.entries()]
    assert len(set(keys)) == len(keys) and log.verify().ok
    published = b"".join(path.read_bytes() for path in log.folder.rglob("*") if path.is_file())
    for secret in ("Records Office", "harbour.md", "mooring", str(tmp_path)):
        assert secret.encode() not in published
    if first.json["release"]:
        assert asyncio.run(_ask(home)) in Outcome
        assert workers.list_workers(home)[0]["state"] == "running"
