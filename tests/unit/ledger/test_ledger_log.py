"""Appending: indexes, keys, one writer, and no fork whatever was restored."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import ORIGIN, files_of, key_of

from staffroom.ledger import (
    EntryError,
    Log,
    LogBroken,
    LogBusy,
    LogDamaged,
    LogKeys,
    LogRefused,
    leaf_hash,
    open_checkpoint,
    parse_vkey,
    read_checkpoint,
    read_entries,
    read_last_signed,
    root_of,
    verify_log,
    verify_proof,
    write_proof,
)

OpenLog = Callable[..., Log]


def passes(base: Path, keys: LogKeys, entries: list[bytes]) -> None:
    """The folder holds exactly these entries, signed, and an outsider's verifier agrees."""
    report = verify_log(base / "log", keys.vkeys)
    assert report.problems == () and report.pending == ()
    assert report.size == len(entries)
    assert list(read_entries(base / "log", report.size)) == entries
    last = read_last_signed(base / "keys" / "last-signed")
    assert last == open_checkpoint(read_checkpoint(base / "log"), keys.verifiers)


def test_a_new_log_is_signed_while_empty(tmp_path: Path, open_log: OpenLog, keys: LogKeys) -> None:
    with open_log(tmp_path) as log:
        assert log.size == 0
    passes(tmp_path, keys, [])


def test_keys_are_entered_once(tmp_path: Path, open_log: OpenLog, keys: LogKeys) -> None:
    with open_log(tmp_path) as log:
        assert log.append([b"a:1", b"b:1", b"a:2", b"no key"]) == [0, 1, 0, 2]
        assert log.append([b"b:other", b"c:1", b"no key"], ["b", "c", None]) == [1, 3, 4]
        assert (log.index_of("c"), log.index_of("d")) == (3, None)
    with open_log(tmp_path) as log:
        before = read_checkpoint(tmp_path / "log")
        assert log.append([b"c:9", b"a:9"]) == [3, 0]
        assert log.append([]) == []
        assert read_checkpoint(tmp_path / "log") == before
    passes(tmp_path, keys, [b"a:1", b"b:1", b"no key", b"c:1", b"no key"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 400), max_size=60), max_size=8), st.data())
