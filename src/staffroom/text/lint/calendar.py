"""Dates that cannot be: no such day, the wrong weekday, or two calendars that do not name the same day.

Gregorian by `datetime`; years of the Republic of China are Gregorian minus 1911; Hijri by the civil tabular calendar (epoch
16 July 622 Julian, leap years 2, 5, 7, 10, 13, 16, 18, 21, 24, 26 and 29 of 30; R. H. van Gent, "The Islamic calendar").
Umm al-Qura, the calendar in use, follows the sighting rules of Mecca and may differ by up to two days, so two days are allowed
and a 30th day is taken for any month.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import regex

from staffroom.text.lint.finding import LintFinding, Severity
from staffroom.text.lint.rules import CalendarRules, DateForm

__all__ = ["check_calendar", "hijri_to_gregorian"]

_CHECK = "dates"
_ROC_OFFSET = 1911
_HIJRI_TOLERANCE_DAYS = 2
# Day 1 of the Hijri calendar, 16 July 622 Julian, as a proleptic Gregorian ordinal (19 July 622).
_HIJRI_EPOCH = 227015
_MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Written:
    """A date as found: its place, calendar and parts; 0 where a part is not written."""

    start: int
    end: int
    calendar: str
    year: int
    month: int
    day: int
    weekday: int


def hijri_to_gregorian(year: int, month: int, day: int) -> date:
    """Return the Gregorian day of a day of the civil tabular Hijri calendar; raises ValueError outside years 1 to 9000."""
    if not (1 <= year <= 9000 and 1 <= month <= 12 and 1 <= day <= 30):
        raise ValueError("no such day")
    days = day + (59 * (month - 1) + 1) // 2 + (year - 1) * 354 + (3 + 11 * year) // 30
    return date.fromordinal(_HIJRI_EPOCH + days - 1)


def check_calendar(text: str, rules: CalendarRules) -> list[LintFinding]:
    """Return the dates of a text that cannot be, by the forms of the locale."""
    plain = "".join(str(unicodedata.digit(sign, sign)) for sign in text)
    written = _dates(plain, rules)
    findings = []
    for one in written:
        fault = _fault(one)
        if fault:
            findings.append(_finding(text, fault, one.start, one.end))
    for first, second in pairwise(written):
        if _are_one_day(plain[first.end : second.start], first, second, rules) and not _agree(first, second):
            findings.append(_finding(text, "calendars", first.start, second.end))
    return findings


def _are_one_day(between: str, first: _Written, second: _Written, rules: CalendarRules) -> bool:
    """Say whether two neighbouring dates are written as the same day in two calendars, each possible by itself."""
    if rules.same_day is None or first.calendar == second.calendar or _fault(first) or _fault(second):
        return False
    return rules.same_day.fullmatch(between) is not None


def _dates(plain: str, rules: CalendarRules) -> list[_Written]:
    found = [_written(match, form, rules) for form in rules.forms for match in form.pattern.finditer(plain)]
    kept: list[_Written] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


def _written(match: "regex.Match[str]", form: DateForm, rules: CalendarRules) -> _Written:
    groups: Mapping[str, str | None] = match.groupdict()
    months = rules.hijri_months if form.calendar == "hijri" else rules.months

    def number(name: str, names: Mapping[str, int]) -> int:
        value = groups.get(name)
        if not value:
            return 0
        return int(value) if value.isdecimal() else names.get(value.casefold(), 0)

    return _Written(
        match.start(),
        match.end(),
        form.calendar,
        number("y", {}),
        number("m", months),
        number("d", {}),
        number("weekday", rules.weekdays),
    )


def _fault(one: _Written) -> str:
    """Return the name of what is wrong with a date by itself, or ""."""
    if one.month > 12 or (one.month and one.day and one.day > _longest(one)):
        return "no-such-day"
    if not (one.year and one.month and one.day):
        return ""
    try:
        day = _gregorian(one)
    except ValueError:
        return "no-such-day"
    if one.weekday:
        away = abs((day.isoweekday() - one.weekday + 3) % 7 - 3)
        if away > (_HIJRI_TOLERANCE_DAYS if one.calendar == "hijri" else 0):
            return "weekday"
    return ""


def _longest(one: _Written) -> int:
    return 30 if one.calendar == "hijri" else _MONTH_LENGTHS[one.month - 1]


def _gregorian(one: _Written) -> date:
    if one.calendar == "hijri":
        return hijri_to_gregorian(one.year, one.month, one.day)
    return date(one.year + (_ROC_OFFSET if one.calendar == "roc" else 0), one.month, one.day)


def _span(one: _Written) -> tuple[date, date]:
    """Return the first and last day that a date with a year can mean."""
    if one.calendar == "hijri":
        if one.month and one.day:
            day = _gregorian(one)
            return day, day
        first = hijri_to_gregorian(one.year, one.month or 1, 1)
        return first, hijri_to_gregorian(one.year, one.month or 12, 29)
    year = one.year + (_ROC_OFFSET if one.calendar == "roc" else 0)
    if one.month and one.day:
        return date(year, one.month, one.day), date(year, one.month, one.day)
    last_month = one.month or 12
    last = date(year + last_month // 12, last_month % 12 + 1, 1) - timedelta(days=1)
    return date(year, one.month or 1, 1), last


def _agree(first: _Written, second: _Written) -> bool:
    """Say whether two dates can mean the same day; without a year in one of them nothing is said."""
    if not (first.year and second.year):
        return True
    allowed = _HIJRI_TOLERANCE_DAYS if "hijri" in (first.calendar, second.calendar) else 0
    try:
        one, other = _span(first), _span(second)
    except (ValueError, OverflowError):
        return True
    return (one[0] - other[1]).days <= allowed and (other[0] - one[1]).days <= allowed


def _finding(text: str, rule: str, start: int, end: int) -> LintFinding:
    return LintFinding(_CHECK, rule, start, end, text[start:end], "", Severity.FAULT)
