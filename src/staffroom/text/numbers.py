"""The numbers that a text names, in one notation, whatever script they were written in.

Arabic (with separators, full-width), Chinese (十五, 二萬, 百分之五, 二分之一, 半) and English words up to a hundred.
A single Chinese numeral counts only where a unit follows, because 一 is also part of words such as 一般; 萬一, 千萬
(不要) and their like are words, not numbers. What is said short is read in full: 兩萬五 is 25000.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction

__all__ = ["chinese_number", "numbers_in", "without_references"]

_DIGITS: Mapping[str, int] = {
    "〇": 0,
    "零": 0,
    "一": 1,
    "二": 2,
    "兩": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_SMALL: Mapping[str, int] = {"十": 10, "百": 100, "千": 1000}
_LARGE: Mapping[str, int] = {"萬": 10**4, "億": 10**8}
_NUMERAL = "〇零一二兩三四五六七八九十百千萬億"
_UNITS = "日天週周月年歲時分秒元塊個人名位次件張頁份倍成級號樓公坪冊本戶筆種款項條章%％成期階輛台臺間房班路科隻枝枚通封瓶箱袋包點里星禮季刻秒噸克斤兩"
_ONE_UNITS = "日天週周月年歲小元千百萬成倍半星禮季"
_ARABIC = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_SHARE = re.compile(rf"([{_NUMERAL}]+)分之([{_NUMERAL}]+)")
_CHINESE = re.compile(rf"[{_NUMERAL}]+(?:點[〇零一二三四五六七八九]+)?")
_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MIXED = re.compile(rf"(?:(?:{_AMOUNT})\s*[十百千萬億]+)+(?:(?:{_AMOUNT})(?![\d,]))?")
_MIXED_PART = re.compile(rf"({_AMOUNT})\s*([十百千萬億]*)")
_NOT_NUMBERS = re.compile(
    rf"(?<![{_NUMERAL}])(?:萬一|千萬(?=[別不要勿得記小請])|一一(?![元年月日號])|三三兩兩|十分(?![鐘之內後前以為鍾，。、；]|$))(?![{_NUMERAL}])"
    "|統一|再三|[一二兩三]三其"
)
_WORDS: Mapping[str, int] = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Mapping[str, int] = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
_ENGLISH = re.compile(
    r"\b(?:("
    + "|".join(_TENS)
    + r")(?:[- ]("
    + "|".join(list(_WORDS)[1:10])
    + r"))?|("
    + "|".join(_WORDS)
    + r"))\b",
    re.IGNORECASE,
)


_REFERENCE = re.compile(
    rf"第\s*[0-9{_NUMERAL}]+\s*(?:[-之]\s*[0-9{_NUMERAL}]+)?\s*[條項款目章節類]"
    r"|【[0-9]+】|\[[0-9]+\]|\b(?:articles?|sections?|art\.|sec\.|§+)\s*[0-9]+(?:[-.][0-9]+)*",
    re.IGNORECASE,
)


def without_references(text: str) -> str:
    """Return a text without the numbers by which it names articles, paragraphs and excerpts: 第9-1條, Article 5, [1]."""
    return _REFERENCE.sub(" ", text)


def numbers_in(text: str) -> list[str]:
    """Return the numbers of a text in order of kind, each as a plain decimal or fraction such as `15`, `0.5`, `1/3`."""
    plain = unicodedata.normalize("NFKC", text)
    found: list[str] = []

    def take_mixed(match: re.Match[str]) -> str:
        total, scale = Decimal(0), 1
        for amount, signs in _MIXED_PART.findall(match.group()):
            scale = 1 if signs or len(amount) > 1 else max(1, scale // 10)
            for sign in signs:
                scale *= _SMALL.get(sign) or _LARGE[sign]
            total += Decimal(amount.replace(",", "")) * scale
        found.append(_plain(total))
        return " "

    def take_share(match: re.Match[str]) -> str:
        below, above = chinese_number(match.group(1)), chinese_number(match.group(2))
        if below and above is not None:
            found.append(str(above) if below == 100 else _share(Fraction(above, below)))
        return " "

    plain = _NOT_NUMBERS.sub("、", _SHARE.sub(take_share, _MIXED.sub(take_mixed, plain)))
    for match in _ARABIC.finditer(plain):
        try:
            found.append(_plain(Decimal(match.group().replace(",", ""))))
        except InvalidOperation:  # pragma: no cover (the pattern admits decimals only)
            continue
    for match in _CHINESE.finditer(plain):
        after = plain[match.end() : match.end() + 1]
        whole = match.group()
        if len(whole) == 1 and (not after or after not in (_ONE_UNITS if whole in "一兩" else _UNITS)):
            continue
        value = _chinese_text(whole)
        if value is not None:
            found.append(value)
    found += ["0.5"] * len(re.findall(r"半(?=[年月日天天數價額個小])|(?<=[一折減])半", plain))
    for tens, ones, small in _ENGLISH.findall(plain):
        value_of = (
            _TENS[tens.lower()] + (_WORDS[ones.lower()] if ones else 0) if tens else _WORDS[small.lower()]
        )
        if not (small and value_of == 1):
            found.append(str(value_of))
    return found


def chinese_number(text: str) -> int | None:
    """Return the value of a Chinese numeral such as 二萬五千 or 一〇五, None where it is not one."""
    if not text or any(sign not in _NUMERAL for sign in text):
        return None
    if all(sign in _DIGITS for sign in text):
        return int("".join(str(_DIGITS[sign]) for sign in text))
    total = section = digit = 0
    unit = 1
    for sign in text:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
            unit = unit if digit else 1
        elif sign in _SMALL:
            unit = _SMALL[sign]
            section += (digit or 1) * unit
            digit = 0
        else:
            unit = _LARGE[sign]
            below = section + digit
            # 億 counts all that stands before it, 萬 only what stands behind the last 億: 一億二千萬.
            total = (total + below or 1) * unit if sign == "億" else total + (below or 1) * unit
            section = digit = 0
    # A last digit right behind a unit is a tenth of it: 兩萬五, 一百二.
    return total + section + digit * max(1, unit // 10)


def _chinese_text(text: str) -> str | None:
    whole, _, part = text.partition("點")
    value = chinese_number(whole)
    if value is None:
        return None
    return _plain(Decimal(f"{value}.{''.join(str(_DIGITS[sign]) for sign in part)}")) if part else str(value)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _share(value: Fraction) -> str:
    return "0.5" if value == Fraction(1, 2) else f"{value.numerator}/{value.denominator}"
