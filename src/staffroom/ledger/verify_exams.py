"""Checks that a decision log keeps the rules of its own exams: this one file, with Python's standard library alone.

    python verify_exams.py LOGDIR

It reads what the entries say and trusts that they are the ones that were signed: run `verify.py` first. It shares no code
with the writer. An entry of a kind that it does not know is passed over.

1. A run commits once, to a lifetime alpha of at most 0.05 and a plan that gates what its pack gates, and opens its gate
   once, as it committed to, for whoever won its race.
2. The use of a gate is one more than the gates opened before it that share a question or a source with it, directly
   or through others. Its alpha is lifetime * 6 / (pi^2 * use^2).
3. A run is evaluated once; the seed of its evaluation is that of the tree that ends with the run's commitment.
4. A run decides once, at the alpha that was charged. A release follows a promotion, and is the agent that was evaluated.
   What a decision's figures say, and by which rules, is checked by `verify_decisions.py`.
5. Questions of a retired gate, or of a sealed split that was opened, are asked at no gate and decided on by none afterwards.
6. A sealed split is committed to before it is opened, is opened once, and none of its questions was asked before.

Which questions two splits share is told by marks (`items-marked`): keyed digests, equal where the questions are. Whether a mark
was made of the question that was asked can be checked only with the pack and the key. Logs from before there were marks
are held to all other rules, and there a gate shares with another what has the same digest.
"""

import argparse
import base64
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Finding", "check_exams", "main"]

