"""The log under `kill -9`, failing disks and power loss, at every file operation of an append and of a recovery.

After each fault the log is opened again, the same append is repeated, and then: every entry is there once, every checkpoint that was ever
signed is a prefix of the tree, and the outsider's verifier finds nothing.
"""

import errno
import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ledger_world import ORIGIN, QuickDisk, files_of, key_of

from staffroom.ledger import (
    Checkpoint,
    Disk,
    Log,
    LogBroken,
    LogKeys,
    Signer,
    Verifier,
    leaf_hash,
    open_checkpoint,
    read_checkpoint,
    root_of,
)
from staffroom.ledger.note import parse_checkpoint_text
from staffroom.ledger.verify import check_tree


class Killed(BaseException):
    """Stands for the end of the process: nothing in the log may catch it."""


def kill() -> None:
    raise Killed


def fail_by_turns() -> Callable[[], None]:
    """A full disk and a broken one, in turn."""
    numbers = itertools.cycle((errno.ENOSPC, errno.EIO))

    def fail() -> None:
        number = next(numbers)
        raise OSError(number, os.strerror(number))

    return fail


class FaultyDisk(QuickDisk):
    """Counts operations, and does `action` in place of number `at` (and, with `lasting`, of all later ones)."""

    def __init__(self, at: int = -1, action: Callable[[], None] = kill, *, lasting: bool = False) -> None:
        self.at, self.action, self.lasting, self.done = at, action, lasting, 0
        self.short = False

    def _point(self) -> None:
        self.done += 1
        if self.done - 1 == self.at or (self.lasting and self.done > self.at >= 0):
            self.action()

    def make_folder(self, path: Path) -> None:
        self._point()
        super().make_folder(path)

    def create(self, path: Path, data: bytes, mode: int) -> None:
        self._point()
        super().create(path, data, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._point()
        self.short = not self.short and len(data) > 1
        return super().write(descriptor, data[: len(data) // 2] if self.short else data)

    def sync_file(self, descriptor: int) -> None:
        self._point()
        super().sync_file(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._point()
        super().rename(old, new)

    def sync_folder(self, path: Path) -> None:
        self._point()
        super().sync_folder(path)

    def remove(self, path: Path) -> None:
        self._point()
        super().remove(path)

    def remove_folder(self, path: Path) -> None:
        self._point()
        super().remove_folder(path)


@dataclass
class RecordingSigner:
    """Signs as the real one does, and remembers what."""

    signer: Signer
    signed: list[Checkpoint] = field(default_factory=list)

    @property
    def verifier(self) -> Verifier:
        return self.signer.verifier

    def sign(self, text: str) -> bytes:
        self.signed.append(parse_checkpoint_text(text))
        return self.signer.sign(text)


@dataclass
class World:
    """A folder with a log of `before` entries, an append to be disturbed, and everything that was ever signed."""

    base: Path
    keys: LogKeys
    before: int
    batch: int

    def __post_init__(self) -> None:
        self.signers = [RecordingSigner(signer) for signer in self.keys.signers]
        self.place = self.base / "place"
        self.entries = [b"%d:entry %d" % (i, i) for i in range(self.before + self.batch)]
        self.place.mkdir(parents=True)
        if self.before:
            with self.open() as log:
                log.append(self.entries[: max(0, self.before - 3)])
                for entry in self.entries[max(0, self.before - 3) : self.before]:
                    log.append([entry])
        self.before_it = files_of(self.place)

    def open(self, disk: Disk | None = None) -> Log:
        return Log.open(
            self.place / "log",
            self.signers,
            ORIGIN,
            last_signed=self.place / "keys" / "last-signed",
            key_of=key_of,
            disk=disk or QuickDisk(),
        )

    def reset(self) -> None:
        """Put everything back, touching only what differs."""
        wanted = self.before_it
        now = files_of(self.place)
        for name in now.keys() - wanted.keys():
            (self.place / name).unlink()
        for folder in sorted((p for p in self.place.rglob("*") if p.is_dir()), reverse=True):
            if not any(name.startswith(f"{folder.relative_to(self.place)}/") for name in wanted):
                folder.rmdir()
        for name, data in wanted.items():
            if now.get(name) != data:
                (self.place / name).parent.mkdir(parents=True, exist_ok=True)
                (self.place / name).write_bytes(data)

    def disturbed(self, disk: Disk) -> bool:
        """Open and append; tells whether the append was acknowledged."""
        log = None
        try:
            log = self.open(disk)
            log.append(self.entries[self.before :])
        except (Killed, LogBroken):
            return False
        finally:
            if log is not None:
                log.close()
        return True

    def operations(self) -> int:
        """How many operations an undisturbed open and append need."""
        disk = FaultyDisk()
        assert self.disturbed(disk)
        self.reset()
        return disk.done

    def recovers(self, acknowledged: bool) -> None:
        with self.open() as log:
            assert log.size in ((len(self.entries),) if acknowledged else (self.before, len(self.entries)))
            assert log.append(self.entries) == list(range(len(self.entries)))
            assert log.size == len(self.entries)
        leaves = [leaf_hash(entry) for entry in self.entries]
        for checkpoint in set(self.signers[0].signed):
            assert checkpoint.root == root_of(leaves[: checkpoint.size])
        self.signers[0].signed.clear()
        signed = open_checkpoint(read_checkpoint(self.place / "log"), self.keys.verifiers)
        assert signed.size == len(self.entries)
        assert check_tree(self.place / "log", signed.size, signed.root) == ([], [])


@pytest.fixture(params=[(0, 1), (4, 3), (254, 4)], ids=str)
def world(request: pytest.FixtureRequest, keys: LogKeys, tmp_path: Path) -> World:
    before, batch = request.param
    return World(tmp_path, keys, before, batch)


@pytest.mark.parametrize("action", [kill, fail_by_turns()], ids=["killed", "disk fails"])
def test_a_fault_at_every_operation(world: World, action: Callable[[], None]) -> None:
    for at in range(world.operations()):
        acknowledged = world.disturbed(FaultyDisk(at, action, lasting=at % 2 == 1))
        world.recovers(acknowledged)
        world.reset()


def test_a_second_fault_during_recovery(keys: LogKeys, tmp_path: Path) -> None:
    world = World(tmp_path, keys, 254, 4)
    operations = world.operations()
    for at in range(0, operations, 7):
        for second in (0, 1, 2, 3, 5, 8, 13, 34):
            world.disturbed(FaultyDisk(at))
            disk = FaultyDisk(second)
            acknowledged = world.disturbed(disk)
            world.recovers(acknowledged)
            world.reset()
            if disk.done <= second:
                break


def test_sigkill_at_every_operation(keys: LogKeys, tmp_path: Path) -> None:
    world = World(tmp_path, keys, 255, 1)
    for at in range(world.operations()):
        child = os.fork()
        if child == 0:
            world.disturbed(FaultyDisk(at, lambda: os.kill(os.getpid(), signal.SIGKILL)))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        world.recovers(acknowledged=False)
        world.reset()


def test_a_broken_log_takes_nothing_more_until_it_is_opened_again(world: World) -> None:
    disk = FaultyDisk()
    with world.open(disk) as log:
        disk.at, disk.action = disk.done + 3, fail_by_turns()
        with pytest.raises(LogBroken, match=r"(?s)No space left.*hint: make room"):
            log.append(world.entries[world.before :])
        with pytest.raises(LogBroken, match="open the log again"):
            log.append([b"later:1"])
    world.recovers(acknowledged=False)


class JournalDisk(QuickDisk):
    """Remembers every change of a name, so that a power loss at any moment can be played back.

    A file whose contents were not synced is played back empty, the worst that a power loss can do to it.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, Path, bytes]] = []
        self.contents: dict[Path, bytes] = {}
        self.synced = False

    def create(self, path: Path, data: bytes, mode: int) -> None:
        self.synced = False
        super().create(path, data, mode)
        self.contents[path] = data if self.synced else b""

    def sync_file(self, descriptor: int) -> None:
        self.synced = True

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.events.append(("make", path, b""))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self.events.append(("name", new, self.contents[old]))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.events.append(("sync", path, b""))

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.events.append(("remove", path, b""))


def images(
    events: list[tuple[str, Path, bytes]], seeds: int
) -> Iterator[tuple[int, list[tuple[str, Path, bytes]]]]:
    """For each moment, changes that a power loss leaves: the synced ones, and of the others none, all, or some."""
    for moment in range(len(events) + 1):
        for seed in range(seeds):
            dice = random.Random(moment * 1000 + seed)
            chance = (0.5, 0.0, 1.0)[seed]
            yield (
                moment,
                [
                    (kind, path, data)
                    for i, (kind, path, data) in enumerate(events[:moment])
                    if kind != "sync"
                    and (("sync", path.parent, b"") in events[i:moment] or dice.random() < chance)
                ],
            )


def play(changes: list[tuple[str, Path, bytes]]) -> None:
    lost: set[Path] = set()
    for kind, path, data in changes:
        if kind == "make":
            path.mkdir(exist_ok=True) if path.parent.is_dir() else lost.add(path)
        elif kind == "name" and path.parent.is_dir():
            path.write_bytes(data)
        elif kind == "remove":
            path.unlink(missing_ok=True)


def test_power_loss_at_every_moment(world: World) -> None:
    disk = JournalDisk()
    if world.before == 0:
        world.open().close()  # making the log is not what is disturbed here
        world.before_it = files_of(world.place)
    assert world.disturbed(disk)
    world.reset()
    published = max(i for i, event in enumerate(disk.events) if event[1].name == "checkpoint")
    acknowledged_at = published + 2
    for moment, changes in images(disk.events, seeds=3 if world.before < 200 else 1):
        play(changes)
        world.recovers(acknowledged=moment >= acknowledged_at)
        world.reset()


def test_nothing_is_signed_on_a_record_that_a_power_loss_could_take_back(
    keys: LogKeys, tmp_path: Path
) -> None:
    world = World(tmp_path, keys, 4, 3)
    record, checkpoint = world.place / "keys" / "last-signed", world.place / "log" / "checkpoint"
    published = checkpoint.read_bytes()
    assert world.disturbed(QuickDisk())
    checkpoint.write_bytes(published)  # as if killed right after the record was renamed
    disk = JournalDisk()
    world.open(disk).close()
    names = [(kind, path) for kind, path, _ in disk.events]
    assert names.index(("sync", record.parent)) < names.index(("name", checkpoint))


def test_files_left_by_an_interrupted_append_are_removed(keys: LogKeys, tmp_path: Path) -> None:
    world = World(tmp_path, keys, 4, 3)
    for name in (
        "log/tile/entries/000.p/9",
        "log/tile/0/000.p/.9.tmp",
        "log/.checkpoint.tmp",
        "log/tile/1/000.p/1",
    ):
        path = world.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left over")
    (world.place / "log" / "index.html").write_bytes(b"not ours")
    disk = JournalDisk()
    world.open(disk).close()
    removed = [path for kind, path, _ in disk.events if kind == "remove"]
    assert len(removed) == 4
    for path in removed:  # a name that came back after a power loss could contradict a later append
        assert ("sync", path.parent, b"") in disk.events[disk.events.index(("remove", path, b"")) :]
    left = {name for name in files_of(world.place / "log") if not name.startswith(("tile", "checkpoint"))}
    assert left == {"index.html"}
    assert not any(b"left over" in data for data in files_of(world.place / "log").values())
