"""The numbers that Word draws itself (第一條, 一、, 1.): they are not in a paragraph's text, so they are counted here."""

from typing import Any

__all__ = ["ListNumbers", "numeral"]

_DIGITS = "〇一二三四五六七八九"
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_CHINESE = frozenset(
    [
        "taiwaneseCounting",
        "taiwaneseCountingThousand",
        "chineseCounting",
        "chineseCountingThousand",
        "ideographDigital",
        "taiwaneseDigital",
        "japaneseCounting",
    ]
)
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"))
_ROMAN_ONES = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


class ListNumbers:
    """Counts the numbered paragraphs of one document in reading order.

    numbering: the root element of word/numbering.xml, or None.  w: the WordprocessingML namespace in braces.
    Source: ECMA-376 part 1, 17.9 (numbering).
    """

    def __init__(self, numbering: Any, w: str) -> None:
        self._w = w
        self._counts: dict[str, dict[int, int]] = {}
        self._abstract: dict[str, str] = {}
        self._levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        if numbering is not None:
            self._load(numbering)

    def _load(self, numbering: Any) -> None:
        w = self._w
        for abstract in numbering.findall(f"{w}abstractNum"):
            name = abstract.get(f"{w}abstractNumId", "")
            for level in abstract.findall(f"{w}lvl"):
                depth = _number(level.get(f"{w}ilvl"), 0)
                shown = self._value(level, "numFmt") or "decimal"
                pattern = self._value(level, "lvlText") or ""
                self._levels[name, depth] = (shown, pattern, _number(self._value(level, "start"), 1))
        for num in numbering.findall(f"{w}num"):
            self._abstract[num.get(f"{w}numId", "")] = self._value(num, "abstractNumId") or ""

    def _value(self, parent: Any, name: str) -> str | None:
        found = parent.find(f"{self._w}{name}")
        return None if found is None else found.get(f"{self._w}val")

    def next(self, properties: Any) -> tuple[str, int] | None:
        """Count one more paragraph with these `w:numPr` properties; return its number as drawn and its depth from 1.

        A bullet has the number "". None means that the paragraph is not numbered.
        """
        if properties is None:
            return None
        name = self._value(properties, "numId") or ""
        depth = _number(self._value(properties, "ilvl"), 0)
        abstract = self._abstract.get(name)
        if abstract is None or name == "0":
            return None
        counts = self._counts.setdefault(abstract, {})
        shown, pattern, start = self._levels.get((abstract, depth), ("bullet", "", 1))
        counts[depth] = counts.get(depth, start - 1) + 1
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        if shown in ("bullet", "none"):
            return "", depth + 1
        text = pattern
        for level in range(depth + 1):
            other, _, first = self._levels.get((abstract, level), (shown, "", 1))
            text = text.replace(f"%{level + 1}", numeral(counts.get(level, first), other))
        return text, depth + 1


def numeral(value: int, shown: str) -> str:
    """Write a number in one of Word's number formats; unknown formats are written in digits."""
    if value <= 0:
        return str(value)
    if shown in _CHINESE and value < 10_000:
        return _chinese(value)
    if shown == "ideographTraditional":
        return _STEMS[(value - 1) % 10]
    if shown == "ideographZodiac":
        return _BRANCHES[(value - 1) % 12]
    if shown in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
        return letter if shown == "lowerLetter" else letter.upper()
    if shown in ("lowerRoman", "upperRoman") and value < 4000:
        text = ""
        for worth, sign in _ROMAN + _ROMAN_ONES:
            count, value = divmod(value, worth)
            text += sign * count
        return text.lower() if shown == "lowerRoman" else text
    return str(value)


def _chinese(value: int) -> str:
    text, zero = "", False
    for worth, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, worth)
        if digit:
            text += ("零" if zero and text else "") + _DIGITS[digit] + unit
            zero = False
        else:
            zero = bool(text)
    return text.removeprefix("一") if text.startswith("一十") else text


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value is not None and value.isdecimal() and len(value) < 7 else otherwise
