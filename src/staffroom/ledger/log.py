"""A log that is open for writing: a folder of tiles, a checkpoint signed by every key, one writer.

What it promises once `append` has returned: the entries are durable and covered by a published checkpoint; none is there twice
(by key); and no two checkpoints were ever signed of which one does not extend the other. `kill -9`, a full disk or a power loss at
any moment leaves either the state before the append or the state after it, and the next `open` finishes what was begun.

What it does not protect: whoever holds the keys can sign anything elsewhere, and a folder put back to an old state *together
with* the record of what was last signed looks untouched. Those need a witness, or anyone who kept a checkpoint.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from staffroom.ledger.disk import TEMPORARY_SUFFIX, Disk, put
from staffroom.ledger.errors import EntryError, LogBroken, LogBusy, LogDamaged, LogRefused, NoteError
from staffroom.ledger.last_signed import read_last_signed, read_restored, write_last_signed
from staffroom.ledger.merkle import EMPTY_ROOT, leaf_hash, root_of
from staffroom.ledger.note import Checkpoint, Signer, open_checkpoint, sign_checkpoint
from staffroom.ledger.tiles import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    bundle_path,
    encode_bundle,
    parse_path,
    read_entries,
    tile_path,
)

__all__ = ["KeyOf", "Log", "read_checkpoint", "writer_held_off"]

KeyOf = Callable[[bytes], str | None]
"""Gives an entry's idempotency key from its bytes, None where it has none; always the same for the same bytes."""

_VERIFY_HINT = "run `staffroom log verify`, and restore the folder from a copy that passes"


