"""Which workers are due for an improvement, by the triggers of their jobs: it says so, and starts nothing.

Each trigger says what it saw and what would make it due. Rates are judged by control limits: a p-chart of the worker's own rate,
three standard deviations above the mean, so that a bad day is not taken for a change (Shewhart 1931).
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from staffroom.improve import Entry
from staffroom.pipeline.feedback import book_of
from staffroom.pipeline.incumbents import job_file_of
from staffroom.pipeline.indexing import document_digests
from staffroom.pipeline.orders import HireOrder, Prepared, prepare
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.errors import StaffroomError
from staffroom.records.feedback import FeedbackKind, FeedbackState
from staffroom.records.job_description import Triggers
from staffroom.serve.permit import DutyState, Permits
from staffroom.store import Database, Home, ObjectStore, Releases

__all__ = ["above_limit", "workers_due"]

_SIGMAS = 3.0
_LEAST_RATED = 8
_LEAST_ANSWERS = 30
_RECENT_DAYS = 7
_MOST_DAYS = 60


@dataclass(frozen=True, slots=True)
class _Trigger:
    name: str
    due: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "due": self.due, "detail": self.detail}


def workers_due(home: Home, alias: str | None = None) -> list[dict[str, Any]]:
    """Return each worker that is not retired with its triggers: {"alias", "due", "triggers": [{"name", "due", "detail"}]}."""
    if not home.database.exists():
        return []
    permits, rows = Permits(home.permits), []
    with Database(home.database) as database:
        for name in sorted(Releases(database).aliases()):
            if alias not in (None, name) or permits.state(name) is DutyState.RETIRED:
                continue
            found = [trigger.as_json() for trigger in _triggers(home, database, name)]
            rows.append({"alias": name, "due": any(row["due"] for row in found), "triggers": found})
    return rows


def above_limit(bad: int, seen: int, rate: float) -> tuple[bool, float]:
    """Return whether a share is above the control limit of a rate, and the limit: rate + 3 sqrt(rate (1 - rate) / seen)."""
    if seen < 1:
        return False, 1.0
    limit = min(1.0, rate + _SIGMAS * math.sqrt(rate * (1 - rate) / seen))
    return bad / seen > limit, limit


def _triggers(home: Home, database: Database, alias: str) -> Iterator[_Trigger]:
    release = Releases(database).current(alias)
    if release is None:
        return
    assembly, job = assembly_of(database, ObjectStore(home.objects), release.digest)
    prepared, fault = _job_now(database, alias)
    asked = (prepared.job if prepared is not None else job).improvement.triggers
    entries = book_of(home).entries(alias)
    yield from _corrections(asked, database, alias, entries)
    if asked.thumbs_down:
        yield _thumbs(entries)
    if asked.retrieval_misses:
        yield _misses(home, alias)
    if asked.documents_changed:
        yield _documents(database, assembly.index, prepared, fault)
    if asked.base_replaced:
        names = prepared.job.candidates if prepared is not None else job.candidates
        gone = assembly.candidate.id not in names
        said = "is no longer a candidate of the job" if gone else "is still a candidate of the job"
        yield _Trigger("base replaced", gone, f"{assembly.candidate.id} {said}")


def _corrections(
    asked: Triggers, database: Database, alias: str, entries: Sequence[Entry]
) -> Iterator[_Trigger]:
    if asked.new_corrections is None:
        return
    text = database.get_meta(f"improved:{alias}")
    before = int(orjson.loads(text).get("corrections", 0)) if text else 0
    accepted = [one for one in entries if one.state is FeedbackState.ACCEPTED and one.side is not None]
    new = max(0, len(accepted) - before)
    detail = f"{new} accepted since the last improvement, due at {asked.new_corrections}"
    yield _Trigger("new corrections", new >= asked.new_corrections, detail)


def _thumbs(entries: Sequence[Entry]) -> _Trigger:
    """Compare the share of thumbs down on each topic (the passage that was found) with the worker's own share."""
    rated: Counter[str] = Counter()
    down: Counter[str] = Counter()
    for entry in entries:
        if entry.feedback.kind in (FeedbackKind.UP, FeedbackKind.DOWN):
            topic = entry.feedback.passage
            rated[topic] += 1
            down[topic] += entry.feedback.kind is FeedbackKind.DOWN
    total = sum(rated.values())
    if total < _LEAST_RATED:
        return _Trigger("thumbs down", False, f"{total} thumbs, {_LEAST_RATED} are needed to tell")
    rate = sum(down.values()) / total
    for topic in sorted(rated, key=lambda name: -down[name]):
        others = total - rated[topic]
        base = (sum(down.values()) - down[topic]) / others if others else rate
        over, limit = above_limit(down[topic], rated[topic], base)
        if over and rated[topic] >= _LEAST_RATED // 2:
            share = f"{down[topic]} of {rated[topic]}"
            return _Trigger(
                "thumbs down", True, f"{share} down on one topic, limit {limit:.2f} ({topic[:40]})"
            )
    return _Trigger(
        "thumbs down", False, f"{sum(down.values())} of {total} down, on no topic above its limit"
    )


def _misses(home: Home, alias: str) -> _Trigger:
    """Compare the share of answers that were declined, or found nothing, in the last days with the days before."""
    missed: list[tuple[int, int]] = []
    paths = [
        path for path in (home.private / "duty").glob("*.jsonl") if not path.name.endswith(".texts.jsonl")
    ]
    for path in sorted(paths)[-_MOST_DAYS:]:
        rows = [row for row in _lines(path) if row.get("alias") == alias and row.get("outcome") != "lost"]
        bad = sum(row.get("outcome") == "declined" or not row.get("chunks") for row in rows)
        missed.append((bad, len(rows)))
    recent, before = missed[-_RECENT_DAYS:], missed[:-_RECENT_DAYS]
    bad, seen = sum(one for one, _ in recent), sum(count for _, count in recent)
    old_bad, old_seen = sum(one for one, _ in before), sum(count for _, count in before)
    if seen < _LEAST_ANSWERS or old_seen < _LEAST_ANSWERS:
        detail = f"{seen} answers in the last {_RECENT_DAYS} days with answers and {old_seen} before; {_LEAST_ANSWERS} each are needed"
        return _Trigger("retrieval misses", False, detail)
    over, limit = above_limit(bad, seen, old_bad / old_seen)
    return _Trigger(
        "retrieval misses", over, f"{bad} of {seen} declined or without a passage, limit {limit:.2f}"
    )


def _documents(database: Database, index: str, prepared: Prepared | None, fault: str) -> _Trigger:
    if prepared is None:
        return _Trigger("documents changed", False, f"cannot be told: {fault}")
    released = database.get_meta(f"documents:{index}")
    if released is None:
        return _Trigger("documents changed", False, "cannot be told: released before this was kept")
    now = document_digests(prepared.job, prepared.folder)
    before: Mapping[str, Any] = orjson.loads(released)
    changed = sorted(
        name for name in {*now, *before} if list(now.get(name) or []) != list(before.get(name) or [])
    )
    detail = f"{len(changed)} of {len(now)} changed" + (f": {', '.join(changed[:5])}" if changed else "")
    return _Trigger("documents changed", bool(changed), detail)


def _job_now(database: Database, alias: str) -> tuple[Prepared | None, str]:
    try:
        return prepare(HireOrder(job_file_of(database, alias))), ""
    except StaffroomError as error:
        return None, error.message


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().split(b"\n"):
        try:
            value = orjson.loads(line) if line else None
        except orjson.JSONDecodeError:
            continue  # half a line that a power loss left
        if isinstance(value, dict):
            yield value
