"""A restored home signs again on evidence, or on a named person's word, and says in its log which of them it was."""

import os
import shutil
from pathlib import Path

import pytest
from test_backup import SERVER, Quiet, taken

from staffroom.ledger import LogRefused
from staffroom.pipeline.backup import restore
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.plain_models import admit_plain
from staffroom.pipeline.reconcile import reconcile_log
from staffroom.pipeline.workers import resume, retire
from staffroom.records.errors import WrongUse
from staffroom.serve import Permits
from staffroom.store import Home


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


class Lost:
    """A home of which a backup was taken before its last two acts, the log as it was published, and what came back."""

    def __init__(self, base: Path) -> None:
        home = Home(base / "home").ensure()
        for alias in ("drafts", "letters"):
            admit_plain(home, alias, SERVER, "Lin Mei-hua", Quiet(), by="ops")
        backup = taken(home, base / "safe", keys=True)
        retire(home, "letters", "ops")
        self.checkpoint = base / "kept.txt"
        self.checkpoint.write_text(DecisionLog(home).checkpoint())
        self.published = base / "published"
        shutil.copytree(home.log, self.published)
        self.record = DecisionLog(home).last_signed
        self.size = DecisionLog(home).size()
        self.back = Home(base / "back")
        restore(self.back, backup, Quiet())
        self.log = DecisionLog(self.back)


@pytest.fixture
def lost(tmp_path: Path) -> Lost:
    return Lost(tmp_path)


def test_with_the_published_copy_it_goes_on_where_it_was(lost: Lost) -> None:
    row = reconcile_log(lost.back, "ops", copies=[lost.published], checkpoints=[lost.checkpoint])
    assert row["reconciled"]
    assert [entry["type"] for entry in row["taken_in"]] == ["worker-retired"]
    entry = lost.log.entries()[row["entry"]].entry
    assert row["entry"] == lost.size
    assert entry["type"] == "log-reconciled"
    assert entry["body"]["restored_size"] == lost.size - 1
    assert entry["body"]["evidence"]["checkpoints"] == [lost.size]
    assert "ops" not in str(entry)
    assert lost.log.verify().ok
    # Who was retired meanwhile does not come back.
    assert Permits(lost.back.permits).state("letters") == "retired"
    resume(lost.back, "drafts", "ops")
    assert Permits(lost.back.permits).running().keys() == {"drafts"}
    assert reconcile_log(lost.back, "ops") == {"reconciled": False, "size": lost.size + 2, "taken_in": []}


def test_without_evidence_nothing_is_signed(lost: Lost) -> None:
    with pytest.raises(WrongUse, match="nothing was shown"):
        reconcile_log(lost.back, "ops")
    for shown in ({"checkpoints": [lost.checkpoint]}, {"records": [lost.record]}):
        with pytest.raises(LogRefused, match=f"{lost.size} entries were signed"):
            reconcile_log(lost.back, "ops", **shown)
        with pytest.raises(LogRefused):
            reconcile_log(lost.back, "ops", nothing_since=True, **shown)
    with pytest.raises(WrongUse, match="cannot be read"):
        reconcile_log(lost.back, "ops", checkpoints=[Path("nowhere")])
    with pytest.raises(LogRefused):
        lost.log.append("note", "k", "", {})


def test_a_persons_word_is_in_the_log(lost: Lost) -> None:
    row = reconcile_log(lost.back, "ops", nothing_since=True)
    body = lost.log.entries()[row["entry"]].entry["body"]
    assert body["evidence"]["word_that_nothing_was_signed_since"] is True
    assert lost.log.value_behind(body["by"]) == "ops"
    assert lost.log.append("note", "k", "", {}) == row["entry"] + 1


def test_the_record_of_the_lost_home_is_evidence(lost: Lost, tmp_path: Path) -> None:
    reconcile_log(lost.back, "ops", copies=[lost.published], records=[lost.record])
    assert lost.log.verify().ok
