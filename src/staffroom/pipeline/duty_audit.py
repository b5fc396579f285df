"""The audit of a home: its duty record sealed into the decision log, searched, proven row by row, erased and pruned.

A row's way to somebody who trusts nobody here: the row's bytes, the hashes beside its way to the batch's root, the log's
entry that names the root, the receipt that the entry is in the log, the checkpoint's signatures. `prove` writes all of that into one
file, which `ledger/verify_duty.py` checks alone.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from staffroom.ledger import read_entries, write_proof
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.feedback import book_of
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.job_description import Policy
from staffroom.serve.duty_erasure import erase_texts, prune
from staffroom.serve.duty_files import (
    audit_id_of,
    commitment,
    days_of,
    lines_of,
    locked,
    rows_path,
    texts_path,
    who_text,
)
from staffroom.serve.duty_lookup import DutyQuery, FoundRow, find_row, find_rows
from staffroom.serve.duty_seals import Seal, fault_of, plan_seals, prove_row, read_seals
from staffroom.store import Database, Home, ObjectStore, Releases, to_text, utc_now

__all__ = ["AuditReport", "erase", "find", "prove", "prune_old", "seal_rows", "show", "verify"]

_SEALED, _PRUNED, _ERASED = "duty-sealed", "duty-pruned", "duty-erased"
_STUB = b'{"pruned":'
_PER_ENTRY = 500


@dataclass(slots=True)
class AuditReport:
    """What `verify` found: counts of rows, and what is wrong."""

    rows: int = 0
    sealed: int = 0
    open: int = 0
    lost: int = 0
    erased: int = 0
    pruned: int = 0
    batches: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Note a problem."""
        self.problems.append({"where": where, "what": what})

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        names = ("rows", "sealed", "open", "lost", "erased", "pruned", "batches")
        counts = {name: getattr(self, name) for name in names}
        return {"ok": not self.problems, **counts, "problems": self.problems}


def seal_rows(home: Home) -> dict[str, int]:
    """Seal all rows that are in no batch, and log every batch that is not in the log; the same again adds nothing."""
    folder = _folder(home)
    if not days_of(folder):
        return {"rows": 0, "batches": 0}
    with locked(folder):
        new = plan_seals(folder)
        seals = read_seals(folder)
    log = DecisionLog(home)
    known = set(_logged(log))
    for seal in seals:
        if seal.key not in known:
            log.append(_SEALED, seal.key, "", seal.body)
    return {"rows": sum(seal.rows for seal in new), "batches": len(new)}


