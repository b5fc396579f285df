"""Numbers of persons and businesses in Taiwan, with their check digits.

National ID and resident certificate (both forms): the letter stands for two digits, the sum weighted 1, 9, 8, …, 1, 1
is a multiple of ten. In the old certificate the second letter counts with its last digit only. (Ministry of the
Interior; the new form since 2021-01-02 has 8 or 9 in the second place.)
Business number: digits weighted 1, 2, 1, 2, 1, 2, 4, 1, the digits of the products added: a multiple of ten until
2023-03-31, of five since. A seventh digit 7 gives 28, whose digits may count as 1 or 0. (Ministry of Finance.)
"""

import re
from collections.abc import Iterator
from enum import StrEnum

from staffroom.text.personal.kinds import Span
from staffroom.text.personal.labels import is_serial, named_near

__all__ = ["UbnRule", "find_arcs", "find_national_ids", "find_ubns", "is_arc", "is_national_id", "ubn_rule"]

_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_WEIGHTS = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
_UBN_WEIGHTS = (1, 2, 1, 2, 1, 2, 4, 1)
# Stands behind the first character, so that a search can skip to what may be one.
_FIRST = r"(?<![0-9A-Za-z_].)(?<![0-9A-Za-z][-.].)"
_RIGHT = r"(?![0-9A-Za-z_])(?![-.][0-9A-Za-z])"
_NATIONAL_ID = re.compile(rf"[A-Za-z]{_FIRST}[- ]?[12](?:[- .]?[0-9]){{8}}{_RIGHT}")
_ARC = re.compile(rf"[A-Za-z]{_FIRST}[- ]?[A-Da-d89](?:[- .]?[0-9]){{8}}{_RIGHT}")
_UBN = re.compile(rf"[0-9]{_FIRST}[0-9]{{3}}[- ]?[0-9]{{4}}{_RIGHT}")
_UBN_NAMES = re.compile(
    r"統編|統一編號|統號|稅籍|營利事業|買受人|\bubn\b|\bunified business|\bbusiness number|\bgui number|\btax id\b|\bvat\b",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[^0-9A-Za-z]")


class UbnRule(StrEnum):
    """Which rule a business number keeps; what keeps the old one keeps the new one too."""

    BOTH = "divisible by 10"
    NEW_ONLY = "divisible by 5"


def is_national_id(value: str) -> bool:
    """Say whether a letter, 1 or 2, and eight digits keep the check digit."""
    return bool(re.fullmatch(r"[A-Z][12][0-9]{8}", value)) and _checks(value)


def is_arc(value: str) -> bool:
    """Say whether a number of a resident certificate, of either form, keeps the check digit."""
    return bool(re.fullmatch(r"[A-Z][A-D89][0-9]{8}", value)) and _checks(value)


def ubn_rule(value: str) -> UbnRule | None:
    """Return which rule eight digits keep, None for neither."""
    if not re.fullmatch(r"[0-9]{8}", value):
        return None
    total = 0
    for digit, weight in zip(value, _UBN_WEIGHTS, strict=True):
        product = int(digit) * weight
        total += product // 10 + product % 10
    totals = (total, total + 1) if value[6] == "7" else (total,)
    if any(each % 10 == 0 for each in totals):
        return UbnRule.BOTH
    return UbnRule.NEW_ONLY if any(each % 5 == 0 for each in totals) else None


def find_national_ids(text: str) -> Iterator[Span]:
    """Yield the national identity numbers of a folded text."""
    return _checked(text, _NATIONAL_ID)


def find_arcs(text: str) -> Iterator[Span]:
    """Yield the numbers of resident certificates of a folded text."""
    return _checked(text, _ARC)


def find_ubns(text: str) -> Iterator[Span]:
    """Yield the business numbers of a folded text; without a word that names it, eight digits are no finding."""
    for match in _UBN.finditer(text):
        value = _MARKS.sub("", match.group())
        if ubn_rule(value) and named_near(text, match.start(), match.end(), _UBN_NAMES):
            yield Span(match.start(), match.end(), value)


def _checked(text: str, pattern: re.Pattern[str]) -> Iterator[Span]:
    for match in pattern.finditer(text):
        value = _MARKS.sub("", match.group()).upper()
        if _checks(value) and not is_serial(text, match.start()):
            yield Span(match.start(), match.end(), value)


def _checks(value: str) -> bool:
    first = _LETTERS.index(value[0]) + 10
    second = int(value[1]) if value[1].isdigit() else (_LETTERS.index(value[1]) + 10) % 10
    digits = (first // 10, first % 10, second, *map(int, value[2:]))
    return sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 10 == 0
