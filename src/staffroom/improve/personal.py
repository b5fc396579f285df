"""Personal data in a piece of feedback, so that whoever accepts it looks twice: a flag, never a verdict.

A few kinds that have a form of their own; names and stories of people have none, and are not found.
"""

import re
import unicodedata
from functools import cache

__all__ = ["personal_data_in"]


def personal_data_in(text: str) -> tuple[str, ...]:
    """Return the kinds of personal data that a text seems to hold, in alphabetical order."""
    plain = unicodedata.normalize("NFKC", text)
    found = {name for name, pattern in _patterns().items() if pattern.search(plain)}
    found |= {"national-id" for match in _TAIWAN_ID.findall(plain.upper()) if _is_taiwan_id(match)}
    found |= {"card" for match in _CARD.findall(plain) if _is_card(re.sub(r"\D", "", match))}
    return tuple(sorted(found))


_TAIWAN_ID = re.compile(r"(?<![A-Z0-9])[A-Z][1289][0-9]{8}(?![0-9])")
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){13,19}(?!\d)")


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        "telephone": re.compile(
            r"(?<!\d)09\d{2}[- ]?\d{3}[- ]?\d{3}(?!\d)|\+\d{1,3}[- ]?\d(?:[- ]?\d){7,11}(?!\d)"
        ),
        "iban": re.compile(
            r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
        ),
        "address": re.compile(r"\w{1,6}[路街道](?:\w{1,3}段)?(?:\d+巷)?(?:\d+弄)?\d+號"),
    }


def _is_taiwan_id(text: str) -> bool:
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0]) + 10
    digits = [letter // 10, letter % 10, *map(int, text[1:])]
    return sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0


def _is_card(digits: str) -> bool:
    if not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
