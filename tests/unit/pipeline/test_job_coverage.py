"""Coverage of a job's tasks by a released worker, from what the log says it has sat."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hire_world import Quiet, Town, short, unanswerable

from staffroom.pipeline import service
from staffroom.pipeline.coverage import job_coverage, last_coverage
from staffroom.pipeline.exams import sit_exam
from staffroom.pipeline.workers import show_worker
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.job_description import Budget, JobDescription, Price
from staffroom.records.source_file import read_yaml_model
from staffroom.store import Database, Responses
from staffroom.text.locale import LocaleFindings


@pytest.fixture
def town(hired: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setattr("staffroom.pipeline.sitting.check", lambda text, locale: LocaleFindings())
    return hired


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "items": {"facets": ["unanswerable"]},
        "minutes": 4,
        "cases": 120,
        "accuracy": 0.3,
        **fields,
    }


def write_tasks(town: Town, *tasks: dict[str, Any], **more: Any) -> Path:
    path = town.folder / "job.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more, "tasks": list(tasks)}))
    return path


def sit(town: Town, folder: Path) -> None:
    async def run() -> None:
        async with service.open_worker(town.home, "counter") as worker:
            await sit_exam(worker.agent, "counter", folder, town.home, Quiet())

    asyncio.run(run())


def test_the_hire_counts_with_its_gate_alone_and_tasks_change_no_step(town: Town) -> None:
    job = write_tasks(town, task("silence"), task("nothing", items={"facets": ["short"]}))
    assert town.hire().json["unchanged"]
    found = job_coverage(town.home, "counter", job)
    silence, nothing = found["tasks"]
    gate = next(item.entry["body"] for item in town.log.entries() if item.entry["type"] == "evaluation")
    assert silence["items"] == gate["kinds"][0]["n"] < 15
    assert (silence["score"], silence["low"]) == (1.0, gate["kinds"][0]["low"])
    assert (silence["verdict"], silence["wrong_cases"][1]) == ("reached", 0.0)
    assert (nothing["verdict"], nothing["items"], nothing["score"]) == ("not examined", 0, None)
    assert (found["reached"], found["share_of_tasks"], found["share_of_cases"]) == (1, 0.5, 0.5)
    assert found["person_hours"] == 16.0
    assert silence["cost_per_answer"] is None


def test_another_pack_counts_whole_once_it_was_sat_and_the_price_is_the_candidate_s(town: Town) -> None:
    town_exam = town.folder / "exam"
    (town_exam).rename(town.folder / "kept")
    town.write_exam(
        [*(short(number) for number in range(100, 110)), *(unanswerable(n) for n in range(200, 206))]
    )
    (town.folder / "exam").rename(town.folder / "more")
    (town.folder / "kept").rename(town_exam)
    price = {
        "currency": "SEK",
        "per_million_tokens_in": 1000,
        "per_million_tokens_out": 0,
        "per_machine_hour": "9",
    }
    job = write_tasks(
        town,
        task("fees", exam="more", items={"facets": ["short"]}, accuracy=0.5),
        task("silence", exam="more"),
        budget={"price": price},
    )
    before = job_coverage(town.home, "counter", job)
    assert {row["verdict"] for row in before["tasks"]} == {"not examined"}
    assert before["exams"][0]["hint"].startswith("staffroom exam run WORKER ")
    sit(town, town.folder / "more")
    found = job_coverage(town.home, "counter", job)
    fees, silence = found["tasks"]
    assert fees["items"] + silence["items"] == sum(row["items"] for row in found["exams"]) > 8
    assert (fees["verdict"], fees["score"], fees["cost_per_accepted"]) == ("short", 0.0, None)
    assert float(silence["cost_per_answer"]) > 0 and silence["currency"] == "SEK"
    assert silence["cost_per_accepted"] == silence["cost_per_answer"] and silence["cost_basis"] == "answers"
    assert float(silence["machine_cost_per_answer"]) == pytest.approx(
        silence["seconds_per_answer"] * 9 / 3600, abs=1e-5
    )


def test_a_charter_pack_is_sat_and_a_pair_is_one_source(town: Town) -> None:
    pack = Path(__file__).parents[3] / "examples" / "town-hall-en" / "charter-exam"
    sit(town, pack)
    measured = next(item.entry["body"] for item in town.log.entries() if item.entry["type"] == "exam")
    rows = {row["facet"]: row for row in measured["facets"]}
    assert rows["dilemma"]["n"] == 2 * rows["dilemma"]["clusters"] == 18
    assert rows["neutrality"]["score"] == 1.0  # this agent declines whatever is asked
    job = write_tasks(town, task("charter", exam=str(pack), items={"facets": ["dilemma"]}, accuracy=0.9))
    (found,) = job_coverage(town.home, "counter", job)["tasks"]
    assert (found["items"], found["clusters"]) == (18, 9)
    assert found["verdict"] in ("short", "too few items") and found["cost_basis"] == "choices"


def test_the_report_is_kept_logged_once_and_shown(town: Town) -> None:
    job = write_tasks(town, task("silence"))
    first = job_coverage(town.home, "counter", job)
    again = job_coverage(town.home, "counter", job)
    assert (first["report"], first["log_entry"]) == (again["report"], again["log_entry"])
    assert town.types.count("coverage") == 1
    logged = town.log.entries()[first["log_entry"]].entry["body"]
    assert (logged["reached"], logged["of"], logged["report"]) == (1, 1, first["report"])
    assert "cases" not in json.dumps(logged)
    kept = last_coverage(town.home, first["agent"])
    assert kept is not None and kept["tasks"] == first["tasks"]
    assert show_worker(town.home, "counter")["coverage"]["reached"] == 1
    assert last_coverage(town.home, "sha256:0") is None


def test_answers_that_are_not_those_of_the_log_are_refused(town: Town) -> None:
    job = write_tasks(town, task("silence"))
    with Database(town.home.database) as database, database.write() as connection:
        connection.exec_driver_sql("UPDATE responses SET json = replace(json, 'do not say', 'say 5 crowns,')")
    with pytest.raises(StaffroomError, match="not those that were logged"):
        job_coverage(town.home, "counter", job)
    with Database(town.home.database) as database:
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM responses")
        assert Responses(database).count("") == 0
    with pytest.raises(StaffroomError, match="is gone"):
        job_coverage(town.home, "counter", job)


def test_wrong_use_is_said(town: Town) -> None:
    with pytest.raises(WrongUse, match="lists no tasks"):
        job_coverage(town.home, "counter", town.folder / "job.yaml")
    job = write_tasks(town, task("silence"))
    with pytest.raises(WrongUse, match="no worker is released as `nobody`"):
        job_coverage(town.home, "nobody", job)
    with pytest.raises(WrongUse, match="two tasks have the same id"):
        job_coverage(town.home, "counter", write_tasks(town, task("one"), task("one")))
    with pytest.raises(WrongUse, match=r"job.yaml:1: tasks\.0\.items: .*name the task's items"):
        job_coverage(town.home, "counter", write_tasks(town, task("one", items={})))
    with pytest.raises(WrongUse, match="no such exam pack"):
        job_coverage(town.home, "counter", write_tasks(town, task("one", exam="missing")))


@pytest.mark.parametrize("example", ["town-hall", "town-hall-en"])
def test_what_a_run_depends_on_does_not_hold_the_tasks(example: str) -> None:
    path = Path(__file__).parents[3] / "examples" / example / "job.yaml"
    job = read_yaml_model(path, JobDescription, hint="")
    assert job.tasks
    value = job.as_json()
    assert value == job.model_copy(update={"tasks": ()}).as_json()
    assert "tasks" not in value and "per_machine_hour" not in value["budget"]["price"]
    assert JobDescription.model_validate(value).as_json() == value
    hour = Price(per_machine_hour=Decimal("1.50"))
    priced = job.model_copy(update={"budget": Budget(price=hour, prices={"small": hour})}).as_json()
    assert priced["budget"]["prices"]["small"]["per_machine_hour"] == "1.50"
