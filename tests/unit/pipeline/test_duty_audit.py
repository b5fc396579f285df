"""The audit of a home: rows sealed, found, proven to an outsider, erased, pruned; and what shows where somebody changed them."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffroom.ledger import verify
from staffroom.ledger.verify_duty import check_duty_proof
from staffroom.pipeline import duty_audit
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.feedback import add_feedback, list_feedback
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.duty import DutyIntent, DutyLog, DutyRecord
from staffroom.serve.duty_lookup import DutyQuery, find_answer
from staffroom.serve.duty_seals import read_seals
from staffroom.store import Home

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def audit_id(number: int) -> str:
    return f"audit_{number:032x}"


def entry(number: int, **changes: Any) -> DutyRecord:
    made = DutyRecord(
        audit_id=audit_id(number),
        at=START + timedelta(seconds=number),
        alias="counter",
        release="sha256:r",
        key=f"key{number % 3}",
        outcome="answered",
        chunks=("chunk-7",),
        tokens_in=10,
        tokens_out=number,
        first_text_seconds=0.1,
        seconds=0.2,
        question=f"王小明第{number}次問停泊費",
        answer=f"第{number}次答：五十元。",
        user=f"person {number % 2}",
    )
    return replace(made, **changes)


def write(home: Home, *entries: DutyRecord) -> None:
    with DutyLog(home.private / "duty") as duty:
        for each in entries:
            duty.record(each)


def folder_of(home: Home) -> Path:
    return home.private / "duty"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def test_rows_are_sealed_once_in_batches_that_go_on(home: Home) -> None:
    write(home, *map(entry, range(5)))
    assert duty_audit.seal_rows(home) == {"rows": 5, "batches": 1}
    assert duty_audit.seal_rows(home) == {"rows": 0, "batches": 0}
    write(home, *map(entry, range(5, 8)), entry(8, at=START + timedelta(days=1)))
    assert duty_audit.seal_rows(home) == {"rows": 4, "batches": 2}
    bodies = [item.entry["body"] for item in DecisionLog(home).entries()]
    assert [(body["day"], body["first"], body["rows"]) for body in bodies] == [
        ("2026-03-01", 0, 5),
        ("2026-03-01", 5, 3),
        ("2026-03-02", 0, 1),
    ]
    report = duty_audit.verify(home)
    assert (report.rows, report.sealed, report.problems) == (9, 9, [])
    log = "".join(map(str, bodies))
    assert "王小明" not in log and "counter" not in log


def test_a_batch_that_was_cut_off_before_the_log_is_logged_as_planned(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, *map(entry, range(3)))
    with monkeypatch.context() as broken:
        broken.setattr(DecisionLog, "append", _refuse)
        with pytest.raises(StaffroomError):
            duty_audit.seal_rows(home)
    (planned,) = read_seals(folder_of(home))
    assert [each["what"] for each in duty_audit.verify(home).problems] == ["this batch is not in the log yet"]
    write(home, entry(3))
    duty_audit.seal_rows(home)
    assert [item.entry["body"]["rows"] for item in DecisionLog(home).entries()] == [3, 1]
    assert read_seals(folder_of(home))[0] == planned
    assert duty_audit.verify(home).problems == []


def _refuse(*_: object) -> int:
    raise StaffroomError("the disk is full")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 40), data=st.data())
def test_each_row_is_proven_and_no_other_is(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    home = Home(tmp_path_factory.mktemp("home")).ensure()
    write(home, *map(entry, range(count)))
    number = data.draw(st.integers(0, count - 1))
    proof = duty_audit.prove(home, audit_id(number), texts=True)
    vkeys = list(DecisionLog(home).keys().vkeys)
    assert check_duty_proof(proof, vkeys)["tokens_out"] == number
    assert proof["openings"]["question"]["text"] == f"王小明第{number}次問停泊費"
    place = data.draw(st.integers(0, len(proof["row"]) - 1))
    changed = proof["row"][:place] + chr(ord(proof["row"][place]) ^ 1) + proof["row"][place + 1 :]
    wrong: list[dict[str, Any]] = [
        {**proof, "row": changed},
        {**proof, "index": proof["index"] + 1},
        {**proof, "path": [*proof["path"], proof["path"][0] if proof["path"] else "A" * 43 + "="]},
        {**proof, "path": proof["path"][:-1] if proof["path"] else ["A" * 43 + "="]},
        {**proof, "entry": proof["entry"].replace('"rows":', '"rows":1')},
        {**proof, "openings": {"question": {**proof["openings"]["question"], "text": "another"}}},
        {**proof, "openings": {"question": {**proof["openings"]["question"], "salt": "00"}}},
    ]
    for each in wrong:
        with pytest.raises(ValueError):
            check_duty_proof(each, vkeys)
    other = Home(tmp_path_factory.mktemp("other")).ensure()
    DecisionLog(other).append("note", "k", "", {})
    with pytest.raises(ValueError, match="signature"):
        check_duty_proof(proof, list(DecisionLog(other).keys().vkeys))


def test_an_outsider_checks_a_proof_with_two_files_and_python(home: Home, tmp_path: Path) -> None:
    write(home, *map(entry, range(7)))
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps(duty_audit.prove(home, audit_id(4))))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("verify.py", "verify_duty.py"):
        (tools / name).write_bytes((Path(verify.__file__).parent / name).read_bytes())
    command = [sys.executable, "-I", str(tools / "verify_duty.py"), str(proof)]
    code = f"import sys; sys.path.insert(0, {str(tools)!r}); import verify_duty; sys.exit(verify_duty.main(sys.argv[1:]))"
    for vkey in DecisionLog(home).keys().vkeys:
        command += ["--vkey", vkey]
    isolated = [sys.executable, "-I", "-S", "-c", code, *command[3:]]
    done = subprocess.run(isolated, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "proven: " in done.stdout and "王小明" not in done.stdout
    proof.write_text(proof.read_text().replace('\\"tokens_out\\":4', '\\"tokens_out\\":5'))
    done = subprocess.run(isolated, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "not proven")


def test_what_was_erased_is_nowhere_and_every_proof_stays_good(home: Home) -> None:
    write(home, *map(entry, range(6)))
    before = duty_audit.prove(home, audit_id(2))
    done = duty_audit.erase(home, [], DutyQuery(user="person 0"), "Lin")
    assert (done["erased"], done["feedback"]) == (3, 0)
    for path in folder_of(home).iterdir():
        text = path.read_text()
        assert "person 0" not in text
        assert not any(f"第{number}次" in text for number in (0, 2, 4))
    vkeys = list(DecisionLog(home).keys().vkeys)
    after = duty_audit.prove(home, audit_id(2), texts=True)
    assert check_duty_proof(after, vkeys)["audit_id"] == audit_id(2)
    assert after["row"] == before["row"] and after["openings"] == {}
    shown = duty_audit.show(home, audit_id(2))
    assert shown["erased"] and not shown["question"] and not shown["key"]
    report = duty_audit.verify(home)
    assert (report.erased, report.rows, report.problems) == (3, 6, [])
    assert [row["audit_id"] for row in duty_audit.find(home, DutyQuery(user="person 0"), 9)] == []
    assert duty_audit.show(home, audit_id(3))["question"] == "王小明第3次問停泊費"
    last = DecisionLog(home).entries()[-1].entry
    assert (last["type"], last["body"]["rows"]) == ("duty-erased", 3)
    # The same again, as after a kill, and one more beside it; the gateway goes on writing meanwhile.
    with DutyLog(folder_of(home)) as duty:
        duty.record(entry(7))
        assert duty_audit.erase(home, [audit_id(2), audit_id(7)], None, "Lin")["erased"] == 2
        duty.record(entry(8))
    assert duty_audit.show(home, audit_id(8))["question"] == "王小明第8次問停泊費"
    assert duty_audit.verify(home).erased == 4
    with pytest.raises(WrongUse, match="no request"):
        duty_audit.erase(home, [audit_id(99)], None, "Lin")


def test_rows_are_found_by_what_stands_in_and_beside_them(home: Home) -> None:
    write(home, *map(entry, range(6)), entry(6, outcome="declined", at=START + timedelta(days=2)))

    def found(query: DutyQuery, limit: int = 50) -> list[int]:
        return [int(row["audit_id"][6:], 16) for row in duty_audit.find(home, query, limit)]

    assert found(DutyQuery()) == [6, 5, 4, 3, 2, 1, 0]
    assert found(DutyQuery(), 2) == [6, 5]
    assert found(DutyQuery(outcome="declined")) == [6]
    assert found(DutyQuery(key="key1")) == [4, 1]
    assert found(DutyQuery(contains="第3次")) == [3]
    assert found(DutyQuery(since="2026-03-02")) == [6]
    assert found(DutyQuery(until="2026-03-01", user="person 1")) == [5, 3, 1]
    assert found(DutyQuery(alias="nobody")) == []


def test_a_changed_row_a_lost_row_and_other_words_are_found(home: Home) -> None:
    write(home, *map(entry, range(4)))
    duty_audit.seal_rows(home)
    rows = folder_of(home) / "2026-03-01.jsonl"
    texts = folder_of(home) / "2026-03-01.texts.jsonl"
    kept = rows.read_bytes(), texts.read_bytes()

    def problems() -> str:
        found = " | ".join(each["what"] for each in duty_audit.verify(home).problems)
        rows.write_bytes(kept[0])
        texts.write_bytes(kept[1])
        return found

    rows.write_bytes(kept[0].replace(b'"tokens_out":2', b'"tokens_out":9'))
    assert "not those that were sealed" in problems()
    rows.write_bytes(b"".join(kept[0].splitlines(keepends=True)[:3]))
    assert "1 of 4 sealed rows from 0 on are missing" in problems()
    texts.write_bytes(kept[1].replace("第2次答".encode(), "第2次說".encode()))
    assert "answer: not the words" in problems()
    rows.write_bytes(kept[0] + kept[0].splitlines(keepends=True)[0])
    assert "a second row" in problems()
    stubbed = kept[0].splitlines(keepends=True)
    from staffroom.serve.duty_seals import pruned_line

    rows.write_bytes(pruned_line(stubbed[0][:-1]) + b"\n" + b"".join(stubbed[1:]))
    assert problems() == "1 rows are gone, 0 by retention"
    (folder_of(home) / "seals.jsonl").unlink()
    assert "the record of batches has it no more" in problems()


def test_a_request_without_an_end_is_open_and_then_lost(home: Home) -> None:
    intent = DutyIntent(audit_id(1), START, "counter", "sha256:r", "k", "What does mooring cost?", "Lin")
    duty = DutyLog(folder_of(home))
    duty.begin(intent)
    duty.record(entry(2))
    duty.flush()
    assert duty_audit.verify(home).open == 1
    # As a kill leaves it: nobody closes the log, and another process begins.
    again = DutyLog(folder_of(home))
    assert again.lost == 1
    again.close()
    report = duty_audit.verify(home)
    assert (report.open, report.lost, report.rows) == (0, 1, 2)
    shown = duty_audit.show(home, audit_id(1))
    assert (shown["outcome"], shown["counted"], shown["user"]) == ("lost", "unknown", "Lin")
    assert shown["question"] == "What does mooring cost?"
    assert shown["commitments"] == {"who": True, "question": True, "answer": None}
    assert DutyLog(folder_of(home)).lost == 0


def test_rows_are_kept_as_long_as_the_job_says_and_no_longer(
    ready: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ready.home
    monkeypatch.setattr(duty_audit, "_retention", lambda _: {"counter": 30})
    now = START + timedelta(days=100)
    monkeypatch.setattr(duty_audit, "utc_now", lambda: now)
    old = [entry(number) for number in range(4)]
    plain = [replace(entry(number), alias="plain") for number in range(4, 6)]
    later = [replace(entry(number), at=START + timedelta(days=80)) for number in range(6, 8)]
    write(home, *old, *plain, *later)
    add_feedback(home, "counter", {"audit_id": audit_id(7), "rating": "up"})
    proof = duty_audit.prove(home, audit_id(5))
    done = duty_audit.prune_old(home)
    assert (done["rows"], done["emptied"]) == (4, [])
    assert duty_audit.prune_old(home)["rows"] == 0
    assert find_answer(folder_of(home), audit_id(2)) is None
    for path in folder_of(home).iterdir():
        assert not any(f"第{number}次" in path.read_text() for number in range(4))
    vkeys = list(DecisionLog(home).keys().vkeys)
    assert duty_audit.prove(home, audit_id(5))["path"] == proof["path"]
    assert check_duty_proof(duty_audit.prove(home, audit_id(5)), vkeys)["alias"] == "plain"
    report = duty_audit.verify(home)
    assert (report.rows, report.pruned, report.problems) == (4, 4, [])
    # Plain models have no job: 180 days. Then nothing of the day is left, not even its files.
    now = START + timedelta(days=181)
    assert duty_audit.prune_old(home)["emptied"] == ["2026-03-01", "2026-05-20"]
    assert [path.name for path in folder_of(home).glob("2026-03-01*")] == []
    report = duty_audit.verify(home)
    assert (report.rows, report.pruned, report.problems) == (0, 8, [])
    assert list_feedback(home, "counter", None)[0]["audit_id"] == audit_id(7)
    logged = [
        item.entry["body"]["rows"]
        for item in DecisionLog(home).entries()
        if item.entry["type"] == "duty-pruned"
    ]
    assert logged[0] == [["2026-03-01", "counter", 4]]


def test_a_day_with_an_open_request_waits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty_audit, "utc_now", lambda: START + timedelta(days=300))
    duty = DutyLog(folder_of(home))
    duty.begin(DutyIntent(audit_id(1), START, "counter", "sha256:r", "k", "What?"))
    duty.record(entry(2))
    duty.flush()
    assert duty_audit.prune_old(home)["rows"] == 0
    DutyLog(folder_of(home)).close()
    assert duty_audit.prune_old(home)["rows"] == 2


def test_retention_is_that_of_the_released_job(ready: Town) -> None:
    assert duty_audit._retention(ready.home) == {"counter": 180}


def test_erasing_an_answer_takes_the_words_of_its_feedback(ready: Town) -> None:
    write(ready.home, entry(1), entry(2))
    for number in (1, 2):
        add_feedback(ready.home, "counter", {"audit_id": audit_id(number), "edited_answer": "四十元。"})
    assert duty_audit.erase(ready.home, [audit_id(1)], None, "Lin")["feedback"] == 1
    first, second = list_feedback(ready.home, "counter", None)
    assert (first["erased"], first["question"]) == (True, "")
    assert second["question"] == "王小明第2次問停泊費"
