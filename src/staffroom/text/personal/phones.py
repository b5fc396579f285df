"""Telephone numbers of Taiwan: mobile (09 and eight digits) and landlines by area code, with extensions.

Free and short numbers (0800, 1999, 110) belong to nobody and are no findings. (National Communications Commission,
numbering plan.)
"""

import re
from collections.abc import Iterator

from staffroom.text.personal.kinds import Span
from staffroom.text.personal.labels import is_serial, named_near

__all__ = ["find_landlines", "find_mobiles"]

# Stands behind the first character, so that a search can skip to what may be one.
_FIRST = r"(?<![0-9A-Za-z_].)(?<![0-9A-Za-z][-.].)"
_RIGHT = r"(?![0-9A-Za-z_])(?![-.][0-9])"
_MOBILE = re.compile(
    rf"[(+08]{_FIRST}(?:(?<=\()\+?886|(?<=\+)886|(?<=8)86|(?<=\()0|(?<=0))"
    rf"(?:(?<=86)\)?[- .]?(?:\(0\)|0)?)?[- .]?9(?:[- .)]{{0,2}}[0-9]){{8}}{_RIGHT}"
)
_LANDLINE = re.compile(
    rf"[(+08]{_FIRST}(?:(?<=\()0[0-9]{{1,3}}\)|(?:(?<=\()\+?886|(?<=\+)886|(?<=8)86)\)?[- .]?(?:\(0\))?|(?<=0))(?:[- .)]{{0,2}}[0-9]){{5,10}}"
    r"(?![0-9A-DF-Za-df-z_])(?![-.][0-9])"
)
_LOCAL = re.compile(
    r"(?:電話|市話|專線|傳真|\btel\b|\bfax\b|\bphone\b)(?:號碼)?[.:： 為是]{0,3}(?P<number>[2-9][0-9]{2,3}-[0-9]{4})"
    rf"{_RIGHT}",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r" ?(?:#|分機|轉|,? ?ext(?:ension)?\.?) ?:?[0-9]{1,6}(?![0-9])", re.IGNORECASE)
_NAMES = re.compile(
    r"電話|市話|專線|傳真|聯絡|撥|來電|洽|分機|\btel\b|\bfax\b|\bphone\b|\bcall\b|\bhome\b|\btelefon|هاتف",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[^0-9]")
_AREA = re.compile(r"0(?:2|3|37|4|49|5|6|7|8|82|826|836|89)")
_NUMBER = re.compile(r"02[2-8][0-9]{7}|042[0-9]{7}|049[0-9]{7}|0[3-8][2-9][0-9]{6}|0826[0-9]{5}|0836[0-9]{5}")


def find_mobiles(text: str) -> Iterator[Span]:
    """Yield the mobile numbers of a folded text."""
    for match in _MOBILE.finditer(text):
        if not text.startswith("號", match.end()) and not is_serial(text, match.start()):
            yield Span(match.start(), match.end(), _national(match.group()))


def find_landlines(text: str) -> Iterator[Span]:
    """Yield the landlines of a folded text, extensions included."""
    for match in _LANDLINE.finditer(text):
        written, value = match.group(), _national(match.group())
        if not _NUMBER.fullmatch(value) or text.startswith("號", match.end()):
            continue
        if is_serial(text, match.start()):
            continue
        # Nine digits in a row may be anything; a mark behind the area code or a word says that one may dial them.
        if not _area_apart(written) and not named_near(text, match.start(), match.end(), _NAMES):
            continue
        more = _EXTENSION.match(text, match.end())
        yield Span(match.start(), more.end() if more else match.end(), value)
    for match in _LOCAL.finditer(text):
        more = _EXTENSION.match(text, match.end())
        yield Span(
            match.start("number"), more.end() if more else match.end(), _DIGITS.sub("", match["number"])
        )


def _national(written: str) -> str:
    digits = _DIGITS.sub("", written)
    return "0" + digits[3:].lstrip("0") if digits.startswith("886") else digits


def _area_apart(written: str) -> bool:
    """Say whether the first group of digits is an area code."""
    first = re.match(r"\(?(\+?886\)?[- .]?(?:\(0\))?[- .]?|0)([0-9]+)", written)
    if first is None:
        return False
    area = f"0{first.group(2)}"
    return first.end() < len(written) and _AREA.fullmatch(area) is not None
