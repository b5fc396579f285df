"""`staffroom audit`: what a person sees of the record of requests, and what programs get."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.ledger.verify_duty import main as verify_duty
from staffroom.serve.duty import DutyLog, DutyRecord
from staffroom.store import Home

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
IDS = [f"audit_{number:032x}" for number in range(3)]


@pytest.fixture
def home(staffroom: CommandLine) -> Home:
    home = Home(staffroom.home).ensure()
    with DutyLog(home.private / "duty") as duty:
        for number, audit_id in enumerate(IDS):
            duty.record(
                DutyRecord(
                    audit_id,
                    START + timedelta(minutes=number),
                    "clerk",
                    "sha256:r",
                    "key1",
                    "answered",
                    ("chunk-1",),
                    7,
                    5,
                    0.1,
                    0.2,
                    f"What does permit {number} cost?",
                    "Fifty [crowns].",
                    user="resident 4711" if number else "",
                    cost="0.5",
                    currency="TWD",
                )
            )
    return home


def test_rows_are_listed_and_one_is_shown(staffroom: CommandLine, home: Home) -> None:
    said = staffroom("audit", "find", "--json", "--text", "permit 1")
    assert [row["audit_id"] for row in said.json["rows"]] == [IDS[1]]
    listed = staffroom("audit", "find", "--worker", "clerk", "--user", "resident 4711")
    assert (listed.status, listed.out.count("permit")) == (0, 2)
    assert "No request fits" in staffroom("audit", "find", "--outcome", "lost").out
    shown = staffroom("audit", "show", IDS[1])
    assert "Fifty [crowns]." in shown.out
    assert "resident 4711" in shown.out
    assert "not yet" in shown.out
    assert staffroom("audit", "find", "--since", "yesterday").status == 2
    unknown = staffroom("audit", "show", "audit_" + "f" * 32)
    assert unknown.status == 2
    assert "hint: " in unknown.err


def test_a_proof_goes_into_a_file_that_the_verifier_takes(
    staffroom: CommandLine, home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    said = staffroom("audit", "prove", IDS[0], "--out", file, "--with-texts", "--json")
    vkeys = [word for vkey in said.json["verifier_keys"] for word in ("--vkey", vkey)]
    assert verify_duty([str(file), *vkeys]) == 0
    assert "words checked: answer, question, who" in capsys.readouterr().out
    proof = json.loads(file.read_text())
    proof["row"] = proof["row"].replace('"tokens_in":7', '"tokens_in":8')
    file.write_text(json.dumps(proof))
    assert verify_duty([str(file), *vkeys]) == 1
    file.write_text("no json")
    assert verify_duty([str(file), *vkeys]) == 2
    assert json.loads(staffroom("audit", "prove", IDS[0]).out)["proof"] == "staffroom duty row 1"
    assert "entry 0 of the log" in staffroom("audit", "show", IDS[0]).out


def test_the_whole_record_is_checked(staffroom: CommandLine, home: Home) -> None:
    said = staffroom("audit", "verify", "--json")
    assert (said.status, said.json["rows"], said.json["sealed"]) == (0, 3, 3)
    assert "3 rows in 1 sealed batches" in staffroom("audit", "verify").out
    path = home.private / "duty" / "2026-03-01.jsonl"
    path.write_text(path.read_text().replace('"tokens_in":7', '"tokens_in":8', 1))
    said = staffroom("audit", "verify")
    assert said.status == 3
    assert "not those that were sealed" in said.out


def test_words_are_erased_where_somebody_says_so(staffroom: CommandLine, home: Home) -> None:
    assert staffroom("audit", "erase").status == 2
    refused = staffroom("audit", "erase", "--user", "resident 4711")
    assert refused.status == 2
    assert "no terminal" in refused.err
    said = staffroom("audit", "erase", "--user", "resident 4711", "--yes", "--by", "Lin")
    assert "the words of 2 requests" in said.out
    assert "were erased" in staffroom("audit", "show", IDS[2]).out
    assert "What does permit 0 cost?" in staffroom("audit", "show", IDS[0]).out
    assert "(erased)" in staffroom("audit", "find").out
    said = staffroom("audit", "verify", "--json")
    assert (said.json["ok"], said.json["erased"]) == (True, 2)


def test_old_rows_are_taken_out(staffroom: CommandLine, home: Home) -> None:
    assert "Taken out: 3 rows." in staffroom("audit", "prune").out
    assert staffroom("audit", "find", "--json").json["rows"] == []
    assert staffroom("audit", "verify", "--json").json["pruned"] == 3


def test_a_home_without_requests_says_so(staffroom: CommandLine) -> None:
    assert "No request fits" in staffroom("audit", "find").out
    assert staffroom("audit", "prune", "--json").json == {"rows": 0, "emptied": []}
    assert staffroom("audit", "verify", "--json").json["rows"] == 0
