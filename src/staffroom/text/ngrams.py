"""Cutting texts into the terms by which they are found and compared.

A word index finds nothing in Chinese, and a trigram index finds no word of two characters, so Han runs become single
characters and bigrams. Terms are folded: NFKC, lower case, and both scripts and their variants to one (台 and 臺).
"""

import re
import unicodedata
from functools import cache
from typing import Any

from staffroom.text.normalise import comparable
from staffroom.text.script import is_han

__all__ = ["CONTAINMENT_GRAM", "character_ngrams", "containment", "ngram_terms", "shingles"]

CONTAINMENT_GRAM = 8
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_RUN = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U000323af]+|[^㐀-鿿豈-﫿\U00020000-\U000323af]+")


def ngram_terms(text: str) -> list[str]:
    """Return the terms of a text in order, with repetitions: Han characters, their bigrams, and other words."""
    folded = _fold(text)
    terms: list[str] = []
    for word in _WORD.findall(folded):
        for run in _RUN.findall(word):
            if is_han(run[0]):
                terms += run
                terms += (run[place : place + 2] for place in range(len(run) - 1))
            else:
                terms.append(run)
    return terms


def character_ngrams(text: str, size: int = CONTAINMENT_GRAM) -> frozenset[str]:
    """Return the runs of `size` letters or digits of a text, compared without blanks, marks, case and script."""
    plain = comparable(text)
    return shingles(plain, size) if len(plain) >= size else frozenset()


def shingles(plain: str, size: int) -> frozenset[str]:
    """Return the runs of `size` characters of a text as it is; a shorter one is its own only run."""
    if len(plain) < size:
        return frozenset({plain} if plain else ())
    return frozenset(plain[place : place + size] for place in range(len(plain) - size + 1))


def containment(part: str, whole: str, size: int = CONTAINMENT_GRAM) -> float:
    """Return the share (0 to 1) of the character n-grams of `part` that occur in `whole`.

    A `part` shorter than one n-gram gives 0.
    """
    grams = character_ngrams(part, size)
    return len(grams & character_ngrams(whole, size)) / len(grams) if grams else 0.0


def _fold(text: str) -> str:
    return str(_simplifier().convert(unicodedata.normalize("NFKC", text).lower()))


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
