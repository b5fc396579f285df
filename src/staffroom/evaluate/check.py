"""What `exam check` finds in a pack that loads: leaks, giveaways, weak patterns, facets that cannot decide.

A finding never changes a pack. Errors make results worthless, warnings make them doubtful, notes say what to
expect.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.patterns import Patterns, PatternTimeout, Whitespace
from staffroom.records.exam import Item, Kind, Split
from staffroom.stats import alpha_for_use, least_to_pass, power_to_pass, upper_tail_p_value

__all__ = ["Finding", "Severity", "check_pack"]

_GRAM = 8
_LEAK_SHARE = 0.5
_STEM_GRAM = 3
_STEM_ALIKE = 0.7
_GIVEAWAY_P = 0.01
_PROBE_CHARS = 2000
_NEUTRAL_PROBES = ("", "㍘qzx㋿", "這句話與題目無關。This sentence is about something else 8041.")


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `item` is an item's id, or empty for the pack as a whole."""

    severity: Severity
    item: str
    text: str


def check_pack(pack: ExamPack, chunks: Iterable[str] = ()) -> list[Finding]:
    """Return all findings, errors first.

    chunks: texts that an agent may retrieve; each is looked at once, so a generator will do.
    """
    findings = [
        *_leaks(pack, chunks),
        *_near_duplicates(pack),
        *_giveaways(pack),
        *_own_answers(pack),
        *_weak_patterns(pack),
        *_slow_patterns(pack),
        *_sources(pack),
        *_small_facets(pack),
    ]
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def _leaks(pack: ExamPack, chunks: Iterable[str]) -> Iterator[Finding]:
    """An input with half its character 8-grams in one chunk asks for text that is already there."""
    grams = {item.id: _grams(Whitespace.REMOVE.apply(item.input), _GRAM) for item in pack.items}
    owners: dict[str, list[str]] = defaultdict(list)
    for item_id, own in grams.items():
        for gram in own:
            owners[gram].append(item_id)
    worst: Counter[str] = Counter()
    for chunk in chunks:
        shared: Counter[str] = Counter()
        for gram in _grams(Whitespace.REMOVE.apply(chunk), _GRAM):
            shared.update(owners.get(gram, ()))
        for item_id, count in shared.items():
            worst[item_id] = max(worst[item_id], count)
    for item in pack.items:
        total = len(grams[item.id])
        if total and worst[item.id] >= _LEAK_SHARE * total:
            share = worst[item.id] / total
            yield Finding(
                Severity.ERROR,
                item.id,
                f"{share:.0%} of the question's 8-grams stand in one passage of the documents",
            )


def _near_duplicates(pack: ExamPack) -> Iterator[Finding]:
    grams = [_grams(Whitespace.REMOVE.apply(item.input).lower(), _STEM_GRAM) for item in pack.items]
    holders: dict[str, list[int]] = defaultdict(list)
    for index, own in enumerate(grams):
        shared: Counter[int] = Counter()
        for gram in own:
            shared.update(holders[gram])
            holders[gram].append(index)
        for other, common in shared.items():
            alike = common / len(own | grams[other])
            if alike >= _STEM_ALIKE:
                first, second = pack.items[other], pack.items[index]
                apart = first.cluster != second.cluster
                text = f"nearly the same question as {first.id} ({alike:.0%} alike)"
                if apart:
                    text += f"; give both one cluster, or they may fall into two splits ({pack.splits[first.id]}, "
                    text += f"{pack.splits[second.id]})"
                yield Finding(Severity.WARNING, second.id, text)


def _giveaways(pack: ExamPack) -> Iterator[Finding]:
    by_size: dict[int, list[Item]] = defaultdict(list)
    for item in pack.items:
        if item.kind is Kind.CHOICE:
            by_size[len(item.choices)].append(item)
    for size, items in sorted(by_size.items()):
        letters = Counter(item.accept[0] for item in items)
        for letter in LETTERS[:size]:
            if upper_tail_p_value(letters[letter], len(items), 1 / size) < _GIVEAWAY_P:
                yield Finding(
                    Severity.WARNING,
                    "",
                    f"{letter} is right in {letters[letter]} of {len(items)} choice items with {size} options",
                )
        longest = sum(_right_is_longest(item) for item in items)
        if upper_tail_p_value(longest, len(items), 1 / size) < _GIVEAWAY_P:
            yield Finding(
                Severity.WARNING,
                "",
                f"the longest option is right in {longest} of {len(items)} choice items with {size} options; "
                f"chance is {1 / size:.2f}",
            )


def _right_is_longest(item: Item) -> bool:
    lengths = [len(Whitespace.REMOVE.apply(choice)) for choice in item.choices]
    right = lengths.pop(LETTERS.index(item.accept[0]))
    return right > max(lengths)


