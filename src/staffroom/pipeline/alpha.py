"""The alpha ledger: what each opening of a gate may spend, read from the decision log and from nowhere else.

A gate is known by its questions and sources, not by its pack's name, version or thresholds. Two gates that share one question
or one source are related, and so are those related through a third; all related gates draw on one purse. Questions and
sources stand in the log as marks, keyed digests that are equal where they are and say nothing else.
It knows no agents; it does not measure. It protects against forgetting and convenience, not against somebody who
rewrites each question and renames each source: that shows only to who reads the items. See design/alpha.md.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from staffroom.evaluate import (
    ExamPack,
    ItemMarks,
    cluster_marks,
    load_pack,
    mark_items,
    question_mark,
    source_mark,
    split_digest,
)
from staffroom.pipeline.decision_log import DecisionLog, LoggedEntry
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Split
from staffroom.release import clusters_to_pass, lost_facets, plan_gate, uses_in_all
from staffroom.stats import alpha_for_use
from staffroom.store import Home

__all__ = [
    "GATE_OPENED",
    "AlphaLedger",
    "Closed",
    "GateUse",
    "ItemSet",
    "Why",
    "alpha_report",
    "correction_set",
    "item_set",
    "mark",
    "marks_of_clusters",
    "may_be_shown",
    "require_open",
    "retire_gate",
]

GATE_OPENED = "gate-opened"
_MARKED = "items-marked"
_KEY = "exam marks"
_MARK_BYTES = 8
_MARKS_PER_ENTRY = 5000
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class ItemSet:
    """The items of a split as the log knows them; `id` is a split's digest, or a sealed one's commitment."""

    id: str
    marks: ItemMarks


@dataclass(frozen=True, slots=True)
class GateUse:
    """One opening of a gate: the run that was charged for it, and how much."""

    entry: int
    at: str
    run: str
    items: str
    use: int
    alpha: float
    decided: bool


class Why(StrEnum):
    """Why no gate may ask some questions again."""

    RETIRED = "retired"
    UNSEALED = "unsealed"


_CLOSING: Mapping[str, tuple[Why, str]] = {
    "gate-retired": (Why.RETIRED, "gate_split"),
    "sealed-opened": (Why.UNSEALED, "commitment"),
}


@dataclass(frozen=True, slots=True)
class Closed:
    """Items whose answers may be shown, or that were unsealed; `by` is the commitment to the person."""

    why: Why
    items: str
    entry: int
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class AlphaLedger:
    """What the log says of gates up to now; `marks` and `screens` are by the id of an item set."""

    uses: tuple[GateUse, ...]
    marks: Mapping[str, ItemMarks]
    closed: tuple[Closed, ...]
    screens: frozenset[str]

    @classmethod
    def read(cls, log: DecisionLog) -> "AlphaLedger":
        """Return the ledger of a log."""
        entries = log.entries()
        decided = {item.entry.get("run") for item in entries if item.entry.get("type") == "decision"}
        return cls(
            uses=tuple(_use(item, decided) for item in _of(entries, GATE_OPENED)),
            marks=_joined(entries),
            closed=tuple(_closed(item) for item in entries if item.entry.get("type") in _CLOSING),
            screens=frozenset(
                str(item.entry["body"].get("splits", {}).get("screen", {}).get("digest"))
                for item in _of(entries, "exam-committed")
            ),
        )

    def related(self, items: ItemSet) -> tuple[GateUse, ...]:
        """Return the gates that draw on the same purse as these items, oldest first.

        Gates from before there were marks are related where their items are the same, and otherwise not. Marks
        of another key cannot be compared, and count as shared.
        """
        known, waiting = [items.id], {use.items for use in self.uses}
        for one in known:
            near = {other for other in waiting if self._share(one, other, items)}
            known += sorted(near)
            waiting -= near
        return tuple(use for use in self.uses if use.items in known)

    def own_use(self, run_of: Callable[[int], str]) -> GateUse | None:
        """Return the opening of a run that opened its gate already; `run_of` names the run as its n-th use."""
        return next((use for use in self.uses if use.run == run_of(use.use)), None)

    def closings_of(self, items: ItemSet) -> tuple[Closed, ...]:
        """Return what forbids a gate to ask these items, oldest first."""
        return tuple(one for one in self.closed if self._asked_alike(items.id, one.items, items))

    def retirement(self, items: ItemSet) -> Closed | None:
        """Return by what these very items were retired."""
        return next((one for one in self.closed if (one.why, one.items) == (Why.RETIRED, items.id)), None)

    def asked(self, items: ItemSet) -> frozenset[str]:
        """Return the ids of the splits that agents sat before and that share a question with these items."""
        sat = self.screens | {use.items for use in self.uses}
        return frozenset(one for one in sat if self._asked_alike(items.id, one, items))

    def marks_of(self, name: str, items: ItemSet) -> ItemMarks | None:
        """Return the marks of a set, as logged where it is; those of `items` where that is the set."""
        return self.marks.get(name) or (items.marks if name == items.id else None)

    def _asked_alike(self, one: str, other: str, items: ItemSet) -> bool:
        if one == other:
            return True
        first, second = self.marks_of(one, items), self.marks_of(other, items)
        if first is None or second is None:
            return False
        return first.key != second.key or bool(first.questions & second.questions)

    def _share(self, one: str, other: str, items: ItemSet) -> bool:
        first, second = self.marks_of(one, items), self.marks_of(other, items)
        alike = first is not None and second is not None and bool(first.sources & second.sources)
        return alike or self._asked_alike(one, other, items)


def item_set(log: DecisionLog, pack: ExamPack, split: Split, name: str | None = None) -> ItemSet:
    """Return a split's items with their marks; its id is the digest of the sorted item digests, or `name`."""
    marks = mark_items(pack.items_of(split), log.kept_salt(_KEY))
    return ItemSet(name or split_digest(pack, split), marks)


