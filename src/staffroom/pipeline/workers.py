"""What is known of the workers of a home, and how they are stopped and started: stop first, record after."""

import getpass
import os
from collections.abc import Collection
from datetime import datetime
from typing import Any

from staffroom.ledger import LedgerError
from staffroom.pipeline.coverage import last_coverage
from staffroom.pipeline.decision_log import DecisionLog, LoggedEntry
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import permit
from staffroom.serve.permit import DutyState, PermitChange, Permits, PreparedPermit
from staffroom.store import Database, Home, ObjectStore, PlainModels, Releases, to_text

__all__ = [
    "HomeControl",
    "list_workers",
    "record_found",
    "recorder_of",
    "resume",
    "resume_all",
    "retire",
    "rollback",
    "show_worker",
    "suspend",
]

_MOVES = frozenset(
    [
        "alias-moved",
        "plain-model-admitted",
        "worker-resumed",
        "worker-retired",
        "worker-suspended",
    ]
)


def list_workers(home: Home) -> list[dict[str, Any]]:
    """Return each alias with its release, state and title."""
    if not home.database.exists():
        return []
    with Database(home.database) as database:
        return [_summary(home, database, alias) for alias in sorted(Releases(database).aliases())]


def show_worker(home: Home, alias: str) -> dict[str, Any]:
    """Return all that is kept of one worker: what it is made of, its releases, and the log entries about it."""
    with Database(home.database) as database:
        releases = Releases(database)
        release = releases.current(alias)
        if release is None:
            raise _unknown(alias, releases)
        assembly, job = assembly_of(database, ObjectStore(home.objects), release.digest)
        log = DecisionLog(home)
        run = next((item.entry["run"] for item in log.entries() if _names(item.entry, release.digest)), "")
        about = [
            {"index": item.index, "type": item.entry["type"], "at": item.entry["at"]}
            for item in log.entries()
            if item.entry.get("run") == run or item.entry.get("body", {}).get("alias") == alias
        ]
        return {
            **_summary(home, database, alias),
            "sponsor": job.sponsor,
            "locale": job.locale,
            "notice": assembly.policy.ai_notice,
            "turn_to": assembly.policy.turn_to,
            "manifest": release.as_json(),
            "releases": [item.digest for item in releases.of(alias)],
            "coverage": last_coverage(home, digest_value(release.agent)),
            "log": about,
        }


