"""The rung that trains, in an improvement: beside the others, refused in one sentence, kept, killed and gone on with."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town
from improve_world import run_improve
from training_world import SUBJECTS, by_words_alone, corrections, workshop

from staffroom.cli import run
from staffroom.engine import FakeEngine
from staffroom.pipeline import adapter_rung, remembering, training_set
from staffroom.pipeline.adapter_rung import AdapterRung
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.feedback import decide_feedback, import_feedback
from staffroom.pipeline.incumbents import corrections_of, hold, open_incumbent
from staffroom.pipeline.paired_gate import regression_pack
from staffroom.pipeline.rungs import LADDER, Climbed, climb
from staffroom.pipeline.runner import Runner
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.digests import digest_file
from staffroom.records.errors import WrongUse
from staffroom.records.feedback import FeedbackState
from staffroom.records.training import Example
from staffroom.recruit.race import Race, RaceOutcome
from staffroom.store import Database, Home, ObjectStore
from staffroom.train import ForeseenTraining, Forgetting, TrainedAdapter
from staffroom.train.cost import Estimate
from staffroom.train.refusals import NotEnoughMemory

COST = Estimate(20, 5, 9000, 4000, 300, 1e13, 840.0, 5.6, 1 << 31, 1 << 20)
RECORD = {"seconds": 61.0, "watt_hours": 0.4, "flops": 1e12, "losses": [2.0, 1.0]}


class Trainings:
    """Stands where the training is called: no weights are moved here; `seen` are the examples of each call."""

    def __init__(self) -> None:
        self.seen: list[Sequence[Example]] = []
        self.foreseen = 0
        self.fault: Exception | None = None

    async def train(
        self, examples: Sequence[Example], base: Any, leaks: LeakClearance, *rest: Any, **options: Any
    ) -> TrainedAdapter:
        assert leaks.clean and leaks.dataset == dataset_digest(examples)
        if self.fault is not None:
            raise self.fault
        self.seen.append(examples)
        path = rest[1] / "adapter.gguf"
        path.write_bytes(json.dumps([example.digest for example in examples]).encode())
        return TrainedAdapter(path, digest_file(path), dict(RECORD))

    async def foresee(self, *arguments: Any, **options: Any) -> ForeseenTraining:
        self.foreseen += 1
        return ForeseenTraining(COST, "" if options["most_seconds"] > COST.seconds else "too long")


@pytest.fixture
def trainings(ready: Town, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """A town with corrections, where training is there and quick."""

    def engine_for(assembly: Assembly, home: Home) -> FakeEngine:
        return FakeEngine(f"{assembly.candidate.id}{assembly.adapter}", n_ctx=assembly.context)

    found = Trainings()
    by_words_alone(monkeypatch)
    monkeypatch.setattr(training_set, "engine_for", engine_for)
    monkeypatch.setattr(adapter_rung, "training_available", lambda: True)
    monkeypatch.setattr(adapter_rung, "train_adapter", found.train)
    monkeypatch.setattr(adapter_rung, "foresee_training", found.foresee)
    monkeypatch.setattr(adapter_rung, "LEAST_EXAMPLES", 8)
    correct(ready)
    return found


def correct(town: Town, count: int = len(SUBJECTS)) -> None:
    path = town.folder / f"said-{count}.jsonl"
    rows = [
        {
            "question": one.question,
            "bad_answer": one.wrong,
            "edited_answer": one.corrected,
            "passage": one.passage,
        }
        for one in corrections(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_feedback(town.home, "counter", path, "Harbour master")
    decide_feedback(town.home, [], FeedbackState.ACCEPTED, "Harbour master", alias="counter")


def lora(value: dict[str, Any]) -> dict[str, Any]:
    (row,) = [row for row in value["proposals"] if row["rung"] == "lora"]
    return dict(row)


def folders(town: Town) -> list[Path]:
    place = town.home.private / "training" / "counter"
    return list(place.iterdir()) if place.exists() else []


def test_an_adapter_races_beside_the_other_proposals_and_the_log_says_what_it_learnt(
    ready: Town, trainings: Trainings
) -> None:
    result = run_improve(ready).json
    row = lora(result)
    assert result["not_tried"] == [] and {"adapter", "incumbent"} <= {
        one["candidate"] for one in result["candidates"]
    }
    assert row["training"]["seconds"] == 61.0 and row["training"]["examples"] == len(trainings.seen[0])
    (entry,) = [
        item.entry["body"]
        for item in ready.log.entries()
        if item.entry["type"] == "exam-committed" and "trained" in item.entry["body"]
    ]
    said = entry["trained"]["adapter"]
    assert said["dataset"] == dataset_digest(trainings.seen[0]) and set(said) == {
        "adapter", "record", "dataset", "leaks", "exam"
    }  # fmt: skip
    assert entry["rungs"]["adapter"] == "lora" and ready.log.verify().problems == ()
    objects = ObjectStore(ready.home.objects)
    assert objects.has(said["adapter"]) and objects.get_json(said["record"]) == RECORD
    assert folders(ready) == [], "what people wrote is not kept a second time"


def test_what_is_examined_ever_after_is_never_learnt(ready: Town, trainings: Trainings) -> None:
    climbed(ready)
    with Database(ready.home.database) as database:
        incumbent = open_incumbent(ready.home, database, ObjectStore(ready.home.objects), "counter", None)
        held = corrections_of(ready.home, database, incumbent)
    learnt = {example.case for example in trainings.seen[0]}
    assert held.regression and not learnt & {one.passage for one in held.regression}
    assert learnt <= {one.passage for one in held.train}


def test_beforehand_it_says_what_the_training_would_take_and_trains_nothing(
    ready: Town, trainings: Trainings
) -> None:
    value = run_improve(ready, explain=True).json
    assert lora(value)["training"]["estimate"]["seconds"] == 840.0 and trainings.seen == []
    assert value["cost"]["screen_answers"] == len(value["proposals"] + ["incumbent"]) * 12
    climbed(ready, explain=True)
    climbed(ready)
    (row,) = [one for one in climbed(ready, explain=True).proposals if one["rung"] == "lora"]
    assert "seconds" in row["training"], "it is trained already"
    assert len(trainings.seen) == 1 and trainings.foreseen == 2


def test_the_screen_says_it_in_words(
    ready: Town, trainings: Trainings, capsys: pytest.CaptureFixture[str]
) -> None:
    def shell(language: str) -> str:
        capsys.readouterr()
        environment = {"STAFFROOM_HOME": str(ready.home.path), "STAFFROOM_LANG": language}
        assert run(["improve", "counter", "--explain"], environment) == 0
        return capsys.readouterr().out

    assert "To train adapter: 20 examples, 5 steps" in shell("en")
    ready.write_job(improvement={"adapter": {"minutes": 3}})
    assert "不會開始訓練" in shell("zh-TW")
    ready.write_job(improvement={"adapter": {"tried": False}})
    assert "Not tried: lora: the job says that none is trained" in shell("en")


def climbed(town: Town, without: Sequence[str] = (), explain: bool = False) -> Climbed:
    """Climb the ladder alone: nothing is examined."""
    with Database(town.home.database) as database:
        objects = ObjectStore(town.home.objects)
        incumbent = open_incumbent(town.home, database, objects, "counter", None)
        held = corrections_of(town.home, database, incumbent)
        runner = Runner(database, objects, town.progress, scope="improve/counter")
        kept_back = regression_pack(incumbent.prepared.pack, held.regression)
        with workshop(town, held.train) as shop:
            rung = AdapterRung(shop, kept_back.items if kept_back else (), incumbent.prepared.folder, explain)
            return asyncio.run(climb(LADDER, shop, runner, town.progress, rung, without))


@pytest.mark.parametrize(
    ("spoil", "said", "hint"),
    [
        ("extra", "training needs the extra `train`, which is not installed", "make train"),
        ("few", "examples can be learnt from, 99 are needed", "staffroom feedback import"),
        ("memory", "no memory", "stop other programs"),
        ("job", "the job says that none is trained", "improvement.adapter.tried"),
    ],
)
def test_what_cannot_be_trained_is_said_and_the_others_go_on(
    ready: Town, trainings: Trainings, monkeypatch: pytest.MonkeyPatch, spoil: str, said: str, hint: str
) -> None:
    with monkeypatch.context() as patch:
        if spoil == "extra":
            patch.setattr(adapter_rung, "training_available", lambda: False)
        elif spoil == "few":
            patch.setattr(adapter_rung, "LEAST_EXAMPLES", 99)
        elif spoil == "memory":
            trainings.fault = NotEnoughMemory("no memory", hint="stop other programs")
        else:
            ready.write_job(improvement={"adapter": {"tried": False}})
        found = climbed(ready)
    (row,) = found.not_tried
    assert row["rung"] == "lora" and said in row["reason"] and hint in row["hint"]
    assert {one["rung"] for one in found.proposals} == {"examples"}
    trainings.fault = None
    ready.write_job()
    assert climbed(ready).not_tried == (), "a refusal is not kept"


def test_the_proposal_is_the_incumbent_with_the_adapter(ready: Town, trainings: Trainings) -> None:
    (row,) = [one for one in climbed(ready).proposals if one["rung"] == "lora"]
    with workshop(ready, []) as shop:
        assert Assembly.from_json(row["assembly"]) == replace(
            shop.assembly, adapter=row["training"]["adapter"]
        )
    climbed(ready)
    assert len(trainings.seen) == 1
    ready.write_job(improvement={"adapter": {"epochs": 3}})
    climbed(ready)
    assert len(trainings.seen) == 2


def test_a_run_that_was_killed_goes_on_without_what_it_had_not_trained(
    ready: Town, trainings: Trainings
) -> None:
    found = climbed(ready, without=("lora",))
    assert "when this run began" in found.not_tried[0]["reason"] and trainings.seen == []
    with Database(ready.home.database) as database:
        incumbent = open_incumbent(ready.home, database, ObjectStore(ready.home.objects), "counter", None)
        begun = replace(corrections_of(ready.home, database, incumbent), not_tried=("lora",))
        hold(database, incumbent, begun, "run")
        assert corrections_of(ready.home, database, incumbent) == begun


def test_a_file_of_examples_that_is_not_there_is_wrong_use(ready: Town, trainings: Trainings) -> None:
    ready.write_job(improvement={"adapter": {"examples": ["nothing.jsonl"]}})
    size = ready.log.size()
    with pytest.raises(WrongUse, match="no such file"):
        climbed(ready)
    assert ready.log.size() == size
    path = ready.folder / "more.jsonl"
    path.write_text('{"question": "Who rings the bell of the kirk?", "answer": "The sexton does."}\n')
    ready.write_job(improvement={"adapter": {"examples": ["more.jsonl"]}})
    climbed(ready)
    assert "more.jsonl" in {example.origin for example in trainings.seen[0]}


def test_a_trained_winner_that_forgot_never_opens_the_gate(
    ready: Town, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.write_job(improvement={"adapter": {"remember": ["exam"], "remember_items": 10}})
    worse = Forgetting(10, 0.8, 0.2, 0.75, 0.5, 0.9, 0.02, False, "lost most of it")
    monkeypatch.setattr(
        Race, "_judge", lambda self: (RaceOutcome.NOT_SEPARATED, "adapter", "forced by a test")
    )
    with monkeypatch.context() as patch:
        patch.setattr(remembering, "check_forgetting", lambda *arguments, **options: worse)
        result = run_improve(ready)
    assert result.exit_code == 1 and "does worse on general items" in result.json["reason"]
    assert result.json["forgetting"]["rows"][0]["reason"] == "lost most of it"
    assert ready.types[-1] == "forgetting" and ready.types.count("gate-opened") == 1
    assert ready.log.verify().problems == ()
