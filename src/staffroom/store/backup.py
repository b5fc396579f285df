"""A backup on disk: files with a manifest of their digests, as a folder or as one tar file, whole or not there at all.

Everything is written under a passing name, the manifest last; only then does the backup get its name. So what a full disk or a
`kill -9` leaves is never taken for a backup, and the next backup beside it sweeps it away: a lock that the kernel drops with the
process tells what is left over from what is under way.

It knows nothing of what the files mean. Digests tell of damage, not of forgery: whoever can write the backup can write its
manifest too, so keep the manifest's digest elsewhere where that matters.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import re
import secrets
import shutil
import sqlite3
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

import orjson

from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store.durable import disk_error, make_folder, sync_folder, write_all

__all__ = [
    "FORMAT",
    "BackedUpFile",
    "Backup",
    "BackupSink",
    "is_sqlite",
    "open_backup",
    "snapshot",
    "staging",
    "writing_backup",
]

FORMAT = "staffroom-backup/1"
_MANIFEST = "manifest.json"
_BLOCK_BYTES = 1 << 20
_SIDE_FILES_BYTES = 64 << 10
_MANIFEST_BYTES = 512 << 20
_STAGE = re.compile(r"^\.(?P<name>.+)\.[0-9a-f]{16}\.partial$")
_TIMED = re.compile(r"\d{8}T\d{6}Z")
_TAR = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class BackedUpFile:
    """One file: its path in the home (POSIX), size, digest and permission bits."""

    path: str
    bytes: int
    sha256: str
    mode: int

    def as_json(self) -> dict[str, Any]:
        """Return the manifest's row."""
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256, "mode": self.mode}


class BackupSink(Protocol):
    """Where a backup is written to."""

    def add(self, path: str, source: IO[bytes], size: int, mode: int) -> BackedUpFile:
        """Take exactly `size` bytes of `source` in as the file `path`."""
        ...


class Backup(Protocol):
    """A backup that is read: its manifest, whose files are yet to be verified, and the files."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the backup says of itself."""
        ...

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        ...

    def files(self) -> Iterator[tuple[BackedUpFile, IO[bytes]]]:
        """Yield each file of the manifest once, in any order; raises StaffroomError for one that is missing or not listed."""
        ...


class _Finish(Protocol):
    def __call__(self, manifest: Mapping[str, Any]) -> str: ...


