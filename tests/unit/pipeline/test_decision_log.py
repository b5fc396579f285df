"""The decision log: entries once, long ones by digest, roots recomputed here, the seed, keys made half."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.ledger import LedgerError
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.digests import canonical_json
from staffroom.records.errors import StaffroomError
from staffroom.store import Home, ObjectStore


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(Home(tmp_path / "home").ensure())


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, written down anew."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def test_a_root_is_that_of_the_entries_up_to_it_and_stays(log: DecisionLog) -> None:
    roots = []
    for number in range(9):
        index = log.append("note", f"k{number}", "r", {"number": number})
        roots.append(log.root_after(index))
    leaves = [canonical_json(item.entry) for item in log.entries()]
    for index, root in enumerate(roots):
        assert log.root_after(index) == root == merkle_root(leaves[: index + 1]).hex()
    assert log.verify().ok


def test_a_known_key_adds_nothing_and_keeps_the_first_body(log: DecisionLog) -> None:
    assert log.append("note", "k", "r", {"a": 1}) == 0
    assert log.append("note", "k", "r", {"a": 2}) == 0
    found = log.find("k")
    assert found is not None and found.entry["body"] == {"a": 1}
    assert log.find("other") is None
    assert log.size() == 1


def test_a_long_body_is_kept_beside_the_log(log: DecisionLog, tmp_path: Path) -> None:
    body = {"facets": [f"facet number {number}" for number in range(6000)]}
    log.append("exam-committed", "k", "r", body)
    (entry,) = log.entries()
    kept = ObjectStore(Home(tmp_path / "home").objects).get_json(entry.entry["body"]["kept_as"])
    assert kept == body
    assert len(canonical_json(entry.entry)) <= 65_535
    assert log.verify().ok


def test_a_checkpoint_that_was_kept_is_the_one_of_then(log: DecisionLog) -> None:
    log.append("note", "a", "r", {})
    early = log.kept_checkpoint("r")
    log.append("note", "b", "r", {})
    assert log.kept_checkpoint("r") == early != log.checkpoint()


def test_keys_whose_making_was_cut_short_are_made_again(log: DecisionLog, tmp_path: Path) -> None:
    (tmp_path / "home" / "keys" / "decisions").mkdir(parents=True, exist_ok=True)
    log.append("note", "a", "r", {})
    (tmp_path / "home" / "keys" / "decisions" / "log.key").unlink()
    with pytest.raises(LedgerError, match="no key here"):
        log.append("note", "b", "r", {})


def test_an_unreadable_commitment_says_so(log: DecisionLog, tmp_path: Path) -> None:
    log.commitment_to("person", "a name")
    (kept,) = (tmp_path / "home" / "private" / "commitments").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("{")
    with pytest.raises(StaffroomError, match="private/"):
        log.commitment_to("person", "a name")


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12))
@settings(max_examples=8, deadline=None)
def test_each_key_is_there_once_in_the_order_of_its_first_append(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    log = DecisionLog(Home(tmp_path_factory.mktemp("log") / "home").ensure())
    for key in keys:
        log.append("note", key, "r", {})
    assert [item.entry["key"] for item in log.entries()] == list(dict.fromkeys(keys))
