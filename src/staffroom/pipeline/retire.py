"""The end of a worker: stopped for ever, its keys revoked, its evidence kept, and a certificate that says what it was.

1. stop it, with a tombstone, and record that (`workers.retire`): nothing below can delay the stop
2. revoke the keys that open this worker alone; keys that open others too stay
3. write the certificate: releases with their evidence, feedback in numbers, keys, who took over, the log at that moment
4. record its digest, and write the receipt that proves the entry beside it

The same command again finishes what was cut off, and gives the same certificate where there is one.
"""

import json
from pathlib import Path
from typing import Any

from staffroom.ledger import write_proof
from staffroom.pipeline import workers
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.feedback import book_of
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.serve.permit import DutyState, Permits
from staffroom.store import ApiKeys, Database, Home, ObjectStore, Releases, make_folder, to_text, utc_now
from staffroom.store import write_durably as write

__all__ = ["retire_worker"]

_FILE, _RECEIPT = "certificate.json", "certificate.tlog-proof"


def retire_worker(home: Home, alias: str, by: str, successor: str = "") -> dict[str, Any]:
    """Retire a worker; returns {"alias", "certificate", "digest", "receipt", "keys_revoked", "keys_left", ...}.

    by: who decides it.  successor: alias of the worker that takes over, which must be released.
    Raises WrongUse for an unknown worker or successor; nothing is stopped then.
    """
    if successor:
        _require_successor(home, alias, successor)
    folder = home.path / "retired" / alias
    log = DecisionLog(home)
    known = log.find(f"retirement:{alias}")
    if known is None or Permits(home.permits).state(alias) is not DutyState.RETIRED:
        workers.retire(home, alias, by)
    with Database(home.database) as database:
        revoked, left = _revoke(ApiKeys(database), alias)
        if not (folder / _FILE).exists():
            make_folder(folder)
            value = _certificate(home, database, log, alias, successor, revoked, left)
            write(folder / _FILE, json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")
    data = (folder / _FILE).read_bytes()
    body = {
        "alias": alias,
        "certificate": digest_bytes(data),
        "keys_revoked": len(json.loads(data)["keys_revoked"]),
        "successor": json.loads(data)["successor"],
        "by": log.commitment_to("person", by),
    }
    index = log.append("retirement", f"retirement:{alias}", "", body)
    write(folder / _RECEIPT, write_proof(log.folder, index).encode())
    entry = log.entries()[index].entry
    write(folder / "entry.json", canonical_json(entry))
    return {
        "alias": alias,
        "state": "retired",
        "certificate": str(folder / _FILE),
        "receipt": str(folder / _RECEIPT),
        "digest": entry["body"]["certificate"],
        "unchanged": entry["body"]["certificate"] == digest_bytes(data),
        "entry": index,
        "keys_revoked": revoked,
        "keys_left": left,
        "successor": json.loads(data)["successor"],
    }


def _require_successor(home: Home, alias: str, successor: str) -> None:
    with Database(home.database) as database:
        if successor == alias or Releases(database).current(successor) is None:
            raise WrongUse(f"no other worker is released as `{successor}`", hint="staffroom workers")
    if Permits(home.permits).state(successor) is DutyState.RETIRED:
        raise WrongUse(f"`{successor}` is retired itself", hint="staffroom workers")


def _revoke(keys: ApiKeys, alias: str) -> tuple[list[str], list[str]]:
    """Revoke the keys of this worker alone; returns their ids, and those of the keys that open others too."""
    own = [key for key in keys.list() if key.aliases == (alias,)]
    for key in own:
        if key.revoked is None:
            keys.revoke(key.id)
    shared = [key.id for key in keys.list() if key.revoked is None and key.opens(alias)]
    return [key.id for key in own], shared


def _certificate(
    home: Home,
    database: Database,
    log: DecisionLog,
    alias: str,
    successor: str,
    revoked: list[str],
    left: list[str],
) -> dict[str, Any]:
    releases = Releases(database)
    current = releases.current(alias)
    if current is None:
        raise WrongUse(f"no worker was released as `{alias}`", hint="staffroom workers")
    _, job = assembly_of(database, ObjectStore(home.objects), current.digest)
    entries = log.entries()
    made = {
        item.entry["body"].get("release"): item for item in entries if item.entry.get("type") == "release"
    }
    book = book_of(home).entries(alias)
    return {
        "certificate": "staffroom retirement 1",
        "alias": alias,
        "title": job.title,
        "sponsor": log.commitment_to("person", job.sponsor),
        "retired": to_text(utc_now()),
        "successor": successor,
        "releases": [
            {
                "release": release.digest,
                "parent": release.parent,
                "decision": release.decision,
                "evaluation": release.evaluation,
                "run": made[release.digest].entry.get("run", "") if release.digest in made else "",
                "entry": made[release.digest].index if release.digest in made else None,
            }
            for release in releases.of(alias)
        ],
        "moves": [
            {"to": move.release, "from": move.previous, "at": to_text(move.at)}
            for move in releases.history(alias)
        ],
        "feedback": {
            state: sum(entry.state.value == state for entry in book)
            for state in ("quarantined", "accepted", "rejected")
        },
        "keys_revoked": revoked,
        "keys_left": left,
        "evidence": "releases, evaluations, answers, the index and the decision log are kept; nothing was removed",
        "log": _first_lines(log, home.log),
    }


def _first_lines(log: DecisionLog, folder: Path) -> dict[str, Any]:
    origin, size, root = log.checkpoint().splitlines()[:3]
    return {"origin": origin, "size": int(size), "root": root, "folder": folder.name}
