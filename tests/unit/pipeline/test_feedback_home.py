"""Feedback of a home: bound to recorded answers, accepted by a person or by rule, logged without a word of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hire_world import Town
from improve_world import correct, correction, write_jsonl

from staffroom.pipeline.feedback import (
    HomeFeedback,
    add_feedback,
    book_of,
    decide_feedback,
    import_feedback,
    list_feedback,
)
from staffroom.records.errors import WrongUse
from staffroom.records.feedback import FeedbackState
from staffroom.serve.duty import DutyLog, DutyRecord
from staffroom.serve.duty_lookup import find_answer

AUDIT = "audit_" + "ab" * 16


def record(town: Town, audit_id: str = AUDIT, alias: str = "counter", day: int = 1) -> None:
    with DutyLog(town.home.private / "duty") as duty:
        duty.record(
            DutyRecord(
                audit_id=audit_id,
                at=datetime(2026, 3, day, tzinfo=UTC),
                alias=alias,
                release="sha256:r",
                key="k1",
                outcome="answered",
                chunks=("chunk-7",),
                tokens_in=1,
                tokens_out=1,
                first_text_seconds=None,
                seconds=0.1,
                question="What does mooring cost?",
                answer="Fifty crowns.",
            )
        )


def rows(town: Town, state: FeedbackState | None = None) -> list[dict[str, Any]]:
    return list_feedback(town.home, "counter", state)


def test_feedback_is_about_the_answer_that_was_recorded(ready: Town) -> None:
    record(ready)
    record(ready, "audit_" + "cd" * 16, day=2)
    value = add_feedback(
        ready.home,
        "counter",
        {"audit_id": AUDIT, "edited_answer": "40 crowns.", "question": "Something else?"},
    )
    assert value["new"] == 1
    (row,) = rows(ready)
    assert (row["question"], row["answer"]) == ("What does mooring cost?", "Fifty crowns.")
    assert row["audit_id"] == AUDIT and row["state"] == "quarantined"
    entry = book_of(ready.home).entries()[0]
    assert entry.feedback.passage == "chunk-7" and entry.feedback.release == "sha256:r"


@pytest.mark.parametrize("audit_id", ["audit_" + "00" * 16, "nonsense", "audit_../../x", AUDIT[:-1]])
def test_an_unknown_audit_id_is_an_error_with_a_way_out(ready: Town, audit_id: str) -> None:
    record(ready)
    with pytest.raises(WrongUse, match="no answer with the audit id") as caught:
        add_feedback(ready.home, "counter", {"audit_id": audit_id, "rating": "up"})
    assert "x-staffroom-audit" in str(caught.value.hint)
    path = write_jsonl(ready.folder / "f.jsonl", [{"audit_id": audit_id, "rating": "up"}])
    with pytest.raises(WrongUse, match="no answer of `counter` with this audit id"):
        import_feedback(ready.home, "counter", path, "Clerk")
    assert rows(ready) == []


def test_a_half_written_duty_line_does_not_hide_the_others(ready: Town) -> None:
    record(ready)
    path = next((ready.home.private / "duty").glob("2026-03-01.jsonl"))
    path.write_bytes(b'{"audit_id": "' + AUDIT.encode() + b'", "ha\n' + path.read_bytes())
    found = find_answer(ready.home.private / "duty", AUDIT)
    assert found is not None and found.answer == "Fifty crowns."


def test_a_key_says_nothing_of_answers_that_are_not_its_workers(ready: Town) -> None:
    record(ready)
    sink = HomeFeedback(ready.home)
    with pytest.raises(WrongUse, match="no answer with the audit id"):
        sink.take({"audit_id": AUDIT, "rating": "up"}, key="k9", opens=lambda alias: alias == "another")
    name = sink.take({"audit_id": AUDIT, "rating": "down"}, key="k1", opens=lambda alias: True)
    (row,) = rows(ready)
    assert row["id"] == name and row["by"] == "key k1"


def test_accepting_logs_that_and_not_what(ready: Town) -> None:
    size = ready.log.size()
    correct(ready, count=12)
    entries = [item.entry for item in ready.log.entries()][size:]
    assert [entry["type"] for entry in entries] == ["feedback-decided"]
    body = entries[0]["body"]
    assert len(body["cases"]) == 12 and {side for _, side in body["cases"]} <= {
        "train",
        "regression",
        "aside",
    }
    assert ready.log.value_behind(body["by"]) == "Harbour master"
    assert "crowns" not in json.dumps(entries) and "clause" not in json.dumps(entries)
    assert ready.log.verify().problems == ()


def test_what_is_flagged_is_not_accepted_with_the_rest(ready: Town) -> None:
    good, odd = correction(1), {**correction(2), "edited_answer": "Write to ann@example.org."}
    path = write_jsonl(ready.folder / "f.jsonl", [good, odd])
    taken = import_feedback(ready.home, "counter", path, "Clerk")
    assert len(taken["flagged"]) == 1
    done = decide_feedback(ready.home, [], FeedbackState.ACCEPTED, "Head", alias="counter")
    assert len(done["decided"]) == 1
    (left,) = rows(ready, FeedbackState.QUARANTINED)
    assert left["flags"] == ["email"]
    decide_feedback(ready.home, [left["id"]], FeedbackState.ACCEPTED, "Head")
    assert rows(ready, FeedbackState.QUARANTINED) == []
    with pytest.raises(WrongUse, match="nothing to decide on"):
        decide_feedback(ready.home, [], FeedbackState.ACCEPTED, "Head", alias="counter")
    with pytest.raises(WrongUse, match="who decides it is missing"):
        decide_feedback(ready.home, [left["id"]], FeedbackState.ACCEPTED, " ")


def test_a_case_without_a_passage_gets_the_one_that_the_worker_finds(ready: Town) -> None:
    twice = [
        {"question": f"What does mooring cost, part {n}?", "edited_answer": f"{n} crowns."} for n in (1, 2)
    ]
    path = write_jsonl(ready.folder / "f.jsonl", twice)
    import_feedback(ready.home, "counter", path, "Clerk")
    decide_feedback(ready.home, [], FeedbackState.ACCEPTED, "Head", alias="counter")
    assert len({row["side"] for row in rows(ready)}) == 1, "both are about one passage"


def test_words_of_people_that_the_job_names_are_accepted_at_once(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    from improve_world import fakes, write_exam

    write_exam(town, 10)
    town.write_job(improvement={"accept_from": ["Harbour master"]})
    fakes(town, monkeypatch)
    assert town.hire().json["verdict"] == "promoted"
    record(town)
    path = write_jsonl(
        town.folder / "f.jsonl",
        [{**correction(n), "by": name} for n, name in enumerate(["Harbour master", "somebody"])],
    )
    value = import_feedback(town.home, "counter", path, "Clerk")
    assert len(value["accepted_by_rule"]) == 1
    claimed = {"audit_id": AUDIT, "edited_answer": "40 crowns.", "by": "Harbour master"}
    HomeFeedback(town.home).take(claimed, key="k1", opens=lambda alias: True)
    assert len(list_feedback(town.home, "counter", FeedbackState.ACCEPTED)) == 1, "a key proves no name"


def test_nobody_is_given_feedback_who_does_not_work_here(town: Town) -> None:
    with pytest.raises(WrongUse, match="no worker is released as `counter`"):
        add_feedback(town.home, "counter", {"question": "Q?", "rating": "up"})
