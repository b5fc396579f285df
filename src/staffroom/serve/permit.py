"""Permits: a worker runs only while its permit says so, and stopping it never waits for anything.

A permit is the file `permits/<alias>` that holds a release's digest. Removed, unreadable or unknown means
stopped. It is read by the gateway, outside the process that runs the model, before the start of an answer
and at each piece of it. Removing a file works on a full disk; creating one does not: so stopping is the
direction that cannot fail.

Stopping: 1. unlink the permit, 2. unlink permits about to be granted, 3. unlink once more (one may have
been granted between 1 and 2), 4. fsync the folder, 5. only then record. Starting records first and grants
after, so that nothing ever runs without a record of why.

It does not protect against someone who may write the folder: whoever can create files there can start
workers.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from staffroom.ledger import LedgerError
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store import disk_error, make_folder, sync_folder, to_text, utc_now, write_durably
from staffroom.store.durable import write_all

__all__ = [
    "DutyState",
    "PermitAct",
    "PermitChange",
    "PermitRecorder",
    "Permits",
    "PreparedPermit",
    "resume",
    "retire",
    "suspend",
]

_ALIAS = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_RELEASE = re.compile(r"^sha256:[0-9a-f]{64}$")
_PENDING = ".pending~"
_RETIRED = ".retired"
_MAX_BYTES = 200
_SETTLED_NS = 100_000_000


class DutyState(StrEnum):
    """Whether a worker may answer."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class PermitAct(StrEnum):
    """What was done to a permit."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class PermitChange:
    """What was done, when, and whether it changed anything: `ran` is the release that was stopped, or None
    where the worker stood still already (or, for a start, the release that ran before)."""

    act: PermitAct
    alias: str
    ran: str | None
    release: str | None
    reason: str
    at: datetime


PermitRecorder = Callable[[PermitChange], None]


class Permits:
    """The permits of one home; safe from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = str(folder) + os.sep
        self._seen: dict[str, tuple[tuple[int, ...], str]] = {}

    def check(self, alias: str, release: str) -> bool:
        """Say whether this release may run under this alias now; anything unclear is no.

        Costs two `stat` calls: the content is read again only where the file changed.
        """
        path = self._prefix + alias
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            return False
        seen = self._seen.get(alias)
        if seen is None or seen[0] != _identity(found):
            content = self._read(alias)
            if content is None:
                return False
            # A file this young can be rewritten without a change of its times: do not remember it yet.
            if time.time_ns() - found.st_mtime_ns > _SETTLED_NS:
                self._seen[alias] = (_identity(found), content)
        else:
            content = seen[1]
        return content == release and not os.path.lexists(path + _RETIRED)

    def state(self, alias: str) -> DutyState:
        """Say whether a worker is running, suspended or retired."""
        _require_alias(alias)
        if os.path.lexists(self._prefix + alias + _RETIRED):
            return DutyState.RETIRED
        return DutyState.SUSPENDED if self.release(alias) is None else DutyState.RUNNING

    def release(self, alias: str) -> str | None:
        """Return the digest in a worker's permit; None where there is no readable permit."""
        _require_alias(alias)
        return self._read(alias)

    def running(self) -> dict[str, str]:
        """Return the aliases that hold a permit, with their releases."""
        found = {name: self._read(name) for name in self._names()}
        return {
            name: release
            for name, release in sorted(found.items())
            if release is not None and self.check(name, release)
        }

    def grant(self, alias: str, release: str) -> None:
        """Let a release run under an alias, durably.

        Raises StaffroomError where the worker is retired, the disk is full, or the permit was revoked in
        the same moment; then the worker stands still.
        """
        self.prepare(alias, release).enter()

    def prepare(self, alias: str, release: str) -> "PreparedPermit":
        """Write a permit that lets nobody run before it is entered; each stop in between makes it void.

        Raises StaffroomError where the worker is retired or the disk is full.
        """
        _require_alias(alias)
        if not _RELEASE.match(release):
            raise WrongUse(f"not a release digest: {release[:80]!r}", hint="staffroom workers")
        make_folder(self.folder)
        if os.path.lexists(self._prefix + alias + _RETIRED):
            raise _is_retired(alias)
        pending = self.folder / f"{_PENDING}{alias}~{secrets.token_hex(8)}"
        try:
            handle = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                write_all(handle, f"{release}\n".encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            pending.unlink(missing_ok=True)
            raise disk_error(error, self.folder / alias) from error
        return PreparedPermit(self, alias, pending)

    def revoke(self, alias: str, *, sparing: Collection[str] = ()) -> bool:
        """Stop a worker; says whether it held a permit. Works on a full disk and never waits for a lock.

        sparing: names of prepared permits that stay good; only a drill spares its own.
        """
        _require_alias(alias)
        return bool(self._unlink([alias], [alias], sparing))

    def revoke_all(self, *, sparing: Collection[str] = ()) -> list[str]:
        """Stop every worker and return the aliases that held a permit."""
        return sorted(self._unlink(self._names(), None, sparing))

    def bury(self, alias: str) -> None:
        """Write the tombstone after which `grant` refuses this alias for ever; stops it first."""
        self.revoke(alias)
        make_folder(self.folder)
        write_durably(self.folder / (alias + _RETIRED), f"{to_text(utc_now())}\n".encode())

    def _unlink(self, aliases: list[str], pending_of: list[str] | None, sparing: Collection[str]) -> set[str]:
        # One that cannot be removed must not keep the others running: the error is raised at the end.
        failed: list[StaffroomError] = []
        removed = {alias for alias in aliases if self._remove(alias, failed)}
        for name in self._names(pending=True):
            if name in sparing:
                continue
            if pending_of is None or name.removeprefix(_PENDING).partition("~")[0] in pending_of:
                self._remove(name, failed)
        again = aliases if pending_of is not None else self._names()
        removed |= {alias for alias in again if self._remove(alias, failed)}
        if self.folder.is_dir():
            try:
                sync_folder(self.folder)
            except OSError as error:
                failed.append(disk_error(error, self.folder))
        if failed:
            raise failed[0]
        return removed

    def _remove(self, name: str, failed: list[StaffroomError]) -> bool:
        path = self.folder / name
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            failed.append(
                StaffroomError(
                    f"the permit could not be removed ({error.strerror}): the worker may still answer",
                    where=str(path),
                    hint="end the process of `staffroom serve`, then remove the file",
                )
            )
            return False
        return True

    def _names(self, *, pending: bool = False) -> list[str]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_error(error, self.folder) from error
        if pending:
            return [name for name in names if name.startswith(_PENDING)]
        return [name for name in names if _ALIAS.match(name)]

    def _read(self, alias: str) -> str | None:
        try:
            handle = os.open(self._prefix + alias, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            content = os.read(handle, _MAX_BYTES + 1).decode("ascii", "replace").strip()
        except OSError:
            return None
        finally:
            os.close(handle)
        return content if _RELEASE.match(content) else None


@dataclass(frozen=True, slots=True)
class PreparedPermit:
    """A permit that waits to be entered; a stop that came in between has made it void."""

    permits: Permits
    alias: str
    path: Path

    @property
    def name(self) -> str:
        """Its file's name, by which a drill's own stop spares it."""
        return self.path.name

    def enter(self) -> None:
        """Let the worker run, durably. Raises StaffroomError where it was stopped or retired since."""
        target = self.permits.folder / self.alias
        try:
            self.path.replace(target)
            sync_folder(self.permits.folder)
        except FileNotFoundError as error:
            raise StaffroomError(
                f"{self.alias} was stopped while it was being started", hint=f"staffroom resume {self.alias}"
            ) from error
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise disk_error(error, target) from error
        if os.path.lexists(target.with_name(self.alias + _RETIRED)):
            self.permits.revoke(self.alias)
            raise _is_retired(self.alias)

    def drop(self) -> None:
        """Forget it; idempotent."""
        self.path.unlink(missing_ok=True)


def suspend(
    permits: Permits,
    alias: str | None,
    *,
    reason: str,
    record: PermitRecorder | None = None,
    sparing: Collection[str] = (),
) -> list[PermitChange]:
    """Stop a worker, or all of them (`alias` None): stopped first, recorded after.

    Returns a change for each worker stopped, and for a named one also where it stood still already. An
    error of `record` is raised after everything has stopped.
    """
    if alias is None:
        before = permits.running()
        stopped = permits.revoke_all(sparing=sparing)
    else:
        ran = permits.release(alias)
        permits.revoke(alias, sparing=sparing)
        before = {} if ran is None else {alias: ran}
        stopped = [alias]
    at = utc_now()
    changes = [
        PermitChange(PermitAct.SUSPENDED, name, before.get(name), before.get(name), reason, at)
        for name in stopped
    ]
    _record_all(changes, record)
    return changes


def resume(
    permits: Permits,
    alias: str,
    release: str,
    *,
    reason: str,
    record: PermitRecorder | None = None,
    prepared: PreparedPermit | None = None,
) -> PermitChange:
    """Let a worker run again: recorded first, started after. Raises StaffroomError for a retired one.

    prepared: a permit from before, which a stop since then has made void; without it a new one is granted.
    """
    if permits.state(alias) is DutyState.RETIRED:
        raise _is_retired(alias)
    change = PermitChange(PermitAct.RESUMED, alias, permits.release(alias), release, reason, utc_now())
    # Prepared before the record, which may wait for a lock or a disk: a stop that comes meanwhile makes it void.
    permit = prepared or permits.prepare(alias, release)
    try:
        _record_all([change], record)
    except BaseException:
        permit.drop()
        raise
    permit.enter()
    return change


def retire(
    permits: Permits, alias: str, *, reason: str, record: PermitRecorder | None = None
) -> PermitChange:
    """Stop a worker for ever: stopped first, then its tombstone, then the record."""
    ran = permits.release(alias)
    permits.revoke(alias)
    change = PermitChange(PermitAct.RETIRED, alias, ran, ran, reason, utc_now())
    try:
        permits.bury(alias)
    except StaffroomError:
        # Stopped, but without a tombstone it could come back: the record says no more than that.
        change = replace(change, act=PermitAct.SUSPENDED)
        raise
    finally:
        _record_all([change], record)
    return change


def _record_all(changes: list[PermitChange], record: PermitRecorder | None) -> None:
    if record is None:
        return
    failed: list[Exception] = []
    for change in changes:
        try:
            record(change)
        except (StaffroomError, LedgerError, OSError) as error:
            failed.append(error)  # one that cannot be recorded keeps no other out of the log
    if failed:
        raise failed[0]


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _require_alias(alias: str) -> None:
    if not _ALIAS.match(alias):
        raise WrongUse(f"not a worker's alias: {alias[:80]!r}", hint="staffroom workers")


def _is_retired(alias: str) -> StaffroomError:
    return StaffroomError(
        f"{alias} is retired and does not come back", hint="hire a worker under a new alias"
    )
