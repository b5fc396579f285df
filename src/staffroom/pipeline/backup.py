"""Back a home up while it works, and put a backup back as a home that stands still until people say otherwise.

A backup is taken in this order, so that nothing in it points to what it lacks:
1. the index, as one state; 2. the decision log, with its writer held off; 3. `private/`, whose salts and texts are written before
the entries that name them; 4. objects, document indexes and the rest, which are written before the index names them.

What never goes in: who may run (`permits/`, only tombstones), what was last signed (a copy of it beside a copy of the log would hide
that both are old), locks, caches, logs of engines, rehearsals. Private keys and model files only if asked.

A restore verifies everything before the home gets its name. It grants no permit, and the log refuses to sign (`reconcile.py`).
"""

import hashlib
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path, PurePosixPath
from typing import IO, Any

from staffroom import __version__, recruit
from staffroom.ledger import load_keys, mark_restored, read_last_signed, writer_held_off
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.restored_checks import check_restored
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.protocols import Progress
from staffroom.serve import Permits
from staffroom.store import (
    ApiKeys,
    Backup,
    BackupSink,
    Database,
    Home,
    disk_error,
    is_sqlite,
    make_folder,
    open_backup,
    snapshot,
    staging,
    sync_folder,
    to_text,
    utc_now,
    writing_backup,
)
from staffroom.store.backup import FORMAT
from staffroom.store.schema import MIGRATIONS

__all__ = ["back_up", "check_backup", "restore"]

_TAR = (".tar", ".tar.gz", ".tgz")
_LOG_SECONDS = 60.0
_BLOCK_BYTES = 1 << 20
_NOT_THE_HOME = (
    "locks/",
    "objects/partial/",
    "private/rehearsal/",
    "private/engines/",
    "private/upgrades/",
    "index/cache.sqlite",
)
_PASSING = (".partial", ".tmp", ".lock", "-wal", "-shm", "-journal")
_LAST_SIGNED = ".last-signed"
_VKEYS = "keys/decisions/log.vkeys"


@dataclass(slots=True)
class _Taking:
    """A backup under way."""

    home: Home
    sink: BackupSink
    passing: Path
    progress: Progress
    keys: bool
    models: bool
    taken: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    bytes: int = 0
    schema: int = 0


def back_up(
    home: Home, place: Path, progress: Progress, *, keys: bool = False, models: bool = False
) -> dict[str, Any]:
    """Write a backup and return what it holds; the home may be at work meanwhile.

    place: a file that ends in .tar, .tar.gz or .tgz; else a folder, in which the backup gets a folder of its own.
    keys: with the private keys, which let whoever holds the backup sign as this home.  models: with the model files.
    Raises StaffroomError where the disk is full or something cannot be read; then there is no backup.
    """
    if not home.database.exists():
        raise WrongUse("there is no home here to back up", where=str(home.path), hint="staffroom doctor")
    at = utc_now()
    target = place.absolute()
    if not target.name.endswith(_TAR):
        target = target / f"staffroom-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    if target.is_relative_to(home.path):
        raise WrongUse(
            "a backup inside the home is lost with it", where=str(target), hint="name a folder elsewhere"
        )
    log = DecisionLog(home)
    with writing_backup(target) as (sink, passing, finish):
        taking = _Taking(home, sink, passing, progress, keys, models)
        progress.stage("backing up", sum(1 for _ in home.path.rglob("*")))
        _take(taking, home.database)  # 1
        with writer_held_off(home.log, log.last_signed, _LOG_SECONDS):  # 2
            _take_all(taking, "log")
            signed = read_last_signed(log.last_signed)
        for name in ("private", "objects", "index", *_rest(home)):  # 3, 4
            _take_all(taking, name)
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "id": secrets.token_hex(8),
            "at": to_text(at),
            "staffroom": __version__,
            "schema": taking.schema,
            "keys": keys,
            "models": models,
            "log": {
                "size": 0 if signed is None else signed.size,
                "root": "" if signed is None else signed.root.hex(),
            },
            "running": sorted(Permits(home.permits).running()),
            "damaged": taking.damaged,
        }
        digest = finish(manifest)
    return {
        **manifest,
        "place": str(target),
        "manifest": digest,
        "files": len(taking.taken),
        "bytes": taking.bytes,
        "skipped": taking.skipped,
        "models_left_out": [] if models else _model_ids(home),
    }


