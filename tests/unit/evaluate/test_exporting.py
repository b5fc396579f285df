"""Evaluations in other programs' forms: complete, well-formed, and the same for the same evaluation."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from every_eval_schema import Instance, Record
from test_examine import Clerk, Sink, sit

from staffroom.evaluate import ExamPack, score_response
from staffroom.evaluate.exporting import (
    Exported,
    ExportedItem,
    every_eval_record,
    inspect_archive,
    inspect_log,
)
from staffroom.records.exam import Response, Split


def exported(pack: ExamPack, *, items: bool = True) -> Exported:
    sink = Sink()
    result = sit(pack, Clerk(), sink)
    scores = {score.item_id: score for score in result.scores}
    rows = []
    for item in pack.items_of(Split.GATE):
        response = sink.get(result.agent, item.digest, 7)
        assert response is not None
        rows.append(ExportedItem(item, response, scores[item.id].as_json()))
    return Exported(
        evaluation=result.digest,
        agent=result.agent,
        pack=result.pack,
        pack_name=pack.name,
        locale=pack.locale,
        split="gate",
        seed=7,
        model="counter (town)",
        created=datetime(2026, 11, 22, 8, 30, tzinfo=UTC),
        exported=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
        organisation="澄浦鎮公所",
        version="0.1.0",
        tokens_in=result.tokens_in,
        tokens_out=result.tokens_out,
        facets=[facet.as_json() for facet in result.facets],
        items=rows if items else (),
    )


def test_a_record_of_every_eval_ever_is_what_its_schema_demands(pack: ExamPack) -> None:
    value = exported(pack)
    made = every_eval_record(value)
    record = Record.model_validate_json(made.record)
    assert record.model_info.id == "local/counter-town"
    assert {result.evaluation_name for result in record.evaluation_results} == {
        "harbour-town-gate/choice",
        "harbour-town-gate/short",
        "harbour-town-gate/unanswerable",
    }
    lines = made.samples.splitlines()
    detail = record.detailed_evaluation_results
    assert detail is not None and detail.total_rows == len(lines) == len(value.items)
    assert detail.checksum == hashlib.sha256(made.samples.encode()).hexdigest()
    assert detail.file_path == made.samples_path == made.path.replace(".json", "_samples.jsonl")
    results = {result.evaluation_result_id: result for result in record.evaluation_results}
    instances = [Instance.model_validate_json(line) for line in lines]
    for instance in instances:
        assert instance.evaluation_id == record.evaluation_id and instance.model_id == record.model_info.id
        assert instance.evaluation_result_id in results
    for name, result in results.items():
        own = [one.evaluation.score for one in instances if one.evaluation_result_id == name]
        assert sum(own) / len(own) == pytest.approx(result.score_details.score)
        assert len(own) == result.score_details.uncertainty.num_samples


def test_without_items_a_record_has_sums_only(pack: ExamPack) -> None:
    made = every_eval_record(exported(pack, items=False))
    record = Record.model_validate_json(made.record)
    assert record.detailed_evaluation_results is None and made.samples == ""
    for item in pack.items:
        assert item.input not in made.record


def test_a_log_of_inspect_has_every_sample_with_its_score(pack: ExamPack) -> None:
    value = exported(pack)
    log = inspect_log(value)
    assert (log["version"], log["status"]) == (2, "success")
    assert log["eval"]["dataset"]["sample_ids"] == [sample["id"] for sample in log["samples"]]
    assert log["results"]["total_samples"] == len(log["samples"]) == len(value.items)
    mean = sum(sample["scores"]["score"]["value"] for sample in log["samples"]) / len(log["samples"])
    scores = {score["name"]: score for score in log["results"]["scores"]}
    assert scores["score"]["metrics"]["mean"]["value"] == pytest.approx(mean)
    assert set(scores) == {"score", "choice", "short", "unanswerable"}
    choice = next(sample for sample in log["samples"] if "choices" in sample)
    assert choice["messages"][0]["content"].endswith(f"D. {choice['choices'][3]}")
    assert choice["output"]["completion"] == "B" and choice["target"][0] in "ABCD"
    assert log["eval"]["metadata"]["evaluation"] == value.evaluation
    assert json.loads(json.dumps(log, allow_nan=False)) == log


def test_an_archive_holds_the_same_log_in_parts(pack: ExamPack) -> None:
    value = exported(pack)
    log = inspect_log(value)
    raw = inspect_archive(value)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        header = json.loads(archive.read("header.json"))
        assert {**header, "samples": log["samples"]} == log
        for sample in log["samples"]:
            assert json.loads(archive.read(f"samples/{sample['id']}_epoch_1.json")) == sample
        summaries = json.loads(archive.read("summaries.json"))
        assert [row["id"] for row in summaries] == [sample["id"] for sample in log["samples"]]
        assert json.loads(archive.read("_journal/start.json"))["eval"] == header["eval"]
        assert len(names) == len(set(names)) == 3 + len(log["samples"])
    assert inspect_archive(value) == raw


def test_an_item_without_an_answer_says_so(pack: ExamPack, tmp_path: Path) -> None:
    item = pack.items[0]
    failed = Response(item.id, "sha256:1", 7, "", outcome="failed", error="the engine was lost")
    score = score_response(pack, item, failed).as_json()
    value = replace(exported(pack), items=[ExportedItem(item, failed, score)])
    (sample,) = inspect_log(value)["samples"]
    assert sample["error"]["message"] == "the engine was lost"
    assert sample["scores"]["score"]["metadata"]["status"] == "unscored"
    instance: dict[str, Any] = json.loads(every_eval_record(value).samples)
    assert instance["error"] == "the engine was lost" and instance["evaluation"]["is_correct"] is False
