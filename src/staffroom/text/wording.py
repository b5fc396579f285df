"""Words of other Chinese-speaking regions in a text for Taiwan, and what Taiwan says instead.

The words are those of zhtw (MIT), with three kinds taken out, because on native texts they are wrong more often
than right: (a) pairs that are two spellings of one word in characters that Taiwan uses (核定 and 覈定, 里 and 裡);
(b) words that Taiwan's own laws and people use; (c) strings that arise across a border of words. (b) and (c) are
the package's own data file. Of (a), 台 to 臺 is repaired, as authorities write it, but not counted as a fault.

What it does not protect: the meaning. A word is replaced wherever its characters stand, as in any such list.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from staffroom.text.script import convert_script, is_han, simplified_characters

__all__ = ["BORDERS", "Replacement", "find_wording", "repair_wording"]

# Where a text is cut into pieces; no word of the list crosses one of these.
BORDERS = frozenset(' \t\u3000。！？；，、：:;!?,.\n\r「」『』“”"（）()《》〈〉…—')
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Replacement:
    """A word found at `start`..`end` of the text, and the word Taiwan uses."""

    start: int
    end: int
    found: str
    instead: str


def find_wording(text: str) -> tuple[Replacement, ...]:
    """Return the words in `text` that Taiwan says otherwise, in order; a word in Simplified script is not one."""
    return tuple(
        Replacement(match.start, match.end, match.source, match.target)
        for match in _matchers()[0].find_matches(text)
        if not _same_word(match.source, match.target)
    )


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


def _replace(segment: str) -> str:
    counted, eager = _matchers()
    parts: list[str] = []
    end = 0
    for match in counted.find_matches(segment):
        parts += [segment[end : match.start], match.target]
        end = match.end
    segment = "".join([*parts, segment[end:]])
    parts, end = [], 0
    for match in eager.find_matches(segment):
        parts += [segment[end : match.start], match.target]
        end = match.end
    return "".join([*parts, segment[end:]])


def _to_script(segment: str) -> str:
    if not simplified_characters(segment):
        return segment
    # Words first, while their Simplified spelling still shows which word it is (软件, 头发).
    segment = _replace(segment)
    parts: list[str] = []
    run = ""
    for character in segment:
        if is_han(character):
            run += character
            continue
        parts += [convert_script(run), character]
        run = ""
    return "".join([*parts, convert_script(run)])


def _same_word(source: str, target: str) -> bool:
    """Say whether two words differ in script or spelling only."""
    simplify = _simplifier().convert
    return bool(simplify(source) == simplify(target))


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@cache
def _matchers() -> tuple[Any, Any]:
    """Return the matcher of words that count, and the one of spellings that are only repaired."""
    from zhtw.converter import inject_protect_terms
    from zhtw.dictionary import load_dictionary
    from zhtw.matcher import Matcher

    terms = load_dictionary(sources=["cn", "hk"])
    inject_protect_terms(terms)
    native = json.loads((files("staffroom.text") / "data" / "native-words.json").read_text("utf-8"))
    excluded = {*native["own_meaning"], *native["across_words"]}
    counted: dict[str, str] = {}
    eager: dict[str, str] = {}
    for source, target in terms.items():
        # Single characters are a matter of script, which looks at what stands around them.
        if source in excluded or BORDERS.intersection(source + target) or len(source) < 2:
            continue
        if source != target and not simplified_characters(source) and _same_word(source, target):
            if source.replace("台", "臺") == target:
                eager[source] = target
            continue
        counted[source] = target
    counted.update({word: word for word in native["whole"]})
    return Matcher(counted), Matcher(eager)
