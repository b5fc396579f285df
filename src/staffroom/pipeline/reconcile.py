"""Reconcile a restored log with what was signed since the backup, so that it may sign again.

Whoever asks shows what they have: copies of the published folder, checkpoints that others kept, the record of the lost home. The
ledger holds the log against all of it and takes in what is missing. Where nothing can be shown, a named person says that
nothing was signed after the backup; the log's next entry says publicly on whose word it goes on, and on what evidence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from staffroom.ledger import (
    known_of_checkpoint,
    known_of_record,
    read_checkpoint,
    read_entries,
    read_entry,
    read_restored,
    reconcile,
)
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.records.errors import WrongUse
from staffroom.serve import Permits
from staffroom.store import Home

__all__ = ["reconcile_log"]


def reconcile_log(
    home: Home,
    by: str,
    *,
    copies: Sequence[Path] = (),
    checkpoints: Sequence[Path] = (),
    records: Sequence[Path] = (),
    nothing_since: bool = False,
) -> dict[str, Any]:
    """Hold the log against what is shown and let it sign again; its next entry says how that came about.

    1. Evidence is read.  2. The ledger checks it and takes in missing entries.  3. Workers that were retired since get their
    tombstones.  4. The entry `log-reconciled` is signed, which ends the restored state in the same step.

    copies: folders of the published log.  checkpoints: files that others kept.  records: `decisions.last-signed` of the lost home.
    nothing_since: the word of `by` that nothing was signed after the backup, where nothing can be shown.
    Raises WrongUse where there is no evidence, LedgerError where the log lacks what was signed or was forked.
    """
    log = DecisionLog(home)
    restored = read_restored(log.last_signed)
    if restored is None:
        return {"reconciled": False, "size": log.size(), "taken_in": []}
    if not (copies or checkpoints or records or nothing_since):
        raise WrongUse(
            "nothing was shown that the log could be held against",
            where=str(log.folder),
            hint="staffroom log reconcile --from FOLDER, --checkpoint FILE or --last-signed FILE; see --help",
        )
    vkeys = log.keys().vkeys
    origin = read_checkpoint(log.folder).partition("\n")[0]
    known = [known_of_checkpoint(_read(path), vkeys, str(path)) for path in checkpoints]  # 1
    known += [known_of_record(path, origin) for path in records]
    done = reconcile(log.folder, log.last_signed, vkeys, copies=copies, known=known)  # 2
    if done is None:
        return {"reconciled": False, "size": log.size(), "taken_in": []}
    taken = [read_entry(data) for data in read_entries(log.folder, done.after, done.before)]
    _bury(home, taken)  # 3
    body = {
        "restored": done.restored,
        "restored_size": done.before,
        "size": done.after,
        "evidence": {
            "copies": len(copies),
            "checkpoints": sorted(tree.size for tree in known[: len(checkpoints)]),
            "records": sorted(tree.size for tree in known[len(checkpoints) :]),
            "word_that_nothing_was_signed_since": nothing_since,
        },
        "by": log.commitment_to("person", by),
    }
    index = log.append(
        "log-reconciled", f"reconciled:{done.restored}", "", body, reconciled=done.restored
    )  # 4
    rows = [{"type": entry.get("type"), "at": entry.get("at"), "about": _about(entry)} for entry in taken]
    return {
        "reconciled": True,
        "size": log.size(),
        "entry": index,
        "taken_in": rows,
        "evidence": body["evidence"],
    }


def _bury(home: Home, entries: Sequence[dict[str, Any]]) -> None:
    permits = Permits(home.permits)
    for entry in entries:
        alias = entry.get("body", {}).get("alias")
        if entry.get("type") in ("worker-retired", "retirement") and isinstance(alias, str):
            permits.bury(alias)


def _about(entry: dict[str, Any]) -> str:
    body = entry.get("body", {})
    return str(body.get("alias") or body.get("release") or "") if isinstance(body, dict) else ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUse(
            f"cannot be read ({error.strerror})", where=str(path), hint="staffroom log reconcile --help"
        ) from error
