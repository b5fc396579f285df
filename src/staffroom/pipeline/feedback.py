"""Feedback of a home: taken in, listed, accepted and rejected; its texts stay in `private/`.

The log gets an entry for what was decided, with salted commitments to the cases and to who decided; never a word of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffroom.improve.book import Entry, FeedbackBook
from staffroom.improve.importing import feedback_of, read_feedback_file
from staffroom.improve.personal import personal_data_in
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.pipeline.assemble import index_path, make_embedder
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.feedback import Feedback, FeedbackKind, FeedbackState
from staffroom.records.job_description import JobDescription
from staffroom.serve.duty_lookup import KeptAnswer, find_answer
from staffroom.store import Database, Home, ObjectStore, Releases, utc_now

__all__ = [
    "HomeFeedback",
    "add_feedback",
    "book_of",
    "decide_feedback",
    "import_feedback",
    "list_feedback",
]

_CASES_PER_ENTRY = 300


def book_of(home: Home) -> FeedbackBook:
    """Return the feedback book of a home."""
    return FeedbackBook(home.private / "feedback")


@dataclass(frozen=True, slots=True)
class HomeFeedback:
    """The `FeedbackSink` of a home, for its gateway."""

    home: Home

    def take(self, row: Mapping[str, str], *, key: str, opens: Callable[[str], bool]) -> str:
        """Put one word on a recorded answer into quarantine and return its id; errors as the protocol says."""
        found = _recorded(self.home, str(row.get("audit_id", "")))
        if found is None or not opens(found.alias):
            # One answer for both: a stranger does not learn which audit ids there are.
            raise _unknown_answer(str(row.get("audit_id", "")))
        given = {**row, "by": row.get("by") or (f"key {key}" if key else "")}
        try:
            return str(_take(self.home, [_bound(given, found, "gateway")])["ids"][0])
        except ValueError as error:
            raise WrongUse(str(error), hint="see docs/guides/feedback.md") from error


def add_feedback(home: Home, alias: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Put one word on an answer into quarantine; raises WrongUse for an unknown worker or audit id."""
    require_worker(home, alias)
    audit_id = str(row.get("audit_id") or "")
    try:
        if not audit_id:
            return _take(home, [feedback_of(row, alias, source="command", now=utc_now())])
        found = _recorded(home, audit_id)
        if found is None or found.alias != alias:
            raise _unknown_answer(audit_id)
        return _take(home, [_bound(row, found, "command")])
    except ValueError as error:
        raise WrongUse(str(error), hint="staffroom feedback add --help") from error


def import_feedback(home: Home, alias: str, path: Path, by: str) -> dict[str, Any]:
    """Put the feedback of a CSV or JSONL file into quarantine; all of it, or nothing and the reasons.

    by: who gives what names nobody.  What the job accepts by rule is accepted at once.
    """
    require_worker(home, alias)
    rows = read_feedback_file(path, alias, by, utc_now())
    bound: list[Feedback] = []
    faults: list[str] = []
    for row in rows:
        found = _recorded(home, row.audit_id) if row.audit_id else None
        if row.audit_id and (found is None or found.alias != alias):
            faults.append(
                f"{path}: {row.audit_id}: no answer of `{alias}` with this audit id is recorded here"
            )
        bound.append(row if found is None else _filled(row, found))
    if faults:
        raise WrongUse("\n".join(faults[:20]), hint="staffroom feedback import without the column audit_id")
    return _take(home, bound)


def list_feedback(home: Home, alias: str | None, state: FeedbackState | None) -> list[dict[str, Any]]:
    """Return the entries of the book, oldest first; texts are shown where they were not erased."""
    return [_row(entry) for entry in book_of(home).entries(alias) if state is None or entry.state is state]


def decide_feedback(
    home: Home, names: Sequence[str], state: FeedbackState, by: str, *, alias: str | None = None
) -> dict[str, Any]:
    """Accept or reject feedback by id; with no ids all that is in quarantine for a worker and carries no flag.

    Raises WrongUse where there is nothing to decide on.
    """
    if not by.strip():
        raise WrongUse("who decides it is missing", hint="name the person or office: --by NAME")
    book = book_of(home)
    if names:
        chosen = [book.find(name) for name in names]
    else:
        waiting = [one for one in book.entries(alias) if one.state is FeedbackState.QUARANTINED]
        chosen = [one for one in waiting if not one.feedback.flags]
    if not chosen:
        raise WrongUse("there is nothing to decide on", hint="staffroom feedback list --state quarantined")
    return _decide(home, chosen, state, by.strip(), "person")


def require_worker(home: Home, alias: str) -> None:
    """Raise WrongUse where no worker is released under an alias."""
    if not home.database.exists():
        raise WrongUse(f"no worker is released as `{alias}` here", hint="staffroom hire JOB.yaml")
    with Database(home.database) as database:
        if Releases(database).current(alias) is None:
            raise WrongUse(f"no worker is released as `{alias}` here", hint="staffroom workers")


def _take(home: Home, items: Iterable[Feedback]) -> dict[str, Any]:
    items = list(items)
    book = book_of(home)
    new, known = book.add(items)
    accepted = _by_rule(home, book, new)
    flagged = [item.id for item in items if item.flags]
    return {
        "ids": [item.id for item in items],
        "new": len(new),
        "known": len(known),
        "flagged": flagged,
        "accepted_by_rule": accepted,
    }