def mark(log: DecisionLog, run: str, items: ItemSet) -> None:
    """Record the marks of a set, once; a large one takes several entries."""
    rows = [("questions", mark) for mark in sorted(items.marks.questions)]
    rows += [("sources", mark) for mark in sorted(items.marks.sources)]
    parts = max(1, -(-len(rows) // _MARKS_PER_ENTRY))
    for part in range(parts):
        own = rows[part * _MARKS_PER_ENTRY : (part + 1) * _MARKS_PER_ENTRY]
        body: dict[str, Any] = {"set": items.id, "key": items.marks.key, "part": part + 1, "parts": parts}
        for name in ("questions", "sources"):
            data = b"".join(mark for kind, mark in own if kind == name)
            body[name] = base64.b64encode(data).decode()
        log.append(_MARKED, f"marks:{items.id}:{part + 1}", run, body)


def marks_of_clusters(log: DecisionLog, items: Iterable[Item]) -> dict[str, str]:
    """Return the mark of each item's cluster by item id, as the values of a later gate name it in the log."""
    return cluster_marks(items, log.kept_salt(_KEY))


def correction_set(log: DecisionLog, items: Sequence[Item]) -> ItemSet:
    """Return corrected cases as a set of items with their marks; its id is the digest of the sorted item digests."""
    name = digest_value(sorted(item.digest for item in items))
    return ItemSet(name, mark_items(items, log.kept_salt(_KEY)))


def require_open(
    ledger: AlphaLedger,
    pack: ExamPack,
    items: ItemSet,
    use: int,
    own: GateUse | None,
    *,
    log: DecisionLog,
    lost: Sequence[tuple[str, int, int]] | None = None,
) -> None:
    """Raise WrongUse where this gate may not be opened as the n-th use; a run that decided already may go on.

    Closed: some of its questions were shown, or unsealed. Used up: a facet that the pack gates, and that its items could
    pass at the first use, could not be passed at this one even by a perfect result; so nobody could be promoted.
    lost: such facets with the clusters they have and need; those of a first hire's tests if left out.
    """
    if own is not None and own.decided:
        return
    where = str(pack.folder)
    closed = next(iter(ledger.closings_of(items)), None)
    if closed is not None:
        raise WrongUse(
            f"this gate asks questions that were {closed.why.value} {said_of(log, closed)}",
            where=where,
            hint="replace these items by new ones; `staffroom exam alpha PACK` names them",
        )
    lost = _lost(pack, use) if lost is None else lost
    if own is not None or not lost:
        return
    related = ledger.related(items)
    raise WrongUse(
        f"this gate is used up: it was opened {_times(len(related))} ({_named(related)}), so the next opening may err with "
        f"probability {alpha_for_use(use, pack.alpha):.2g} at most, and not even a perfect result could show that "
        f"much: {'; '.join(_lost_text(name, have, need) for name, have, need in lost)}",
        where=where,
        hint=f"add items from new sources ({', '.join(f'{name} {need - have}' for name, have, need in lost)} more "
        "in the gate) or take new items altogether; for a last word on a released worker open the sealed split, "
        "which works once: `staffroom exam unseal WORKER PACK --by NAME`",
    )


def said_of(log: DecisionLog, closed: Closed) -> str:
    """Return who closed these items and when, in a phrase; the name only where this home still has it."""
    name = log.value_behind(closed.by) or "a person whose name is no longer kept"
    return f"on {closed.at[:10]} by {name} (entry {closed.entry} of the log)"


def _closing(log: DecisionLog, closed: Closed) -> dict[str, Any]:
    return {**_as_json(closed), "name": log.value_behind(closed.by), "said": said_of(log, closed)}


def alpha_report(home: Home, folder: Path) -> dict[str, Any]:
    """Return what `exam alpha` says of a pack: uses, what they spent, and what the next one could decide."""
    pack, log = load_pack(folder), DecisionLog(home)
    ledger, items = AlphaLedger.read(log), _without_making(log, pack)
    related = ledger.related(items)
    use = len(related) + 1
    closed = next(iter(ledger.closings_of(items)), None)
    lost = _lost(pack, use)
    spent = sum(one.alpha for one in related)
    used, seen = _met_before(ledger, pack, related, log.salt(_KEY))
    return {
        "pack": pack.digest,
        "name": pack.name,
        "version": pack.version,
        "gate_split": items.id,
        "items": len(pack.items_of(Split.GATE)),
        "lifetime": pack.alpha,
        "uses": [
            {
                "use": one.use,
                "alpha": one.alpha,
                "run": one.run,
                "at": one.at,
                "entry": one.entry,
                "decided": one.decided,
                "same_items": one.items == items.id,
            }
            for one in related
        ],
        "used_before": used,
        "seen_on_screen": seen,
        "spent": spent,
        "left": max(0.0, pack.alpha - spent),
        "uses_in_all": uses_in_all(pack.facets, pack.clusters_of(Split.GATE), pack.alpha),
        "next": _next(pack, use),
        "used_up": bool(lost),
        "closed": None if closed is None else _closing(log, closed),
        "open": closed is None and not lost,
        "sealed": _sealed_state(log, ledger, pack),
    }


def retire_gate(home: Home, folder: Path, by: str, how: str) -> dict[str, Any]:
    """Retire the gate split of a pack for ever, so that its answers may be shown; a second time changes nothing.

    by: who decides it; the log gets a commitment to the name.  how: `terminal` or `--yes`.
    Raises WrongUse where no gate was opened with these items: there is nothing to show, and a good split to lose.
    """
    pack = load_pack(folder)
    with home.ensure().lock("hire"):
        log = DecisionLog(home)
        ledger, items = AlphaLedger.read(log), item_set(log, pack, Split.GATE)
        related = ledger.related(items)
        known = ledger.retirement(items)
        if known is None and not related:
            raise WrongUse(
                "no gate was ever opened with these items, so there are no answers to show",
                where=str(pack.folder),
                hint="staffroom exam alpha PACK",
            )
        run = f"retire-{items.id.removeprefix('sha256:')[:12]}"
        if known is None:
            mark(log, run, items)
            body = {
                "gate_split": items.id,
                "pack": pack.digest,
                "name": pack.name,
                "version": pack.version,
                "uses": len(related),
                "by": log.commitment_to("person", by),
                "how": how,
            }
            log.append("gate-retired", f"retire:{items.id}", run, body)
            known = AlphaLedger.read(log).retirement(items)
        return {
            **({} if known is None else _as_json(known)),
            "name": pack.name,
            "gate_split": items.id,
            "uses": len(related),
            "unfinished": [one.run for one in related if not one.decided],
        }


def may_be_shown(home: Home, pack: ExamPack) -> frozenset[Split]:
    """Return the splits whose single answers may be shown: the screen, and a gate all of whose questions are retired."""
    log = DecisionLog(home)
    ledger, items = AlphaLedger.read(log), _without_making(log, pack)
    own = ledger.marks_of(items.id, items)
    retired: set[bytes] = set()
    for one in ledger.closed:
        if one.why is not Why.RETIRED:
            continue
        if one.items == items.id:
            return frozenset({Split.SCREEN, Split.GATE})
        marks = ledger.marks.get(one.items)
        if marks is not None and own is not None and marks.key == own.key:
            retired |= marks.questions
    whole = own is not None and bool(own.questions) and own.questions <= retired
    return frozenset({Split.SCREEN, Split.GATE} if whole else {Split.SCREEN})


def _without_making(log: DecisionLog, pack: ExamPack) -> ItemSet:
    """Return the gate's items; where this home has no key yet, nothing was marked, and no key is made."""
    if log.salt(_KEY) is None:
        return ItemSet(split_digest(pack, Split.GATE), ItemMarks("", frozenset(), frozenset()))
    return item_set(log, pack, Split.GATE)


def _sealed_state(log: DecisionLog, ledger: AlphaLedger, pack: ExamPack) -> dict[str, Any]:
    """Return how many sealed items a pack has, and by what they were opened."""
    items = pack.items_of(Split.SEALED)
    opened = None
    if items and log.salt(_KEY) is not None:
        sealed = item_set(log, pack, Split.SEALED)
        opened = next((one for one in ledger.closings_of(sealed) if one.why is Why.UNSEALED), None)
    said = None if opened is None else _closing(log, opened)
    return {"items": len(items), "opened": said}


def _met_before(
    ledger: AlphaLedger, pack: ExamPack, related: tuple[GateUse, ...], key: bytes | None
) -> tuple[list[str], list[str]]:
    """Return the gate items that a related gate used (question or source), and those that a screen asked."""
    if key is None:
        return [], []

    def marks_in(names: Iterable[str]) -> tuple[set[bytes], set[bytes]]:
        found = [ledger.marks[name] for name in names if name in ledger.marks]
        return {mark for one in found for mark in one.questions}, {m for one in found for m in one.sources}

    questions, sources = marks_in({use.items for use in related})
    screened, _ = marks_in(ledger.screens)
    gate = pack.items_of(Split.GATE)
    used = [
        item.id for item in gate if question_mark(item, key) in questions or source_mark(item, key) in sources
    ]
    return used, [item.id for item in gate if question_mark(item, key) in screened]


def _lost(pack: ExamPack, use: int) -> list[tuple[str, int, int]]:
    """Return the facets that the n-th use can no longer pass: name, clusters there are, clusters needed."""
    clusters = pack.clusters_of(Split.GATE)
    first, now = alpha_for_use(1, pack.alpha), alpha_for_use(use, pack.alpha)
    return [
        (name, clusters[name], clusters_to_pass(pack.facets[name], now))
        for name in lost_facets(pack.facets, clusters, first=first, now=now)
    ]


def _lost_text(name: str, have: int, need: int) -> str:
    return f"facet {name} has {have} clusters in the gate and would need {need}"


def _next(pack: ExamPack, use: int) -> dict[str, Any]:
    """Return what the next use could decide; `needs` is the number of clusters from which on a facet can pass."""
    alpha = alpha_for_use(use, pack.alpha)
    rows = []
    for facet in plan_gate(pack.facets, pack.clusters_of(Split.GATE), alpha).facets:
        rule = pack.facets[facet.facet]
        asked = rule.gated and rule.threshold is not None
        rows.append(
            {
                "facet": facet.facet,
                "threshold": facet.threshold,
                "gated": asked,
                "clusters": facet.clusters,
                "can_pass": facet.gated,
                "least": facet.least,
                "needs": clusters_to_pass(rule, alpha) if asked else None,
            }
        )
    return {"use": use, "alpha": alpha, "facets": rows}


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _named(uses: tuple[GateUse, ...]) -> str:
    named = [f"run {use.run} on {use.at[:10]}" for use in uses[-_MOST_NAMED:]]
    more = [f"and {len(uses) - _MOST_NAMED} before"] if len(uses) > _MOST_NAMED else []
    return ", ".join([*named, *more])


def _as_json(closed: Closed) -> dict[str, Any]:
    return {"why": closed.why.value, "entry": closed.entry, "at": closed.at}


def _of(entries: list[LoggedEntry], kind: str) -> list[LoggedEntry]:
    return [item for item in entries if item.entry.get("type") == kind]


def _use(item: LoggedEntry, decided: set[Any]) -> GateUse:
    entry, body = item.entry, item.entry["body"]
    return GateUse(
        entry=item.index,
        at=str(entry["at"]),
        run=str(entry["run"]),
        items=str(body["gate_split"]),
        use=int(body["use"]),
        alpha=float(body["alpha"]),
        decided=entry["run"] in decided,
    )


def _closed(item: LoggedEntry) -> Closed:
    why, name = _CLOSING[item.entry["type"]]
    body = item.entry["body"]
    return Closed(why, str(body[name]), item.index, str(item.entry["at"]), str(body["by"]))


def _joined(entries: list[LoggedEntry]) -> dict[str, ItemMarks]:
    """Return the marks of each set all of whose parts are there."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for item in _of(entries, _MARKED):
        parts.setdefault(item.entry["body"]["set"], []).append(item.entry["body"])
    return {
        name: ItemMarks(rows[0]["key"], _marks(rows, "questions"), _marks(rows, "sources"))
        for name, rows in parts.items()
        if len(rows) == rows[0]["parts"]
    }


def _marks(rows: list[Mapping[str, Any]], name: str) -> frozenset[bytes]:
    data = b"".join(base64.b64decode(row[name]) for row in rows)
    return frozenset(data[start : start + _MARK_BYTES] for start in range(0, len(data), _MARK_BYTES))
