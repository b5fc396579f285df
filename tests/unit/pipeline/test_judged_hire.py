"""A facet that a judge model scores: calibrated, gated in a hire, judged again without the judge, refused where it is missing."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hire_world import EXAM, Quiet, Town, short, unanswerable

from staffroom.engine import FakeEngine
from staffroom.engine.protocols import EngineIdentity, NextToken, Prompt
from staffroom.evaluate import JudgeEntry, load_pack
from staffroom.pipeline import judges
from staffroom.pipeline.exam_rerun import rejudge_exam
from staffroom.pipeline.judge_calibration import calibrate_judge
from staffroom.records.errors import WrongUse
from staffroom.recruit import find_model

QUESTION = "Is this answer to {question} polite? {answer}"


class Judge(FakeEngine):
    """Says yes to answers with `documents`, no to the rest, and neither word to a riddle."""

    asked = 0

    def __init__(self, path: Path, weights: str, *, n_ctx: int) -> None:
        super().__init__("judge", n_ctx=n_ctx)
        self._weights = weights

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("fake", "1", self._weights, "none", {})

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        Judge.asked += 1
        if "riddle" in prompt.rest:
            return NextToken({"Perhaps": 0.0}, 5)
        share = 0.9 if "documents" in prompt.rest.rpartition("<<<")[2] else 0.2
        return NextToken({"Yes": math.log(share), "No": math.log(1 - share)}, 5)


@pytest.fixture
def judged_town(town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setattr(judges, "LlamaEngine", Judge)
    Judge.asked = 0
    return town


def weights_of(town: Town) -> str:
    model = find_model(town.home.path, "large").candidate.model
    assert model is not None
    return model.digest


def write_pack(town: Town, judge: dict[str, Any], *, gated: bool) -> None:
    facet = json.dumps({"threshold": 0.30, "gated": gated, "judge": judge})
    exam = EXAM.replace("  short: {threshold: 0.50, gated: true}", f"  tone: {facet}")
    tone = [{**short(number), "id": f"t{number}", "facet": "tone", "accept": []} for number in range(40)]
    town.write_exam([*(unanswerable(number) for number in range(15)), *tone], exam)


def record(judge: str) -> dict[str, Any]:
    return {
        "judge": judge, "language": "en", "positives": 60, "missed": 1, "negatives": 60, "false_alarms": 1,
        "answers": "sha256:" + "b" * 64, "source": "two clerks", "measured": "2026-11-01",
    }  # fmt: skip


def test_a_gate_counts_a_calibrated_judge_and_kept_words_need_no_judge(judged_town: Town) -> None:
    town = judged_town
    base = {"weights": weights_of(town), "question": QUESTION}
    digest = JudgeEntry.model_validate(base).digest
    write_pack(town, {**base, "calibration": record(digest)}, gated=True)
    done = town.hire()
    facets = {row["facet"]: row for row in done.json["facets"]}
    assert done.json["verdict"] == "promoted", done.json["reason"]
    assert facets["tone"]["score"] == 1.0 and facets["tone"]["threshold"] > 0.30, "the judge may err"
    assert Judge.asked > 0

    asked = Judge.asked
    evaluation = next(item.entry["body"] for item in town.log.entries() if item.entry["type"] == "evaluation")
    again = rejudge_exam(town.home, evaluation["evaluation"])
    assert again["ok"] and Judge.asked == asked, "words that are kept are not asked for again"
    assert town.hire().json["unchanged"] and Judge.asked == asked


def test_without_the_judge_on_the_shelf_nothing_starts(judged_town: Town) -> None:
    write_pack(judged_town, {"weights": "sha256:" + "d" * 64, "question": QUESTION}, gated=False)
    with pytest.raises(WrongUse, match="not on this home's shelf"):
        judged_town.hire()
    assert judged_town.types == []


def test_an_answer_on_which_the_judge_is_silent_stays_unscored(judged_town: Town) -> None:
    town = judged_town
    base = {"weights": weights_of(town), "question": QUESTION + " It is a riddle."}
    write_pack(town, base, gated=False)
    done = town.hire()
    facets = {row["facet"]: row for row in done.json["facets"]}
    assert done.json["verdict"] == "promoted"
    assert facets["tone"]["verdict"] == "reported"
    evaluation = next(item.entry["body"] for item in town.log.entries() if item.entry["type"] == "evaluation")
    row = next(row for row in evaluation["facets"] if row["facet"] == "tone")
    assert row["unscored"] == row["n"] or row["n"] == 0


def settled(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "settled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def calibrate(town: Town, path: Path, facet: str = "tone") -> dict[str, Any]:
    return asyncio.run(calibrate_judge(town.home, town.folder / "exam", facet, path, "two clerks", Quiet()))


def test_a_judge_is_measured_on_settled_answers(judged_town: Town) -> None:
    town = judged_town
    base = {"weights": weights_of(town), "question": QUESTION}
    write_pack(town, base, gated=False)
    polite = [
        {"question": f"When, {n}?", "answer": "The documents do not say, sorry.", "yes": True}
        for n in range(40)
    ]
    rude = [{"question": f"Why, {n}?", "answer": "Go away.", "yes": False, "id": f"r{n}"} for n in range(40)]
    odd = [
        {"question": "A riddle?", "answer": "No idea.", "yes": False, "id": "odd"},
        {"question": "What now?", "answer": "Read the documents, fool.", "yes": False},
    ]
    value = calibrate(town, settled(town.folder, [*polite, *rude, *odd]))
    assert value["ok"] and value["record"]["positives"] == 40 and value["record"]["missed"] == 0
    assert value["record"]["negatives"] == 42 and value["record"]["false_alarms"] == 2
    assert [(row["line"], row["said"]) for row in value["wrong"]] == [(81, None), (82, True)]
    write_pack(town, {**base, "calibration": value["record"]}, gated=True)
    assert load_pack(town.folder / "exam").judges["tone"].calibration is not None

    few = calibrate(town, settled(town.folder, [*polite[:5], *rude]))
    assert not few["ok"] and "fewer than 30" in few["unfit"]


def test_a_line_separator_within_an_answer_is_no_new_line(judged_town: Town) -> None:
    write_pack(judged_town, {"weights": weights_of(judged_town), "question": QUESTION}, gated=False)
    rows = [
        {"question": "When?", "answer": "The documents\u2028say\x85nothing.", "yes": True},
        {"question": "Why?", "answer": "Go away.", "yes": False},
    ]
    path = judged_town.folder / "settled.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows), encoding="utf-8")
    assert calibrate(judged_town, path)["record"]["positives"] == 1


@pytest.mark.parametrize(
    ("content", "facet", "text"),
    [
        ('{"question": "a", "answer": "b", "yes": true}\n', "tone", "both classes"),
        ('{"question": "a", "answer": "b", "yes": true}\n{"question": "a"}\n', "tone", "answer: Field required"),
        ("not json\n", "tone", "is not JSON"),
        ("", "tone", "both classes"),
        ('{"question": "What does mooring cost on pier 3?", "answer": "b", "yes": true}\n'
         '{"question": "x", "answer": "b", "yes": false}\n', "tone", "one of the exam's own"),
        ("", "short", "no judge scores the facet `short`"),
    ],
)  # fmt: skip
def test_what_cannot_calibrate_is_named(judged_town: Town, content: str, facet: str, text: str) -> None:
    write_pack(judged_town, {"weights": weights_of(judged_town), "question": QUESTION}, gated=False)
    path = judged_town.folder / "settled.jsonl"
    path.write_text(content)
    with pytest.raises(WrongUse, match=text):
        calibrate(judged_town, path, facet)
    assert Judge.asked == 0