_LIFETIME = 0.05
_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an entry breaks, in a sentence."""

    entry: int
    what: str


class _Bad(Exception):
    """An entry that cannot be read as what it says it is."""


def check_exams(entries: Sequence[bytes]) -> list[Finding]:
    """Return every breach of the rules in the entries of a log, oldest first; never raises on what they hold."""
    board = _Board(entries)
    found: list[Finding] = []
    for index, data in enumerate(entries):
        entry = _read(data)
        rule = _RULES.get(str(entry.get("type"))) if entry else None
        if entry is None or rule is None:
            continue
        try:
            body = _object(entry, "body")
            if "kept_as" in body and entry["type"] not in ("exam-committed", "race"):
                raise _Bad("it is kept outside the log, so nobody can check it here")
            found += [Finding(index, text) for text in rule(board, index, str(entry.get("run")), body)]
        except _Bad as bad:
            found.append(Finding(index, str(bad)))
    return found


# --- what is known so far ---


@dataclass(slots=True)
class _Marks:
    """The marks of one set of items; complete once all its parts have come."""

    key: str
    parts: int
    seen: set[int] = field(default_factory=set)
    questions: set[bytes] = field(default_factory=set)
    sources: set[bytes] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        return self.seen == set(range(1, self.parts + 1))


@dataclass(slots=True)
class _Opened:
    index: int
    body: Mapping[str, Any]

    @property
    def items(self) -> str:
        return str(self.body.get("gate_split"))


@dataclass(slots=True)
class _Board:
    """What the entries up to now have said, by run."""

    entries: Sequence[bytes]
    marks: dict[str, _Marks] = field(default_factory=dict)
    committed: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    opened: dict[str, _Opened] = field(default_factory=dict)
    winners: dict[str, str | None] = field(default_factory=dict)
    evaluated: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    decided: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    sealed_in: dict[int, str | None] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    unsealed: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    examined: set[str] = field(default_factory=set)

    def asked_alike(self, one: str, other: str) -> bool:
        """Whether two sets share a question; with marks of different keys nobody can tell, which counts as yes."""
        if one == other:
            return True
        first, second = self.marks.get(one), self.marks.get(other)
        if first is None or second is None:
            return False
        return first.key != second.key or bool(first.questions & second.questions)

    def marked(self, items: str) -> bool:
        """Whether all marks of a set are there."""
        return items in self.marks and self.marks[items].complete

    def related(self, one: str, other: str) -> bool:
        """Whether two sets share a question or a source."""
        first, second = self.marks.get(one), self.marks.get(other)
        alike = first is not None and second is not None and bool(first.sources & second.sources)
        return alike or self.asked_alike(one, other)

    def uses_before(self, items: str) -> int:
        """Return how many gates were opened that are related to a set, directly or through others."""
        known, waiting = [items], {opened.items for opened in self.opened.values()}
        for one in known:
            near = {other for other in waiting if self.related(one, other)}
            known += sorted(near)
            waiting -= near
        return sum(opened.items in known for opened in self.opened.values())

    def closed_since(self, index: int, items: str) -> Iterator[int]:
        """Give the entries after `index` that closed questions of a set."""
        for other, where in self.closed.items():
            if where > index and self.asked_alike(items, other):
                yield where

    def asked(self) -> set[str]:
        """Return the sets whose questions agents were asked: opened gates, and screens that runs committed to."""
        bodies = [body for _, body in self.committed.values() if "kept_as" not in body]
        screens = {str(_object(_object(body, "splits"), "screen").get("digest")) for body in bodies}
        return screens | {opened.items for opened in self.opened.values()}

    def seed_after(self, index: int) -> int:
        """Return the seed derived from the tree that ends with an entry."""
        leaves = [hashlib.sha256(b"\x00" + data).digest() for data in self.entries[: index + 1]]
        text = f"staffroom seed {_root(leaves).hex()}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


# --- the rules, by kind of entry ---


def _items_marked(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    name, parts, part = _text(body, "set"), _count(body, "parts"), _count(body, "part")
    marks = board.marks.setdefault(name, _Marks(_text(body, "key"), parts))
    if (marks.key, marks.parts) != (_text(body, "key"), parts) or part > parts or part in marks.seen:
        yield "these marks do not go with those of the same items before"
        return
    marks.seen.add(part)
    marks.questions |= _marks(body, "questions")
    marks.sources |= _marks(body, "sources")


def _exam_committed(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.committed:
        yield f"this run committed before, in entry {board.committed[run][0]}"
        return
    board.committed[run] = index, body
    board.sealed_in[index] = None
    if "kept_as" in body:
        return
    board.sealed_in[index] = str(_object(_object(body, "splits"), "sealed").get("commitment"))
    lifetime = _number(body, "alpha")
    if not 0 < lifetime <= _LIFETIME:
        yield f"a lifetime alpha of {lifetime:g} is not between 0 and {_LIFETIME:g}"
    if "use" in body and not _is_alpha(
        _number(_object(body, "plan"), "alpha"), _count(body, "use"), lifetime
    ):
        yield f"the planned alpha is not that of use {body['use']}"
    # From before there were marks are logs whose plans left out what could no longer be passed.
    if board.marks:
        if _object(body, "plan").get("kind") != "paired":
            yield from _plan(_object(body, "facets"), _planned(body), _alpha(1, lifetime))
        screen, gate = (
            _text(_object(_object(body, "splits"), name), "digest") for name in ("screen", "gate")
        )
        if not board.marked(screen):
            yield "the questions of this screen are not marked, so nobody can tell whether they were sealed"
        if _text(body, "gate_split").removeprefix("dry-run ") != gate:
            yield "its alpha is to be charged to another gate than that of its pack"


def _plan(rules: Mapping[str, Any], planned: Mapping[str, Mapping[str, Any]], first: float) -> Iterator[str]:
    """Compare a plan with the rules of its pack; first: alpha of the first use."""
    for name in sorted(rules.keys() ^ planned.keys()):
        yield f"facet {name} is not both in the pack and in the plan"
    for name in sorted(rules.keys() & planned.keys()):
        rule, row = _object(rules, name), planned[name]
        for field_name in ("threshold", "method"):
            if rule.get(field_name) != row.get(field_name):
                yield f"facet {name}: the planned `{field_name}` is not that of the pack"
        if (rule.get("gated"), row.get("gated"), rule.get("method")) != (True, False, "exact"):
            continue
        clusters = row.get("clusters")
        # A gate would get easier by being used, if what it can no longer pass were only reported.
        if clusters and _number(rule, "threshold") ** _count(row, "clusters") < first * (1 - 1e-9):
            yield f"facet {name} is gated by the pack, and {clusters} clusters can decide, but it is not planned so"


def _race(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.winners:
        yield "this run held its race before"
        return
    board.winners[run] = None if "kept_as" in body else _text(body, "winner")
    if run in board.opened:
        yield "this run opened its gate before it held its race"


def _gate_opened(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.opened:
        yield f"this run opened its gate before, in entry {board.opened[run].index}"
        return
    items, use, alpha = _text(body, "gate_split"), _count(body, "use"), _number(body, "alpha")
    if board.marks and not board.marked(items):
        yield "the questions of this gate are not marked, so nobody can tell whether they were used before"
    expected = board.uses_before(items) + 1
    if use != expected:
        yield f"it is charged as use {use}, but is use {expected} of these questions and sources"
    lifetime = _LIFETIME
    if run not in board.winners:
        yield "this run held no race"
    if run not in board.committed:
        yield "this run had not committed to an exam"
    elif "kept_as" not in board.committed[run][1]:
        commit = board.committed[run][1]
        lifetime = _number(commit, "alpha")
        for name in ("use", "gate_split"):
            if name in commit and commit[name] != body[name]:
                yield f"`{name}` is not what the run committed to"
        agents = _object(commit, "agents")
        if body.get("agent") not in agents.values():
            yield "the agent at the gate is none of those that the run committed to"
        elif (winner := board.winners.get(run)) is not None and body.get("agent") != agents.get(winner):
            yield "the agent at the gate is not the winner of the race"
    if not _is_alpha(alpha, use, lifetime):
        yield f"alpha {alpha:.6g} is not that of use {use}, {_alpha(use, lifetime):.6g}"
    for where in board.closed_since(-1, items):
        yield f"it asks questions that entry {where} closed for good"
    board.opened[run] = _Opened(index, body)


def _evaluation(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.evaluated:
        yield f"this run was evaluated before, in entry {board.evaluated[run][0]}"
        return
    board.evaluated[run] = index, body
    opened = board.opened.get(run)
    if opened is None:
        yield "an evaluation at a gate that was not opened"
    else:
        if body.get("agent") != opened.body.get("agent"):
            yield "another agent was evaluated than the gate was opened for"
        for where in board.closed_since(opened.index, opened.items):
            yield f"it is about questions that entry {where} closed for good"
    if body.get("split") != "gate":
        yield "this is no evaluation of a gate"
    if run in board.committed and body.get("seed") != board.seed_after(board.committed[run][0]):
        yield "the seed does not follow from the run's commitment"


def _decision(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.decided:
        yield f"this run decided before, in entry {board.decided[run][0]}"
        return
    board.decided[run] = index, body
    opened = board.opened.get(run)
    if opened is None or run not in board.evaluated:
        yield "a decision without an opened gate and an evaluation before it"
        return
    for where in board.closed_since(board.evaluated[run][0], opened.items):
        yield f"it decides on questions that entry {where} closed for good"
    alpha = _number(body, "alpha")
    if alpha != opened.body.get("alpha"):
        yield f"it decides at alpha {alpha:.6g}, but {opened.body.get('alpha')} was charged"
    if body.get("agent") != opened.body.get("agent"):
        yield "it decides on another agent than the gate was opened for"
    commit = board.committed.get(run, (0, {"kept_as": ""}))[1]
    if "kept_as" not in commit and body.get("pack") != commit.get("pack"):
        yield "it decides on another pack than the run committed to"
    if body.get("pack") != board.evaluated[run][1].get("pack"):
        yield "it decides on another pack than was evaluated"


def _planned(commit: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(row.get("facet")): row for row in _rows(_object(commit, "plan").get("facets"))}


def _release(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    where, decision = board.decided.get(run, (-1, {}))
    if decision.get("verdict") != "promoted":
        yield "a release without a promotion in the same run"
        return
    manifest = _object(body, "manifest")
    if manifest.get("evaluation") != board.evaluated.get(run, (-1, {}))[1].get("evaluation"):
        yield "it names another evaluation than that of its run"
    if _digest(_object(manifest, "agent")) != decision.get("agent"):
        yield "another agent was released than was promoted"
    # Entries are in canonical form, so the bytes of a body are those that its digest was made of.
    raw = board.entries[where].partition(b'"body":')[2].rpartition(b',"key":')[0]
    if manifest.get("decision") != f"sha256:{hashlib.sha256(raw).hexdigest()}":
        yield "it names another decision than that of its run"
    if body.get("release") != _digest(manifest):
        yield "its name is not the digest of its manifest"


def _gate_retired(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.closed.setdefault(_text(body, "gate_split"), index)


def _sealed_committed(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.sealed_in[index] = str(_object(body, "sealed").get("commitment"))


def _sealed_opened(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    items, earlier = _text(body, "commitment"), body.get("committed_in")
    if board.sealed_in.get(earlier if isinstance(earlier, int) else -1, "") not in (None, items):
        yield f"entry {earlier} does not commit to this sealed split"
    if not board.marked(items):
        yield "the questions of this sealed split are not marked, so nobody can tell whether they were asked before"
    for other, (where, _) in board.unsealed.items():
        if board.asked_alike(items, other):
            yield f"its questions were unsealed before, in entry {where}"
    if any(board.asked_alike(items, other) for other in board.asked()):
        yield "some of its questions were asked before, in another split"
    board.unsealed[items] = index, body
    board.closed.setdefault(items, index)


def _sealed_evaluation(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    items = _text(body, "commitment")
    where, opened = board.unsealed.get(items, (-1, {}))
    if where < 0 or items in board.examined:
        yield "an evaluation of a sealed split that was not opened for it"
    elif body.get("agent") != opened.get("agent"):
        yield "another agent was examined than the sealed split was opened for"
    elif body.get("seed") != board.seed_after(where):
        yield "the seed does not follow from the entry that opened the sealed split"
    board.examined.add(items)


_Rule = Callable[[_Board, int, str, Mapping[str, Any]], Iterator[str]]
_RULES: Mapping[str, _Rule] = {
    "items-marked": _items_marked,
    "exam-committed": _exam_committed,
    "race": _race,
    "gate-opened": _gate_opened,
    "evaluation": _evaluation,
    "decision": _decision,
    "release": _release,
    "gate-retired": _gate_retired,
    "sealed-committed": _sealed_committed,
    "sealed-opened": _sealed_opened,
    "sealed-evaluation": _sealed_evaluation,
}


# --- numbers ---


def _alpha(use: int, lifetime: float) -> float:
    return lifetime * 6 / (math.pi**2 * use**2)


def _is_alpha(alpha: float, use: int, lifetime: float) -> bool:
    return math.isclose(alpha, _alpha(use, lifetime), rel_tol=1e-9)


def _digest(value: Mapping[str, Any]) -> str:
    """Return the digest of an object that holds no fractions, in its canonical form (RFC 8785)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1: split at the largest power of two below the count."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()


