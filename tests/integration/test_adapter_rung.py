"""The rung that trains, with the smallest real model: corrections in, an agent out that serves with the adapter."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from staffroom.engine.embed import Embedder
from staffroom.engine.llama import LlamaEngine
from staffroom.evaluate import load_pack
from staffroom.onboard.guardrails import guardrail_plan
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.pipeline.adapter_rung import LEAST_EXAMPLES, AdapterRung
from staffroom.pipeline.assemble import Assembly, assemble, engine_for, make_embedder
from staffroom.pipeline.indexing import index_documents
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.agent import ChatTurn, Outcome
from staffroom.records.feedback import Correction
from staffroom.records.job_description import JobDescription
from staffroom.records.policy import RequestGuardModel
from staffroom.recruit import resolve_candidate
from staffroom.store import Database, Home, ObjectStore

STARTER = "smollm2-135m-instruct-q4_1"
SHA = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
MODEL = CACHE / "staffroom" / "models" / f"{SHA}.gguf"
PLACES = (
    "library", "museum", "bakery", "quarry", "chapel", "theatre", "tannery", "windmill", "brewery", "gallery", "laundry", "smithy",
    "fountain", "orchard", "stables", "ferry house", "post office", "ropewalk",
)  # fmt: skip
EXAM = """\
name: lowwater
version: 1
locale: en
declines: ["documents do not say"]
facets: {unanswerable: {threshold: 0.30, gated: true}}
splits: {screen: 0.2, gate: 0.4, sealed: 0.4, seed: "lowwater"}
scorers: {unanswerable: 1}
whitespace: single
"""


class Quiet:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, total: float) -> None: ...

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


def written(folder: Path) -> JobDescription:
    (folder / "documents").mkdir()
    text = "\n\n".join(
        f"## The {place}\n\nThe key of the {place} hangs in the porter's lodge." for place in PLACES
    )
    (folder / "documents" / "keys.md").write_text(f"# Keys of Lowwater\n\n{text}\n")
    (folder / "exam").mkdir()
    (folder / "exam" / "exam.yaml").write_text(EXAM)
    rows = [
        {
            "id": f"u{n}",
            "kind": "unanswerable",
            "input": f"Who was mayor in the year {1900 + n}?",
            "accept": ["do not say"],
        }
        for n in range(10)
    ]
    (folder / "exam" / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "exam" / "SOURCES.md").write_text("Written for this test.\n")
    job: dict[str, Any] = {
        "name": "lowwater",
        "title": "Counter of Lowwater",
        "sponsor": "Records Office of Lowwater",
        "locale": "en",
        "charter": {"turn_to": "the counter, room 4", "ai_notice": "You are talking to an AI."},
        "documents": [{"path": "documents"}],
        "candidates": [STARTER],
        "exam": "exam",
        "alias": "counter",
        "improvement": {"adapter": {"epochs": 1, "learning_rate": 0.002}},
    }
    return JobDescription.model_validate(job)


def assembly_in(home: Home, job: JobDescription, index: str, embedder: Embedder) -> Assembly:
    return Assembly(
        name=job.name,
        locale=job.locale,
        candidate=resolve_candidate(home.path, STARTER, lambda *_: None),
        context=2048,
        dry_run=False,
        index=index,
        book=prompt_book(job),
        policy=agent_policy(job),
        guard=RequestGuardModel(embedder.digest, "", (0.0,) * embedder.dimensions, -9.0),
        guardrails=guardrail_plan(job),
    )


@pytest.mark.timeout(1800)
def test_corrections_become_an_agent_that_serves_with_its_adapter(tmp_path: Path) -> None:
    if not MODEL.exists():
        pytest.fail(f"the smallest model is absent; run: staffroom models get {STARTER}")
    job, home, embedder, told = written(tmp_path), Home(tmp_path / "home").ensure(), make_embedder(), Quiet()
    index = index_documents(job, tmp_path, home, embedder, told)["digest"]
    assembly = assembly_in(home, job, index, embedder)
    corrections = [
        Correction(
            f"fb-{n}", f"Where is the key of the {place} kept?", "No idea.",
            f"The key of the {place} hangs in the porter's lodge.", passage=place,
        )
        for n, place in enumerate(PLACES)
    ]  # fmt: skip
    pack = load_pack(tmp_path / "exam")
    with Database(home.database) as database:
        objects = ObjectStore(home.objects)
        runner = Runner(database, objects, told, scope="improve/counter")
        shop = HomeWorkshop(home, embedder, assembly, job, job, index, pack, corrections)
        try:
            begun = datetime.now(UTC)
            (row,) = asyncio.run(AdapterRung(shop, (), tmp_path).propose({"of": "a test"}, runner, told))
        finally:
            shop.close()
        record = objects.get_json(row["training"]["record"])
    assert row["training"]["examples"] >= LEAST_EXAMPLES and row["left_out"] == []
    assert any("GiB of memory" in line for line in told.said) and datetime.now(UTC) > begun
    assert record["served_parity"]["agreed"] >= 0.98 * record["served_parity"]["positions"]
    assert record["leaks"]["clean"] and record["dataset"] == row["training"]["dataset"]
    trained = Assembly.from_json(row["assembly"])
    engine = engine_for(trained, home)
    assert isinstance(engine, LlamaEngine)
    assert engine.identity.digest != engine_for(assembly, home).identity.digest

    async def ask() -> Outcome:
        await engine.start()
        try:
            agent = assemble(trained, engine, home, embedder)
            return (await agent.answer([ChatTurn("user", corrections[0].question)])).outcome
        finally:
            await engine.close()

    assert asyncio.run(ask()) in Outcome
