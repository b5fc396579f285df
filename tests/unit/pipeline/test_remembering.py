"""What a new adapter may not forget: asked before the gate, recorded, and a bar where the whole interval lies above the margin."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hire_world import Quiet, Town, unanswerable

from staffroom.evaluate import ExamPack, load_pack
from staffroom.pipeline import remembering as module
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.paired_gate import INCUMBENT
from staffroom.pipeline.remembering import GeneralItems, general_items, remembering
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Evaluation, Item, Score, ScoreStatus, Split
from staffroom.records.job_description import JobDescription
from staffroom.store import Home


class Agent:
    """An agent that is nothing but its name."""

    def __init__(self, name: str) -> None:
        self.spec = type("Spec", (), {"digest": f"sha256:{name}"})()


class Bench:
    """Agents by name, with the scores that each has."""

    judges = None

    def __init__(self, scores: Mapping[str, Mapping[str, float | None]]) -> None:
        self.scores = scores

    def agent(self, name: str) -> Agent:
        return Agent(name)

    async def ready(self, name: str) -> Agent:
        return Agent(name)


def pack_of(folder: Path, count: int, town: Town) -> ExamPack:
    town.write_exam([unanswerable(number) for number in range(count)])
    return load_pack(town.folder / "exam")


def asked(
    town: Town, monkeypatch: pytest.MonkeyPatch, scores: Mapping[str, Sequence[float | None]]
) -> dict[str, Any]:
    """Ask 100 items of one pack, of which each agent gets these scores."""
    pack = pack_of(town.folder, 100, town)
    general = [GeneralItems(pack, pack.items)]
    bench = Bench(
        {name: dict(zip([i.id for i in pack.items], row, strict=True)) for name, row in scores.items()}
    )

    async def sit(
        agent: Agent, items: Sequence[Item], pack: ExamPack, split: Split, *rest: Any
    ) -> Evaluation:
        known = bench.scores[agent.spec.digest.removeprefix("sha256:")]  # type: ignore[attr-defined]
        rows = tuple(
            Score(
                item.id, item.cluster, item.facet, item.kind, known[item.id] or 0.0,
                ScoreStatus.SCORED if known[item.id] is not None else ScoreStatus.UNSCORED, "s/1", "",
            )
            for item in items
        )  # fmt: skip
        return Evaluation(agent.spec.digest, pack.digest, split, 0, rows, (), (), 0, 0, 0)  # type: ignore[attr-defined]

    monkeypatch.setattr(module, "sit", sit)
    return asyncio.run(
        remembering(DecisionLog(town.home), "run-1", general, bench, "adapter", None, Quiet())  # type: ignore[arg-type]
    )


def test_an_agent_that_answers_alike_forgot_nothing_and_the_log_has_the_sums(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [1.0] * 70 + [0.0] * 30
    value = asked(town, monkeypatch, {INCUMBENT: scores, "adapter": scores})
    (row,) = value["rows"]
    assert value["holds"] and row["drop"] == 0.0 and row["items"] == 100 and row["name"] == "lowwater"
    (entry,) = [item.entry for item in town.log.entries() if item.entry["type"] == "forgetting"]
    assert entry["body"]["rows"] == value["rows"] and entry["body"]["candidate"] == "sha256:adapter"
    assert "mayor" not in json.dumps(entry) and town.log.verify().problems == ()


def test_an_agent_that_lost_half_of_it_is_barred(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    value = asked(town, monkeypatch, {INCUMBENT: [1.0] * 80 + [0.0] * 20, "adapter": [1.0] * 30 + [0.0] * 70})
    assert (
        not value["holds"]
        and value["rows"][0]["low"] > 0.02
        and "above the margin" in value["rows"][0]["reason"]
    )


def test_a_small_loss_is_no_proof_and_what_was_never_right_is_not_forgotten(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [1.0] * 80 + [0.0] * 20
    assert asked(town, monkeypatch, {INCUMBENT: one, "adapter": [0.0, *one[1:]]})["holds"]
    value = asked(town, monkeypatch, {INCUMBENT: [0.0] * 100, "adapter": [0.0] * 100})
    assert value["holds"] and "nothing right" in value["rows"][0]["reason"]


def test_items_that_could_not_be_scored_say_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[float | None] = [1.0] * 100
    after: list[float | None] = [1.0] * 60 + [None] * 40
    value = asked(town, monkeypatch, {INCUMBENT: before, "adapter": after})
    assert value["holds"] and value["rows"][0]["items"] == 60


def job(town: Town, **adapter: Any) -> JobDescription:
    town.write_job(improvement={"adapter": adapter})
    return JobDescription.model_validate_json((town.folder / "job.yaml").read_text())


def test_without_a_word_the_safety_packs_are_asked_and_always_the_same_items(town: Town) -> None:
    home = Home(town.folder / "home")
    one = general_items(job(town), town.folder, home)
    assert [general.pack.name for general in one] == ["safety-en"] and len(one[0].items) == 60
    again = general_items(job(town, remember_items=20), town.folder, home)
    assert again[0].items == one[0].items[:20]
    assert all(one[0].pack.splits[item.id] is not Split.SEALED for item in one[0].items)


def test_the_job_may_name_packs(town: Town) -> None:
    home = Home(town.folder / "home")
    pack_of(town.folder, 40, town)
    named = general_items(job(town, remember=["exam", "locale-zh-TW"]), town.folder, home)
    assert [general.pack.name for general in named] == ["lowwater", "locale-zh-tw"]
    with pytest.raises(WrongUse, match="no exam of this name"):
        general_items(job(town, remember=["nothing"]), town.folder, home)
