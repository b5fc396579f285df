"""Words of other Chinese-speaking regions in a text for Taiwan, and what Taiwan says instead.

The words are those of zhtw (MIT) and those of `data/mainland-words.json`. Of zhtw's, these are taken out, because
on native texts they are wrong more often than right: (a) pairs that are two spellings of one word in characters
that Taiwan uses (核定 and 覈定, 里 and 裡); (b) words that Taiwan's own laws and people use; (c) strings that arise
across a border of words. (b) and (c) are in `data/native-words.json`. Of (a), 台 to 臺 is repaired, as authorities
write it, but not counted as a fault.

What it does not protect: the meaning. A word is replaced wherever its characters stand, as in any such list, except
where a guard (a native word or a common one, `whole` and `beside` in the data) claims one of its characters.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from staffroom.text.script import convert_script, is_han, simplified_characters

__all__ = ["BORDERS", "Replacement", "find_wording", "repair_wording"]

# Where a text is cut into pieces; no word of the list crosses one of these.
BORDERS = frozenset(' \t\u3000。！？；，、：:;!?,.\n\r「」『』“”"（）()《》〈〉…—')
_ROUNDS = 8
_IN_EITHER_SCRIPT = ("across_words_in_either_script", "other_meanings", "with_other_words")
_NOT_FOREIGN = ("own_meaning", "across_words", "spelling", "names", *_IN_EITHER_SCRIPT)
_GUARDS = ("whole", "beside")


@dataclass(frozen=True, slots=True)
class Replacement:
    """A word found at `start`..`end` of the text, and the word Taiwan uses."""

    start: int
    end: int
    found: str
    instead: str


def find_wording(text: str) -> tuple[Replacement, ...]:
    """Return the words in `text` that Taiwan says otherwise, in order; a word in Simplified script is not one."""
    return tuple(item for item in _matches(text) if not _same_word(item.found, item.instead))


def repair_wording(segment: str) -> str:
    """Return a piece of text without punctuation in Taiwan's script and words.

    Longer replacements may give rise to others, so rounds are made until nothing changes (at most 8).
    """
    for _ in range(_ROUNDS):
        changed = _replace(_to_script(segment))
        if changed == segment:
            break
        segment = changed
    return segment


def _matches(text: str) -> list[Replacement]:
    """Return what to replace: the leftmost, then the longest; nothing that a guard reaches into from outside."""
    words = _word_lists()
    hits = _scan(words.counted, text)
    if not hits:
        return []
    taken = [
        (start, end)
        for start, end, *_ in _scan(words.guards, text)
        if not any(first <= start and end <= last for first, last, *_ in hits)
    ]
    chosen: list[Replacement] = []
    place = 0
    for start, end, found, instead in hits:
        if start >= place and not any(start < last and first < end for first, last in taken):
            chosen.append(Replacement(start, end, found, instead))
            place = end
    return chosen


def _scan(automaton: Any, text: str) -> list[tuple[int, int, str, str]]:
    """Return start, end, word and replacement of every word of a list in the text, by place, the longer first."""
    found = [
        (last + 1 - len(word), last + 1, word, instead) for last, (word, instead) in automaton.iter(text)
    ]
    if len(found) > 1:
        found.sort(key=lambda item: (item[0], -item[1]))
    return found


def _replace(segment: str) -> str:
    parts: list[str] = []
    end = 0
    for match in _matches(segment):
        parts += [segment[end : match.start], match.instead]
        end = match.end
    segment = "".join([*parts, segment[end:]])
    if "台" not in segment:
        return segment
    parts, end = [], 0
    for first, last, _, instead in _scan(_word_lists().spellings, segment):
        if first >= end:
            parts += [segment[end:first], instead]
            end = last
    return "".join([*parts, segment[end:]])


def _to_script(segment: str) -> str:
    """Return the segment in Traditional script, with the words that its Simplified spelling still shows (软件)."""
    if not simplified_characters(segment):
        return segment
    converted = "".join(convert_script(run) for run in _han_runs(segment))
    parts: list[str] = []
    end = 0
    for match in _matches(segment):
        parts += [converted[end : match.start], match.instead]
        end = match.end
    return "".join([*parts, converted[end:]])


def _han_runs(segment: str) -> Iterator[str]:
    """Yield runs of Han characters, and each other character; a conversion of script keeps their lengths."""
    start = 0
    for place, character in enumerate(segment):
        if not is_han(character):
            yield segment[start:place]
            yield character
            start = place + 1
    yield segment[start:]


def _same_word(source: str, target: str) -> bool:
    """Say whether two words differ in script or spelling only."""
    simplify = _simplifier().convert
    return bool(simplify(source) == simplify(target))


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@dataclass(frozen=True, slots=True)
class _WordLists:
    """Automata over (word, replacement): what counts, what is only spelled otherwise, and what stays."""

    counted: Any
    spellings: Any
    guards: Any


@cache
def _word_lists() -> _WordLists:
    from zhtw.converter import inject_protect_terms
    from zhtw.dictionary import load_dictionary
    from zhtw.matcher import Matcher

    terms = load_dictionary(sources=["cn", "hk"])
    inject_protect_terms(terms)
    native = _read("native-words.json")
    excluded = {word for group in _NOT_FOREIGN for word in native[group]}
    excluded |= {_simplified(word) for group in _IN_EITHER_SCRIPT for word in native[group]}
    guards = {word for group in _GUARDS for word in native[group]}
    guards |= {_simplified(word) for word in guards}
    counted: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for source, target in terms.items():
        # Single characters are a matter of script, which looks at what stands around them.
        if source in excluded or BORDERS.intersection(source + target) or len(source) < 2:
            continue
        if source == target:
            guards.add(source)
        elif not simplified_characters(source) and _same_word(source, target):
            if source.replace("台", "臺") == target:
                spellings[source] = target
        else:
            counted[source] = target
    added = _added_words()
    counted.update({_simplified(source): target for source, target in added.items()})
    # A word of one spelling in both regions (違背) is there for its Simplified form only.
    counted.update({source: target for source, target in added.items() if source != target})
    guards.difference_update(counted)
    return _WordLists(
        Matcher(counted).automaton, Matcher(spellings).automaton, Matcher({g: g for g in guards}).automaton
    )


def _added_words() -> dict[str, str]:
    groups = _read("mainland-words.json").values()
    return {source: target for group in groups if isinstance(group, dict) for source, target in group.items()}


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((files("staffroom.text") / "data" / name).read_text("utf-8"))
    return data


def _simplified(word: str) -> str:
    return str(_simplifier().convert(word))
