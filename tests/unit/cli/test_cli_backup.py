"""Backup, restore, reconcile and upgrade as commands: what they say, in both languages, and their exit codes."""

import os
from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.pipeline.decision_log import DecisionLog
from staffroom.store import Database, Home, ObjectStore


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def home(staffroom: CommandLine) -> Home:
    home = Home(staffroom.home).ensure()
    Database(home.database).close()
    ObjectStore(home.objects).put_bytes(b"an artifact")
    DecisionLog(home).append("note", "k", "", {"n": 1})
    return home


def test_from_backup_to_a_log_that_signs_again(home: Home, staffroom: CommandLine, tmp_path: Path) -> None:
    said = staffroom("backup", tmp_path / "b.tar", "--with-keys")
    assert said.status == 0
    assert "It holds the private keys" in said.out and "sha256:" in said.out
    assert "The private keys are not in it" in staffroom("backup", tmp_path / "safe").out
    assert staffroom("restore", tmp_path / "b.tar", "--check").out.startswith("The backup of 20")
    back = CommandLine(tmp_path / "back", staffroom.capsys)
    said = back("restore", tmp_path / "b.tar")
    assert said.status == 0 and "signs nothing until: staffroom log reconcile" in said.out
    assert back("log", "show").out.count("note") == 1
    rows = {row["name"]: row for row in back("doctor", "--json").json["checks"]}
    assert not rows["log"]["ok"] and rows["log"]["hint"] == "staffroom log reconcile --help"
    said = back("log", "reconcile")
    assert said.status == 2 and "hint: staffroom log reconcile --from FOLDER" in said.err
    said = back("log", "reconcile", "--from", home.log, "--last-signed", home.keys / "decisions.last-signed")
    assert said.status == 0 and "signs again; entry 1" in said.out
    assert "nothing to reconcile" in back("log", "reconcile").out
    assert back("log", "verify").status == 0
    assert back("restore", tmp_path / "b.tar").status == 2


def test_they_speak_chinese(home: Home, staffroom: CommandLine, tmp_path: Path) -> None:
    words = {"STAFFROOM_LANG": "zh-TW"}
    assert "備份裡沒有私鑰" in staffroom("backup", tmp_path / "b.tar", **words).out
    back = CommandLine(tmp_path / "back", staffroom.capsys)
    assert "簽章用的私鑰不在" in back("restore", tmp_path / "b.tar", **words).out
    assert "已經是最新的版本" in staffroom("home", "upgrade", **words).out


def test_what_was_damaged_already_is_exit_code_3(home: Home, staffroom: CommandLine, tmp_path: Path) -> None:
    path = next(path for path in (home.objects / "sha256").rglob("*") if path.is_file())
    path.chmod(0o600)
    path.write_bytes(b"another artifact")
    said = staffroom("backup", tmp_path / "b.tar")
    assert said.status == 3 and "Damaged already in the home: objects/sha256/" in said.out
    assert (tmp_path / "b.tar").exists()


def test_a_home_that_is_not_there(staffroom: CommandLine, tmp_path: Path) -> None:
    for command in (("backup", tmp_path / "b"), ("home", "upgrade")):
        assert staffroom(*command).status == 2
    assert staffroom("restore", tmp_path / "nothing.tar").status == 2
    assert not staffroom.home.exists()
