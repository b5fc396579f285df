import json
from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.ledger import parse_vkey, verify_proof
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.store import Home


@pytest.fixture
def log(staffroom: CommandLine) -> DecisionLog:
    log = DecisionLog(Home(staffroom.home).ensure())
    for number in range(3):
        log.append("note", f"key-{number}", "run-1", {"number": number, "list": [1]})
    return log


def test_a_whole_log_verifies(staffroom: CommandLine, log: DecisionLog) -> None:
    said = staffroom("log", "verify", "--json")
    assert said.status == 0
    assert said.json["ok"]
    assert said.json["size"] == 3
    assert "3 entries" in staffroom("log", "verify").out


def test_one_changed_byte_is_found_and_named(staffroom: CommandLine, log: DecisionLog) -> None:
    [place] = [
        path for path in (log.folder / "tile" / "entries").rglob("*") if path.is_file() and path.name == "3"
    ]
    data = bytearray(place.read_bytes())
    data[40] ^= 1
    place.chmod(0o644)
    place.write_bytes(bytes(data))
    said = staffroom("log", "verify")
    assert said.status == 3
    assert "tile/entries" in said.out
    said = staffroom("log", "verify", "--json")
    assert said.status == 3
    assert said.json["problems"][0]["where"].startswith("tile/entries")
    assert staffroom("doctor", "--json").json["checks"][-1]["ok"] is False


def test_entries_are_listed_and_shown_in_full(staffroom: CommandLine, log: DecisionLog) -> None:
    said = staffroom("log", "show", "--json")
    assert [row["index"] for row in said.json["entries"]] == [0, 1, 2]
    lines = staffroom("log", "show").out.splitlines()
    assert len(lines) == 3
    assert "note" in lines[1]
    assert "number=1" in lines[1]
    assert json.loads(staffroom("log", "show", "1").out)["entry"]["body"] == {"number": 1, "list": [1]}
    said = staffroom("log", "show", "3")
    assert said.status == 2
    assert "the last one is 2" in said.err


def test_a_proof_holds_for_somebody_with_the_keys_alone(staffroom: CommandLine, log: DecisionLog) -> None:
    value = staffroom("log", "proof", "1", "--json").json
    verifiers = [parse_vkey(key) for key in value["verifier_keys"]]
    assert verify_proof(value["proof"], value["entry"].encode(), verifiers).index == 1
    said = staffroom("log", "proof", "1")
    assert said.out == value["proof"]
    assert value["entry"] in said.err


def test_a_kept_checkpoint_shows_a_log_that_goes_on(
    staffroom: CommandLine, log: DecisionLog, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(staffroom("log", "checkpoint").out, encoding="utf-8")
    log.append("note", "key-3", "run-1", {"number": 3})
    assert staffroom("log", "verify", "--since", kept).status == 0
    kept.write_text("nothing", encoding="utf-8")
    assert staffroom("log", "verify", "--since", kept).status == 2
    assert staffroom("log", "verify", "--since", tmp_path / "gone").status == 2
    assert staffroom("log", "checkpoint", "--keys").out.split() == list(log.keys().vkeys)


@pytest.mark.parametrize("command", [("verify",), ("show",), ("proof", "0"), ("checkpoint",)])
def test_without_a_log_nothing_is_made(staffroom: CommandLine, command: tuple[str, ...]) -> None:
    said = staffroom("log", *command)
    assert said.status == 3
    assert said.err.rstrip().endswith("hint: staffroom hire JOB.yaml")
    assert not staffroom.home.exists()


def test_lost_keys_are_not_made_anew(staffroom: CommandLine, log: DecisionLog) -> None:
    folder = staffroom.home / "keys" / "decisions"
    folder.rename(folder.with_name("elsewhere"))
    said = staffroom("log", "verify")
    assert said.status == 3
    assert "keys" in said.err
    assert not folder.exists()