def suspend(
    home: Home, alias: str | None, by: str = "", *, sparing: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Stop one worker, or all (None), at once and across restarts; recorded after it has stopped.

    sparing: prepared permits that stay good, for a drill.  Raises StaffroomError where it was stopped but the log
    could not take it, which the text says.
    """
    permits = Permits(home.permits)
    if alias is not None and permits.release(alias) is None:
        _require_known(home, alias)  # only where nothing runs: stopping asks no database
    reason = f"suspended by {by or _user()}"
    changes = permit.suspend(permits, alias, reason=reason, sparing=sparing)
    failed: list[Exception] = []
    for change in changes:
        try:
            recorder_of(home, by)(change)
        except (StaffroomError, LedgerError, OSError) as error:
            failed.append(error)
    if failed:
        raise StaffroomError(
            f"{', '.join(change.alias for change in changes)} stopped, but not recorded: "
            f"{getattr(failed[0], 'message', failed[0])}",
            where=str(getattr(failed[0], "where", "")),
            hint="it stays stopped; once the log can be written, the same command with the worker's name records it",
        ) from failed[0]
    return [_change(item) for item in changes]


def resume(home: Home, alias: str, by: str = "", *, prepared: PreparedPermit | None = None) -> dict[str, Any]:
    """Let a suspended worker answer again, in its current release."""
    release = _require_known(home, alias)
    return _change(
        permit.resume(
            Permits(home.permits),
            alias,
            release,
            reason=f"resumed by {by or _user()}",
            record=recorder_of(home, by),
            prepared=prepared,
        )
    )


def resume_all(home: Home, by: str = "") -> list[dict[str, Any]]:
    """Let every suspended worker and plain model of a home answer again."""
    permits = Permits(home.permits)
    standing = [alias for alias in HomeControl(home).aliases() if permits.state(alias) is DutyState.SUSPENDED]
    return [resume(home, alias, by) for alias in standing]


def record_found(home: Home) -> list[str]:
    """Record the workers that stand still though the log says they run: somebody removed their permits by hand.

    Returns their aliases; the same again records nothing twice.
    """
    permits, log = Permits(home.permits), DecisionLog(home)
    control = HomeControl(home)
    standing = {alias for alias in control.aliases() if permits.state(alias) is DutyState.SUSPENDED}
    last: dict[str, LoggedEntry] = {}
    for item in log.entries() if standing else []:
        if item.entry.get("type") in _MOVES:
            last[str(item.entry.get("body", {}).get("alias"))] = item
    found = [
        alias
        for alias in sorted(standing)
        if alias in last and last[alias].entry["type"] not in ("worker-suspended", "worker-retired")
    ]
    for alias in found:
        release = control.current(alias)
        body = {"alias": alias, "act": "suspended", "ran": release, "release": release, "by": None}
        log.append("worker-suspended", f"found:{alias}:{last[alias].index}", "", {**body, "found": True})
    return found


class HomeControl:
    """What a gateway needs to record stops and to start workers again (`StopControl`)."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def recorder(self, by: str) -> permit.PermitRecorder:
        """Return what records a change in the name of `by`."""
        return recorder_of(self._home, by)

    def current(self, alias: str) -> str | None:
        """Return the release or plain model that an alias stands for."""
        try:
            return _require_known(self._home, alias)
        except WrongUse:
            return None

    def aliases(self) -> list[str]:
        """Return all workers and plain models of the home."""
        with Database(self._home.database) as database:
            plain = [each.model.alias for each in PlainModels(database).list()]
            return sorted({*Releases(database).aliases(), *plain})


def retire(home: Home, alias: str, by: str = "") -> dict[str, Any]:
    """Stop a worker for ever; its evidence stays."""
    permits = Permits(home.permits)
    if permits.release(alias) is None:
        _require_known(home, alias)
    return _change(
        permit.retire(permits, alias, reason=f"retired by {by or _user()}", record=recorder_of(home, by))
    )


def rollback(home: Home, alias: str, by: str = "") -> dict[str, Any]:
    """Move an alias back to the release before; a worker that runs goes on in that one."""
    _require_known(home, alias)
    permits, log = Permits(home.permits), DecisionLog(home)
    with Database(home.database) as database:
        releases = Releases(database)
        current = releases.current(alias)
        if current is None:
            raise _unknown(alias, releases)
        if current.parent is not None:
            # Recorded first, under the number of the move: the same command after a kill adds nothing.
            body = {
                "alias": alias,
                "to": current.parent,
                "from": current.digest,
                "rollback": True,
                "by": log.commitment_to("person", by or _user()),
            }
            log.append("alias-moved", f"rollback:{alias}:{len(releases.history(alias))}", "", body)
        running = permits.release(alias) is not None
        moved = releases.rollback(alias, reason=f"rolled back by {by or _user()}")
        if running:
            permits.grant(alias, moved.release)
        return {"alias": alias, "release": moved.release, "at": to_text(moved.at), "running": running}


def recorder_of(home: Home, by: str) -> permit.PermitRecorder:
    """Return what records a change of a permit in the decision log."""
    log = DecisionLog(home)

    def record(change: PermitChange) -> None:
        body = {
            "alias": change.alias,
            "act": change.act.value,
            "ran": change.ran,
            "release": change.release,
            "by": log.commitment_to("person", by or _user()),
        }
        log.append(
            f"worker-{change.act.value}", f"{change.act.value}:{change.alias}:{_at(change.at)}", "", body
        )

    return record


def _summary(home: Home, database: Database, alias: str) -> dict[str, Any]:
    release = Releases(database).current(alias)
    if release is None:
        raise _unknown(alias, Releases(database))
    _, job = assembly_of(database, ObjectStore(home.objects), release.digest)
    history = Releases(database).history(alias)
    return {
        "alias": alias,
        "title": job.title,
        "state": Permits(home.permits).state(alias).value,
        "release": release.digest,
        "candidate": release.agent.get("candidate", ""),
        "since": _at(history[-1].at) if history else "",
        "weights_bound": release.weights_bound,
    }


def _require_known(home: Home, alias: str) -> str:
    with Database(home.database) as database:
        releases = Releases(database)
        release = releases.current(alias)
        if release is not None:
            return release.digest
        plain = PlainModels(database).get(alias)
        if plain is None:
            raise _unknown(alias, releases)
        return plain.model.digest


def _unknown(alias: str, releases: Releases) -> WrongUse:
    known = ", ".join(sorted(releases.aliases())) or "none"
    return WrongUse(f"no worker is released as `{alias}` (released: {known})", hint="staffroom workers")


def _names(entry: dict[str, Any], release: str) -> bool:
    return entry.get("type") == "release" and entry.get("body", {}).get("release") == release


def _change(change: PermitChange) -> dict[str, Any]:
    return {
        "alias": change.alias,
        "act": change.act.value,
        "ran": change.ran,
        "release": change.release,
        "at": _at(change.at),
    }


def _at(moment: datetime) -> str:
    return to_text(moment)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
