"""What is known of the workers of a home, and how they are stopped and started: stop first, record after."""

import getpass
import os
from datetime import datetime
from typing import Any

from staffroom.pipeline.coverage import last_coverage
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.serve import permit
from staffroom.serve.permit import PermitChange, Permits
from staffroom.store import Database, Home, ObjectStore, PlainModels, Releases, to_text

__all__ = ["list_workers", "resume", "retire", "rollback", "show_worker", "suspend"]


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


def suspend(home: Home, alias: str | None, by: str = "") -> list[dict[str, Any]]:
    """Stop one worker, or all (None), at once and across restarts; recorded after it has stopped."""
    permits = Permits(home.permits)
    if alias is not None and permits.release(alias) is None:
        _require_known(home, alias)  # only where nothing runs: stopping asks no database
    changes = permit.suspend(
        permits, alias, reason=f"suspended by {by or _user()}", record=_recorder(home, by)
    )
    return [_change(item) for item in changes]


def resume(home: Home, alias: str, by: str = "") -> dict[str, Any]:
    """Let a suspended worker answer again, in its current release."""
    release = _require_known(home, alias)
    return _change(
        permit.resume(
            Permits(home.permits),
            alias,
            release,
            reason=f"resumed by {by or _user()}",
            record=_recorder(home, by),
        )
    )


def retire(home: Home, alias: str, by: str = "") -> dict[str, Any]:
    """Stop a worker for ever; its evidence stays."""
    permits = Permits(home.permits)
    if permits.release(alias) is None:
        _require_known(home, alias)
    return _change(
        permit.retire(permits, alias, reason=f"retired by {by or _user()}", record=_recorder(home, by))
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


def _recorder(home: Home, by: str) -> permit.PermitRecorder:
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
