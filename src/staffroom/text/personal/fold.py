"""Bringing the ways of writing digits, letters and dashes into one, while keeping the place of each character.

Full-width forms, digits of other scripts, the many dashes and blanks become ASCII; signs that nobody sees are left
out; a long run of Chinese digits (〇九一二三四五六七八) becomes digits, shorter ones stay words (第一、三樓).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Folded", "fold"]

_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63"
_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_DOTS = "\u00b7\u2027\u30fb"
_FOLDABLE = re.compile(rf"[\uff01-\uff5e{_DASHES}{_BLANKS}{_DOTS}]|(?![0-9])\d")
_HAN_DIGITS = "〇零一二三四五六七八九壹貳參肆伍陸柒捌玖"
_HAN_VALUES = "00123456789123456789"
_HAN_RUN = re.compile(rf"[0-9]?[{_HAN_DIGITS}][{_HAN_DIGITS}0-9() .-]{{5,}}")
_HAN_TABLE: Mapping[int, int] = str.maketrans(_HAN_DIGITS, _HAN_VALUES)
_HAN_ENOUGH = 6


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; `places[i]` is where its character i stood, None where all stand where they stood."""

    text: str
    places: Sequence[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where `start`..`end` of the folded text stands in the original."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> Folded:
    """Return the text folded, each character to one character, hidden ones to none."""
    if text.isascii():
        return Folded(text, None)
    places: list[int] | None = None
    hidden = set(_HIDDEN.findall(text))
    if hidden:
        places = [place for place, sign in enumerate(text) if sign not in hidden]
        text = "".join(text[place] for place in places)
    return Folded(_HAN_RUN.sub(_as_digits, _FOLDABLE.sub(_as_ascii, text)), places)


def _as_ascii(found: re.Match[str]) -> str:
    sign = found.group()
    code = ord(sign)
    if 0xFF01 <= code <= 0xFF5E:
        return chr(code - 0xFEE0)
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    if sign.isspace():
        return " "
    return "." if sign in _DOTS else "-"


def _as_digits(run: re.Match[str]) -> str:
    found = run.group()
    if sum(found.count(sign) for sign in set(found) & set(_HAN_DIGITS)) < _HAN_ENOUGH:
        return found
    return found.translate(_HAN_TABLE)