def _own_answers(pack: ExamPack) -> Iterator[Finding]:
    for item in pack.items:
        if item.kind is Kind.CHOICE:
            continue
        if not item.answer:
            yield Finding(Severity.NOTE, item.id, "has no `answer` to try its patterns on")
            continue
        try:
            if pack.patterns.first_match(item.accept, item.answer) is None:
                yield Finding(Severity.ERROR, item.id, "its own answer matches no accept pattern")
            if (index := pack.patterns.first_match(item.reject, item.answer)) is not None:
                yield Finding(Severity.ERROR, item.id, f"its own answer matches reject pattern {index + 1}")
        except PatternTimeout as error:
            yield Finding(Severity.ERROR, item.id, str(error))


def _weak_patterns(pack: ExamPack) -> Iterator[Finding]:
    for item in pack.items:
        if item.kind is Kind.CHOICE:
            continue
        for name, texts in (("accept", item.accept), ("reject", item.reject)):
            for number, text in enumerate(texts, 1):
                if fault := _fault_of(pack.patterns, text, pack.definition["whitespace"]):
                    yield Finding(fault[0], item.id, f"{name} pattern {number} {fault[1]}")
        try:
            echoed = pack.patterns.first_match(item.accept, item.input)
        except PatternTimeout:
            continue  # _slow_patterns reports it
        if echoed is not None:
            severity = Severity.ERROR if item.kind in (Kind.SHORT, Kind.LOCALE) else Severity.WARNING
            yield Finding(severity, item.id, f"repeating the question matches accept pattern {echoed + 1}")
    for number, text in enumerate(pack.declines, 1):
        if fault := _fault_of(pack.patterns, text, pack.definition["whitespace"]):
            yield Finding(fault[0], "", f"declines pattern {number} {fault[1]}")


def _fault_of(patterns: Patterns, text: str, whitespace: str) -> tuple[Severity, str] | None:
    try:
        hits = [patterns.first_match([text], probe) is not None for probe in _NEUTRAL_PROBES]
    except PatternTimeout:
        return None
    if all(hits):
        return Severity.ERROR, "matches everything"
    if any(hits):
        return Severity.WARNING, "matches text that has nothing to do with the question"
    if whitespace == Whitespace.REMOVE.value and " " in text and "(?x" not in text:
        return Severity.WARNING, "has a space, but whitespace is removed before patterns are tried"
    return None


def _slow_patterns(pack: ExamPack) -> Iterator[Finding]:
    tried: dict[str, str] = {}
    for item in pack.items:
        if item.kind is Kind.CHOICE:
            continue
        own = pack.patterns.whitespace.apply(item.answer + item.input)
        probes = [
            own * (_PROBE_CHARS // max(1, len(own)) + 1),
            own[:1] * _PROBE_CHARS + "!",
            "1" * _PROBE_CHARS + "!",
        ]
        for text in (*item.accept, *item.reject):
            if text not in tried and any(
                pack.patterns.is_slow(text, probe[:_PROBE_CHARS]) for probe in probes
            ):
                tried[text] = item.id
            tried.setdefault(text, "")
    for text in pack.declines:
        probes = ["沒有" * (_PROBE_CHARS // 2), "a" * _PROBE_CHARS + "!"]
        if tried.get(text, "") == "" and any(pack.patterns.is_slow(text, probe) for probe in probes):
            yield Finding(Severity.WARNING, "", f"a declines pattern is slow on long answers: {text[:60]}")
    for text, item_id in tried.items():
        if item_id:
            yield Finding(Severity.WARNING, item_id, f"a pattern is slow on long answers: {text[:60]}")


def _sources(pack: ExamPack) -> Iterator[Finding]:
    if not pack.sources.strip():
        yield Finding(
            Severity.WARNING, "", "SOURCES.md is empty: say where the items come from, and their licence"
        )
    lacking = [item for item in pack.items if item.kind in (Kind.CHOICE, Kind.SHORT) and not item.reference]
    if lacking:
        yield Finding(
            Severity.WARNING,
            lacking[0].id,
            f"{len(lacking)} choice or short items name no `reference`, so nobody can check their answers",
        )


def _small_facets(pack: ExamPack) -> Iterator[Finding]:
    alpha = alpha_for_use(1, pack.alpha)
    for facet, clusters in pack.clusters_of(Split.GATE).items():
        rule = pack.facets[facet]
        if not rule.gated or rule.threshold is None:
            continue
        least = least_to_pass(clusters, rule.threshold, alpha)
        if least is None:
            yield Finding(
                Severity.WARNING,
                "",
                f"facet {facet} has {clusters} clusters in the gate split: even a perfect result would not show "
                f"more than {rule.threshold:g}; it will be reported, not gated",
            )
            continue
        rate = min(0.95, rule.threshold + 0.25)
        power = power_to_pass(clusters, rule.threshold, alpha, rate)
        yield Finding(
            Severity.NOTE,
            "",
            f"facet {facet} passes with {least} of {clusters} clusters; an agent that is truly right in {rate:.2f} "
            f"passes with probability {power:.2f}",
        )


def _grams(text: str, size: int) -> set[str]:
    if len(text) < size:
        return {text} if text else set()
    return {text[start : start + size] for start in range(len(text) - size + 1)}
