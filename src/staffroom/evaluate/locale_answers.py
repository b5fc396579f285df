"""The language of free answers: items of kind `locale` whose pack asks for checks, and rates over all open answers.

The rules of a locale come with the program (`staffroom.text.lint`) or with the pack, in its folder `locale`. Their digest is
part of the pack's: scores by other rules are scores of another pack.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus
from staffroom.text.lint import (
    LINT_CHECKS,
    LintReport,
    LocaleRules,
    LocaleRulesError,
    failing_examples,
    lint,
    lint_rate,
    linted_locales,
    load_locale_rules,
    locale_rules,
)

__all__ = [
    "LOCALE_CHECK",
    "AnswerRules",
    "LocaleCheck",
    "answer_rates",
    "answer_rules_of",
    "check_answer",
    "scorer_in",
]

LOCALE_CHECK = "lint/1"
LocaleCheck = Literal["language", "script", "vocabulary", "dates", "numbers", "money", "address"]
_FOLDER = "locale"
_HINT = "staffroom exam packs --new-locale FOLDER writes a pack with rules of its own to start from"


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """The rules of a pack's locale, and which of their checks it wants in which facet."""

    rules: LocaleRules
    checks: Mapping[str, tuple[str, ...]]

    def of(self, item: Item) -> tuple[str, ...]:
        """Return the checks that an item's answer must pass; only items of kind `locale` have any."""
        return self.checks.get(item.facet, ()) if item.kind is Kind.LOCALE else ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return all checks that some facet wants, in their order."""
        return tuple(name for name in LINT_CHECKS if any(name in some for some in self.checks.values()))


def answer_rules_of(
    folder: Path, locale: str, checks: Mapping[str, tuple[str, ...]], facets: Iterable[str]
) -> AnswerRules | None:
    """Return the rules by which a pack's free answers are checked, None where it wants no check.

    checks: by facet. Raises WrongUse where a facet is unknown, there are no rules for the locale, or the pack's own ones
    are at fault.
    """
    if not checks:
        return None
    if unknown := set(checks) - set(facets):
        name = min(unknown)
        raise WrongUse(
            f"locale_checks.{name}: no facet has this name",
            where=str(folder / "exam.yaml"),
            hint="name a facet that stands under `facets`",
        )
    own = folder / _FOLDER
    try:
        rules = load_locale_rules(own) if own.is_dir() else locale_rules(locale)
    except LocaleRulesError as error:
        raise WrongUse(f"locale_checks: {error}", where=str(folder / "exam.yaml"), hint=_HINT) from error
    if own.is_dir():
        if rules.locale != locale:
            raise WrongUse(
                f"the rules are for {rules.locale}, the pack for {locale}", where=rules.place, hint=_HINT
            )
        if faults := failing_examples(rules):
            raise WrongUse("\n".join(faults[:10]), where=rules.place, hint="correct the rule or its example")
    return AnswerRules(rules, MappingProxyType(dict(checks)))


def scorer_in(item: Item, scorer: str, rules: AnswerRules | None) -> str:
    """Return the name of an item's scorer with the check that its pack adds to it."""
    return f"{scorer}+{LOCALE_CHECK}" if rules is not None and rules.of(item) else scorer


def check_answer(item: Item, score: Score, text: str, rules: AnswerRules | None) -> Score:
    """Return the score of an answer after the pack's checks: 0 where one of them finds a fault.

    text: the answer as served. Only items of kind `locale` are checked; a score of 0 and an unscored one stay. A rule that
    takes too long leaves the item unscored.
    """
    if rules is None or not rules.of(item):
        return score
    score = replace(score, scorer=scorer_in(item, score.scorer, rules))
    if score.status is not ScoreStatus.SCORED or score.value == 0:
        return score
    try:
        faults = lint(text, rules.rules, checks=rules.of(item)).faults
    except TimeoutError:
        reason = f"a rule of {rules.rules.locale} took too long on the answer"
        return replace(score, value=0.0, status=ScoreStatus.UNSCORED, reason=reason)
    if not faults:
        return replace(score, reason=f"{score.reason}; nothing foreign to {rules.rules.locale}")
    first = faults[0]
    instead = f", there: {first.instead[:40]}" if first.instead else ""
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return replace(score, value=0.0, reason=f"{first.check}, {first.rule}: {first.found[:40]}{instead}{more}")


def answer_rates(
    items: Iterable[Item], responses: Mapping[str, Response], locale: str, rules: AnswerRules | None = None
) -> dict[str, Any] | None:
    """Return how many open answers have a fault, as the model wrote them and as served; None for a locale without rules.

    responses: by item id; failed and empty ones are left out.
    """
    found, checks = (rules.rules, rules.wanted) if rules is not None else (None, LINT_CHECKS)
    if found is None:
        if locale not in linted_locales():
            return None
        found = locale_rules(locale)
    raw: list[LintReport] = []
    served: list[LintReport] = []
    for item in items:
        response = responses.get(item.id)
        if item.kind.has_options or response is None or response.error or not response.text.strip():
            continue
        served.append(lint(response.text, found, checks=checks))
        same = response.raw_text in ("", response.text)
        raw.append(served[-1] if same else lint(response.raw_text, found, checks=checks))
    return {
        "locale": found.locale,
        "rules": found.digest,
        "checks": list(checks),
        "answers": len(served),
        "raw": _rate(raw),
        "served": _rate(served),
    }


def _rate(reports: list[LintReport]) -> dict[str, Any]:
    rate = lint_rate(reports)
    return {
        "faulty": rate.faulty,
        "share": round(rate.share, 4),
        "per_1000_characters": round(rate.per_thousand, 3),
        "by_check": dict(rate.faulty_by_check),
    }