def read_checkpoint(folder: Path) -> str:
    """Read the log's published checkpoint, not verified; raises LogDamaged if there is none."""
    try:
        return (folder / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise LogDamaged("no checkpoint here, so this is no log", where=str(folder)) from error


class Log:
    """One log open for writing, by one process; made by `Log.open`, safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        signers: Sequence[Signer],
        origin: str,
        last_signed: Path,
        key_of: KeyOf,
        disk: Disk,
        reconciled: str,
    ) -> None:
        self._reconciled = reconciled
        self._folder = folder
        self._signers = tuple(signers)
        self._origin = origin
        self._last_signed = last_signed
        self._key_of = key_of
        self._disk = disk
        self._edge = _Edge()
        self._tail: list[bytes] = []
        self._index_of_key: dict[str, int] = {}
        self._durable_folders: set[Path] = set()
        self._mutex = threading.Lock()
        self._lock: int | None = None
        self._pid = os.getpid()
        self._usable = False

    @classmethod
    def open(
        cls,
        folder: Path,
        signers: Sequence[Signer],
        origin: str,
        *,
        last_signed: Path,
        key_of: KeyOf = lambda entry: None,
        wait_seconds: float = 0.0,
        disk: Disk | None = None,
        reconciled: str = "",
    ) -> "Log":
        """Open the log in `folder` for writing, making it if neither it nor `last_signed` exists.

        1. Take the writer's lock (`last_signed` + ".lock"), waiting at most `wait_seconds`; raises LogBusy.
        2. Compare the checkpoint with `last_signed`, a file outside the folder; raises LogRefused where signing on could fork.
        3. Recompute tree and keys from the entries; raises LogDamaged or LogRefused where they are not what was signed.
        4. Remove what an interrupted append left beyond that, which nobody was told of and nothing signed.
        5. Sign and publish again, if an append was interrupted between `last_signed` and the checkpoint.

        Every one of `signers` signs each checkpoint, under the name `origin`. `reconciled` names the restore whose record may be
        signed on, because the caller has held the log against what others know of it; the first append then ends that state.
        """
        if not signers or any(signer.verifier.name != origin for signer in signers):
            raise LogRefused(f"every key of this log must be named {origin!r}", where=str(folder))
        log = cls(Path(folder), signers, origin, Path(last_signed), key_of, disk or Disk(), reconciled)
        try:
            log._take_lock(wait_seconds)
            log._recover()
        except OSError as error:
            log.close()
            raise LogBroken(f"the log could not be opened: {error}", where=str(folder)) from error
        except BaseException:
            log.close()
            raise
        return log

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """Root hash over all entries, 32 bytes."""
        return self._edge.root()

    def index_of(self, key: str) -> int | None:
        """Give the index of the entry with this key, None if there is none."""
        return self._index_of_key.get(key)

    def append(self, entries: Sequence[bytes], keys: Sequence[str | None] | None = None) -> list[int]:
        """Append entries of at most 65,535 bytes, all under one new checkpoint, and give their indexes in the same order.

        An entry whose key is in the log already, or earlier in `entries`, is not appended again, whatever else it says: its index
        is the existing one. `keys` may repeat what `key_of` gives, and must agree with it. Raises EntryError before anything is
        written, and LogBroken where the disk failed: the log must then be opened again, and the same call repeated.
        """
        with self._mutex:
            self._check_usable()
            indexes: list[int] = []
            fresh: list[bytes] = []
            fresh_keys: dict[str, int] = {}
            for entry, key in zip(entries, self._checked_keys(entries, keys), strict=True):
                index = None
                if key is not None:
                    index = self._index_of_key.get(key, fresh_keys.get(key))
                if index is None:
                    index = self.size + len(fresh)
                    fresh.append(entry)
                    if key is not None:
                        fresh_keys[key] = index
                indexes.append(index)
            if fresh:
                self._commit(fresh)
                self._index_of_key.update(fresh_keys)
            return indexes

    def close(self) -> None:
        """Let the next writer in; harmless if done twice."""
        self._usable = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked_keys(
        self, entries: Sequence[bytes], keys: Sequence[str | None] | None
    ) -> Sequence[str | None]:
        for number, entry in enumerate(entries):
            if len(entry) > MAX_ENTRY_BYTES:
                raise EntryError(
                    f"{len(entry)} bytes, more than {MAX_ENTRY_BYTES}",
                    where=f"entry {number} to append",
                    hint="keep the content elsewhere and log its digest",
                )
        found = [self._key_of(entry) for entry in entries]
        if keys is not None and list(keys) != found:
            raise EntryError(
                "the keys given are not those that the entries hold, so a restart would lose them"
            )
        return found

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise LogRefused("this log was opened by another process, which still writes to it")
        if not self._usable:
            raise LogBroken(
                "the log is closed, or an append failed half-way",
                hint="open the log again and repeat the append",
            )

    def _commit(self, entries: Sequence[bytes]) -> None:
        """Make entries part of the log.

        1. Entry bundles are durable.
        2. Hash tiles are durable.
        3. The new size and root are durable outside the folder: from here on the append will be finished, never undone.
        4. Sign, and publish the checkpoint.
        5. Partial tiles that a full one replaces are removed.
        """
        self._usable = False
        before = self.size
        bundles: dict[str, bytes] = {}
        tiles: dict[str, bytes] = {}
        replaced: list[str] = []
        for entry in entries:
            self._tail.append(entry)
            full_tiles = self._edge.add(leaf_hash(entry))
            for level, index, data in full_tiles:
                tiles[tile_path(level, index)] = data
                replaced.append(tile_path(level, index))
            if full_tiles:
                path = bundle_path(full_tiles[0][1])
                bundles[path] = encode_bundle(self._tail)
                replaced.append(path)
                self._tail.clear()
        if self._tail:
            bundles[bundle_path(self.size // TILE_WIDTH, len(self._tail))] = encode_bundle(self._tail)
        tiles.update(self._edge.partial_tiles(before))
        try:
            self._put_all(bundles)  # 1
            self._put_all(tiles)  # 2
            checkpoint = Checkpoint(self._origin, self.size, self.root)
            write_last_signed(self._disk, self._last_signed, checkpoint)  # 3
            self._publish(checkpoint)  # 4
        except OSError as error:
            raise LogBroken(
                f"the append could not be finished: {error}",
                where=str(self._folder),
                hint="make room or repair the disk, then repeat the command: nothing is lost or entered twice",
            ) from error
        self._usable = True
        with contextlib.suppress(OSError):  # 5; what stays behind is swept by the next open
            for path in replaced:
                self._remove_partials(self._folder / f"{path}.p")

    def _put_all(self, files: dict[str, bytes]) -> None:
        folders = []
        for name, data in files.items():
            path = self._folder / name
            self._make_folder(path.parent)
            put(self._disk, path, data)
            folders.append(path.parent)
        for folder in dict.fromkeys(folders):
            self._disk.sync_folder(folder)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._durable_folders or folder == self._folder:
            return
        self._make_folder(folder.parent)
        if not folder.is_dir():
            self._disk.make_folder(folder)
        self._disk.sync_folder(folder.parent)
        self._durable_folders.add(folder)

    def _publish(self, checkpoint: Checkpoint) -> None:
        signed = sign_checkpoint(checkpoint, self._signers)
        put(self._disk, self._folder / "checkpoint", signed.encode())
        self._disk.sync_folder(self._folder)

    def _remove_partials(self, folder: Path) -> None:
        if folder.is_dir():
            for path in folder.iterdir():
                self._disk.remove(path)
            self._disk.remove_folder(folder)
            self._durable_folders.discard(folder)

    def _take_lock(self, wait_seconds: float) -> None:
        self._last_signed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._last_signed.with_name(self._last_signed.name + ".lock")
        self._lock = _lock_file(path, self._folder, wait_seconds)

    def _recover(self) -> None:
        last = read_last_signed(self._last_signed)
        published = self._published()
        restored = read_restored(self._last_signed)
        if restored is not None and (restored.name != self._reconciled or published != last):
            raise LogRefused(
                "nothing is signed, because this log came back from a backup and may be behind what was signed since",
                where=str(self._folder),
                hint="staffroom log reconcile --help",
            )
        if last is None:
            if published is not None or (self._folder / "tile").exists():
                raise self._refusal("the record of what it last signed is missing")
            last = Checkpoint(self._origin, 0, EMPTY_ROOT)
            write_last_signed(self._disk, self._last_signed, last)
        if last.origin != self._origin:
            raise self._refusal(f"the record of what was last signed is of another log, {last.origin!r}")
        if published is None and (last.size > 0 or (self._folder / "tile").exists()):
            raise self._refusal(f"{last.size} entries were signed, and the folder has no checkpoint")
        if published is not None and published.size > last.size:
            raise self._refusal(
                f"its checkpoint has {published.size} entries, the record of what was last signed only {last.size}"
            )
        if published is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._disk.sync_folder(self._folder.parent)
        self._recompute(last, published)
        self._sweep()
        # What was renamed before a crash may not be durable yet, and nothing may be signed on it before it is.
        self._disk.sync_folder(self._last_signed.parent)
        if published != last:
            self._publish(last)
        self._usable = True

    def _published(self) -> Checkpoint | None:
        try:
            data = (self._folder / "checkpoint").read_bytes()
        except FileNotFoundError:
            return None
        try:
            published = open_checkpoint(data, [signer.verifier for signer in self._signers])
        except NoteError as error:
            raise self._refusal(f"its checkpoint is not one that these keys signed: {error}") from error
        if published.origin != self._origin:
            raise self._refusal(f"its checkpoint is of another log, {published.origin!r}")
        return published

    def _recompute(self, last: Checkpoint, published: Checkpoint | None) -> None:
        """Rebuild the right edge and the index of keys from the entries, and hold them against both records."""
        size_published = 0 if published is None else published.size
        root_published = EMPTY_ROOT
        entries = read_entries(self._folder, last.size)
        try:
            for index, entry in enumerate(entries):
                if index == size_published:
                    root_published = self._edge.root()
                if index % TILE_WIDTH == 0:
                    self._tail.clear()
                self._tail.append(entry)
                self._edge.add(leaf_hash(entry))
                key = self._key_of(entry)
                if key is not None:
                    self._index_of_key.setdefault(key, index)
        except LogDamaged as error:
            raise self._refusal(
                f"{last.size} entries were signed and not all are here: {error.where}: {error.message}"
            ) from error
        if last.size % TILE_WIDTH == 0:
            self._tail.clear()
        if size_published == last.size:
            root_published = self._edge.root()
        if self._edge.root() != last.root or (published is not None and root_published != published.root):
            raise LogDamaged(
                "the entries are not those that were signed", where=str(self._folder), hint=_VERIFY_HINT
            )

    def _sweep(self) -> None:
        """Remove left-overs: temporary names, tiles beyond the size, partial tiles that a full one replaced."""
        swept: set[Path] = set()
        for path in [*self._folder.glob(f".*{TEMPORARY_SUFFIX}"), *(self._folder / "tile").rglob("*")]:
            if not path.is_file() or path.is_symlink():
                continue
            if not (path.name.startswith(".") and path.name.endswith(TEMPORARY_SUFFIX)):
                place = parse_path(path.relative_to(self._folder).as_posix())
                if place is None:
                    continue
                level, index, width = place
                covered = self.size >> 8 * level
                beyond = index * TILE_WIDTH + width > covered
                replaced = width < TILE_WIDTH and (index + 1) * TILE_WIDTH <= covered
                if not beyond and not replaced:
                    continue
            self._disk.remove(path)
            swept.add(path.parent)
        # A name that came back after a power loss could contradict what was written since.
        for folder in sorted(swept):
            self._disk.sync_folder(folder)

    def _refusal(self, reason: str) -> LogRefused:
        return LogRefused(
            f"nothing is signed, because this folder may be an older copy of the log: {reason}",
            where=str(self._folder),
            hint=f"put back the newest copies of the folder and of {self._last_signed}; "
            "the checkpoints that others keep tell which is the newest",
        )


@contextlib.contextmanager
def writer_held_off(folder: Path, last_signed: Path, wait_seconds: float) -> Iterator[None]:
    """Keep every writer out of a log while the block runs, such as to copy it; raises LogBusy after `wait_seconds`."""
    if not last_signed.parent.is_dir():
        yield  # no writer was ever here
        return
    lock = _lock_file(last_signed.with_name(last_signed.name + ".lock"), folder, wait_seconds)
    try:
        yield
    finally:
        os.close(lock)


def _lock_file(path: Path, folder: Path, wait_seconds: float) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            text = os.pread(lock, 20, 0).strip()
            os.close(lock)
            pid = int(text) if text.isdigit() else 0
            raise LogBusy(
                f"another process (pid {pid or 'unknown'}) is writing to this log",
                pid=pid,
                where=str(folder),
                hint="wait for it to finish, or stop it, then repeat the command",
            ) from error
    os.pwrite(lock, f"{os.getpid():<20}".encode(), 0)
    return lock


class _Edge:
    """The right edge of the tree: for each level the hashes of its last tile, which is never full."""

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = []

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; gives (level, index, bytes) of each tile that it filled, from level 0 upwards."""
        self.size += 1
        filled: list[tuple[int, int, bytes]] = []
        node, level = leaf, 0
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(node)
            if len(row) < TILE_WIDTH:
                return filled
            filled.append((level, (self.size >> 8 * (level + 1)) - 1, b"".join(row)))
            node = root_of(row)
            row.clear()
            level += 1

    def partial_tiles(self, size_before: int) -> dict[str, bytes]:
        """Give path and bytes of each partial tile that is new since the tree had `size_before` leaves."""
        return {
            tile_path(level, self.size >> 8 * (level + 1), len(row)): b"".join(row)
            for level, row in enumerate(self._rows)
            if row and size_before >> 8 * level != self.size >> 8 * level
        }

    def root(self) -> bytes:
        """Root hash of the tree, 32 bytes."""
        lower: list[bytes] = []
        for row in self._rows:
            if row or lower:
                lower = [root_of([*row, *lower])]
        return lower[0] if lower else EMPTY_ROOT
