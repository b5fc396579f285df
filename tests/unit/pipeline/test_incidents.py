"""Incidents: events that the log commits to, clocks, evidence that cannot change, and a folder that others can check."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffroom.ledger import verify_incident
from staffroom.pipeline import incidents
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.incident_files import export_incident, verify_incident_kept
from staffroom.pipeline.incidents import (
    attach_evidence,
    classify_incident,
    close_incident,
    list_incidents,
    load_incident,
    open_incident,
    show_incident,
)
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.incidents import clock_of, shipped_rules
from staffroom.serve import DutyLog, DutyRecord
from staffroom.store import Home, to_text, utc_now

PERSON, SECRET = "Lin Ya-Ting", "resident 0912-345-678 was told another resident's tax debt"
FIRST, LAST = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2030-01-01")
AUDIT = "audit_0123456789abcdef0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nothing here cuts the power
    return Home(tmp_path / "home").ensure()


def record(home: Home, alias: str = "counter", release: str = "sha256:" + "0" * 64) -> None:
    with DutyLog(home.private / "duty") as duty:
        duty.record(
            DutyRecord(
                audit_id=AUDIT,
                at=utc_now(),
                alias=alias,
                release=release,
                key="k",
                outcome="answered",
                chunks=("c1",),
                tokens_in=3,
                tokens_out=5,
                first_text_seconds=0.1,
                seconds=0.2,
                question="what does my neighbour owe?",
                answer=SECRET,
            )
        )


def opened(home: Home, **more: Any) -> str:
    return str(
        open_incident(home, title="A resident saw another's debt", text=SECRET, by=PERSON, **more)["incident"]
    )


def evidence(
    tmp_path: Path, text: str = "a letter of complaint\n", name: str = "letter from Lin.txt"
) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_whole_story(home: Home, tmp_path: Path) -> None:
    record(home)
    aware = utc_now() - timedelta(hours=30)
    name = opened(home, audit_id=AUDIT, aware=aware)
    letter = evidence(tmp_path)
    attach_evidence(home, name, [letter], by=PERSON, note="came by post")
    letter.write_text("something else\n")
    value = classify_incident(home, name, ["eu-critical", "tw-personal-data", "internal"], by=PERSON)
    clocks = {row["class"]: row for row in value["clocks"]}
    assert clocks["eu-critical"]["due"] == to_text(aware + timedelta(days=2))
    assert 17 * 3600 < clocks["eu-critical"]["left_seconds"] < 18 * 3600 + 60
    assert clocks["internal"]["due"] is None and clocks["internal"]["runs"] is False
    assert value["next_due"] == clocks["eu-critical"]["due"]
    with pytest.raises(WrongUse, match="nothing was reported yet to eu-critical, tw-personal-data"):
        close_incident(home, name, by=PERSON, note="done")
    report = evidence(tmp_path, "the report", "report.pdf")
    value = attach_evidence(home, name, [report], by=PERSON, report="eu-critical")
    clocks = {row["class"]: row for row in value["clocks"]}
    assert clocks["eu-critical"]["reported"] and not clocks["eu-critical"]["late"]
    value = close_incident(home, name, by=PERSON, note="mended", unreported="two records only, no duty")
    assert value["state"] == "closed"
    with pytest.raises(WrongUse, match="is closed"):
        attach_evidence(home, name, [letter], by=PERSON)
    kept = {row["name"]: row for row in value["evidence"]}
    assert set(kept) == {"duty-record.jsonl", "letter from Lin.txt", "report.pdf"}
    store = incidents.evidence_store(home)
    assert store.get(kept["letter from Lin.txt"]["digest"]) == b"a letter of complaint\n"
    assert SECRET.encode() in store.get(kept["duty-record.jsonl"]["digest"]), (
        "the words are part of the record"
    )
    assert verify_incident_kept(home, name)["ok"]
    assert DecisionLog(home).verify().ok
    types = [item.entry["type"] for item in DecisionLog(home).entries()]
    assert types == [
        "incident-opened",
        "incident-evidence",
        "incident-evidence",
        "incident-classified",
        "incident-evidence",
        "incident-closed",
    ]


def test_nothing_personal_is_in_the_log(home: Home, tmp_path: Path) -> None:
    record(home)
    name = opened(home, audit_id=AUDIT)
    attach_evidence(home, name, [evidence(tmp_path)], by=PERSON, note=SECRET)
    classify_incident(home, name, ["eu-death"], by=PERSON, note=SECRET)
    close_incident(home, name, by=PERSON, note=SECRET, unreported=SECRET)
    text = json.dumps([item.entry for item in DecisionLog(home).entries()], ensure_ascii=False)
    digests = [row["digest"] for row in show_incident(home, name)["evidence"]]
    for secret in (PERSON, "0912", "debt", "letter", AUDIT, *digests):
        assert secret not in text
    for path in home.log.rglob("*"):
        assert path.is_dir() or b"0912" not in path.read_bytes()
    assert (home.private / "incidents").stat().st_mode & 0o077 == 0 or (
        home.private.stat().st_mode & 0o077
    ) == 0


def test_a_worker_s_release_and_the_log_s_checkpoint_are_kept(hired: Town) -> None:
    value = open_incident(hired.home, title="It named a price", worker="counter", by=PERSON)
    kept = {row["name"]: row["digest"] for row in value["evidence"]}
    manifest = json.loads(incidents.evidence_store(hired.home).get(kept["release.json"]))
    assert value["release"] and manifest["alias"] == "counter"
    checkpoint = incidents.evidence_store(hired.home).get(kept["log-checkpoint.txt"]).decode()
    assert checkpoint.startswith("staffroom.local/")
    assert verify_incident_kept(hired.home, value["incident"])["ok"]
    record(hired.home, release=value["release"])
    assert open_incident(hired.home, title="Again", audit_id=AUDIT, by=PERSON)["worker"] == "counter"
    with pytest.raises(WrongUse, match="is an answer of `counter`"):
        open_incident(hired.home, title="Again", audit_id=AUDIT, worker="judge", by=PERSON)
    with pytest.raises(WrongUse, match="no worker is released"):
        open_incident(hired.home, title="Again", worker="judge", by=PERSON)


def test_a_changed_byte_is_found(home: Home, tmp_path: Path) -> None:
    record(home)
    name = opened(home, audit_id=AUDIT)
    attach_evidence(home, name, [evidence(tmp_path)], by=PERSON)
    store = incidents.evidence_store(home)
    digest = show_incident(home, name)["evidence"][-1]["digest"]
    folder = home.private / "incidents" / name / "events"
    for path in [store.path(digest), *folder.iterdir()]:
        before = path.read_bytes()
        path.chmod(0o600)
        for place in (0, len(before) // 2, len(before) - 1):
            path.write_bytes(before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :])
            checked = verify_incident_kept(home, name)
            assert not checked["ok"], (path, place)
            with pytest.raises(StaffroomError):
                export_incident(home, name, tmp_path / "out")
        path.write_bytes(before)
        assert verify_incident_kept(home, name)["ok"]
    store.path(digest).unlink()
    assert "not kept here" in verify_incident_kept(home, name)["problems"][0]["what"]


def test_an_event_that_was_removed_is_missed(home: Home, tmp_path: Path) -> None:
    name = opened(home)
    attach_evidence(home, name, [evidence(tmp_path)], by=PERSON)
    last = incidents.event_files(home, name)[-1]
    last.unlink()
    checked = verify_incident_kept(home, name)
    assert [each["what"] for each in checked["problems"]] == [
        "the log knows this event, and it is not kept here any more"
    ]


def test_an_event_whose_logging_was_cut_off_is_logged_by_the_next_command(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = opened(home)
    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", lambda *_: (_ for _ in ()).throw(StaffroomError("disk is full")))
        with pytest.raises(StaffroomError, match="full"):
            attach_evidence(home, name, [evidence(tmp_path)], by=PERSON)
    assert not verify_incident_kept(home, name)["ok"]
    classify_incident(home, name, ["internal"], by=PERSON)
    assert verify_incident_kept(home, name)["ok"]
    assert [event.number for event in load_incident(home, name).events] == [1, 2, 3]
    assert DecisionLog(home).verify().ok


@pytest.mark.parametrize("target", ["out", "out.zip"])
def test_what_is_handed_on_can_be_checked_by_others(home: Home, tmp_path: Path, target: str) -> None:
    record(home)
    name = opened(home, audit_id=AUDIT)
    attach_evidence(home, name, [evidence(tmp_path, "第一頁\n", "陳情書 (1).txt")], by=PERSON)
    classify_incident(home, name, ["tw-personal-data"], by=PERSON)
    given = export_incident(home, name, tmp_path / target)
    with pytest.raises(WrongUse, match="something already"):
        export_incident(home, name, tmp_path / target)
    folder = tmp_path / target
    if target.endswith(".zip"):
        with zipfile.ZipFile(folder) as archive:
            archive.extractall(tmp_path / "unpacked")
        folder = tmp_path / "unpacked" / name
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.count(": OK") == given["files"] - 1
    keys = [part for key in given["verifier_keys"] for part in ("--vkey", key)]
    alone = [sys.executable, "-S", "verify_incident.py", ".", *keys]
    done = subprocess.run(alone, cwd=folder, capture_output=True, text=True, check=False)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    assert (done.returncode, done.stdout) == (
        0,
        "ok: every file, event, piece of evidence and receipt is right\n",
    )
    assert verify_incident.check_incident(folder, given["verifier_keys"]) == []
    other = DecisionLog(Home(tmp_path / "other").ensure()).keys().vkeys
    assert any(
        "receipt" in each or "tlog-proof" in each for each in verify_incident.check_incident(folder, other)
    )
    sums = (folder / "SHA256SUMS").read_text()
    for path in [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py"]:
        before = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
        assert verify_incident.check_incident(folder), path
        path.write_bytes(before)
    (folder / "more.txt").write_text("slipped in")
    assert verify_incident.check_incident(folder) == ["more.txt: not in SHA256SUMS"]
    (folder / "more.txt").unlink()
    # Whoever rewrites the sums as well is found out by the log.
    event = sorted((folder / "events").iterdir())[0]
    event.chmod(0o600)
    event.write_bytes(event.read_bytes().replace(b"debt", b"dept"))
    lines = [line for line in sums.splitlines() if not line.endswith(event.name)]
    digest = verify_incident._digest(event)
    (folder / "SHA256SUMS").write_text("\n".join([*lines, f"{digest}  events/{event.name}"]) + "\n")
    assert verify_incident.check_incident(folder) == [f"events/{event.name}: not what the log committed to"]


def test_clocks_follow_corrections_and_the_first_report_counts(home: Home, tmp_path: Path) -> None:
    name = opened(home)
    now = utc_now()
    classify_incident(home, name, ["eu-death"], by=PERSON)
    earlier = now - timedelta(days=11)
    value = classify_incident(home, name, ["eu-death", "eu-serious"], by=PERSON, aware=earlier)
    rows = {row["class"]: row for row in value["clocks"]}
    assert rows["eu-death"]["left_seconds"] < 0 < rows["eu-serious"]["left_seconds"]
    report = evidence(tmp_path, "first", "first.txt")
    attach_evidence(home, name, [report], by=PERSON, report="eu-death", sent=now - timedelta(days=2))
    value = attach_evidence(home, name, [report], by=PERSON, report="eu-death")
    row = next(row for row in value["clocks"] if row["class"] == "eu-death")
    assert row["reported"] == to_text(now - timedelta(days=2)) and not row["late"]
    value = classify_incident(home, name, ["eu-death", "internal"], by=PERSON, due=now + timedelta(days=3))
    rows = {row["class"]: row for row in value["clocks"]}
    assert rows["eu-death"]["reported"] == to_text(now - timedelta(days=2)), "a report stays one"
    assert rows["internal"]["due"] == to_text(now + timedelta(days=3)) and rows["internal"]["runs"]
    assert DecisionLog(home).verify().ok


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda home, name, path: classify_incident(home, name, ["eu-dead"], by=PERSON), "eu-dead"),
        (lambda home, name, path: classify_incident(home, name, [], by=PERSON), "none given"),
        (lambda home, name, path: classify_incident(home, name, ["internal"] * 2, by=PERSON), "one twice"),
        (
            lambda home, name, path: attach_evidence(home, name, [path], by=PERSON, report="internal"),
            "not of class",
        ),
        (lambda home, name, path: attach_evidence(home, name, [path / "no"], by=PERSON), "not a file"),
        (lambda home, name, path: attach_evidence(home, name, [], by=PERSON), "no file"),
        (
            lambda home, name, path: attach_evidence(
                home, name, [path], by=PERSON, report="internal", sent=utc_now() + timedelta(days=1)
            ),
            "has not come yet",
        ),
        (lambda home, name, path: attach_evidence(home, name, [path], by=PERSON, sent=utc_now()), "--report"),
        (lambda home, name, path: close_incident(home, name, by=PERSON, note=""), "what came of it"),
        (lambda home, name, path: show_incident(home, "inc-"), "no incident"),
        (lambda home, name, path: show_incident(home, ""), "no incident"),
        (lambda home, name, path: opened(home, audit_id="audit_" + "9" * 32), "no answer with the audit id"),
        (lambda home, name, path: opened(home, audit_id="../keys"), "no answer with the audit id"),
        (lambda home, name, path: open_incident(home, title="x", by=PERSON), "a title"),
        (lambda home, name, path: opened(home, aware=utc_now() + timedelta(hours=2)), "has not come yet"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    home: Home, tmp_path: Path, act: Any, what: str
) -> None:
    name, path = opened(home), evidence(tmp_path)
    opened(home)  # a second, so that a beginning can be of two
    before = [item.entry for item in DecisionLog(home).entries()]
    with pytest.raises(WrongUse, match=what):
        act(home, name, path)
    assert [item.entry for item in DecisionLog(home).entries()] == before
    assert verify_incident_kept(home, name)["ok"]


def test_the_next_due_comes_first(home: Home) -> None:
    late, soon, closed, calm = (opened(home) for _ in range(4))
    classify_incident(home, late, ["eu-serious"], by=PERSON)
    classify_incident(home, soon, ["tw-cyber-agency"], by=PERSON)
    close_incident(home, closed, by=PERSON, note="a false alarm")
    assert [row["incident"] for row in list_incidents(home)] == [soon, late, calm, closed]


def test_a_home_s_own_rules(home: Home) -> None:
    path = home.path / "incident-rules.json"
    rule = {
        "id": "town-mayor",
        "title": "Tell the mayor",
        "hours": 4,
        "source": "house rule 7",
        "as_of": "2026-01-01",
        "review_by": "2026-02-01",
    }
    path.write_text(json.dumps([rule, {**rule, "id": "eu-death", "hours": 24}]))
    name = opened(home)
    value = classify_incident(home, name, ["town-mayor", "eu-death"], by=PERSON)
    assert [row["hours"] for row in value["clocks"]] == [4, 24]
    assert all(row["out_of_date"] for row in value["clocks"])
    for wrong in ("{}", "[{}]", "[", json.dumps([{**rule, "hours": 0}]), json.dumps([{**rule, "law": "x"}])):
        path.write_text(wrong)
        with pytest.raises(WrongUse, match="rules for incidents"):
            show_incident(home, name)


def test_the_rules_are_dated_and_sourced() -> None:
    hours = {rule.id: rule.hours for rule in shipped_rules()}
    assert (hours["eu-critical"], hours["eu-widespread"], hours["eu-death"], hours["eu-serious"]) == (
        48,
        48,
        240,
        360,
    )
    assert (hours["tw-personal-data"], hours["tw-cyber-agency"], hours["internal"]) == (72, 1, None)
    for rule in shipped_rules():
        assert rule.source and rule.title_zh and rule.as_of < rule.review_by
        assert rule.status in ("in force", "draft", "not yet in force", "own rule")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([rule for rule in shipped_rules() if rule.hours]),
    st.datetimes(FIRST, LAST, timezones=st.timezones()),
)
def test_a_clock_is_exact_in_every_zone(rule: Any, aware: datetime) -> None:
    clock = clock_of(rule, aware)
    assert clock.due is not None and clock.due - aware.astimezone(UTC) == timedelta(hours=rule.hours)
    assert clock.told(clock.due).late is False
    assert clock.told(clock.due + timedelta(seconds=1)).late is True
