"""What the exam report tells of a hire or a measurement, and what it never tells."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hire_world import PAGES, SIGNER, SPONSOR, Quiet, Town, short, sign, unanswerable
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import ExamPack, load_pack
from staffroom.pipeline import examination, service
from staffroom.pipeline.alpha import retire_gate
from staffroom.pipeline.exam_report import exam_report
from staffroom.pipeline.exams import sit_exam
from staffroom.pipeline.telling_answers import MOST_ITEMS, telling_answers
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Response, Split
from staffroom.stats import least_to_pass, most_to_reject
from staffroom.store import Home


def split_of(town: Town) -> dict[str, Split]:
    return dict(load_pack(town.folder / "exam").splits)


def value_of(town: Town, key: str) -> dict[str, Any]:
    return next(item.entry["body"] for item in town.log.entries() if item.entry["type"] == key)


def test_a_run_is_found_by_every_name_that_it_has(hired: Town) -> None:
    run = next(item.entry["run"] for item in hired.log.entries() if item.entry["type"] == "decision")
    names = [
        run,
        run[:8],
        str(hired.folder / "job.yaml"),
        "lowwater",
        "counter",
        value_of(hired, "evaluation")["evaluation"],
        value_of(hired, "release")["release"],
    ]
    assert {exam_report(hired.home, name)["run"] for name in names} == {run}


def test_it_says_what_was_fixed_what_came_out_and_how_near_it_was(hired: Town) -> None:
    value = exam_report(hired.home, "counter")
    rule, row = value["protocol"], value["facets"][0]
    assert (value["kind"], value["dry_run"], value["decision"]["verdict"]) == ("hire", False, "promoted")
    assert rule["order_holds"] and rule["seed_holds"] and value["log"]["ok"]
    assert rule["seed"] == int.from_bytes(
        hashlib.sha256(f"staffroom seed {rule['root']}".encode()).digest()[:6], "big"
    )
    assert rule["checkpoint"].splitlines()[1] == str(rule["size"])
    plan = rule["facets"][0]
    assert plan["least"] == least_to_pass(plan["clusters"], plan["threshold"], rule["alpha"])
    assert plan["most"] == most_to_reject(plan["clusters"], plan["threshold"], rule["alpha"])
    assert (row["facet"], row["gated"], row["passed"], row["least"]) == (
        "unanswerable",
        True,
        row["tested"],
        plan["least"],
    )
    assert (row["unstable"], row["passed_against"], row["score_against"]) == (0, row["passed"], 1.0)
    assert value["decision"]["release"] == value_of(hired, "release")["release"]
    assert value["question"]["title"] == "Counter of Lowwater"
    assert {one["candidate"]: one["license"] for one in value["race"]["candidates"]} == {
        "small": "Apache-2.0",
        "large": "Apache-2.0",
    }
    assert [one["type"] for one in value["entries"]][-1] == "alias-moved"


def test_answers_come_from_the_screen_alone(hired: Town) -> None:
    value = exam_report(hired.home, str(hired.folder / "job.yaml"))
    splits, shown = split_of(hired), value["answers"]["items"]
    assert shown and value["answers"]["left_out"] == ""
    assert {splits[row["item"]] for row in shown} == {Split.SCREEN}
    text = json.dumps(value)
    hidden = [item for item, split in splits.items() if split is not Split.SCREEN]
    assert hidden
    for item in hidden:
        assert f'"{item}"' not in text
        assert f"cat number {item[1:]} " not in text


def test_it_names_no_person_and_no_document(hired: Town) -> None:
    text = json.dumps(exam_report(hired.home, str(hired.folder / "job.yaml")))
    for name in (SPONSOR, SIGNER, *PAGES):
        assert name not in text
    assert value_of(hired, "exam-committed")["sponsor"] in text


def test_answers_of_a_gate_are_shown_once_it_is_retired(hired: Town) -> None:
    hired.write_job(name="second", alias="second")
    hired.hire()
    for alias in ("counter", "second"):
        sit_as(hired, alias)
    pack, run = hired.folder / "exam", exam_runs(hired)[-1]
    before = exam_report(hired.home, run, pack=pack)["answers"]["items"]
    retire_gate(hired.home, pack, SIGNER, "--yes")
    after = exam_report(hired.home, run, pack=pack)["answers"]["items"]
    assert {row["split"] for row in before} == {"screen"}
    assert {row["split"] for row in after} == {"screen", "gate"}
    assert [answer["candidate"] for answer in after[0]["answers"]] == ["second", "counter"]


def exam_runs(town: Town) -> list[str]:
    return [item.entry["run"] for item in town.log.entries() if item.entry["type"] == "exam"]


def sit_as(town: Town, alias: str) -> None:
    async def run() -> None:
        async with service.open_worker(town.home, alias) as worker:
            await sit_exam(worker.agent, alias, town.folder / "exam", town.home, Quiet())

    asyncio.run(run())


def test_a_measurement_decides_nothing_and_shows_sums(hired: Town) -> None:
    sit_as(hired, "counter")
    body = value_of(hired, "exam")
    value = exam_report(hired.home, body["evaluations"]["screen"], pack=hired.folder / "exam")
    assert (value["kind"], value["decision"], value["race"]) == ("exam", None, None)
    assert value["facets"] == body["facets"]
    assert value["question"]["pack"] == "lowwater"
    assert value["answers"]["left_out"] == "one-candidate"
    splits, text = split_of(hired), json.dumps(value)
    assert all(f'"{item}"' not in text for item, split in splits.items() if split is not Split.SCREEN)


def test_without_the_pack_no_answer_is_shown_and_a_wrong_one_is_refused(hired: Town) -> None:
    assert exam_report(hired.home, "counter")["answers"] == {
        "items": [],
        "left_out": "no-pack",
        "most": MOST_ITEMS,
    }
    hired.write_exam([unanswerable(number) for number in range(16)])
    assert exam_report(hired.home, str(hired.folder / "job.yaml"))["answers"]["left_out"] == "other-pack"
    with pytest.raises(WrongUse, match="not the pack that was used"):
        exam_report(hired.home, "counter", pack=hired.folder / "exam")


def test_a_rejection_says_what_was_missing(town: Town) -> None:
    town.write_exam([short(number) for number in range(20)])
    town.hire()
    value = exam_report(town.home, "lowwater")
    row = value["facets"][0]
    plan = {one["facet"]: one for one in value["protocol"]["facets"]}[row["facet"]]
    assert value["decision"]["verdict"] == "rejected"
    assert row["passed"] <= plan["most"] < plan["least"]
    assert value["decision"]["release"] is None
    assert value["decision"]["reasons"]["zh-TW"].startswith("不錄用：")


def test_a_dry_run_is_told_from_the_log_of_dry_runs(town: Town) -> None:
    town.hire(dry_run=True)
    value = exam_report(town.home, "lowwater")
    assert (value["dry_run"], value["log"]["ok"], value["question"]["job"]) == (True, True, "lowwater")


def test_a_run_that_was_not_finished_says_so(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise StaffroomError("stopped here")

    with monkeypatch.context() as patch:
        patch.setattr(examination, "open_gate", stop)
        with pytest.raises(StaffroomError):
            town.hire()
    value = exam_report(town.home, "lowwater")
    assert (value["decision"], value["facets"], value["measured"]) == (None, [], None)
    assert value["race"]["winner"] in ("small", "large")
    town.hire(signing=sign)
    assert exam_report(town.home, "lowwater")["decision"]["verdict"] == "promoted"


def test_a_changed_log_is_said_to_be_changed(hired: Town) -> None:
    entries = hired.log.folder / "tile" / "entries" / "000.p"
    bundle = sorted(entries.iterdir())[-1]
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"promoted"', b'"demoted!"', 1))
    value = exam_report(hired.home, "counter")
    assert not value["log"]["ok"]
    assert value["log"]["problems"]


@pytest.mark.parametrize("target", ["nobody", "sha256:" + "0" * 64, "abc"])
def test_what_is_not_there_is_refused_with_the_next_command(hired: Town, target: str) -> None:
    with pytest.raises(WrongUse) as caught:
        exam_report(hired.home, target)
    assert caught.value.hint == "staffroom log show"


def test_a_home_without_a_run_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="nothing was examined"):
        exam_report(Home(tmp_path / "none"), "town")
    assert not (tmp_path / "none").exists()


def test_lost_outputs_leave_what_the_log_holds(hired: Town) -> None:
    for path in hired.home.objects.rglob("*"):
        if path.is_file():
            path.unlink()
    value = exam_report(hired.home, "counter")
    assert value["decision"]["verdict"] == "promoted"
    assert "unstable" not in value["facets"][0]
    assert value["question"]["title"] == ""


# ---- the rule by which answers are chosen ----------------------------------------------------------------------------


class Kept:
    """Responses by agent and item digest."""

    def __init__(self, texts: dict[tuple[str, str], str], ids: dict[str, str]) -> None:
        self.texts, self.ids = texts, ids

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        found = self.texts.get((agent, item_digest))
        return None if found is None else Response(self.ids[item_digest], agent, seed, found)

    def put(self, item_digest: str, response: Response) -> None:
        raise AssertionError("a report keeps nothing")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> ExamPack:
    folder = tmp_path_factory.mktemp("pack")
    town = Town(folder, Home(folder / "home"), embedder=None)  # type: ignore[arg-type]
    town.write_exam([*(unanswerable(n) for n in range(20)), *(short(n) for n in range(20))])
    return load_pack(folder / "exam")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 39), st.booleans()), max_size=80),
    st.permutations(["a", "b", "c"]),
    st.integers(0, 2**48),
    st.booleans(),
)
def test_the_choice_is_by_the_rule_alone(
    pack: ExamPack, answers: list[tuple[int, int, bool]], order: list[str], seed: int, retired: bool
) -> None:
    right = "40 crowns; the documents do not say"
    texts = {
        ("abc"[who], pack.items[place].digest): right if good else "no idea" for who, place, good in answers
    }
    sink = Kept(texts, {item.digest: item.id for item in pack.items})
    splits = {Split.SCREEN, Split.GATE, Split.SEALED} if retired else {Split.SCREEN, Split.SEALED}
    found = telling_answers(pack, sink, {name: name for name in order}, seed, splits=splits)
    again = telling_answers(pack, sink, {name: name for name in "abc"}, seed, splits=splits)
    assert [row["item"] for row in found] == [row["item"] for row in again]
    assert len(found) <= MOST_ITEMS
    allowed = {Split.SCREEN, Split.GATE} if retired else {Split.SCREEN}
    assert {pack.splits[row["item"]] for row in found} <= allowed
    assert all(len(row["answers"]) > 1 for row in found)
    several = [
        item
        for item in pack.items
        if pack.splits[item.id] in allowed and sum((who, item.digest) in texts for who in "abc") > 1
    ]
    assert len(found) == min(MOST_ITEMS, len(several))
    disagreements = [row["disagreement"] for row in found]
    assert disagreements == sorted(disagreements, reverse=True)
    for row in found:
        good = sum(answer["score"] == 1 for answer in row["answers"])
        assert row["disagreement"] == min(good, len(row["answers"]) - good)
