"""A log that came back from a backup: what it is held against before anything is signed on it again.

The danger is a fork: whoever signs entry 12 a second time has two histories, and anybody with the first one can show it.
So the entries that were signed after the backup must come back (from a published copy of the folder), or there must be reason
to say that there are none. This module checks and copies; whose word counts as a reason is for the caller to say.

It does not protect where everybody who keeps a checkpoint is left out: what nobody shows it, it cannot see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffroom.ledger.disk import Disk, put
from staffroom.ledger.errors import LogDamaged, LogRefused
from staffroom.ledger.last_signed import Restored, read_last_signed, read_restored, write_last_signed
from staffroom.ledger.log import read_checkpoint
from staffroom.ledger.note import Checkpoint
from staffroom.ledger.tiles import TILE_WIDTH, parse_path
from staffroom.ledger.verify import open_signed, verify_log

__all__ = [
    "KnownTree",
    "Reconciliation",
    "known_of_checkpoint",
    "known_of_record",
    "mark_restored",
    "reconcile",
    "tree_of_folder",
]


@dataclass(frozen=True, slots=True)
class KnownTree:
    """A tree that somebody knows this log to have signed, and where that was read."""

    size: int
    root: bytes
    where: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A log that contains every tree it was held against: sizes before and after, and the name of the restore."""

    before: int
    after: int
    restored: str


def mark_restored(folder: Path, last_signed: Path, vkeys: Sequence[str], restore: str) -> Checkpoint | None:
    """Write the record for a log folder that came from a backup: readable, and refused for signing until reconciled.

    A record that is there already (an old copy of the keys) counts as the largest tree known. Returns what the folder holds,
    None where there is no log; raises LogDamaged where the folder is not whole.
    """
    if not (folder / "checkpoint").exists():
        return None
    tree = tree_of_folder(folder, vkeys)
    held = Checkpoint(_origin(folder), tree.size, tree.root)
    known = read_last_signed(last_signed) or held
    last_signed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = Restored(restore, held.size, known if known.size > held.size else held)
    write_last_signed(Disk(), last_signed, held, record)
    return held


def tree_of_folder(folder: Path, vkeys: Sequence[str], extends: KnownTree | None = None) -> KnownTree:
    """Return the signed tree of a log folder, recomputed; raises LogDamaged where it is not whole or does not extend another."""
    try:
        size, root = open_signed((folder / "checkpoint").read_bytes(), vkeys)
    except (OSError, ValueError) as error:
        raise LogDamaged(f"no checkpoint by the keys of this log: {error}", where=str(folder)) from error
    if extends is not None and extends.size > size:
        raise LogRefused(
            f"{extends.size} entries were signed ({extends.where}), and there are only {size} here",
            where=str(folder),
            hint="give a copy of the published folder that has them: staffroom log reconcile --from FOLDER",
        )
    report = verify_log(folder, vkeys, None if extends is None else (extends.size, extends.root))
    if not report.ok:
        first = report.problems[0]
        against = "" if extends is None else f" (held against {extends.where})"
        raise LogDamaged(
            f"{first.where}: {first.what}{against}", where=str(folder), hint="staffroom log verify"
        )
    return KnownTree(size, root, str(folder))


def reconcile(
    folder: Path,
    last_signed: Path,
    vkeys: Sequence[str],
    *,
    copies: Sequence[Path] = (),
    known: Sequence[KnownTree] = (),
    disk: Disk | None = None,
) -> Reconciliation | None:
    """Hold a restored log against copies and known trees, and take in the entries that it lacks; None if nothing was restored.

    1. The folder extends what the restore put back, and each copy extends that too.
    2. The longest of them contains every tree that is known, of the restore and of the caller; else LogRefused or LogDamaged.
    3. Entries and tiles of the longest are copied in, then its checkpoint; the whole is recomputed.
    4. The record names the new size, still as restored: the caller's first append ends that state (`Log.open(reconciled=...)`).

    Killed at any moment, the log still refuses to sign, and the same call goes on.
    """
    disk = disk or Disk()
    restored, record = read_restored(last_signed), read_last_signed(last_signed)
    if restored is None or record is None:
        return None
    back = KnownTree(record.size, record.root, "the backup")
    trees = [tree_of_folder(folder, vkeys, back)]  # 1
    trees += [tree_of_folder(copy, vkeys) for copy in copies]
    longest = max(trees, key=lambda tree: tree.size)
    shown = KnownTree(restored.known.size, restored.known.root, "the record that came with the keys")
    for tree in (back, shown, *trees, *known):  # 2
        tree_of_folder(Path(longest.where), vkeys, tree)
    source = Path(longest.where)
    if source != folder:  # 3
        _copy(source, folder, longest.size, disk)
        tree_of_folder(folder, vkeys, longest)
    now = Checkpoint(record.origin, longest.size, longest.root)
    write_last_signed(disk, last_signed, now, restored)  # 4
    return Reconciliation(restored.size, longest.size, restored.name)


def known_of_checkpoint(data: bytes, vkeys: Sequence[str], where: str) -> KnownTree:
    """Return the tree of a checkpoint that somebody kept; raises LogDamaged where these keys did not sign it."""
    try:
        size, root = open_signed(data, vkeys)
    except ValueError as error:
        raise LogDamaged(f"this is no checkpoint of this log: {error}", where=where) from error
    return KnownTree(size, root, where)


def known_of_record(path: Path, origin: str) -> KnownTree:
    """Return the tree of a record of what was last signed (`decisions.last-signed` of the lost home)."""
    record = read_last_signed(path)
    if record is None or record.origin != origin:
        raise LogRefused(
            "this is no record of this log", where=str(path), hint="staffroom log reconcile --help"
        )
    return KnownTree(record.size, record.root, str(path))


def _copy(source: Path, folder: Path, size: int, disk: Disk) -> None:
    checkpoint = (source / "checkpoint").read_bytes()
    folders: dict[Path, None] = {}
    for path in sorted((source / "tile").rglob("*")):
        place = parse_path(path.relative_to(source).as_posix())
        if place is None or path.is_symlink() or not path.is_file():
            continue
        level, index, width = place
        if index * TILE_WIDTH + width > size >> 8 * level:
            continue
        target, data = folder / path.relative_to(source), path.read_bytes()
        if target.is_file() and target.read_bytes() == data:
            continue
        for parent in reversed(target.parents):
            if parent.is_relative_to(folder) and not parent.is_dir():
                disk.make_folder(parent)
                folders[parent.parent] = None
        put(disk, target, data)
        folders[target.parent] = None
    for each in folders:
        disk.sync_folder(each)
    put(disk, folder / "checkpoint", checkpoint)
    disk.sync_folder(folder)


def _origin(folder: Path) -> str:
    return read_checkpoint(folder).partition("\n")[0]
