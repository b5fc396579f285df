"""When a worker is due for an improvement, and how it ends."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hire_world import Town
from improve_world import correct

from staffroom.ledger import load_keys, verify_proof
from staffroom.pipeline.feedback import add_feedback, list_feedback
from staffroom.pipeline.retire import retire_worker
from staffroom.pipeline.triggers import above_limit, workers_due
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.serve.duty import DutyLog, DutyRecord
from staffroom.serve.permit import DutyState, Permits
from staffroom.store import ApiKeys, Database


def due(town: Town) -> dict[str, tuple[bool, str]]:
    (row,) = workers_due(town.home, "counter")
    return {trigger["name"]: (trigger["due"], trigger["detail"]) for trigger in row["triggers"]}


def test_a_quiet_worker_is_not_due(ready: Town) -> None:
    (row,) = workers_due(ready.home)
    assert not row["due"] and [trigger["name"] for trigger in row["triggers"]] == [
        "new corrections",
        "thumbs down",
        "retrieval misses",
        "documents changed",
        "base replaced",
    ]


def test_new_corrections_changed_documents_and_a_replaced_base_make_it_due(ready: Town) -> None:
    ready.write_job(improvement={"triggers": {"new_corrections": 12}})
    correct(ready, count=11)
    assert due(ready)["new corrections"] == (False, "11 accepted since the last improvement, due at 12")
    correct(ready, count=1, first=50)
    assert due(ready)["new corrections"][0]
    (ready.folder / "documents" / "library.md").write_text("# Library\n\nClosed.\n")
    assert due(ready)["documents changed"] == (True, "1 of 3 changed: library.md")
    ready.write_job(candidates=["none of them"], improvement={"triggers": {"new_corrections": None}})
    found = due(ready)
    assert found["base replaced"][0] and "new corrections" not in found


def test_what_was_improved_upon_does_not_count_again(improved: Town) -> None:
    assert due(improved)["new corrections"][1].startswith("0 accepted")


def test_thumbs_down_count_on_one_topic_against_the_others(ready: Town) -> None:
    for number in range(40):
        rating = "down" if number % 10 == 0 else "up"
        row = {"question": f"Q{number}?", "rating": rating, "passage": f"page {number % 4}"}
        add_feedback(ready.home, "counter", row)
    assert not due(ready)["thumbs down"][0]
    for number in range(6):
        add_feedback(
            ready.home, "counter", {"question": f"Bad {number}?", "rating": "down", "passage": "page 9"}
        )
    found, detail = due(ready)["thumbs down"]
    assert found and "6 of 6 down on one topic" in detail and "page 9" in detail
    assert len(list_feedback(ready.home, "counter", None)) == 46


def test_misses_are_held_against_the_past(ready: Town) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    with DutyLog(ready.home.private / "duty") as duty:
        for day in range(14):
            for number in range(10):
                missed = number < (6 if day >= 7 else 1)
                duty.record(
                    DutyRecord(
                        audit_id=f"audit_{day:016x}{number:016x}",
                        at=begin + timedelta(days=day),
                        alias="counter",
                        release="r",
                        key="",
                        outcome="declined" if missed else "answered",
                        chunks=("c",),
                        tokens_in=1,
                        tokens_out=1,
                        first_text_seconds=None,
                        seconds=0.1,
                        question="Q",
                        answer="A",
                    )
                )
    assert due(ready)["retrieval misses"] == (True, "42 of 70 declined or without a passage, limit 0.21")


@pytest.mark.parametrize(
    ("bad", "seen", "rate", "over"), [(3, 10, 0.1, False), (5, 10, 0.1, True), (0, 0, 0.1, False)]
)
def test_a_limit_is_three_standard_deviations_above(bad: int, seen: int, rate: float, over: bool) -> None:
    assert above_limit(bad, seen, rate)[0] is over


def test_a_retired_worker_leaves_its_evidence_and_a_certificate(improved: Town) -> None:
    with Database(improved.home.database) as database:
        own, _ = ApiKeys(database).create("front desk", aliases=["counter"])
        shared, _ = ApiKeys(database).create("all")
    kept = sorted(path.name for path in improved.home.objects.rglob("*") if path.is_file())
    value = retire_worker(improved.home, "counter", "Head of the Records Office")
    assert value["keys_revoked"] == [own.id] and shared.id in value["keys_left"]
    assert Permits(improved.home.permits).state("counter") is DutyState.RETIRED
    folder = improved.home.path / "retired" / "counter"
    data = (folder / "certificate.json").read_bytes()
    said = json.loads(data)
    assert value["digest"] == digest_bytes(data) and len(said["releases"]) == 2 and len(said["moves"]) == 2
    assert said["feedback"]["accepted"] == 20 and said["keys_revoked"] == [own.id]
    assert "Records Office" not in data.decode()
    keys = load_keys(improved.home.keys / "decisions")
    proven = verify_proof(
        (folder / "certificate.tlog-proof").read_text(), (folder / "entry.json").read_bytes(),
        [signer.verifier for signer in keys.signers],
    )  # fmt: skip
    assert proven.index == value["entry"]
    assert set(kept) <= {path.name for path in improved.home.objects.rglob("*") if path.is_file()}
    assert improved.log.verify().problems == ()
    again = retire_worker(improved.home, "counter", "Head of the Records Office")
    assert again["unchanged"] and again["entry"] == value["entry"]
    assert (folder / "certificate.json").read_bytes() == data
    assert workers_due(improved.home) == []


def test_a_retirement_that_was_cut_off_is_finished(improved: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("staffroom.pipeline.retire.write", die)
        with pytest.raises(KeyboardInterrupt):
            retire_worker(improved.home, "counter", "Head")
    assert Permits(improved.home.permits).state("counter") is DutyState.RETIRED
    assert retire_worker(improved.home, "counter", "Head")["certificate"]


def test_a_successor_must_be_there(improved: Town) -> None:
    for name in ("nobody", "counter"):
        with pytest.raises(WrongUse, match=f"no other worker is released as `{name}`"):
            retire_worker(improved.home, "counter", "Head", name)
    assert Permits(improved.home.permits).state("counter") is not DutyState.RETIRED