def find(home: Home, query: DutyQuery, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` rows that fit, newest first, each with who asked and the words that are left."""
    found = []
    for row in find_rows(_folder(home), query):
        found.append(_shown(row))
        if len(found) == limit:
            break
    return found


def show(home: Home, audit_id: str) -> dict[str, Any]:
    """Return one row with all that is kept beside it, its batch, and whether its words are those it commits to."""
    found = _require(home, audit_id)
    seal = _seal_of(read_seals(_folder(home)), found)
    sealed = None
    if seal is not None:
        sealed = {**seal.body, "entry": _logged(DecisionLog(home)).get(seal.key)}
    return {**_shown(found), "row": found.row, "sealed": sealed, "commitments": _openings_fit(found)}


def prove(home: Home, audit_id: str, *, texts: bool = False) -> dict[str, Any]:
    """Return the proof of one row, for somebody who has nothing but the log's keys; rows not sealed yet are sealed.

    texts: also what the row commits to, so that the reader can check that too.
    """
    found = _require(home, audit_id)
    folder, log = _folder(home), DecisionLog(home)
    if _seal_of(read_seals(folder), found) is None:
        seal_rows(home)
    proof = prove_row(folder, found.day, found.index)
    entry = _logged(log).get(proof.seal.key)
    if entry is None:
        seal_rows(home)
        entry = _logged(log).get(proof.seal.key)
    if entry is None:
        raise StaffroomError("the batch of this row is not in the log", hint="staffroom audit verify")
    value: dict[str, Any] = {
        "proof": "staffroom duty row 1",
        "row": found.line.decode(),
        "index": proof.index,
        "path": [base64.b64encode(node).decode() for node in proof.path],
        "entry": next(read_entries(log.folder, log.size(), entry)).decode(),
        "receipt": write_proof(log.folder, entry),
    }
    if texts:
        value["openings"] = _openings(found)
    return value


def erase(home: Home, audit_ids: Sequence[str], query: DutyQuery | None, by: str) -> dict[str, Any]:
    """Erase words and persons of the requests named, or of those that fit; recorded afterwards, as a number.

    Feedback on these answers loses its words too. Raises WrongUse for an unknown audit id.
    """
    folder = _folder(home)
    rows = [_require(home, audit_id) for audit_id in audit_ids]
    if query is not None:
        rows += find_rows(folder, query)
    by_day: dict[str, set[str]] = {}
    for found in rows:
        by_day.setdefault(found.day, set()).add(found.audit_id)
    at = to_text(utc_now())
    with locked(folder):
        erased = sum(erase_texts(folder, day, ids, at) for day, ids in sorted(by_day.items()))
    feedback = book_of(home).erase({found.audit_id for found in rows})
    if erased:
        log = DecisionLog(home)
        body = {"rows": erased, "feedback": feedback, "by": log.commitment_to("person", by)}
        log.append(_ERASED, f"{_ERASED}:{at}", "", body)
    return {"erased": erased, "feedback": feedback, "at": at}


def prune_old(home: Home) -> dict[str, Any]:
    """Take out the rows that are kept no longer; recorded before, so that no row is gone without a word in the log."""
    folder = _folder(home)
    if not days_of(folder):
        return {"rows": 0, "emptied": []}
    seal_rows(home)
    kept = _retention(home)
    usual = Policy().retention_days  # of plain models, and of workers that this home knows no longer
    today, at = utc_now().date(), to_text(utc_now())
    with locked(folder):
        planned = prune(folder, lambda alias: kept.get(alias, usual), today, act=False)
        log = DecisionLog(home)
        rows = [[day, alias, count] for (day, alias), count in sorted(planned.rows.items())]
        for start in range(0, len(rows), _PER_ENTRY):
            body = {"rows": rows[start : start + _PER_ENTRY]}
            log.append(_PRUNED, f"{_PRUNED}:{at}:{start}", "", body)
        prune(folder, lambda alias: kept.get(alias, usual), today)
    return {"rows": sum(planned.rows.values()), "emptied": planned.emptied}


def verify(home: Home) -> AuditReport:
    """Check every row that is left against the roots in the log, and every word against its row."""
    folder, report = _folder(home), AuditReport()
    log = DecisionLog(home)
    entries = {item.entry.get("key"): item.entry for item in log.entries()}
    pruned: Counter[str] = Counter()
    for entry in entries.values():
        if entry.get("type") == _PRUNED:
            for day, _, count in entry["body"]["rows"]:
                pruned[day] += count
    days = {day: _count_day(folder, day, report) for day in days_of(folder)}
    seals = read_seals(folder)
    for seal in seals:
        report.batches += 1
        logged = entries.get(seal.key, {}).get("body")
        if logged != seal.body:
            what = "is not in the log yet" if logged is None else "is another one in the log"
            report.add(seal.key, f"this batch {what}")
        if seal.day not in days and pruned[seal.day]:
            report.pruned += seal.rows
            continue
        report.sealed += seal.rows
        if fault := fault_of(folder, seal):
            report.add(str(rows_path(folder, seal.day).name), fault)
    planned = {seal.key for seal in seals}
    for key, entry in entries.items():
        if entry.get("type") == _SEALED and key not in planned:
            report.add(str(key), "this batch is in the log, and the record of batches has it no more")
    for day, stubs in days.items():
        report.pruned += stubs
        if stubs > pruned[day]:
            report.add(f"{day}.jsonl", f"{stubs} rows are gone, {pruned[day]} by retention")
    return report


def _count_day(folder: Path, day: str, report: AuditReport) -> int:
    """Check the rows of a day against its words; returns how many rows are gone."""
    seen: set[str] = set()
    stubs = 0
    name = rows_path(folder, day).name
    for line in lines_of(rows_path(folder, day)):
        stubs += line.startswith(_STUB)
    for found in find_rows(folder, DutyQuery(since=day, until=day)):
        report.rows += 1
        report.lost += found.row.get("outcome") == "lost"
        if found.audit_id in seen:
            report.add(f"{name} line {found.index + 1}", f"a second row of {found.audit_id}")
        seen.add(found.audit_id)
        report.erased += "erased" in found.texts
        for part, fits in _openings_fit(found).items():
            if fits is False:
                report.add(f"{name} line {found.index + 1}", f"{part}: not the words that the row commits to")
    begun = {audit_id_of(line) for line in lines_of(texts_path(folder, day)) if b'"begun":{' in line[:70]}
    report.open += len(begun - seen)
    return stubs


def _retention(home: Home) -> dict[str, int]:
    """Return how many days each worker's job lets its rows be kept."""
    if not home.database.exists():
        return {}
    with Database(home.database) as database:
        objects = ObjectStore(home.objects)
        return {
            alias: assembly_of(database, objects, release)[1].policy.retention_days
            for alias, release in Releases(database).aliases().items()
        }


def _logged(log: DecisionLog) -> dict[str, int]:
    """Return the entries about batches, by their keys."""
    return {item.entry["key"]: item.index for item in log.entries() if item.entry.get("type") == _SEALED}


def _seal_of(seals: Sequence[Seal], found: FoundRow) -> Seal | None:
    for seal in seals:
        if seal.day == found.day and seal.first <= found.index < seal.first + seal.rows:
            return seal
    return None


def _require(home: Home, audit_id: str) -> FoundRow:
    found = find_row(_folder(home), audit_id)
    if found is None:
        raise WrongUse(
            f"no request with the audit id `{audit_id}` is recorded here",
            hint="the audit id stands in the answer's header `x-staffroom-audit`; staffroom audit find",
        )
    return found


def _shown(found: FoundRow) -> dict[str, Any]:
    row, texts = found.row, found.texts
    names = (
        "at",
        "alias",
        "release",
        "outcome",
        "tokens_in",
        "tokens_out",
        "counted",
        "cost",
        "currency",
        "seconds",
    )
    return {
        "audit_id": found.audit_id,
        **{name: row.get(name) for name in names},
        "key": found.key,
        "user": texts.get("user", ""),
        "question": texts.get("question", ""),
        "answer": texts.get("answer", ""),
        "problem": texts.get("problem", ""),
        "erased": texts.get("erased"),
    }


def _openings(found: FoundRow) -> dict[str, dict[str, str]]:
    """Return salt and text of each commitment of a row, of those that are left."""
    texts = found.texts
    values = {
        "who": who_text(str(texts.get("key", "")), str(texts.get("user", ""))),
        "question": str(texts.get("question", "")),
        "answer": str(texts.get("answer", "")),
    }
    return {
        part: {"salt": str(texts[f"{part}_salt"]), "text": text}
        for part, text in values.items()
        if texts.get(f"{part}_salt")
    }


def _openings_fit(found: FoundRow) -> dict[str, bool | None]:
    """Say of each commitment whether the words beside the row are its own, None where they are gone."""
    opened = _openings(found)
    result: dict[str, bool | None] = {}
    for part in ("who", "question", "answer"):
        kept = opened.get(part)
        if kept is None or found.row.get(part) is None:
            result[part] = None
            continue
        try:
            salt = bytes.fromhex(kept["salt"])
        except ValueError:
            salt = b""
        result[part] = commitment(salt, kept["text"]) == found.row[part]
    return result


def _folder(home: Home) -> Path:
    return home.private / "duty"