def check_backup(home: Home, place: Path, progress: Progress, *, expected: str = "") -> dict[str, Any]:
    """Verify a backup as a restore to `home` would, beside it, without keeping anything; returns what the backup says of itself."""
    make_folder(home.path.parent)
    with open_backup(place) as backup, staging(home.path.with_name(f"{home.path.name}.check")) as stage:
        _require_readable(backup, place, expected)
        copy = Home(stage / "home")
        count = _put_back(backup, copy, progress)
        check_restored(copy)
        return _facts(backup, place, count)


def restore(
    home: Home,
    place: Path,
    progress: Progress,
    *,
    keys_from: Path | None = None,
    expected: str = "",
    revoke_keys: bool = False,
) -> dict[str, Any]:
    """Make a home of a backup, where there is none yet.

    1. Every file is copied beside the home's place and held against the manifest, databases and log are checked.
    2. Keys are put beside them, from the backup or from `keys_from` (a copy of `keys/` that was kept elsewhere).
    3. The log is marked as restored: it can be read, and signs nothing until `staffroom log reconcile`.
    4. The copy gets the home's name. Nothing in it may run: each worker needs `staffroom resume`.

    expected: the digest of the manifest as it was printed when the backup was made.  revoke_keys: no client's key opens anything.
    Raises WrongUse where the home is not empty, StaffroomError for a backup that is damaged or of a newer Staffroom.
    """
    if home.path.exists() and (not home.path.is_dir() or any(home.path.iterdir())):
        raise WrongUse(
            "there is a home already, and a restore changes none",
            where=str(home.path),
            hint="name another place: STAFFROOM_HOME=FOLDER staffroom restore BACKUP",
        )
    make_folder(home.path.parent)
    with open_backup(place) as backup, staging(home.path) as stage:
        _require_readable(backup, place, expected)
        copy = Home(stage / "home")
        count = _put_back(backup, copy, progress)
        check_restored(copy)
        if keys_from is not None:
            _put_keys(copy, keys_from)
        log, now = DecisionLog(copy), utc_now()
        name = f"{backup.manifest['id']}, taken {backup.manifest['at']}, restored {to_text(now)}"
        if (copy.log / "checkpoint").exists():
            mark_restored(copy.log, log.last_signed, log.vkeys(), name)
        else:
            # The log may have begun since, with these keys: here it begins with others, and cannot be a second history.
            shutil.rmtree(copy.keys / "decisions", ignore_errors=True)
        revoked = _revoke_all(copy) if revoke_keys else 0
        try:
            _sync(copy.path)
            copy.path.rename(home.path)
            sync_folder(home.path.parent)
        except OSError as error:
            raise disk_error(error, home.path) from error
        return {
            **_facts(backup, place, count),
            "home": str(home.path),
            "signing_keys": (home.keys / "decisions" / "log.key").exists(),
            "keys_revoked": revoked,
            "models_missing": _missing_models(home),
        }


def _rest(home: Home) -> Iterator[str]:
    done = {"log", "private", "objects", "index", home.database.name, ".gitignore"}
    yield from sorted(path.name for path in home.path.iterdir() if path.name not in done)


def _take_all(taking: _Taking, name: str) -> None:
    top = taking.home.path / name
    if top.is_file():
        _take(taking, top)
        return
    for folder, folders, files in os.walk(top):
        folders.sort()
        # A duty record's words are written before its line: lines first, and no line is taken without its words.
        for file in sorted(files, key=lambda each: (each.endswith(".texts.jsonl"), each)):
            _take(taking, Path(folder) / file)
        taking.skipped += [str(Path(folder) / each) for each in folders if (Path(folder) / each).is_symlink()]


def _take(taking: _Taking, path: Path) -> None:
    name = path.relative_to(taking.home.path).as_posix()
    if name in taking.taken or not _wanted(taking, name):
        return
    if path.is_symlink() and not name.startswith("models/"):
        taking.skipped.append(str(path))
        return
    if not path.is_file():
        return  # removed meanwhile, or a socket
    try:
        mode = path.stat().st_mode & 0o777
        if is_sqlite(path):
            passing = taking.passing / "snapshot"
            version = snapshot(path, passing)
            taking.schema = version if path == taking.home.database else taking.schema
            path = passing
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            if name.endswith(".jsonl"):
                size = _to_last_line(source.fileno(), size)
            file = taking.sink.add(name, source, size, mode)
    except FileNotFoundError:
        return  # removed meanwhile: nothing that is kept points to it
    parts = PurePosixPath(name).parts
    if parts[:2] == ("objects", "sha256") and parts[-1] != file.sha256:
        taking.damaged.append(name)
    if path.parent == taking.passing:
        path.unlink()
    taking.taken.add(name)
    taking.bytes += file.bytes
    taking.progress.advance(1, name)


