"""Texts that say nearly the same, found among thousands without comparing every pair.

Likeness is the Jaccard index of two texts' character n-grams. Two sets that reach it must share one of their rarest
members (prefix filtering: Chaudhuri, Ganti and Kaushik, ICDE 2006), and where these stand bounds what else they can
share (PPJoin: Xiao, Wang, Lin and Yu, WWW 2008). Only what is left is compared: the result is exact, and what is common
to all texts costs nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from staffroom.text import comparable, shingles

__all__ = ["Likeness", "alike_pairs"]

_GRAM = 3
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two texts by their places, the first before the second, and how alike they are (0 to 1)."""

    first: int
    second: int
    share: float


def alike_pairs(texts: Sequence[str], least: float) -> Iterator[Likeness]:
    """Yield all pairs of texts whose Jaccard index is at least `least` (above 0), by the second's place.

    Blanks, marks, case, width and Simplified or Traditional characters do not count. A text without letters or
    digits is like nothing.
    """
    sets = [_grams(text) for text in texts]
    counts = Counter(gram for grams in sets for gram in grams)
    rank = {gram: place for place, gram in enumerate(sorted(counts, key=lambda gram: (counts[gram], gram)))}
    # Rarest first; and short sets first, so that what is indexed is never longer than what looks for it.
    ordered = [sorted(rank[gram] for gram in grams) for grams in sets]
    holders: dict[int, list[tuple[int, int]]] = defaultdict(list)
    found: list[Likeness] = []
    for second in sorted(range(len(sets)), key=lambda place: len(sets[place])):
        grams, size = ordered[second], len(sets[second])
        for first in _candidates(grams, ordered, holders, least):
            common = len(sets[first] & sets[second])
            share = common / (size + len(sets[first]) - common)
            if share >= least:
                low, high = sorted((first, second))
                found.append(Likeness(low, high, share))
        kept = size - math.ceil(2 * least / (1 + least) * size - _ROUNDING) + 1
        for place in range(kept if size else 0):
            holders[grams[place]].append((second, place))
    yield from sorted(found, key=lambda pair: (pair.second, pair.first))


def _candidates(
    grams: Sequence[int],
    ordered: Sequence[Sequence[int]],
    holders: Mapping[int, Sequence[tuple[int, int]]],
    least: float,
) -> list[int]:
    """Return the indexed sets that may share enough with these grams."""
    size = len(grams)
    shared: dict[int, int] = {}
    for place in range(size - math.ceil(least * size - _ROUNDING) + 1 if size else 0):
        for first, where in holders.get(grams[place], ()):
            had = shared.get(first, 0)
            if had < 0:
                continue
            other = len(ordered[first])
            needed = least / (1 + least) * (size + other) - _ROUNDING
            possible = had + 1 + min(size - place, other - where) - 1
            enough = other >= least * size - _ROUNDING and possible >= needed
            shared[first] = had + 1 if enough else -1
    return [first for first, count in shared.items() if count > 0]


def _grams(text: str) -> frozenset[str]:
    return shingles(comparable(text), _GRAM)
