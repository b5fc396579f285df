"""A town whose worker is hired in tests: tiny model files, three pages of documents, an exam, fake engines.

The fake engine knows no verdict words, so an agent on it declines every open question: an exam of unanswerable
items promotes it, an exam of short items rejects it.
"""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from counting_embedder import CountingEmbedder
from tiny_gguf import STRING, tiny

from staffroom.engine import FakeEngine
from staffroom.pipeline import committing, examination, hire, service, sitting
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.hire import HireOrder, HireResult
from staffroom.pipeline.indexing import fit_guard, index_documents
from staffroom.pipeline.orders import prepare
from staffroom.pipeline.signoff import SignedBy, SignOff, SignOffRequest
from staffroom.recruit import add_model
from staffroom.store import Home
from staffroom.text.locale import LocaleFindings

SPONSOR = "Records Office of Lowwater"
SIGNER = "Head of the Records Office"
EXAM = """\
name: lowwater
version: 1
locale: en
declines: ["documents do not say"]
facets:
  unanswerable: {threshold: 0.30, gated: true}
  short: {threshold: 0.50, gated: true}
splits: {screen: 0.2, gate: 0.4, sealed: 0.4, seed: "lowwater"}
scorers: {short: 1, unanswerable: 1}
whitespace: single
"""
PAGES = {
    "harbour.md": "# Harbour fees\n\n## Mooring\n\nA boat under 6 metres pays 40 crowns for each night.\n",
    "library.md": "# Library\n\n## Loans\n\nA reader may borrow 10 books for 21 days.\n",
    "waste.txt": "Waste is collected on Tuesday and Friday at 7 in the morning.\n",
}


class Quiet:
    """Progress that keeps the lines it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stages: list[str] = []

    def stage(self, name: str, total: float) -> None:
        self.stages.append(name)

    def advance(self, units: float = 1.0, note: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


def sign(request: SignOffRequest) -> SignedBy:
    return SignedBy(SIGNER, "--yes")


def unanswerable(number: int) -> dict[str, Any]:
    return {
        "id": f"u{number}",
        "kind": "unanswerable",
        "input": f"What is the mayor's cat number {number} called?",
        "accept": ["do not say"],
    }


def short(number: int) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "kind": "short",
        "input": f"What does mooring cost on pier {number}?",
        "accept": ["40 crowns"],
    }


@dataclass
class Town:
    """A folder with job, documents, exam and home; change what lies in it, then `hire`."""

    folder: Path
    home: Home
    embedder: CountingEmbedder
    progress: Quiet = field(default_factory=Quiet)

    @classmethod
    def build(cls, folder: Path, monkeypatch: pytest.MonkeyPatch, settled: Path | None = None) -> "Town":
        """Write everything, put fake engines and embedder in the place of real ones."""
        town = cls(folder, Home(folder / "home").ensure(), CountingEmbedder())
        (folder / "documents").mkdir()
        for name, text in PAGES.items():
            (folder / "documents" / name).write_text(text)
        if settled is not None:
            shutil.copytree(settled, town.home.index, dirs_exist_ok=True)
        for name in ("small", "large"):
            path = folder / f"{name}.gguf"
            path.write_bytes(tiny(general__name=(STRING, name)))
            add_model(
                town.home.path, str(path), lambda *_: None, name=name, license="Apache-2.0", maker="Mill"
            )
        town.write_exam([unanswerable(number) for number in range(15)])
        town.write_job()
        town.fake(monkeypatch)
        return town

    def fake(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Fake engines and embedder, no language model, and nothing waits for the disk: no test cuts the power."""
        monkeypatch.setattr(os, "fsync", lambda handle: None)
        monkeypatch.setattr(sitting, "check", lambda text, locale: LocaleFindings())

        def engine_for(assembly: Assembly, home: Home) -> FakeEngine:
            return FakeEngine(assembly.candidate.id, n_ctx=assembly.context)

        for module in (committing, examination, service):
            monkeypatch.setattr(module, "engine_for", engine_for)
        for other in (hire, service):
            monkeypatch.setattr(other, "make_embedder", lambda: self.embedder)

    def write_exam(self, items: list[dict[str, Any]], exam: str = EXAM) -> None:
        folder = self.folder / "exam"
        folder.mkdir(exist_ok=True)
        kinds = {item["kind"] for item in items}
        lines = [
            line
            for line in exam.splitlines()
            if line.strip().split(":")[0] not in {"short", "unanswerable"} - kinds
        ]
        text = "\n".join(lines) + "\n"
        text = text.replace(
            "{short: 1, unanswerable: 1}", "{" + ", ".join(f"{kind}: 1" for kind in sorted(kinds)) + "}"
        )
        (folder / "exam.yaml").write_text(text)
        (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        (folder / "SOURCES.md").write_text("Written for these tests.\n")

    def write_job(self, **changes: Any) -> None:
        job: dict[str, Any] = {
            "name": "lowwater",
            "title": "Counter of Lowwater",
            "sponsor": SPONSOR,
            "locale": "en",
            "charter": {"turn_to": "the counter, room 4", "ai_notice": "You are talking to an AI."},
            "documents": [{"path": "documents", "as_of": "2026-03-01"}],
            "candidates": ["small", "large"],
            "exam": "exam",
            "alias": "counter",
            **changes,
        }
        (self.folder / "job.yaml").write_text(json.dumps(job))  # JSON is YAML

    @property
    def log(self) -> DecisionLog:
        return DecisionLog(self.home)

    @property
    def types(self) -> list[str]:
        """Types of the log's entries, oldest first."""
        return [item.entry["type"] for item in self.log.entries()]

    def hire(self, *, signing: SignOff = sign, anew: bool = True, **order: bool) -> HireResult:
        """Hire as the job says; a changed job replaces the worker in service, unless `anew` is False."""
        asked = HireOrder(self.folder / "job.yaml", anew=anew, **order)
        return asyncio.run(hire.hire(asked, self.home, self.progress, signing))


def settle(folder: Path) -> Path:
    """Return a folder of cached readings of the town's documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        town = Town.build(folder, patch)
        prepared = prepare(HireOrder(town.folder / "job.yaml"))
        index_documents(prepared.job, prepared.folder, town.home, town.embedder, town.progress)
        fit_guard(town.home, town.embedder, town.progress)
    return town.home.index


def report_of(result: HireResult) -> dict[str, Any]:
    """Return what must be the same when the same command is run again."""
    changing = ("seconds", "explained", "unchanged")
    return {name: value for name, value in result.json.items() if name not in changing}
