"""The rules of a locale: one data folder each, with `rules.yaml` and `SOURCES.md`; adding a folder adds a locale.

A rule finds a pattern or words. It may be bound to a context (`when`, `unless`), looked for in the same sentence, and to
guards: a word that shares a character with a guard without holding it is another word. Each rule can bring texts
that it must find and must leave alone; `verify` tries them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from staffroom.text.lint.finding import Severity

__all__ = [
    "LINT_CHECKS",
    "CalendarRules",
    "DateForm",
    "LocaleRules",
    "LocaleRulesError",
    "Rule",
    "linted_locales",
    "load_locale_rules",
    "locale_rules",
]

LINT_CHECKS = ("language", "script", "vocabulary", "dates", "numbers", "money", "address")
_FILE = "rules.yaml"
_WORDS = "WORDS"

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
_Pattern = Annotated[str, Field(min_length=1, max_length=4000)]


class LocaleRulesError(ValueError):
    """The rules of a locale cannot be read; the text names file and place."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _RuleLine(_Strict):
    rule: _Name
    find: _Pattern | None = None
    words: dict[str, str] = Field(default_factory=dict)
    guards: tuple[str, ...] = ()
    when: str = ""
    unless: _Pattern | None = None
    severity: Severity = Severity.FAULT
    instead: str = ""
    finds: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_one(self) -> "_RuleLine":
        if (self.find is None) == (not self.words):
            raise ValueError("a rule has either `find` or `words`")
        return self


class _FormLine(_Strict):
    calendar: Literal["gregorian", "roc", "hijri"]
    find: _Pattern


class _CalendarLines(_Strict):
    months: dict[str, Annotated[int, Field(ge=1, le=12)]] = Field(default_factory=dict)
    hijri_months: dict[str, Annotated[int, Field(ge=1, le=12)]] = Field(default_factory=dict)
    weekdays: dict[str, Annotated[int, Field(ge=1, le=7)]] = Field(default_factory=dict)
    forms: tuple[_FormLine, ...] = ()
    same_day: _Pattern | None = None
    finds: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


class _ScriptLines(_Strict):
    kind: Literal["letters", "han-traditional"] = "letters"
    letters: _Pattern = r"\p{Latin}"
    least_share: float = Field(0.5, ge=0, le=1)


class _RulesFile(_Strict):
    locale: str = Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")
    name: str = Field(min_length=1)
    word: str = Field(_WORDS, description="A pattern in which WORDS stands for the words of a rule.")
    ignore_case: bool = False
    quotes: tuple[Annotated[str, Field(min_length=2, max_length=2)], ...] = ()
    sentence_end: _Pattern = r"[.!?。！？؟\n]"
    script: _ScriptLines = Field(default_factory=_ScriptLines)
    taiwan_wording: bool = False
    not_foreign: tuple[str, ...] = ()
    contexts: dict[_Name, _Pattern] = Field(default_factory=dict, description="Looked for in a sentence.")
    text_contexts: dict[_Name, _Pattern] = Field(default_factory=dict, description="Looked for in the text.")
    calendar: _CalendarLines = Field(default_factory=_CalendarLines)
    checks: dict[
        Literal["script", "vocabulary", "dates", "numbers", "money", "address"], tuple[_RuleLine, ...]
    ]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled; `context` is looked for in the sentence, `guards` around the place."""

    name: str
    pattern: "regex.Pattern[str]"
    instead: str
    words: Mapping[str, str]
    severity: Severity
    context: str
    unless: "regex.Pattern[str] | None"
    guards: "regex.Pattern[str] | None"
    finds: tuple[str, ...]
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DateForm:
    """One way to write a date; the pattern's groups are y, m, d, month and weekday, each if it has it."""

    calendar: str
    pattern: "regex.Pattern[str]"


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """How dates are written and which names months (1 to 12) and weekdays (1 Monday to 7) have."""

    months: Mapping[str, int]
    hijri_months: Mapping[str, int]
    weekdays: Mapping[str, int]
    forms: tuple[DateForm, ...]
    same_day: "regex.Pattern[str] | None"
    finds: tuple[str, ...]
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocaleRules:
    """Everything that is known of a locale; `digest` is over the content of its file, comments apart."""

    locale: str
    name: str
    digest: str
    rules: Mapping[str, tuple[Rule, ...]]
    contexts: Mapping[str, "regex.Pattern[str]"]
    text_contexts: Mapping[str, "regex.Pattern[str]"]
    calendar: CalendarRules
    quotes: tuple[str, ...]
    sentence_end: "regex.Pattern[str]"
    script_kind: str
    letters: "regex.Pattern[str]"
    least_share: float
    taiwan_wording: bool
    not_foreign: frozenset[str]
    place: str = field(compare=False, default="")


def linted_locales() -> tuple[str, ...]:
    """Return the locales whose rules come with the program."""
    folder = files("staffroom.text.lint") / "locales"
    return tuple(sorted(entry.name for entry in folder.iterdir() if (entry / _FILE).is_file()))


