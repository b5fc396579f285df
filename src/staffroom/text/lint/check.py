"""Checking a free answer against the rules of its locale: pure functions, each check by itself and all together.

Quotations, texts that the caller cites, web addresses and code are set apart first: a mark stands in for each of
their characters, so that places stay those of the text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import regex

from staffroom.text.language import wrong_language
from staffroom.text.lint.calendar import check_calendar
from staffroom.text.lint.finding import LintFinding, LintReport, Severity
from staffroom.text.lint.matching import apply_rules, without_overlaps
from staffroom.text.lint.rules import LINT_CHECKS, LocaleRules, locale_rules
from staffroom.text.quotations import LONGEST_QUOTATION, protected_spans
from staffroom.text.script import all_simplified, convert_script, simplified_runs
from staffroom.text.wording import find_wording

__all__ = [
    "check_address",
    "check_dates",
    "check_language",
    "check_money",
    "check_numbers",
    "check_script",
    "check_vocabulary",
    "failing_examples",
    "lint",
]

_APART = "\ufffc"
_NOT_PROSE = regex.compile(r"https?://[^\s，。；）]+|[\w.+-]+@[\w-]+\.[\w.-]+|`[^`\n]+`", regex.ASCII)
_LEAST_LETTERS = 24


def lint(
    text: str,
    locale: str | LocaleRules,
    *,
    checks: Sequence[str] = LINT_CHECKS,
    cited: Sequence[str] = (),
) -> LintReport:
    """Return what in a text is not of a locale, by the checks named.

    locale: such as `zh-TW`, or rules that were read from a folder. cited: exact texts that are set apart.
    Raises LocaleRulesError for a locale without rules and ValueError for an unknown check.
    """
    if unknown := [name for name in checks if name not in _CHECKS]:
        raise ValueError(f"no such check: {', '.join(unknown)}; there are {', '.join(LINT_CHECKS)}")
    rules = locale_rules(locale) if isinstance(locale, str) else locale
    prose = _prose(text, rules, cited)
    findings = [finding for name in LINT_CHECKS if name in checks for finding in _CHECKS[name](prose, rules)]
    findings.sort(key=lambda one: (one.start, one.end, one.check))
    looked_at = sum(not (sign.isspace() or sign == _APART) for sign in prose)
    return LintReport(tuple(findings), looked_at)


def check_language(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return one finding over the whole text where it is in another language; `found` is its ISO 639-1 code."""
    language = rules.locale.split("-")[0]
    found = wrong_language(text.replace(_APART, " "), rules.locale)
    if found is None:
        return []
    return [LintFinding("language", "other-language", 0, len(text), found, language, Severity.FAULT)]


def check_script(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return characters and spellings of another script: Simplified ones for Taiwan, foreign letters elsewhere."""
    if rules.script_kind == "han-traditional":
        found = [
            LintFinding(
                "script",
                "simplified",
                start,
                end,
                text[start:end],
                convert_script(text[start:end]),
                Severity.FAULT,
            )
            for start, end in simplified_runs(text)
            if text[start:end] not in rules.not_foreign
        ]
        plain = text.replace(_APART, " ")
        if not found and all_simplified(plain):
            found = [
                LintFinding(
                    "script", "simplified", 0, len(text), plain, convert_script(plain), Severity.FAULT
                )
            ]
    else:
        found = _foreign_letters(text, rules)
    return without_overlaps([*found, *apply_rules(text, "script", rules)])


def check_vocabulary(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return words that another region says; for Taiwan those of the repair too, apart from `not_foreign`."""
    found = apply_rules(text, "vocabulary", rules)
    if rules.taiwan_wording:
        found += [
            LintFinding("vocabulary", "wording", one.start, one.end, one.found, one.instead, Severity.FAULT)
            for one in find_wording(text)
            if one.found not in rules.not_foreign
        ]
    return without_overlaps(found)


def check_dates(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return dates and times in a foreign form, and dates that cannot be."""
    return without_overlaps([*check_calendar(text, rules.calendar), *apply_rules(text, "dates", rules)])


def check_numbers(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return numbers with the separators or digits of another region."""
    return apply_rules(text, "numbers", rules)


def check_money(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return amounts written as elsewhere."""
    return apply_rules(text, "money", rules)


def check_address(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return forms of address that are not the locale's."""
    return apply_rules(text, "address", rules)


_CHECKS: Mapping[str, Callable[[str, LocaleRules], list[LintFinding]]] = MappingProxyType(
    {
        "language": check_language,
        "script": check_script,
        "vocabulary": check_vocabulary,
        "dates": check_dates,
        "numbers": check_numbers,
        "money": check_money,
        "address": check_address,
    }
)


def failing_examples(rules: LocaleRules) -> list[str]:
    """Return what the rules' own examples say against them: a text not found, or one that should stay."""
    faults: list[str] = []
    for check, entries in rules.rules.items():
        for rule in entries:
            alone = replace(rules, rules={check: (rule,)})
            for text in rule.finds:
                if not any(
                    one.severity is rule.severity
                    for one in apply_rules(_prose(text, alone, ()), check, alone)
                ):
                    faults.append(f"{check}.{rule.name} does not find its example: {text}")
            for text in rule.leaves:
                for one in apply_rules(_prose(text, alone, ()), check, alone):
                    if one.severity is rule.severity:
                        faults.append(
                            f"{check}.{rule.name} finds {one.found} in what it should leave: {text}"
                        )
    for text in rules.calendar.finds:
        if not check_calendar(text, rules.calendar):
            faults.append(f"calendar does not find its example: {text}")
    for text in rules.calendar.leaves:
        if check_calendar(text, rules.calendar):
            faults.append(f"calendar finds a fault in what it should leave: {text}")
    return faults


def _prose(text: str, rules: LocaleRules, cited: Sequence[str]) -> str:
    spans = [*protected_spans(text, cited), *(match.span() for match in _NOT_PROSE.finditer(text))]
    for marks in rules.quotes:
        opening, closing = regex.escape(marks[0]), regex.escape(marks[1])
        pattern = rf"{opening}[^{closing}\n]{{1,{LONGEST_QUOTATION}}}{closing}"
        spans += (match.span() for match in regex.finditer(pattern, text))
    signs = list(text)
    for start, end in spans:
        signs[start:end] = _APART * (end - start)
    return "".join(signs)


def _foreign_letters(text: str, rules: LocaleRules) -> list[LintFinding]:
    """Return one finding over the text where too few of its letters are of the locale's script."""
    letters = [sign for sign in text if sign.isalpha()]
    own = sum(rules.letters.fullmatch(sign) is not None for sign in letters)
    if len(letters) < _LEAST_LETTERS or own >= rules.least_share * len(letters):
        return []
    return [LintFinding("script", "other-script", 0, len(text), text, "", Severity.FAULT)]
