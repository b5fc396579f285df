"""Numbers of papers without a public check digit: passport, health insurance card, number plate.

They are found only where a word beside them says what they are; nine digits alone may be anything.
"""

import re
from collections.abc import Iterator

from staffroom.text.personal.kinds import Span
from staffroom.text.personal.labels import is_serial, named_near

__all__ = ["find_health_cards", "find_passports", "find_plates"]

# Stands behind the first character, so that a search can skip to what may be one.
_FIRST = r"(?<![0-9A-Za-z_].)(?<![0-9A-Za-z][-.].)"
_RIGHT = r"(?![0-9A-Za-z_])(?![-.][0-9A-Za-z])"
_PASSPORT = re.compile(rf"[0-9A-Z]{_FIRST}(?:(?<=[0-9])[0-9]{{8}}|(?<=[A-Z])[A-Z]?[0-9]{{7,8}}){_RIGHT}")
_PASSPORT_NAMES = re.compile(r"護照|旅行文件|\bpassport|\bpass(?:et|nummer)\b|جواز", re.IGNORECASE)
_HEALTH_CARD = re.compile(rf"[0-9]{_FIRST}[0-9]{{3}}(?:[- ]?[0-9]{{4}}){{2}}{_RIGHT}")
_HEALTH_CARD_NAMES = re.compile(r"健保|\bnhi\b|\bhealth (?:insurance )?card", re.IGNORECASE)
_PLATE = re.compile(
    rf"(?=[0-9A-Za-z]{_FIRST}[0-9A-Za-z]{{1,3}}[- ]?[0-9A-Za-z]{{2,4}}(?![0-9A-Za-z]))"
    r"(?:[A-Z]{3}[- ]?[0-9]{4}|[A-Z]{2}[- ]?[0-9]{4}|[0-9]{4}[- ]?[A-Z]{2}|[A-Z]{3}[- ]?[0-9]{3}|[0-9]{3}[- ]?[A-Z]{3}"
    r"|[A-Z]{2}[- ]?[0-9]{3}|[0-9]{3}[- ]?[A-Z]{2}|[A-Z][0-9][- ]?[0-9]{4}|[0-9][A-Z][- ]?[0-9]{4}|[0-9]{4}[- ]?[A-Z][0-9]"
    rf"|[0-9]{{4}}[- ]?[0-9][A-Z]){_RIGHT}",
    re.IGNORECASE,
)
_PLATE_NAMES = re.compile(
    r"車牌|車號|牌照|汽車|機車|車輛|轎車|貨車|卡車|我的車|[這那][台臺部輛]|拖吊|違停|停車|擦撞|肇事"
    r"|\bplate\b|\bvehicle\b|\bcar\b|\bscooter\b|\bmotorcycle\b|\bregistration number|\bregistreringsnummer|لوحة",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[^0-9A-Za-z]")


def find_passports(text: str) -> Iterator[Span]:
    """Yield the numbers of passports of a folded text: nine digits, or one or two letters and seven or eight."""
    return _named(text, _PASSPORT, _PASSPORT_NAMES)


def find_health_cards(text: str) -> Iterator[Span]:
    """Yield the numbers of health insurance cards of a folded text: twelve digits."""
    return _named(text, _HEALTH_CARD, _HEALTH_CARD_NAMES)


def find_plates(text: str) -> Iterator[Span]:
    """Yield the number plates of a folded text, in the forms issued since 2012 and before."""
    for span in _named(text, _PLATE, _PLATE_NAMES):
        written = text[span.start : span.end]
        # In small letters with a blank it is a word beside a number: "of 2023".
        if " " not in written or written.isupper():
            yield span


def _named(text: str, pattern: re.Pattern[str], names: re.Pattern[str]) -> Iterator[Span]:
    if not names.search(text):
        return
    for match in pattern.finditer(text):
        if named_near(text, match.start(), match.end(), names) and not is_serial(text, match.start()):
            yield Span(match.start(), match.end(), _MARKS.sub("", match.group()).upper())
