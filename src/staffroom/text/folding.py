"""One form for texts that a copyist could have changed without changing what they say; for comparing, never for showing.

Simplified and Traditional Chinese go to one script. That script is Simplified, although people here read the other one:
from Traditional there is one way, back there are several (后, 發, 髮), and two texts must not differ by a guess.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

from staffroom.text.numbers import chinese_number

__all__ = ["folded"]

_NUMERALS = "〇零一二兩三四五六七八九十百千萬億"
_OTHER_NUMERALS: Mapping[str, str] = {
    "○": "〇", "壹": "一", "壱": "一", "贰": "二", "貳": "二", "两": "兩", "参": "三", "參": "三", "叁": "三", "肆": "四",
    "伍": "五", "陆": "六", "陸": "六", "柒": "七", "捌": "八", "玖": "九", "拾": "十", "佰": "百", "仟": "千", "万": "萬",
    "亿": "億", "廿": "二十", "卅": "三十",
}  # fmt: skip
# Letters of other alphabets that look like Latin ones; a text in Greek or Russian only becomes odd, and stays itself.
_LOOK_ALIKES: Mapping[str, str] = {
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ғ": "f", "һ": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l", "м": "m",
    "н": "h", "о": "o", "р": "p", "ԛ": "q", "ѕ": "s", "т": "t", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "α": "a", "β": "b",
    "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "ı": "i", "ɡ": "g",
}  # fmt: skip
_DECIMAL = re.compile(r"(\d+)\.(\d+)\s*([十百千萬億]+)")
_NUMBER = re.compile(rf"(\d+)([十百千萬億]+)|([{_NUMERALS}]+)")
_PERCENT = re.compile(r"百分之(?=[\d〇零一二兩三四五六七八九十百])")
_SILENT = re.compile(r"[\W_ـ]+")
_UNIT: Mapping[str, int] = {"十": 10, "百": 100, "千": 1000, "萬": 10**4, "億": 10**8}


def folded(text: str) -> str:
    """Return letters and digits only, in one form: folding twice changes nothing.

    1. Compatibility forms (full-width, circled, radicals) to plain ones, capitals to small letters, marks over letters off.
    2. Letters that look Latin become Latin, digits of any script 0 to 9.
    3. Blanks, punctuation, joiners and other invisible characters go.
    4. Chinese numerals become digits (二十, 2萬, 2.5萬, 百分之五).
    5. Chinese goes to one script, variants of a character (臺, 台) to one.
    """
    # 1.
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", plain) if unicodedata.category(sign) != "Mn"
    )
    plain = unicodedata.normalize("NFKC", plain)
    # 2.
    plain = "".join(map(_digit, plain.translate(_table())))
    # 3.
    plain = _SILENT.sub("", _DECIMAL.sub(_without_point, plain))
    # 4.
    plain = _NUMBER.sub(_in_digits, _PERCENT.sub("", plain))
    # 5.
    return _SILENT.sub("", str(_simplifier().convert(plain)))


def _digit(sign: str) -> str:
    value = unicodedata.decimal(sign, None)
    return sign if value is None else str(value)


def _without_point(match: re.Match[str]) -> str:
    whole, part, units = match.groups()
    scaled = int(whole + part) * math.prod(_UNIT[unit] for unit in units)
    below = 10 ** len(part)
    return match.group() if scaled % below else str(scaled // below)


def _in_digits(match: re.Match[str]) -> str:
    amount, units, numeral = match.groups()
    if numeral is not None:
        value = chinese_number(numeral)
        return numeral if value is None else str(value)
    return str(int(amount) * math.prod(_UNIT[unit] for unit in units))


@cache
def _table() -> dict[int, str]:
    return str.maketrans({**_OTHER_NUMERALS, **_LOOK_ALIKES})


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