# --- reading, of what may be anything ---


def _read(data: bytes) -> dict[str, Any] | None:
    """Return an entry that is a JSON object; logs may hold other things, which are not ours to judge."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _Bad(f"it has no `{name}`")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise _Bad(f"`{name}` is no text")
    return found


def _count(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found < 10**9:
        raise _Bad(f"`{name}` is no count from 1")
    return found


def _number(value: Mapping[str, Any], name: str) -> float:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < 10**9:
        raise _Bad(f"`{name}` is no number")
    return float(found)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _Bad("`facets` is no list of rows")
    return value


def _marks(value: Mapping[str, Any], name: str) -> set[bytes]:
    try:
        data = base64.b64decode(str(value.get(name)), validate=True)
    except ValueError as error:
        raise _Bad(f"`{name}` is not base64") from error
    if len(data) % _MARK_BYTES:
        raise _Bad(f"`{name}` holds half a mark")
    return {data[i : i + _MARK_BYTES] for i in range(0, len(data), _MARK_BYTES)}


def read_entries(folder: Path) -> list[bytes]:
    """Return the entries of a log folder (C2SP tlog-tiles bundles), up to the size that its checkpoint names."""
    size = int((folder / "checkpoint").read_bytes().split(b"\n")[1])
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        digits = str(index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        path = folder / "tile" / "entries" / "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        width = min(256, size - 256 * index)
        if not path.is_file():
            path = path.with_name(f"{path.name}.p") / str(width)
        data, offset = path.read_bytes(), 0
        for _ in range(width):
            end = offset + 2 + int.from_bytes(data[offset : offset + 2], "big")
            if not offset + 2 <= end <= len(data):
                raise ValueError(f"{path} ends before its entries do")
            entries.append(data[offset + 2 : end])
            offset = end
    return entries


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where all rules were kept, 1 where one was broken, 2 on wrong use."""
    parser = argparse.ArgumentParser(
        description="Check the exams of a decision log; run verify.py on it first."
    )
    parser.add_argument("folder", type=Path, metavar="LOGDIR")
    options = parser.parse_args(arguments)
    try:
        entries = read_entries(options.folder)
    except (ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = check_exams(entries)
    lines = [f"entry {finding.entry}: {finding.what}" for finding in found]
    lines = lines or [f"ok: {len(entries)} entries keep the rules of their exams"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
