"""Patterns that accept what they should not, miss what they should accept, or take seconds to say so."""

import re
import time
from collections.abc import Iterator, Mapping

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.patterns import Patterns, PatternTimeout, Whitespace
from staffroom.evaluate.scorers import score_response
from staffroom.records.exam import Item, Kind, Response

__all__ = ["find_own_answer_faults", "find_slow_patterns", "find_weak_patterns"]

_NEUTRAL_PROBES = ("", "㍘qzx㋿", "這句話與題目無關。This sentence is about something else 8041.")
_ANSWER_CHARS = 2000
# A model that loops repeats one letter for a few hundred places; a cubic pattern is quick there, an exponential not.
_LOOP_CHARS = 300
_MOST_LITERALS = 8
_SECONDS_IN_ALL = 20.0
_MOST_TAIL = 60
_LITERAL = re.compile(r"\\([dws])|\\?[^\\\s.*+?|^$(){}\[\]]")
_CLASSES: Mapping[str, str] = {"d": "1", "w": "a", "s": "a "}


def find_own_answer_faults(pack: ExamPack) -> Iterator[Finding]:
    """Find model answers that their own item would score as wrong, and items that have none to try."""
    for item in pack.items:
        if item.kind.has_options or item.facet in pack.judges:
            continue
        if not item.answer and item.kind is Kind.MATCH:
            continue
        if not item.answer:
            yield Finding(Severity.NOTE, item.id, "has no `answer` to try its patterns on")
            continue
        score = score_response(pack, item, Response(item_id=item.id, agent="", seed=0, text=item.answer))
        if not score.value:
            yield Finding(Severity.ERROR, item.id, f"its own answer would be scored wrong: {score.reason}")


def find_weak_patterns(pack: ExamPack) -> Iterator[Finding]:
    """Find patterns that match anything, what has nothing to do with the question, or the question itself."""
    for item in pack.items:
        if not item.kind.has_patterns:
            continue
        for name, texts in (("accept", item.accept), ("reject", item.reject)):
            for number, text in enumerate(texts, 1):
                if fault := _fault_of(pack.patterns, text):
                    yield Finding(fault[0], item.id, f"{name} pattern {number} {fault[1]}")
        try:
            echoed = pack.patterns.first_match(item.accept, item.input)
        except PatternTimeout:
            continue  # find_slow_patterns reports it
        if echoed is not None:
            severity = Severity.ERROR if item.kind in (Kind.SHORT, Kind.LOCALE) else Severity.WARNING
            yield Finding(severity, item.id, f"repeating the question matches accept pattern {echoed + 1}")
    for number, text in enumerate(pack.declines, 1):
        if fault := _fault_of(pack.patterns, text):
            yield Finding(fault[0], "", f"declines pattern {number} {fault[1]}")


def find_slow_patterns(pack: ExamPack, seconds: float = _SECONDS_IN_ALL) -> Iterator[Finding]:
    """Find patterns that backtrack for long on a text as an answer may be; all trials end within `seconds`."""
    users: dict[str, Item | None] = {}
    for item in pack.items:
        if item.kind.has_patterns:
            for text in (*item.accept, *item.reject):
                users.setdefault(text, item)
    for text in pack.declines:
        users.setdefault(text, None)
    end = time.monotonic() + seconds
    for tried, (text, user) in enumerate(users.items()):
        if time.monotonic() > end:
            left = len(users) - tried
            yield Finding(Severity.NOTE, "", f"{left} of {len(users)} patterns were not tried for slowness")
            return
        own = pack.patterns.whitespace.apply(user.answer + user.input) if user else ""
        if any(pack.patterns.is_slow(text, probe) for probe in _probes(text, own, pack.patterns.whitespace)):
            where = user.id if user else ""
            kind = "a pattern" if user else "a declines pattern"
            yield Finding(Severity.WARNING, where, f"{kind} is slow on long answers: {text[:60]}")


def _fault_of(patterns: Patterns, text: str) -> tuple[Severity, str] | None:
    try:
        hits = [patterns.first_match([text], probe) is not None for probe in _NEUTRAL_PROBES]
    except PatternTimeout:
        return None
    if all(hits):
        return Severity.ERROR, "matches everything"
    if any(hits):
        return Severity.WARNING, "matches text that has nothing to do with the question"
    if patterns.whitespace is Whitespace.REMOVE and " " in text and "(?x" not in text:
        return Severity.WARNING, "has a space, but whitespace is removed before patterns are tried"
    return None


def _probes(pattern: str, own: str, whitespace: Whitespace) -> list[str]:
    """Return long texts made of what the pattern looks for, then what it does not, then all it looks for.

    The last part is there because a pattern whose required letters are missing altogether is given up at once.
    """
    literals = [_CLASSES.get(found[1], found[0][-1]) for found in _LITERAL.finditer(pattern)]
    first = [text for text in dict.fromkeys(literals) if text[0].isalnum()][:_MOST_LITERALS]
    tail = "!" + "".join(literals[-_MOST_TAIL:])
    repeated = [*first, "".join(first), own[:1], "1", "a"]
    if whitespace is Whitespace.SINGLE:
        repeated.append("a ")
    lengths = dict.fromkeys(repeated, _LOOP_CHARS) | {own: _ANSWER_CHARS}
    return [(unit * (length // len(unit) + 1))[:length] + tail for unit, length in lengths.items() if unit]