@cache
def locale_rules(locale: str) -> LocaleRules:
    """Return the rules of a locale that come with the program; raises LocaleRulesError for an unknown one."""
    if locale not in linted_locales():
        raise LocaleRulesError(f"no rules for {locale}; there are rules for {', '.join(linted_locales())}")
    with as_file(files("staffroom.text.lint") / "locales" / locale) as folder:
        return load_locale_rules(folder)


def load_locale_rules(folder: Path) -> LocaleRules:
    """Read the rules in a folder; raises LocaleRulesError that names what is wrong and where."""
    path = folder / _FILE
    try:
        # Everything is read as text, so that an unquoted 2026-02-30 or 1.50 stays what was written.
        data = YAML(typ="base", pure=True).load(path.read_text(encoding="utf-8"))
        lines = _RulesFile.model_validate(data)
    except ValidationError as error:
        raise LocaleRulesError(f"{path}: {_first_fault(error)}") from error
    except (OSError, ValueError, YAMLError) as error:
        raise LocaleRulesError(f"{path}: cannot be read: {error}") from error
    return _compiled(lines, path)


def _first_fault(error: ValidationError) -> str:
    """Return an unknown field before what is missing, because it is often why."""
    faults = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in faults[0]["loc"])
    return f"{place}: {'unknown field' if faults[0]['type'] == 'extra_forbidden' else faults[0]['msg']}"


def _compiled(lines: _RulesFile, path: Path) -> LocaleRules:
    flags = regex.IGNORECASE if lines.ignore_case else 0
    contexts, text_contexts = (
        {name: _compile(text, f"{path}: contexts.{name}", flags) for name, text in given.items()}
        for given in (lines.contexts, lines.text_contexts)
    )
    rules: dict[str, tuple[Rule, ...]] = {}
    for check, entries in lines.checks.items():
        names = [entry.rule for entry in entries]
        if len(set(names)) != len(names):
            raise LocaleRulesError(f"{path}: checks.{check}: two rules have one name")
        rules[check] = tuple(_rule(entry, lines, f"{path}: checks.{check}.{entry.rule}") for entry in entries)
    calendar = lines.calendar
    return LocaleRules(
        locale=lines.locale,
        name=lines.name,
        digest=_digest(lines),
        rules=rules,
        contexts=contexts,
        text_contexts=text_contexts,
        calendar=CalendarRules(
            {name.casefold(): number for name, number in calendar.months.items()},
            {name.casefold(): number for name, number in calendar.hijri_months.items()},
            {name.casefold(): number for name, number in calendar.weekdays.items()},
            tuple(_form(form, calendar, path) for form in calendar.forms),
            _compile(calendar.same_day, f"{path}: calendar.same_day", 0) if calendar.same_day else None,
            calendar.finds,
            calendar.leaves,
        ),
        quotes=lines.quotes,
        sentence_end=_compile(lines.sentence_end, f"{path}: sentence_end", 0),
        script_kind=lines.script.kind,
        letters=_compile(lines.script.letters, f"{path}: script.letters", 0),
        least_share=lines.script.least_share,
        taiwan_wording=lines.taiwan_wording,
        not_foreign=frozenset(lines.not_foreign),
        place=str(path),
    )


def _rule(line: _RuleLine, lines: _RulesFile, where: str) -> Rule:
    if line.when and line.when not in {**lines.contexts, **lines.text_contexts}:
        raise LocaleRulesError(f"{where}: when: `{line.when}` is not among the contexts")
    # Words follow the locale's case; a pattern says for itself what it ignores.
    flags = regex.IGNORECASE if lines.ignore_case and line.words else 0
    if line.words:
        longest = sorted(line.words, key=len, reverse=True)
        text = lines.word.replace(_WORDS, rf"(?P<word>{'|'.join(map(regex.escape, longest))})")
    else:
        text = line.find or ""
    return Rule(
        name=line.rule,
        pattern=_compile(text, where, flags),
        instead=line.instead,
        words={word.casefold() if flags else word: instead for word, instead in line.words.items()},
        severity=line.severity,
        context=line.when,
        unless=_compile(line.unless, f"{where}: unless", 0) if line.unless else None,
        guards=_compile("|".join(line.guards), f"{where}: guards", 0) if line.guards else None,
        finds=line.finds,
        leaves=line.leaves,
    )


def _form(line: _FormLine, calendar: _CalendarLines, path: Path) -> DateForm:
    text = line.find
    names = calendar.hijri_months if line.calendar == "hijri" else calendar.months
    for mark, known in (("MONTH", names), ("WEEKDAY", calendar.weekdays)):
        longest = sorted(known, key=len, reverse=True)
        text = text.replace(mark, f"(?:{'|'.join(map(regex.escape, longest))})")
    return DateForm(line.calendar, _compile(text, f"{path}: calendar.forms", regex.IGNORECASE))


def _compile(text: str, where: str, flags: int) -> "regex.Pattern[str]":
    try:
        return regex.compile(text, regex.VERSION0 | flags, cache_pattern=False)
    except regex.error as error:
        raise LocaleRulesError(f"{where}: not a regular expression: {error}") from error


def _digest(lines: _RulesFile) -> str:
    plain: Any = lines.model_dump(mode="json")
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
