"""A log that came back from a backup signs nothing until it holds everything that it is known to have signed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_world import ORIGIN, QuickDisk, key_of

from staffroom.ledger import (
    Checkpoint,
    KnownTree,
    LedgerError,
    Log,
    LogDamaged,
    LogKeys,
    LogRefused,
    known_of_checkpoint,
    known_of_record,
    mark_restored,
    read_last_signed,
    read_restored,
    reconcile,
    verify_log,
)
from staffroom.ledger.disk import Disk
from staffroom.ledger.last_signed import write_last_signed

OpenLog = Callable[..., Log]


class Killed(Exception):
    """The process would be gone."""


class DiskUntil(QuickDisk):
    """Works for so many operations."""

    def __init__(self, left: int) -> None:
        self.left = left

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def create(self, path: Path, data: bytes, mode: int) -> None:
        self._count()
        super().create(path, data, mode)

    def rename(self, old: Path, new: Path) -> None:
        self._count()
        super().rename(old, new)


class Restored:
    """The log `base/log` of `late` entries, put back to `early` of them; `base/published` has them all."""

    def __init__(self, base: Path, keys: LogKeys, open_log: OpenLog, early: int, late: int) -> None:
        self.base, self.keys, self.open_log = base, keys, open_log
        self.folder, self.last_signed = base / "log", base / "keys" / "last-signed"
        entries = [b"%d:entry %d" % (number, number) for number in range(late)]
        with open_log(base) as log:
            log.append(entries[:early])
        shutil.copytree(self.folder, base / "backup")
        with open_log(base) as log:
            log.append(entries[early:])
        shutil.copytree(self.folder, base / "published")
        shutil.copy(self.last_signed, base / "record")
        self.put_back()

    def put_back(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.base / "backup", self.folder)
        self.last_signed.unlink()
        mark_restored(self.folder, self.last_signed, self.keys.vkeys, "b1")

    def reconcile(
        self, *, copies: tuple[Path, ...] = (), known: tuple[KnownTree, ...] = (), disk: Disk | None = None
    ) -> None:
        reconcile(
            self.folder,
            self.last_signed,
            self.keys.vkeys,
            copies=copies,
            known=known,
            disk=disk or QuickDisk(),
        )

    def signs(self, name: str = "") -> bool:
        try:
            log = Log.open(
                self.folder,
                self.keys.signers,
                ORIGIN,
                last_signed=self.last_signed,
                key_of=key_of,
                disk=QuickDisk(),
                reconciled=name,
            )
        except LogRefused:
            return False
        log.close()
        return True


@pytest.fixture
def restored(tmp_path: Path, keys: LogKeys, open_log: OpenLog) -> Restored:
    return Restored(tmp_path, keys, open_log, 4, 9)


def test_it_reads_and_refuses_to_sign(restored: Restored) -> None:
    record = read_last_signed(restored.last_signed)
    assert record is not None and record.size == 4
    assert not restored.signs()
    assert not restored.signs("another restore")
    assert verify_log(restored.folder, restored.keys.vkeys, (record.size, record.root)).ok


@pytest.mark.parametrize(("early", "late"), [(0, 3), (4, 9), (250, 300), (256, 513), (300, 300)])
def test_missing_entries_come_from_the_published_copy(
    tmp_path: Path, keys: LogKeys, open_log: OpenLog, early: int, late: int
) -> None:
    restored = Restored(tmp_path, keys, open_log, early, late)
    restored.reconcile(copies=(tmp_path / "published",))
    assert not restored.signs()  # until the caller has something to enter
    with Log.open(
        restored.folder,
        keys.signers,
        ORIGIN,
        last_signed=restored.last_signed,
        key_of=key_of,
        disk=QuickDisk(),
        reconciled="b1",
    ) as log:
        assert log.append([b"r:reconciled"]) == [late]
        assert log.index_of(f"{late - 1}") == late - 1
    assert read_restored(restored.last_signed) is None
    assert restored.signs()
    old = known_of_checkpoint((tmp_path / "published/checkpoint").read_bytes(), keys.vkeys, "kept")
    assert verify_log(restored.folder, keys.vkeys, (old.size, old.root)).ok


def test_a_newer_checkpoint_without_its_entries_is_no_way_on(restored: Restored) -> None:
    base, keys = restored.base, restored.keys
    newer = known_of_checkpoint((base / "published/checkpoint").read_bytes(), keys.vkeys, "kept.txt")
    with pytest.raises(LogRefused, match=r"9 entries were signed \(kept.txt\)") as caught:
        restored.reconcile(known=(newer,))
    assert "--from FOLDER" in caught.value.hint
    with pytest.raises(LogRefused, match="9 entries"):
        restored.reconcile(known=(known_of_record(base / "record", ORIGIN),))
    restored.reconcile(copies=(base / "published",), known=(newer,))


def test_an_older_checkpoint_must_be_of_the_same_history(restored: Restored) -> None:
    same = known_of_checkpoint((restored.base / "backup/checkpoint").read_bytes(), restored.keys.vkeys, "old")
    restored.reconcile(known=(same,))
    with pytest.raises(LogDamaged, match="held against"):
        restored.reconcile(known=(KnownTree(3, b"\1" * 32, "a stranger"),))


def test_a_fork_is_seen(restored: Restored, keys: LogKeys, open_log: OpenLog, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with open_log(other) as log:
        log.append([b"%d:entry %d" % (number, number) for number in range(4)] + [b"x:another"] * 7)
    with pytest.raises(LogDamaged):
        restored.reconcile(copies=(other / "log", restored.base / "published"))
    rewritten = tmp_path / "rewritten"
    with open_log(rewritten) as log:
        log.append([b"%d:no entry %d" % (number, number) for number in range(20)])
    with pytest.raises(LogDamaged):
        restored.reconcile(copies=(rewritten / "log",))
    record = read_last_signed(restored.last_signed)
    assert record is not None and record.size == 4
    assert not restored.signs()


def test_a_copy_that_is_damaged_or_of_other_keys_is_refused(restored: Restored) -> None:
    published = restored.base / "published"
    tile = next((published / "tile/entries").rglob("*.p/*"))
    data = tile.read_bytes()
    tile.write_bytes(data[:-1] + b"!")
    with pytest.raises(LogDamaged):
        restored.reconcile(copies=(published,))
    tile.write_bytes(data)
    (published / "checkpoint").write_text("nothing")
    with pytest.raises(LogDamaged):
        restored.reconcile(copies=(published,))


def test_what_the_keys_knew_counts(restored: Restored) -> None:
    shutil.rmtree(restored.folder)
    shutil.copytree(restored.base / "backup", restored.folder)
    shutil.copy(restored.base / "record", restored.last_signed)
    mark_restored(restored.folder, restored.last_signed, restored.keys.vkeys, "b2")
    with pytest.raises(LogRefused, match="9 entries were signed"):
        restored.reconcile()
    restored.reconcile(copies=(restored.base / "published",))


def test_killed_at_every_operation_it_refuses_and_goes_on(
    tmp_path: Path, keys: LogKeys, open_log: OpenLog
) -> None:
    restored = Restored(tmp_path, keys, open_log, 250, 258)
    for left in range(0, 200, 3):
        try:
            restored.reconcile(copies=(tmp_path / "published",), disk=DiskUntil(left))
        except Killed:
            assert not restored.signs()
            restored.reconcile(copies=(tmp_path / "published",))
            assert restored.signs("b1")
            restored.put_back()
        else:
            break
    assert left >= 9


def test_nothing_to_reconcile_and_unreadable_marks(tmp_path: Path, keys: LogKeys, open_log: OpenLog) -> None:
    with open_log(tmp_path) as log:
        log.append([b"1:x"])
    place = tmp_path / "keys/last-signed"
    assert reconcile(tmp_path / "log", place, keys.vkeys) is None
    assert mark_restored(tmp_path / "no log", place, keys.vkeys, "b") is None
    place.write_text(place.read_text().rstrip("}\n") + ', "restored": {"name": "b"}}')
    for read in (read_last_signed, read_restored):
        with pytest.raises(LogRefused, match="cannot be read"):
            read(place)
    with pytest.raises(LedgerError):
        known_of_record(tmp_path / "gone", ORIGIN)
    write_last_signed(QuickDisk(), place, Checkpoint("another", 0, b"\0" * 32))
    with pytest.raises(LogRefused, match="no record of this log"):
        known_of_record(place, ORIGIN)