def test_any_batches_give_the_tree_of_their_entries(
    open_log: OpenLog, keys: LogKeys, batches: list[list[int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        log = open_log(base)
        expected: list[bytes] = []
        for batch in batches:
            entries = [f"{number}:text {number}".encode() for number in batch]
            indexes = log.append(entries)
            expected.extend(entry for entry in dict.fromkeys(entries) if entry not in expected)
            assert [expected[i] for i in indexes] == entries
            if data.draw(st.booleans()):
                log.close()
                log = open_log(base)
            assert (log.size, log.root) == (len(expected), root_of([leaf_hash(e) for e in expected]))
        log.close()
        passes(base, keys, expected)


def test_every_size_to_300_one_by_one(tmp_path: Path, open_log: OpenLog, keys: LogKeys) -> None:
    entries = [b"%d:x" % i for i in range(300)]
    with open_log(tmp_path) as log:
        for size in range(1, 301):
            assert log.append([entries[size - 1]]) == [size - 1]
            assert log.root == root_of([leaf_hash(entry) for entry in entries[:size]])
    passes(tmp_path, keys, entries)
    names = files_of(tmp_path / "log")
    assert "tile/entries/000" in names and "tile/1/000.p/1" in names
    assert not any(name.startswith(("tile/entries/000.p", "tile/0/000.p")) for name in names)
    assert sum(name.startswith("tile/0/001.p") for name in names) == 44


def test_boundary_of_the_second_level(tmp_path: Path, open_log: OpenLog, keys: LogKeys) -> None:
    entries = [b"%d" % i for i in range(65_537)]
    with open_log(tmp_path) as log:
        log.append(entries[:65_535])
        log.append(entries[65_535:65_536])
    verifiers = [parse_vkey(vkey) for vkey in keys.vkeys]
    assert "tile/2/000.p/1" in files_of(tmp_path / "log")
    with open_log(tmp_path) as log:
        log.append(entries[65_536:])
    passes(tmp_path, keys, entries)
    for index in (0, 255, 256, 65_535, 65_536):
        receipt = write_proof(tmp_path / "log", index)
        assert verify_proof(receipt, entries[index], verifiers).checkpoint.size == 65_537


def test_entries_that_do_not_fit_are_refused_before_anything_is_written(
    tmp_path: Path, open_log: OpenLog
) -> None:
    with open_log(tmp_path) as log:
        log.append([bytes(65_535)])
        before = files_of(tmp_path)
        with pytest.raises(EntryError, match="entry 1 to append"):
            log.append([b"small", bytes(65_536)])
        with pytest.raises(EntryError, match="restart would lose"):
            log.append([b"a:1"], ["b"])
        assert files_of(tmp_path) == before
        assert log.append([b"goes on"]) == [1]


def test_second_writer_is_told_who_holds_the_log(tmp_path: Path, open_log: OpenLog) -> None:
    with open_log(tmp_path):
        child = os.fork()
        if child == 0:
            try:
                open_log(tmp_path)
            except LogBusy as busy:
                os._exit(0 if busy.pid == os.getppid() and str(busy.pid) in str(busy) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    open_log(tmp_path).close()


def test_second_writer_may_wait(tmp_path: Path, open_log: OpenLog) -> None:
    first = open_log(tmp_path)
    timer = threading.Timer(0.1, first.close)
    timer.start()
    open_log(tmp_path, wait_seconds=5.0).close()
    timer.join()


def test_closed_log_and_child_process_cannot_append(tmp_path: Path, open_log: OpenLog) -> None:
    log = open_log(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            log.append([b"a"])
        except LogRefused:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log.close()
    with pytest.raises(LogBroken, match="open the log again"):
        log.append([b"a"])


def test_threads_share_one_log(tmp_path: Path, open_log: OpenLog, keys: LogKeys) -> None:
    with open_log(tmp_path) as log:
        found: list[list[int]] = []
        threads = [
            threading.Thread(target=lambda: found.append([log.append([b"%d:x" % i])[0] for i in range(20)]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [found[0]] * 4 and sorted(found[0]) == list(range(20))
    assert verify_log(tmp_path / "log", keys.vkeys).ok


def grown(base: Path, open_log: OpenLog) -> list[Path]:
    """Copies of the folder at sizes 0, 1, 2, 5 and 262; the log itself goes on to 263."""
    copies = []
    for step in (0, 1, 1, 3, 257, 1):
        with open_log(base) as log:
            log.append([b"%d:entry" % i for i in range(log.size, log.size + step)])
            copies.append(base / f"copy-{log.size}")
        shutil.copytree(base / "log", copies[-1])
    return copies[:-1]


def test_no_restored_older_folder_is_signed(tmp_path: Path, open_log: OpenLog) -> None:
    copies = grown(tmp_path, open_log)
    shutil.move(tmp_path / "log", tmp_path / "newest")
    for copy in copies:
        shutil.copytree(copy, tmp_path / "log")
        before = files_of(tmp_path / "log")
        with pytest.raises(LogRefused, match="older copy"):
            open_log(tmp_path)
        assert files_of(tmp_path / "log") == before
        shutil.rmtree(tmp_path / "log")
    with pytest.raises(LogRefused, match="no checkpoint"):
        open_log(tmp_path)
    shutil.move(tmp_path / "newest", tmp_path / "log")
    with open_log(tmp_path) as log:
        assert log.size == 263


def test_lost_or_older_record_refuses(tmp_path: Path, open_log: OpenLog) -> None:
    record = tmp_path / "keys" / "last-signed"
    with open_log(tmp_path) as log:
        log.append([b"a"])
    older = record.read_bytes()
    with open_log(tmp_path) as log:
        log.append([b"b"])
    newest = record.read_bytes()
    for wrong in (
        older,
        newest[:-9],
        b"{}",
        b'{"origin":1,"root":"","size":2}',
        newest.replace(b"town", b"city"),
    ):
        record.write_bytes(wrong)
        with pytest.raises(LogRefused):
            open_log(tmp_path)
    record.unlink()
    with pytest.raises(LogRefused, match="missing"):
        open_log(tmp_path)
    assert not record.exists()
    record.write_bytes(newest)
    open_log(tmp_path).close()


def test_altered_entries_or_checkpoint_refuse(tmp_path: Path, open_log: OpenLog) -> None:
    with open_log(tmp_path) as log:
        log.append([b"first", b"second"])
    bundle, checkpoint = tmp_path / "log/tile/entries/000.p/2", tmp_path / "log/checkpoint"
    good = bundle.read_bytes()
    bundle.write_bytes(good.replace(b"second", b"altered"[:6]))
    with pytest.raises(LogDamaged, match="staffroom log verify"):
        open_log(tmp_path)
    bundle.write_bytes(good)
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n2\n", b"\n1\n"))
    with pytest.raises(LogRefused, match="not one that these keys signed"):
        open_log(tmp_path)
    checkpoint.unlink()
    with pytest.raises(LogRefused, match="no checkpoint"):
        open_log(tmp_path)


def test_keys_of_another_name_are_refused(tmp_path: Path, keys: LogKeys) -> None:
    with pytest.raises(LogRefused, match="must be named"):
        Log.open(tmp_path / "log", keys.signers, "log.example/other", last_signed=tmp_path / "s")
    with pytest.raises(LogRefused, match="must be named"):
        Log.open(tmp_path / "log", [], ORIGIN, last_signed=tmp_path / "s", key_of=key_of)
    assert not list(tmp_path.iterdir())