def _by_rule(home: Home, book: FeedbackBook, names: Sequence[str]) -> list[str]:
    """Accept what the job of a worker accepts by rule: words of people it names, where no personal data is suspected."""
    rules: dict[str, frozenset[str]] = {}
    chosen: list[Entry] = []
    for name in names:
        entry = book.find(name)
        said = entry.feedback
        if said.alias not in rules:
            rules[said.alias] = frozenset(_job_of(home, said.alias).improvement.accept_from)
        trusted = said.kind in (FeedbackKind.EDIT, FeedbackKind.VERDICT) and said.by in rules[said.alias]
        if trusted and not said.flags and said.source != "gateway":
            chosen.append(entry)
    if chosen:
        _decide(home, chosen, FeedbackState.ACCEPTED, "the rule `improvement.accept_from`", "rule")
    return [entry.id for entry in chosen]


def _decide(home: Home, chosen: Sequence[Entry], state: FeedbackState, by: str, how: str) -> dict[str, Any]:
    book = book_of(home)
    passages = _passages(home, chosen) if state is FeedbackState.ACCEPTED else {}
    done = book.decide([one.id for one in chosen], state, by=by, how=how, passages=passages)
    _record(home, done, state, by, how)
    sides = [entry.side.value for entry in done if entry.side is not None]
    return {
        "decided": [entry.id for entry in done],
        "state": state.value,
        "sides": {side: sides.count(side) for side in sorted(set(sides))},
    }


def _record(home: Home, done: Sequence[Entry], state: FeedbackState, by: str, how: str) -> None:
    log = DecisionLog(home)
    for alias in sorted({entry.feedback.alias for entry in done}):
        own = [entry for entry in done if entry.feedback.alias == alias]
        for start in range(0, len(own), _CASES_PER_ENTRY):
            part = own[start : start + _CASES_PER_ENTRY]
            cases = [[log.commitment_to("feedback", entry.id), _side(entry)] for entry in part]
            body = {
                "alias": alias,
                "state": state.value,
                "how": how,
                "by": log.commitment_to("person", by),
                "cases": cases,
            }
            key = digest_value([alias, state.value, [entry.id for entry in part]])[7:31]
            log.append("feedback-decided", f"feedback:{key}", "", body)


def _side(entry: Entry) -> str:
    return "" if entry.side is None else entry.side.value


def _passages(home: Home, chosen: Sequence[Entry]) -> dict[str, str]:
    """Return the chunk that a worker finds first for each correction that names no passage: cases on one chunk are one."""
    bare = [one for one in chosen if one.is_correction and not one.feedback.passage]
    found: dict[str, str] = {}
    for alias in sorted({one.feedback.alias for one in bare}):
        with Database(home.database) as database:
            release = Releases(database).current(alias)
            if release is None:
                continue
            assembly, _ = assembly_of(database, ObjectStore(home.objects), release.digest)
        path = index_path(home, assembly.index)
        if not path.is_file():
            continue
        retriever = IndexRetriever(path, make_embedder())
        try:
            for one in bare:
                if one.feedback.alias == alias:
                    first = retriever.search(one.feedback.question, 1)
                    found[one.id] = first[0].chunk_id if first else ""
        finally:
            retriever.close()
    return found


def _job_of(home: Home, alias: str) -> JobDescription:
    with Database(home.database) as database:
        release = Releases(database).current(alias)
        if release is None:
            raise WrongUse(f"no worker is released as `{alias}` here", hint="staffroom workers")
        return assembly_of(database, ObjectStore(home.objects), release.digest)[1]


def _recorded(home: Home, audit_id: str) -> KeptAnswer | None:
    return find_answer(home.private / "duty", audit_id)


def _bound(row: Mapping[str, Any], found: KeptAnswer, source: str) -> Feedback:
    return _filled(feedback_of(row, found.alias, source=source, now=utc_now()), found)


def _filled(said: Feedback, found: KeptAnswer) -> Feedback:
    """Return feedback with the question and the answer that were recorded, whatever it says of them itself."""
    question, answer = found.question or said.question, found.answer or said.answer
    return replace(
        said,
        question=question,
        answer=answer,
        flags=personal_data_in("\n".join([question, answer, said.edited, said.note])),
        release=found.release,
        passage=said.passage or (found.chunks[0] if found.chunks else ""),
    )


def _unknown_answer(audit_id: str) -> WrongUse:
    return WrongUse(
        f"no answer with the audit id `{audit_id}` is recorded for this worker",
        hint="the audit id stands in the answer's header `x-staffroom-audit` and in its body",
    )


def _row(entry: Entry) -> dict[str, Any]:
    said = entry.feedback
    return {
        "id": entry.id,
        "alias": said.alias,
        "kind": said.kind.value,
        "state": entry.state.value,
        "side": _side(entry),
        "at": said.at.isoformat(timespec="seconds"),
        "flags": list(said.flags),
        "erased": entry.erased,
        "by": said.by,
        "question": said.question,
        "answer": said.answer,
        "edited_answer": said.edited,
        "verdict": said.verdict,
        "fault": said.fault,
        "note": said.note,
        "audit_id": said.audit_id,
    }
