"""Numbers, times and names as a report writes them; the language decides only the words around them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from staffroom.cli.language import Words
from staffroom.cli.report.markup import Html, filled

__all__ = [
    "NONE",
    "Voice",
    "cost",
    "count",
    "interval",
    "moment",
    "money",
    "p_value",
    "score",
    "shortened",
    "size",
]

NONE = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Voice(Words):
    """The words of one language; `rich` fills fields with HTML."""

    def rich(self, text: str, **values: str) -> Html:
        """Return the text in this language as HTML, its fields filled with texts or HTML."""
        return filled(self(text), **values)

    @property
    def gap(self) -> str:
        """Return what stands between two sentences."""
        return "" if self.chinese else " "

    @property
    def chinese(self) -> bool:
        """Whether this is Chinese."""
        return self.language.startswith("zh")


def score(value: Any) -> str:
    """Return a share between 0 and 1 with two digits."""
    return NONE if value is None else f"{float(value):.2f}"


def interval(row: Mapping[str, Any]) -> str:
    """Return `low` and `high` of a row."""
    if row.get("low") is None or row.get("high") is None:
        return NONE
    return f"{float(row['low']):.2f}–{float(row['high']):.2f}"


def count(value: Any) -> str:
    """Return a number with thousands set apart, whole where it is whole."""
    if value is None:
        return NONE
    return f"{int(value):,}" if float(value) == int(value) else f"{float(value):,.1f}"


def p_value(value: Any) -> str:
    """Return a probability with two significant digits, in powers of ten where it is small."""
    if value is None:
        return NONE
    number = float(value)
    if number == 0 or number >= 0.001:
        return f"{number:.2g}"
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{digits} × 10{str(int(power)).translate(_SUPERSCRIPT)}"


def money(amount: Any, currency: str, *, times: int = 1, over: Any = 1) -> str:
    """Return an amount (decimal text) times and over whole numbers, to three digits; a dash where there is none."""
    try:
        shown = Decimal(str(amount)) * times / int(over)
    except (InvalidOperation, TypeError, ValueError, ZeroDivisionError):
        return NONE
    return f"{shown:.3g} {currency}".strip() if shown else NONE


def cost(total: Any, items: Any, currency: str) -> str:
    """Return the declared cost of a hundred answers; a dash where nothing was declared."""
    return money(total, currency, times=100, over=items)


def size(value: Any) -> str:
    """Return bytes in decimal units."""
    if not value:
        return NONE
    number, unit = float(value), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.3g} {_UNITS[unit]}"


def moment(t: Voice, text: Any) -> str:
    """Return a time of the log (ISO 8601, UTC) to the minute; what is none is returned as it is."""
    try:
        at = datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return str(text)
    if t.chinese:
        return f"{at.year} 年 {at.month} 月 {at.day} 日 {at:%H:%M}（UTC）"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def shortened(t: Voice, text: str, most: int) -> str:
    """Return a text of at most `most` characters; what was left out is counted."""
    if len(text) <= most:
        return text
    return text[:most] + t(" … ({count} characters in all)", count=f"{len(text):,}")
