"""Checks that the decisions of a log follow from their figures: this one file, with Python's standard library alone.

    python verify_decisions.py LOGDIR

It reads what the entries say and trusts that they are the ones that were signed: run `verify.py` first, and `verify_exams.py`
for order, alpha and seeds. It shares no code with the writer. An entry of a kind that it does not know is passed over.

1. A decision is about the facets, items and scores of its evaluation, and of the kind that its run committed to.
2. Of a first gate: by the rules that were committed to, on no other facets; p-values and bounds of exact tests are computed
   again, and its word follows from its facets. Of later gates, where a candidate stands against the incumbent, that is
   checked by `verify_paired.py`.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["DecisionFinding", "check_decisions", "main"]

_SAID = ("facet", "n", "score", "low", "high")


@dataclass(frozen=True, slots=True)
class DecisionFinding:
    """One rule that an entry breaks, in a sentence."""

    entry: int
    what: str


class _Bad(Exception):
    """An entry that cannot be read as what it says it is."""


def check_decisions(entries: Sequence[bytes]) -> list[DecisionFinding]:
    """Return every breach of the rules in the entries of a log, oldest first; never raises on what they hold."""
    board = _Board()
    found: list[DecisionFinding] = []
    for index, data in enumerate(entries):
        entry = _read(data)
        rule = _RULES.get(str(entry.get("type"))) if entry else None
        if entry is None or rule is None:
            continue
        try:
            texts = list(rule(board, str(entry.get("run")), _object(entry, "body")))
            found += [DecisionFinding(index, text) for text in texts]
        except _Bad as bad:
            found.append(DecisionFinding(index, str(bad)))
    return found


@dataclass(slots=True)
class _Board:
    """What the entries up to now have said, by run."""

    committed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluated: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)


# --- the rules, by kind of entry ---


def _exam_committed(board: _Board, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.committed.setdefault(run, body)


def _evaluation(board: _Board, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.evaluated.setdefault(run, body)


def _decision(board: _Board, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.decided or run not in board.evaluated:
        return  # `verify_exams.py` says so
    board.decided.add(run)
    rows = _rows(body.get("facets"))
    said = [[row.get(name) for name in _SAID] for row in _rows(board.evaluated[run].get("facets"))]
    if [[row.get(name) for name in _SAID] for row in rows] != said:
        yield "its facets, items and scores are not those of the evaluation"
    if len({str(row.get("facet")) for row in rows}) != len(rows):
        yield "a facet stands in it twice"
    commit = board.committed.get(run)
    known = None if commit is None or "kept_as" in commit else commit
    paired = known is not None and _object(known, "plan").get("kind") == "paired"
    if paired != ("paired" in body):
        yield "a run decides against an incumbent if, and only if, it committed to one"
    elif not paired:
        yield from _first_gate(known, body, rows)


def _first_gate(
    commit: Mapping[str, Any] | None, body: Mapping[str, Any], rows: list[Mapping[str, Any]]
) -> Iterator[str]:
    """Compare what is said of facets with what was planned; commit: None where the log does not hold it."""
    rules = None
    if commit is not None:
        rules = {str(row.get("facet")): row for row in _rows(_object(commit, "plan").get("facets"))}
    names, alpha = [str(row.get("facet")) for row in rows], _number(body, "alpha")
    for name, row in zip(names, rows, strict=True):
        if rules is not None and name not in rules:
            yield f"facet {name} was not planned"
        yield from _facet(row, None if rules is None else rules.get(name), alpha)
    missing = {name for name, rule in (rules or {}).items() if rule.get("gated") is True}
    missing -= {name for name, row in zip(names, rows, strict=True) if row.get("gated") is True}
    if missing:
        yield f"facets that were to be gated are not: {', '.join(sorted(missing))}"
    yield from _follows(body, rows, "facets")


def _facet(row: Mapping[str, Any], rule: Mapping[str, Any] | None, alpha: float) -> Iterator[str]:
    name = row.get("facet")
    for field_name in ("threshold", "gated"):
        if rule is not None and rule.get(field_name) != row.get(field_name):
            yield f"facet {name}: `{field_name}` is not what was committed to"
    if row.get("gated") is not True:
        return
    threshold, p_value, upper = _number(row, "threshold"), _number(row, "p_value"), _number(row, "upper")
    word = "promoted" if p_value <= alpha else "rejected" if upper < threshold else "undecided"
    if row.get("verdict") != word or not (0 <= p_value <= 1 and 0 <= upper <= 1):
        yield f"facet {name}: its figures do not say {row.get('verdict')}"
    if rule is None:
        return
    if rule.get("clusters") != row.get("tested"):
        yield f"facet {name}: {row.get('tested')} clusters were tested, not the {rule.get('clusters')} planned"
    if rule.get("method") == "exact":
        yield from _exact(f"facet {name}", row, threshold, alpha)


def _exact(what: str, row: Mapping[str, Any], threshold: float, alpha: float) -> Iterator[str]:
    passed, tested = _number(row, "passed"), _count(row, "tested")
    p_value, upper = _number(row, "p_value"), _number(row, "upper")
    again = _tail(passed, tested, threshold)
    if not math.isclose(again, p_value, rel_tol=1e-6, abs_tol=1e-300):
        yield f"{what}: the p-value is {again:.6g}, not {p_value:.6g}"
    if not _is_upper(upper, int(passed), tested, alpha):
        yield f"{what}: {upper:.6g} is no upper bound of {passed:g} of {tested}, whatever was unscored"


def _follows(body: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], what: str) -> Iterator[str]:
    words = [str(row.get("verdict")) for row in rows if row.get("gated") is True]
    word = "promoted" if words and set(words) == {"promoted"} else "undecided"
    word = "rejected" if "rejected" in words else word
    if body.get("verdict") != word:
        yield f"its {what} say {word}, it says {body.get('verdict')}"


_Rule = Callable[[_Board, str, Mapping[str, Any]], Iterator[str]]
_RULES: Mapping[str, _Rule] = {
    "exam-committed": _exam_committed,
    "evaluation": _evaluation,
    "decision": _decision,
}


# --- numbers ---


def _tail(successes: float, trials: int, rate: float) -> float:
    """Return P(X >= successes) of a binomial, summed term by term from its logarithms."""
    if successes != int(successes) or not 0 <= successes <= trials or not 0 < rate < 1:
        raise _Bad(f"{successes:g} of {trials} at {rate:g} is no result of an exact test")
    logs = [
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(rate)
        + (trials - k) * math.log1p(-rate)
        for k in range(int(successes), trials + 1)
    ]
    return min(1.0, math.fsum(math.exp(value) for value in logs)) if successes > 0 else 1.0


def _is_upper(upper: float, right: int, trials: int, alpha: float) -> bool:
    """Say whether a one-sided bound of Clopper and Pearson is that of `right` or more, up to all trials."""
    if not 0 < upper < 1:
        return upper == 1

    def below(count: int) -> float:
        return _tail(trials - count, trials, 1 - upper)  # P(X <= count) of a binomial at `upper`

    # How many were unscored is not said; the tail grows with the count, and at the bound's own it is alpha.
    low, high = right, trials
    while low < high:
        middle = (low + high) // 2
        if below(middle) < alpha * (1 - 1e-6):
            low = middle + 1
        else:
            high = middle
    return math.isclose(below(low), alpha, rel_tol=1e-6)


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
        description="Check the decisions of a decision log; run verify.py and verify_exams.py on it first."
    )
    parser.add_argument("folder", type=Path, metavar="LOGDIR")
    options = parser.parse_args(arguments)
    try:
        entries = read_entries(options.folder)
    except (ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = check_decisions(entries)
    lines = [f"entry {finding.entry}: {finding.what}" for finding in found]
    lines = lines or [f"ok: {len(entries)} entries follow from their figures"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