@contextlib.contextmanager
def writing_backup(target: Path) -> Iterator[tuple[BackupSink, Path, _Finish]]:
    """Write a backup that gets the name `target` when finished: a tar file for `.tar`, `.tar.gz` and `.tgz`, else a folder.

    Yields the sink, a folder for passing files, and what to call last with the manifest; it returns the manifest's digest.
    Raises WrongUse where `target` is there already; disk errors come as StaffroomError, and nothing is left behind.
    """
    if os.path.lexists(target):
        raise WrongUse(
            "is there already", where=str(target), hint="name another file or folder for the backup"
        )
    make_folder(target.parent)
    done: list[bool] = []
    try:
        with staging(target) as stage:
            made = stage / "backup"
            with _sink(target, made) as sink:

                def finish(manifest: Mapping[str, Any]) -> str:
                    data = canonical_json({**manifest, "files": [file.as_json() for file in sink.taken]})
                    sink.close(data)
                    # A rename would replace an empty folder that came meanwhile, and any file.
                    if os.path.lexists(target):
                        raise WrongUse("is there already", where=str(target), hint="name another place")
                    made.rename(target)
                    sync_folder(target.parent)
                    done.append(True)
                    return digest_bytes(data)

                yield sink, stage, finish
    except OSError as error:
        raise disk_error(error, Path(error.filename or target)) from error
    if not done:
        raise StaffroomError("the backup was not finished", where=str(target), hint="staffroom backup FOLDER")


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Make a folder beside `target` for what is not whole yet, and remove it at the end, come what may.

    What killed processes left for the same target, or for a backup of another time in the same folder, is removed first.
    """
    kind = _TIMED.sub("", target.name)
    for path in target.parent.glob(".*.partial"):
        found = _STAGE.match(path.name)
        if found and _TIMED.sub("", found["name"]) == kind:
            _sweep(path)
    stage = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    try:
        stage.mkdir(mode=0o700)
        lock = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise disk_error(error, target) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(lock)


def is_sqlite(path: Path) -> bool:
    """Say whether a file is an SQLite database."""
    with path.open("rb") as stream:
        return stream.read(16) == b"SQLite format 3\0"


def snapshot(source: Path, target: Path) -> int:
    """Copy a database as one consistent state, whoever writes to it meanwhile; return its schema number (`user_version`).

    Raises StaffroomError where the source is damaged or the disk is full.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
        ) as read:
            target.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(target)) as write:
                read.backup(write, pages=-1)  # one read transaction; in WAL mode it keeps nobody waiting
                write.execute("PRAGMA journal_mode = DELETE")
                faults = [str(row[0]) for row in write.execute("PRAGMA integrity_check")]
                version = int(write.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        # SQLite says "disk I/O error" where the disk is too full for the side files of a copy.
        if "full" in str(error) or shutil.disk_usage(target.parent).free < _SIDE_FILES_BYTES:
            raise StaffroomError(
                "the disk is full; nothing was half written",
                where=str(target.parent),
                hint=f"free some space (`df -h {target.parent}`) and run the same command again",
            ) from error
        raise StaffroomError(
            f"this database cannot be copied ({error})", where=str(source), hint="staffroom doctor"
        ) from error
    if faults != ["ok"]:
        raise StaffroomError(
            f"this database is damaged ({faults[0]}), so a backup of it would be too",
            where=str(source),
            hint="keep a plain copy of the home (`cp -a`), then restore an older backup",
        )
    return version


@contextlib.contextmanager
def open_backup(path: Path) -> Iterator[Backup]:
    """Open a backup for reading; raises StaffroomError where it is none, or not a whole one."""
    if path.is_dir():
        yield _FolderBackup(path)
        return
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(tarfile.open(path, "r:*"))
            backup = _TarBackup(path, archive)
        except FileNotFoundError as error:
            raise WrongUse("is not there", where=str(path), hint="staffroom restore BACKUP") from error
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise _no_backup(path, f"it cannot be read to its end ({error})") from error
        yield backup


def _sweep(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody is at work in it
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


class _Sink(BackupSink, Protocol):
    taken: list[BackedUpFile]

    def close(self, manifest: bytes) -> None: ...


@contextlib.contextmanager
def _sink(target: Path, made: Path) -> Iterator[_Sink]:
    if target.name.endswith(_TAR):
        sink = _TarSink(made, packed=not target.name.endswith(".tar"))
        try:
            yield sink
        finally:
            sink.abandon()
    else:
        yield _FolderSink(made)


class _FolderSink:
    def __init__(self, folder: Path) -> None:
        self.taken: list[BackedUpFile] = []
        self._folder = folder
        self._folders: dict[Path, None] = {}
        folder.mkdir(mode=0o700)

    def add(self, path: str, source: IO[bytes], size: int, mode: int) -> BackedUpFile:
        target = self._folder / "home" / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in (target.parent, *target.parent.parents):
            self._folders[parent] = None
            if parent == self._folder:
                break
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            read = _Hashing(source, path, size)
            while block := read.read(_BLOCK_BYTES):
                write_all(handle, block)
            os.fsync(handle)
        finally:
            os.close(handle)
        self.taken.append(BackedUpFile(path, size, read.digest(), mode))
        return self.taken[-1]

    def close(self, manifest: bytes) -> None:
        for folder in self._folders:
            sync_folder(folder)
        handle = os.open(self._folder / _MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(handle, manifest)
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(self._folder)


class _TarSink:
    def __init__(self, path: Path, *, packed: bool) -> None:
        self.taken: list[BackedUpFile] = []
        self._raw = _Unbuffered(path)
        self._archive = tarfile.open(  # noqa: SIM115  closed by `close`
            fileobj=cast(IO[bytes], self._raw), mode="w:gz" if packed else "w:", format=tarfile.PAX_FORMAT
        )

    def add(self, path: str, source: IO[bytes], size: int, mode: int) -> BackedUpFile:
        read = _Hashing(source, path, size)
        self._member(f"home/{path}", read, size, mode)
        self.taken.append(BackedUpFile(path, size, read.digest(), mode))
        return self.taken[-1]

    def close(self, manifest: bytes) -> None:
        self._member(_MANIFEST, io.BytesIO(manifest), len(manifest), 0o600)
        self._archive.close()
        os.fsync(self._raw.handle)

    def abandon(self) -> None:
        self._raw.close()

    def _member(self, name: str, source: Any, size: int, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, mode
        self._archive.addfile(member, source)


class _Unbuffered:
    """A new file for `tarfile`, which writes at once: what fails, fails where it is written and not when it is closed."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._at = 0

    def write(self, data: bytes) -> int:
        write_all(self.handle, data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        return

    def close(self) -> None:
        os.close(self.handle)


class _Hashing:
    """Reads exactly `size` bytes of a file and takes their digest."""

    def __init__(self, source: IO[bytes], path: str, size: int) -> None:
        self._source, self._path, self._left = source, path, size
        self._sha = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        block = self._source.read(count)
        if len(block) < count and not block:
            raise StaffroomError(
                "the file became shorter while it was read", where=self._path, hint="staffroom backup FOLDER"
            )
        self._left -= len(block)
        self._sha.update(block)
        return block

    def digest(self) -> str:
        return self._sha.hexdigest()


class _FolderBackup:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            place = path / _MANIFEST
            if place.stat().st_size > _MANIFEST_BYTES:
                raise _no_backup(path, "its manifest is too large")
            data = place.read_bytes()
        except OSError as error:
            raise _no_backup(path, "it has no manifest") from error
        self.digest = digest_bytes(data)
        self.manifest, self._files = _parse_manifest(path, data)

    def files(self) -> Iterator[tuple[BackedUpFile, IO[bytes]]]:
        home = self._path / "home"
        present = {
            found.relative_to(home).as_posix()
            for found in home.rglob("*")
            if found.is_symlink() or not found.is_dir()
        }
        _require_same(self._path, present, self._files)
        for name, file in self._files.items():
            try:
                handle = os.open(home / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                raise _no_backup(self._path, f"{name} cannot be read ({error.strerror})") from error
            with os.fdopen(handle, "rb") as stream:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise _no_backup(self._path, f"{name} is not a plain file")
                yield file, stream


class _TarBackup:
    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self._path, self._archive = path, archive
        members = archive.getmembers()  # to the end: a file that was cut off is told here
        last = members[-1] if members else None
        if last is None or last.name != _MANIFEST or not last.isreg() or last.size > _MANIFEST_BYTES:
            raise _no_backup(path, "it does not end with a manifest")
        stream = archive.extractfile(last)
        data = stream.read() if stream is not None else b""
        self.digest = digest_bytes(data)
        self.manifest, self._files = _parse_manifest(path, data)
        self._members = members[:-1]

    def files(self) -> Iterator[tuple[BackedUpFile, IO[bytes]]]:
        names = [member.name.removeprefix("home/") for member in self._members]
        wrong = next(
            (each for each in self._members if not each.isreg() or not each.name.startswith("home/")), None
        )
        if wrong is not None or len(set(names)) != len(names):
            raise _no_backup(self._path, "it holds something else than files of a home, each once")
        _require_same(self._path, set(names), self._files)
        for name, member in zip(names, self._members, strict=True):
            stream = self._archive.extractfile(member)
            if stream is None:
                raise _no_backup(self._path, f"{name} is not a plain file")
            with stream:
                yield self._files[name], stream


def _parse_manifest(path: Path, data: bytes) -> tuple[dict[str, Any], dict[str, BackedUpFile]]:
    try:
        manifest = orjson.loads(data)
        if manifest["format"] != FORMAT:
            raise _no_backup(path, f"it is of another format ({str(manifest['format'])[:40]})")
        files = {}
        for row in manifest["files"]:
            file = BackedUpFile(
                str(row["path"]), int(row["bytes"]), str(row["sha256"]), int(row["mode"]) & 0o777
            )
            parts = PurePosixPath(file.path).parts
            plain = parts and "/".join(parts) == file.path and parts[0] != "/" and ".." not in parts
            if not plain or "\0" in file.path or file.path in files:
                raise ValueError(file.path)
            files[file.path] = file
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_backup(path, "its manifest cannot be read") from error
    return manifest, files


def _require_same(path: Path, present: set[str], files: Mapping[str, BackedUpFile]) -> None:
    for name in sorted(files.keys() - present):
        raise _no_backup(path, f"{name} is missing")
    for name in sorted(present - files.keys()):
        raise _no_backup(path, f"{name} is not in its manifest")


def _no_backup(path: Path, reason: str) -> StaffroomError:
    return StaffroomError(
        f"this is not a whole backup: {reason}",
        where=str(path),
        hint="take another one; a backup is whole or not there",
    )
