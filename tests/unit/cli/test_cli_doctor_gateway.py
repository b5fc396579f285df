"""What `staffroom doctor` says of the gateway: permits, record, budgets, port."""

from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.cli import doctor_gateway
from staffroom.records.plain_model import PlainModel
from staffroom.serve import DutyLog, Permits
from staffroom.store import Database, Home, PlainModels, SpendBook

MODEL = PlainModel(
    "drafts",
    "endpoint:http://127.0.0.1/v1#m",
    "c",
    "openai",
    ("chat",),
    False,
    4096,
    512,
    4,
    4,
    "TWD",
    "0",
    "0",
)


@pytest.fixture
def home(staffroom: CommandLine) -> Home:
    home = Home(staffroom.home).ensure()
    with Database(home.database) as database:
        PlainModels(database).save(MODEL, "Lin")
    Permits(home.permits).grant("drafts", MODEL.digest)
    DutyLog(home.private / "duty").close()
    SpendBook(home.private / "spend.db").close()
    return home


def check(staffroom: CommandLine, name: str) -> dict[str, Any]:
    found = [each for each in staffroom("doctor", "--json").json["checks"] if each["name"] == name]
    assert len(found) == 1
    return dict(found[0])


def test_a_home_in_order(staffroom: CommandLine, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.private / "duty").mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setattr(doctor_gateway, "_listened_at", lambda _: False)
    assert check(staffroom, "permits")["text"] == "1 of 1 workers run"
    for name in ("gateway port", "permits", "record of requests", "budgets"):
        assert check(staffroom, name)["ok"], name


def test_a_permit_that_lets_nothing_run_is_named(staffroom: CommandLine, home: Home) -> None:
    Permits(home.permits).grant("drafts", "sha256:" + "0" * 64)
    found = check(staffroom, "permits")
    assert not found["ok"] and "drafts" in found["text"]
    (home.permits / "drafts").write_text("yes, please")
    assert "drafts" in check(staffroom, "permits")["text"]


def test_a_record_that_others_may_read_is_told(staffroom: CommandLine, home: Home) -> None:
    folder = home.private / "duty"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / "2026-03-01.jsonl"
    file.write_text("")
    file.chmod(0o644)
    found = check(staffroom, "record of requests")
    assert not found["ok"] and found["hint"].startswith("chmod")


def test_damaged_budgets_and_a_taken_port_are_told(
    staffroom: CommandLine, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.private / "spend.db").write_bytes(b"no database at all, but long enough" * 40)
    assert not check(staffroom, "budgets")["ok"]
    monkeypatch.setattr(doctor_gateway, "_listened_at", lambda _: True)
    assert not check(staffroom, "gateway port")["ok"]
    with home.lock("serve"):
        assert check(staffroom, "gateway port")["ok"]


def test_listeners_are_read_from_the_kernel_s_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:2081 00000000:0000 0A 00000000:00000000\n"
        "   1: 0100007F:0050 00000000:0000 01 00000000:00000000\n"
    )
    monkeypatch.setattr(doctor_gateway, "Path", lambda _: table)
    assert doctor_gateway._listened_at(8321)
    assert not doctor_gateway._listened_at(80)
