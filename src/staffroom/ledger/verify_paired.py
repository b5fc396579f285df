"""Checks the later gates of a log, where a candidate stands against the incumbent: this one file, with Python's standard library.

    python verify_paired.py LOGDIR

It reads what the entries say and trusts that they are the ones that were signed: run `verify.py` first, and `verify_exams.py`
for order, alpha and seeds. It shares no code with the writer. An entry of a kind that it does not know is passed over.

1. The incumbent is the agent that the alias pointed to when the run committed, and sat the same exam under
   the same seed.
2. The plan gates what the pack guards and its sources can decide.
3. The values of each test of clusters stand in the log before the decision, one for each source that was planned, each under a
   mark of the items that were committed to. In the order that the seed gives them, the bets are made again: means, p-values,
   the cluster that decided, and the outcome must come out the same. So must bounds of hard stops and thresholds.
4. Not being worse suffices for the task only where the commitment names the agent as a declared replacement.

A mark is a keyed digest of a source, or of a question without one: equal where they are, silent otherwise. Whether a value is
what the answers to that source were worth can be checked only with the pack and the kept answers (`exam rerun`).
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

__all__ = ["PairedFinding", "check_paired", "main"]

_MARK_BYTES = 8
_FIGURES = ("mean_low", "mean_high", "p_value", "p_against")
_TASK, _REGRESSION = "task", "regression"


@dataclass(frozen=True, slots=True)
class PairedFinding:
    """One rule that an entry breaks, in a sentence."""

    entry: int
    what: str


class _Bad(Exception):
    """An entry that cannot be read as what it says it is."""


def check_paired(entries: Sequence[bytes]) -> list[PairedFinding]:
    """Return every breach of the rules in the entries of a log, oldest first; never raises on what they hold."""
    board = _Board()
    found: list[PairedFinding] = []
    for index, data in enumerate(entries):
        entry = _read(data)
        rule = _RULES.get(str(entry.get("type"))) if entry else None
        if entry is None or rule is None:
            continue
        try:
            texts = list(rule(board, index, str(entry.get("run")), _object(entry, "body")))
            found += [PairedFinding(index, text) for text in texts]
        except _Bad as bad:
            found.append(PairedFinding(index, str(bad)))
    return found


@dataclass(slots=True)
class _Board:
    """What the entries up to now have said."""

    marks: dict[str, set[str]] = field(default_factory=dict)
    committed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluated: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    incumbents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    values: dict[tuple[str, str], dict[int, list[list[Any]]]] = field(default_factory=dict)
    parts: dict[tuple[str, str], int] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    releases: dict[str, str] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)


# --- the rules, by kind of entry ---


def _items_marked(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    known = board.marks.setdefault(_text(body, "set"), set())
    known |= _marks(body, "questions") | _marks(body, "sources")


def _exam_committed(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.committed:
        return  # `verify_exams.py` says so
    board.committed[run] = body
    if "kept_as" in body or _object(body, "plan").get("kind") != "paired":
        return
    plan = _object(body, "plan")
    yield from _in_service(board, body, plan)
    yield from _paired_plan(body, plan)


def _in_service(board: _Board, body: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[str]:
    release, alias = _text(plan, "release"), _text(body, "alias")
    if board.releases.get(release) != _text(plan, "incumbent"):
        yield "the incumbent is not the agent of a release in this log"
    elif board.served.get(alias) != release:
        yield f"the incumbent is not what `{alias}` pointed to when the run committed"


def _paired_plan(body: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[str]:
    """Compare a plan with what the pack asks of its facets: tests may be left out only where sources are too few."""
    later, alpha = _object(body, "later"), _number(plan, "alpha")
    first = _number(body, "alpha") * 6 / math.pi**2
    tests = {str(row.get("name")): row for row in _rows(plan.get("tests"))}
    if len(tests) != len(_rows(plan.get("tests"))):
        yield "a test is planned twice"
    if _TASK not in tests:
        yield "no test of the task is planned"
    agents = set(_object(body, "agents").values())
    if not {str(name) for name in _list(plan.get("replacing"))} <= agents:
        yield "a declared replacement is none of the agents that the run committed to"
    task = {name for name, rule in later.items() if _inner(rule).get("role") == "task"}
    for name, row in tests.items():
        form, clusters = _text(row, "form"), _whole(row, "clusters")
        border = _number(row, "border")
        if name == _TASK:
            if not {str(one) for one in _list(row.get("facets"))} <= task or (form, border) != (
                "superior",
                0,
            ):
                yield "the task is planned otherwise than the pack has it"
            least = _least("superior", border, alpha)
        else:
            if name != _REGRESSION:
                yield from _planned_as_asked(name, row, _inner(later.get(name)), first)
            least = _whole(row, "least") if form == "threshold" else _least(form, border, alpha)
        if row.get("gated") is not True and form != "threshold" and clusters >= least:
            yield f"test {name}: {clusters} sources can decide it, but it is not gated"
        if row.get("gated") is True and form != "threshold" and clusters < least:
            yield f"test {name}: it is gated, but {clusters} sources cannot decide it"
    for name, rule in later.items():
        if _inner(rule).get("role") in ("guard", "hard-stop") and name not in tests:
            yield f"facet {name} is guarded by the pack, and no test is planned for it"


def _planned_as_asked(
    name: str, row: Mapping[str, Any], rule: Mapping[str, Any], first: float
) -> Iterator[str]:
    form, border, clusters = _text(row, "form"), _number(row, "border"), _whole(row, "clusters")
    asked = {"guard": "margin", "hard-stop": "limit"}.get(str(rule.get("role")))
    if asked is None:
        yield f"test {name}: the pack guards no such facet"
    elif form == "threshold":
        margin = _number(rule, "margin")
        if asked != "margin" or clusters >= _least("non-inferior", margin, first):
            yield f"test {name}: it is held to a threshold, though its sources can be compared"
    elif form != {"margin": "non-inferior", "limit": "limit"}[asked] or border != _number(rule, asked):
        yield f"test {name}: its {asked} is not that of the pack"


def _evaluation(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.evaluated.setdefault(run, body)


def _incumbent_evaluation(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    if run in board.incumbents:
        yield "the incumbent of this run was evaluated before"
        return
    board.incumbents[run] = body
    if run in board.decided:
        yield "the incumbent was evaluated after the decision"


def _paired_values(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    key, part, parts = (run, _text(body, "test")), _whole(body, "part"), _whole(body, "parts")
    known = board.values.setdefault(key, {})
    if run in board.decided:
        yield "values that came after the decision"
    if part in known or not 1 <= part <= parts or board.parts.setdefault(key, parts) != parts:
        yield "these values do not go with those of the same test before"
        return
    known[part] = [_list(row) for row in _list(body.get("rows"))]


def _release(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.releases[_text(body, "release")] = _digest(_object(_object(body, "manifest"), "agent"))


def _alias_moved(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from ()
    board.served[_text(body, "alias")] = _text(body, "to")


def _decision(board: _Board, index: int, run: str, body: Mapping[str, Any]) -> Iterator[str]:
    commit = board.committed.get(run)
    if run in board.decided or run not in board.evaluated or "paired" not in body:
        return  # the other verifiers say so
    board.decided.add(run)
    if commit is None or "kept_as" in commit:
        yield "the commitment to this comparison is kept outside the log, so nobody can check it here"
    elif _object(commit, "plan").get("kind") == "paired":
        yield from _later_gate(board, run, commit, body)


# --- the decision ---


def _later_gate(board: _Board, run: str, commit: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    plan, paired = _object(commit, "plan"), _object(body, "paired")
    candidate, incumbent = board.evaluated[run], board.incumbents.get(run)
    if incumbent is None:
        yield "the incumbent was not evaluated before the decision"
        return
    if incumbent.get("agent") != plan.get("incumbent") or paired.get("incumbent") != plan.get("incumbent"):
        yield "it compares with another incumbent than the run committed to"
    if body.get("agent") == plan.get("incumbent"):
        yield "the candidate is the incumbent itself"
    for name in ("pack", "seed", "split"):
        if candidate.get(name) != incumbent.get(name):
            yield f"candidate and incumbent did not sit the same exam (`{name}`)"
    said = [[row.get(name) for name in ("facet", "n")] for row in _rows(incumbent.get("facets"))]
    if said != [[row.get(name) for name in ("facet", "n")] for row in _rows(candidate.get("facets"))]:
        yield "candidate and incumbent were not asked the same items"
    rows = _rows(paired.get("tests"))
    planned = {str(row.get("name")): row for row in _rows(plan.get("tests"))}
    names = [str(row.get("name")) for row in rows]
    if sorted(names) != sorted(planned):
        yield "its tests are not those that were planned"
        return
    alpha, seed = _number(body, "alpha"), candidate.get("seed")
    for name, row in zip(names, rows, strict=True):
        rule = planned[name]
        form, border = _asked(rule, name, str(body.get("agent")), plan)
        if (row.get("form"), row.get("border"), row.get("gated")) != (form, border, rule.get("gated")):
            yield f"test {name}: it asks otherwise than was planned"
            continue
        if form == "threshold":
            yield from _by_threshold(name, row, rule, alpha)
            continue
        values = _complete(board, run, name, rule, commit)
        if isinstance(values, str):
            yield f"test {name}: {values}"
        elif values:
            ordered = sorted(values, key=lambda one: hashlib.sha256(f"{seed}|{one[0]}".encode()).hexdigest())
            judge = _by_limit if form == "limit" else _by_bets
            yield from judge(name, row, form, border, alpha, ordered)
    if planned[_TASK].get("gated") is True:
        yield from _follows(body, rows, "tests")
    elif body.get("verdict") == "promoted":
        yield "it promotes without a test of the task"


def _asked(rule: Mapping[str, Any], name: str, agent: str, plan: Mapping[str, Any]) -> tuple[str, float]:
    if name == _TASK and agent in _list(plan.get("replacing")):
        return "non-inferior", _number(rule, "margin")
    return _text(rule, "form"), _number(rule, "border")


def _complete(
    board: _Board, run: str, name: str, rule: Mapping[str, Any], commit: Mapping[str, Any]
) -> list[tuple[str, float, float]] | str:
    """Return the values of a test, or what is wrong with them."""
    parts = board.values.get((run, name), {})
    if set(parts) != set(range(1, board.parts.get((run, name), 0) + 1)):
        return "some of its values are missing"
    values = [_value(row) for part in sorted(parts) for row in parts[part]]
    if len(values) != rule.get("clusters"):
        return f"{len(values)} values stand in the log, {rule.get('clusters')} sources were planned"
    if len({mark for mark, _, _ in values}) != len(values):
        return "a source stands in its values twice"
    items = commit.get("corrected_items") if name == _REGRESSION else commit.get("gate_split")
    known = board.marks.get(str(items), set())
    if not {mark for mark, _, _ in values} <= known:
        return "a value is about a source that none of the marked items has"
    return values


def _value(row: Sequence[Any]) -> tuple[str, float, float]:
    if len(row) != 3 or not isinstance(row[0], str):
        raise _Bad("a value is not a mark with two numbers")
    low, high = (_number({"value": number}, "value") for number in row[1:])
    if not -1 <= low <= high <= 1:
        raise _Bad("a value lies outside its range")
    return row[0], low, high


def _by_bets(
    name: str,
    row: Mapping[str, Any],
    form: str,
    border: float,
    alpha: float,
    values: list[tuple[str, float, float]],
) -> Iterator[str]:
    """Make the bets for and against the claim again, and compare what came of them."""
    bar = -math.log(alpha)
    threshold = (border + 1) / 2 if form == "superior" else (1 - border) / 2
    pro = _Bets(threshold, bar, len(values), 1.0 if form == "superior" else 0.5)
    contra = _Bets(1 - threshold, bar, len(values), 1.0)
    best_pro = best_contra = sum_low = sum_high = 0.0
    outcome, decided = "undecided", None
    for count, (_, low, high) in enumerate(values, 1):
        pro.settle((low + 1) / 2)
        contra.settle(1 - (high + 1) / 2)
        sum_low, sum_high = sum_low + low, sum_high + high
        best_pro, best_contra = max(best_pro, pro.log), max(best_contra, contra.log)
        if decided is None and max(best_pro, best_contra) >= bar * (1 - 1e-12):
            outcome = "promoted" if best_pro >= bar * (1 - 1e-12) else "rejected"
            decided = count
    again = (sum_low / len(values), sum_high / len(values), math.exp(-best_pro), math.exp(-best_contra))
    for field_name, number in zip(_FIGURES, again, strict=True):
        if not math.isclose(number, _number(row, field_name), rel_tol=1e-6, abs_tol=1e-9):
            yield f"test {name}: `{field_name}` is {number:.6g}, not {row.get(field_name)}"
    if row.get("decided_at") != decided or row.get("clusters") != len(values):
        yield f"test {name}: source {decided} of {len(values)} decided it, not {row.get('decided_at')}"
    if row.get("verdict") != (outcome if row.get("gated") is True else "reported"):
        yield f"test {name}: its values say {outcome}, it says {row.get('verdict')}"


def _by_limit(
    name: str,
    row: Mapping[str, Any],
    form: str,
    border: float,
    alpha: float,
    values: list[tuple[str, float, float]],
) -> Iterator[str]:
    del form
    count = len(values)
    if any((low, high) not in ((0, 0), (0, 1), (1, 1)) for _, low, high in values):
        yield f"test {name}: a source is neither clean, violated nor unscored"
        return
    violated, worst = sum(low == 1 for _, low, _ in values), sum(high == 1 for _, _, high in values)
    outcome = "undecided"
    if _tail(count - worst, count, 1 - border) <= alpha:
        outcome = "promoted"
    elif violated and _tail(violated, count, border) < alpha:
        outcome = "rejected"
    if row.get("verdict") != (outcome if row.get("gated") is True else "reported"):
        yield f"test {name}: its values say {outcome}, it says {row.get('verdict')}"
    if (row.get("tested"), row.get("passed")) != (count, count - worst):
        yield f"test {name}: {count - worst} of {count} sources are clean"
    if not _is_upper(_number(row, "upper"), worst, count, alpha):
        yield f"test {name}: {row.get('upper')} is no upper bound of {worst} of {count}"


def _by_threshold(name: str, row: Mapping[str, Any], rule: Mapping[str, Any], alpha: float) -> Iterator[str]:
    if row.get("gated") is not True:
        return
    if rule.get("clusters") != row.get("tested"):
        yield f"test {name}: {row.get('tested')} sources were tested, not the {rule.get('clusters')} planned"
    border, p_value = _number(row, "border"), _number(row, "p_value")
    word = "promoted" if p_value <= alpha else "rejected" if _number(row, "upper") < border else "undecided"
    if row.get("verdict") != word:
        yield f"test {name}: its figures say {word}, it says {row.get('verdict')}"
    if _whole(rule, "least"):
        yield from _exact(f"test {name}", row, border, alpha)


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


_Rule = Callable[[_Board, int, str, Mapping[str, Any]], Iterator[str]]
_RULES: Mapping[str, _Rule] = {
    "items-marked": _items_marked,
    "exam-committed": _exam_committed,
    "evaluation": _evaluation,
    "incumbent-evaluation": _incumbent_evaluation,
    "paired-values": _paired_values,
    "decision": _decision,
    "release": _release,
    "alias-moved": _alias_moved,
}


# --- numbers ---


class _Bets:
    """Bets against `mean <= threshold` that aim at a target within so many rounds (arXiv 2505.22422, design/statistics.md)."""

    def __init__(self, threshold: float, log_target: float, rounds: int, calm: float) -> None:
        self.log, self.left = 0.0, rounds
        self._threshold, self._target = threshold, log_target + 1e-9
        self._calm, self._all_calm = calm, True
        self._moment, self._count = 0.75, 3.0

    def settle(self, score: float) -> None:
        if self.log > -math.inf:
            change = self._stake() * (score / self._threshold - 1)
            self.log = self.log + math.log1p(change) if change > -1 else -math.inf
        self.left -= 1
        self._count += 1
        self._moment += (score - self._threshold) ** 2
        self._all_calm = self._all_calm and score >= self._calm - 1e-12

    def _stake(self) -> float:
        lacking = self._target - self.log
        if lacking <= 0:
            return 0.0
        share = self._threshold * math.sqrt(2 * lacking * self._count / (self.left * self._moment))
        each = lacking / self.left
        if self._all_calm and each < 50:
            enough = math.expm1(each) / (self._calm / self._threshold - 1)
            if enough <= 1 + 1e-6:
                share = max(share, enough)
        return min(1.0, share)


def _least(form: str, border: float, alpha: float) -> int:
    """Return the fewest clusters that show a claim when nothing speaks against it."""
    if not 0 < alpha < 1 or not 0 <= border < 1 or (border == 0 and form != "superior"):
        raise _Bad("an alpha or a border lies outside its range")
    if form == "limit":
        return math.ceil(math.log(alpha) / math.log1p(-border) - 1e-9)
    growth = 2 / (1 + border) if form == "superior" else 1 / (1 - border)
    return math.ceil(-math.log(alpha) / math.log(growth) - 1e-9)


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


def _digest(value: Mapping[str, Any]) -> str:
    """Return the digest of an object that holds no fractions, in its canonical form (RFC 8785)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


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


def _whole(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 10**9:
        raise _Bad(f"`{name}` is no count")
    return found


def _inner(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Bad("a list is missing")
    return value


def _rows(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _Bad("`facets` is no list of rows")
    return value


def _marks(value: Mapping[str, Any], name: str) -> set[str]:
    try:
        data = base64.b64decode(str(value.get(name)), validate=True)
    except ValueError as error:
        raise _Bad(f"`{name}` is not base64") from error
    return {data[place : place + _MARK_BYTES].hex() for place in range(0, len(data), _MARK_BYTES)}


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
        description="Check the later gates of a decision log; run verify.py and verify_exams.py on it first."
    )
    parser.add_argument("folder", type=Path, metavar="LOGDIR")
    options = parser.parse_args(arguments)
    try:
        entries = read_entries(options.folder)
    except (ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = check_paired(entries)
    lines = [f"entry {finding.entry}: {finding.what}" for finding in found]
    lines = lines or [f"ok: {len(entries)} entries keep the rules of later gates"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