def _wanted(taking: _Taking, name: str) -> bool:
    if name.startswith(_NOT_THE_HOME) or name.endswith(_PASSING):
        return False
    if name.startswith("permits/"):
        return name.endswith(".retired")
    if name.startswith("keys/"):
        return name == _VKEYS or (taking.keys and not name.endswith(_LAST_SIGNED))
    return taking.models or not (name.startswith("models/") and name.endswith((".gguf", ".verified")))


def _to_last_line(handle: int, size: int) -> int:
    """Return the size up to the last whole line: a line may be half written at this moment."""
    end = size
    while end > 0:
        begin = max(0, end - _BLOCK_BYTES)
        place = os.pread(handle, end - begin, begin).rfind(b"\n")
        if place >= 0:
            return begin + place + 1
        end = begin
    return 0


def _require_readable(backup: Backup, place: Path, expected: str) -> None:
    if expected and backup.digest != expected:
        raise StaffroomError(
            f"the manifest's digest is {backup.digest}, not the one expected",
            where=str(place),
            hint="look for the backup that has the digest that was printed when it was made",
        )
    newest = MIGRATIONS[-1].number
    schema = int(backup.manifest["schema"])
    if schema > newest:
        raise StaffroomError(
            f"of a newer Staffroom (schema {schema}, this one knows {newest})",
            where=str(place),
            hint="install the Staffroom that made it, or a newer one",
        )


def _put_back(backup: Backup, copy: Home, progress: Progress) -> int:
    copy.ensure()
    count = 0
    progress.stage("restoring", len(backup.manifest["files"]))
    for file, source in backup.files():
        target = copy.path / file.path
        private = file.path.split("/")[0] in ("private", "keys")
        make_folder(target.parent, mode=0o700 if private else 0o777)
        digest = _copy(source, target, file.mode)
        if digest != file.sha256:
            raise StaffroomError(
                "this file of the backup is not what the manifest says; nothing was restored",
                where=file.path,
                hint="take another backup",
            )
        count += 1
        progress.advance(1, file.path)
    return count


def _copy(source: IO[bytes], target: Path, mode: int) -> str:
    sha = hashlib.sha256()
    try:
        with target.open("xb") as made:
            while block := _read(source, target):
                sha.update(block)
                made.write(block)
            made.flush()
            os.fchmod(made.fileno(), mode)
            os.fsync(made.fileno())
    except OSError as error:
        raise disk_error(error, target) from error
    return sha.hexdigest()


def _read(source: IO[bytes], target: Path) -> bytes:
    try:
        return source.read(_BLOCK_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        raise StaffroomError(
            f"this file cannot be read from the backup ({error})",
            where=target.name,
            hint="take another backup",
        ) from error


def _put_keys(copy: Home, folder: Path) -> None:
    """Put private keys that were kept elsewhere beside a restored log, after a look that they are this log's."""
    try:
        names = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and not path.name.endswith(".lock")
        )
        own = load_keys(folder / "decisions").vkeys
        if (copy.path / _VKEYS).exists() and own != DecisionLog(copy).vkeys():
            raise WrongUse(
                "these are not the keys of the log in the backup",
                where=str(folder),
                hint="staffroom restore --help",
            )
        for name in names:
            target = copy.keys / name
            make_folder(target.parent, mode=0o700)
            target.unlink(missing_ok=True)
            with (folder / name).open("rb") as source:
                _copy(source, target, 0o644 if name.endswith(".vkeys") else 0o600)
    except OSError as error:
        raise disk_error(error, folder) from error


def _revoke_all(copy: Home) -> int:
    with Database(copy.database) as database:
        keys = ApiKeys(database)
        valid = [key for key in keys.list() if key.revoked is None]
        for key in valid:
            keys.revoke(key.id)
    return len(valid)


def _facts(backup: Backup, place: Path, count: int) -> dict[str, Any]:
    manifest = backup.manifest
    kept = ("id", "at", "staffroom", "schema", "keys", "models", "log", "running", "damaged")
    return {
        **{name: manifest[name] for name in kept},
        "backup": str(place),
        "manifest": backup.digest,
        "files": count,
    }


def _model_ids(home: Home) -> list[str]:
    if not home.models.is_dir():
        return []
    return [entry.id for entry in recruit.list_models(home.path) if entry.candidate.model is not None]


def _missing_models(home: Home) -> list[str]:
    missing = []
    for entry in recruit.list_models(home.path):
        try:
            if entry.candidate.model is not None:
                recruit.file_of(home.path, entry.candidate)
        except StaffroomError:
            missing.append(entry.id)
    return missing


def _sync(folder: Path) -> None:
    for place, _, _ in os.walk(folder):
        sync_folder(Path(place))
