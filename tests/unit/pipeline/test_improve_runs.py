"""An improvement from end to end on a fake engine: promoted, refused, undecided, killed, verified."""

import json
from typing import Any

import pytest
from hire_world import Town, report_of
from improve_world import RIGHT, WRONG, correct, run_improve, write_exam

from staffroom.cli.report.page import render
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.exam_report import exam_report
from staffroom.pipeline.incumbents import open_incumbent
from staffroom.pipeline.workers import rollback
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.permit import Permits
from staffroom.store import Database, ObjectStore, Releases, StepCache


def current(town: Town) -> str:
    with Database(town.home.database) as database:
        release = Releases(database).current("counter")
        assert release is not None
        return release.digest


def bodies(town: Town, kind: str) -> list[dict[str, Any]]:
    return [item.entry["body"] for item in town.log.entries() if item.entry["type"] == kind]


def test_corrections_make_a_better_worker_and_the_log_proves_it(improved: Town) -> None:
    assert improved.log.verify().problems == ()
    with Database(improved.home.database) as database:
        releases = Releases(database).of("counter")
    assert [release.digest for release in releases][1:] == [current(improved)]
    assert releases[1].parent == releases[0].digest and releases[1].agent["examples"]
    assert Permits(improved.home.permits).release("counter") == current(improved)
    decision = bodies(improved, "decision")[-1]
    task = decision["paired"]["tests"][0]
    assert task["form"] == "superior" and task["verdict"] == "promoted" and task["mean_low"] > 0.5
    use = [body["use"] for body in bodies(improved, "gate-opened")]
    assert use == [1, 2]


def test_the_commitment_stands_before_the_first_item(improved: Town) -> None:
    kinds = [item.entry["type"] for item in improved.log.entries()]
    begin = len(kinds) - 1 - kinds[::-1].index("exam-committed")
    later = kinds[begin:]
    order = ["exam-committed", "race", "gate-opened", "evaluation", "incumbent-evaluation", "decision"]
    assert [kind for kind in later if kind in order] == order
    plan = bodies(improved, "exam-committed")[-1]["plan"]
    assert plan["kind"] == "paired" and plan["replacing"] == []


def test_no_word_of_a_correction_and_no_item_stands_in_the_log(improved: Town) -> None:
    text = json.dumps([item.entry for item in improved.log.entries()])
    for said in (RIGHT, "harbour rules", "Harbour master", "permit number"):
        assert said not in text


def test_the_same_again_after_a_promotion_has_nothing_left_to_try(improved: Town) -> None:
    before = current(improved)
    result = run_improve(improved)
    assert result.json["verdict"] in ("unchanged", "rejected", "undecided")
    assert current(improved) == before
    assert len(bodies(improved, "gate-opened")) == 2


