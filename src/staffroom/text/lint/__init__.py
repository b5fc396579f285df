"""Scoring a free answer by its locale: language, script, words, dates, numbers, money and forms of address."""

from staffroom.text.lint.check import (
    check_address,
    check_dates,
    check_language,
    check_money,
    check_numbers,
    check_script,
    check_vocabulary,
    failing_examples,
    lint,
)
from staffroom.text.lint.finding import LintFinding, LintRate, LintReport, Severity, lint_rate
from staffroom.text.lint.rules import (
    LINT_CHECKS,
    LocaleRules,
    LocaleRulesError,
    linted_locales,
    load_locale_rules,
    locale_rules,
)

__all__ = [
    "LINT_CHECKS",
    "LintFinding",
    "LintRate",
    "LintReport",
    "LocaleRules",
    "LocaleRulesError",
    "Severity",
    "check_address",
    "check_dates",
    "check_language",
    "check_money",
    "check_numbers",
    "check_script",
    "check_vocabulary",
    "failing_examples",
    "lint",
    "lint_rate",
    "linted_locales",
    "load_locale_rules",
    "locale_rules",
]