def test_a_worse_candidate_is_refused_and_the_incumbent_serves_on(
    ready: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now the other option is right, which the worker of the release takes and its corrections would spoil."""
    write_exam(ready, 40, right=WRONG)
    correct(ready)
    before = current(ready)
    result = _force_to_the_gate(ready, monkeypatch)
    assert result["verdict"] == "rejected" and "shown not to be better" in result["reason"]
    assert current(ready) == before and result["release"] is None
    assert ready.log.verify().problems == ()


def _force_to_the_gate(town: Town, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the race be won by the examples, whatever they scored: the gate must refuse what the race got wrong."""
    from staffroom.recruit.race import Race, RaceOutcome

    monkeypatch.setattr(
        Race, "_judge", lambda self: (RaceOutcome.NOT_SEPARATED, "examples", "forced by a test")
    )
    return run_improve(town).json


def test_an_incumbent_that_is_ahead_keeps_the_gate_shut(ready: Town) -> None:
    write_exam(ready, 40, right=WRONG)
    correct(ready)
    result = run_improve(ready)
    assert result.json["verdict"] == "rejected" and "gate stayed shut" in result.json["reason"]
    assert len(bodies(ready, "gate-opened")) == 1
    assert ready.log.verify().problems == ()


def test_too_few_items_say_how_many_more(ready: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of six choice items at the gate are not enough to tell, whoever got them right."""
    write_exam(ready, 5)
    correct(ready)
    result = _force_to_the_gate(ready, monkeypatch)
    assert result["verdict"] == "undecided", result["reason"]
    assert (
        "Not enough items to tell" in result["reason"] and "more items from new sources" in result["reason"]
    )
    assert "題數不夠" in result["reasons"]["zh-TW"]


def test_explain_says_what_it_costs_and_leaves_no_trace(ready: Town) -> None:
    correct(ready)
    size = ready.log.size()
    value = run_improve(ready, explain=True).json
    assert [row["rung"] for row in value["proposals"]] == ["prompt", "examples"]
    assert value["cost"]["gate_answers"] > 0 and value["use"] == 2
    assert value["tests"][0]["name"] == "task" and 0 < value["outlook"]["probability"] <= 1
    assert ready.log.size() == size
    assert value["corrections"]["train"] + value["corrections"]["regression"] == 20


def test_nothing_to_try_is_said_and_nothing_is_asked(ready: Town) -> None:
    size = ready.log.size()
    result = run_improve(ready)
    assert result.json["verdict"] == "unchanged" and result.exit_code == 0
    assert ready.log.size() == size


def test_unknown_worker_and_lost_job_are_named(ready: Town) -> None:
    with Database(ready.home.database) as database:
        objects = ObjectStore(ready.home.objects)
        with pytest.raises(WrongUse, match="no worker is released as `nobody`"):
            open_incumbent(ready.home, database, objects, "nobody", None)
        (ready.folder / "job.yaml").rename(ready.folder / "moved.yaml")
        with pytest.raises(WrongUse, match="where the job description of `counter` lies"):
            open_incumbent(ready.home, database, objects, "counter", None)
        assert open_incumbent(ready.home, database, objects, "counter", ready.folder / "moved.yaml")


def test_an_unsigned_promotion_asks_for_the_signature_only(ready: Town) -> None:
    correct(ready)
    before = current(ready)
    with pytest.raises(StaffroomError, match="did not sign off"):
        run_improve(ready, signing=lambda shown: None)
    assert current(ready) == before
    size = ready.log.size()
    result = run_improve(ready)
    assert result.json["verdict"] == "promoted" and current(ready) != before
    kinds = [item.entry["type"] for item in ready.log.entries()][size:]
    assert kinds == ["sign-off", "release", "alias-moved"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "place",
    ["exam-committed", "gate-opened", "evaluation", "paired-values", "decision", "release", "alias-moved"],
)
def test_a_run_that_was_cut_off_after_an_entry_goes_on_with_what_it_began_with(
    ready: Town, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    correct(ready)
    append = DecisionLog.append

    def append_and_die(self: DecisionLog, kind: str, key: str, run: str, body: Any) -> int:
        index = append(self, kind, key, run, body)
        if kind == place:
            raise Killed
        return index

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", append_and_die)
        with pytest.raises(Killed):
            run_improve(ready)
    correct(ready, count=4, first=100)  # corrections that came in meanwhile wait for the next run
    result = run_improve(ready)
    assert result.json["verdict"] == "promoted", result.json["reason"]
    assert [body["use"] for body in bodies(ready, "gate-opened")] == [1, 2]
    keys = [item.entry["key"] for item in ready.log.entries()]
    assert len(set(keys)) == len(keys)
    assert ready.log.verify().problems == ()
    assert current(ready) == result.json["release"]


def test_a_run_that_was_cut_off_before_its_release_was_kept_is_not_begun_anew(
    ready: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(ready)
    put = StepCache.put

    def put_or_die(self: StepCache, step: Any) -> None:
        if step.name.endswith("/release"):
            raise Killed
        put(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(StepCache, "put", put_or_die)
        with pytest.raises(Killed):
            run_improve(ready)
    moved = current(ready)
    result = run_improve(ready)
    assert result.json["verdict"] == "promoted" and result.json["release"] == moved == current(ready)
    assert len(bodies(ready, "release")) == 2 and ready.log.verify().problems == ()


def test_an_undecided_run_again_gives_the_same_and_spends_nothing(
    ready: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exam(ready, 5)
    correct(ready)
    first = _force_to_the_gate(ready, monkeypatch)
    second = run_improve(ready)
    assert report_of(second) == {name: value for name, value in first.items() if name in report_of(second)}
    assert len(bodies(ready, "gate-opened")) == 2


def test_corrected_cases_that_are_examined_never_train(improved: Town) -> None:
    from staffroom.pipeline.feedback import book_of
    from staffroom.records.feedback import Side

    book = book_of(improved.home)
    kept = {one.digest for one in book.corrections("counter", Side.REGRESSION)}
    with Database(improved.home.database) as database:
        release = Releases(database).current("counter")
        assert release is not None
        text = database.get_meta(f"assembly:{release.digest}")
        examples = ObjectStore(improved.home.objects).get_json(str(text))["assembly"]["examples"]
    assert kept and not kept & set(examples["sources"])
    assert {one.digest for one in book.corrections("counter", Side.TRAIN)} == set(examples["sources"])
    corrected = bodies(improved, "corrected-evaluation")[-1]
    assert corrected["candidate"]["facets"][0]["n"] == len(kept)


def test_a_report_on_the_exam_says_what_the_later_gate_decided(improved: Town) -> None:
    value = exam_report(improved.home, "counter")
    assert value["decision"]["verdict"] == "promoted" and value["question"]["alias"] == "counter"
    assert "換上新版" in value["decision"]["reasons"]["zh-TW"]
    page = render(value)
    assert "換上新版" in page and "better than the incumbent" in page


def test_a_run_whose_worker_was_replaced_meanwhile_begins_anew(
    improved: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    correct(improved, count=6, first=200)
    append = DecisionLog.append

    def append_and_die(self: DecisionLog, kind: str, key: str, run: str, body: Any) -> int:
        index = append(self, kind, key, run, body)
        if kind == "exam-committed":
            raise Killed
        return index

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", append_and_die)
        with pytest.raises(Killed):
            run_improve(improved)
    rollback(improved.home, "counter")
    before = current(improved)
    result = run_improve(improved)
    assert bodies(improved, "exam-committed")[-1]["plan"]["release"] == before
    assert result.json["verdict"] == "promoted", result.json["reason"]
    assert improved.log.verify().problems == ()
