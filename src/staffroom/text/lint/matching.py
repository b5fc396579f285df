"""Applying pattern and word rules to a text whose quotations are already set apart.

A rule bound to a context gives a fault where its sentence shows the context, or holds another word that is bound to
the same one; elsewhere the same finding is a doubt. Where findings overlap, the earlier and then the longer one stays.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import regex

from staffroom.text.lint.finding import LintFinding, Severity
from staffroom.text.lint.rules import LocaleRules, Rule

__all__ = ["apply_rules", "without_overlaps"]

# A pack may bring its own patterns; one that backtracks for ever raises TimeoutError.
_LIMIT_SECONDS = 2.0


def apply_rules(text: str, check: str, rules: LocaleRules) -> list[LintFinding]:
    """Return what the rules of one check find in a text, in order and without overlaps; raises TimeoutError."""
    sentences = _Sentences(text, rules.sentence_end)
    found: list[tuple[LintFinding, str]] = []
    for rule in rules.rules.get(check, ()):
        found += ((finding, rule.context) for finding in _of_rule(text, check, rule, sentences))
    bound: dict[tuple[int, str], set[str]] = {}
    for finding, context in found:
        if context:
            bound.setdefault((sentences.number(finding.start), context), set()).add(finding.found)
    findings = []
    for finding, context in found:
        if context and len(bound[sentences.number(finding.start), context]) < 2:
            pattern = rules.contexts.get(context)
            shown = (
                pattern.search(sentences.around(finding.start), timeout=_LIMIT_SECONDS)
                if pattern is not None
                else rules.text_contexts[context].search(text, timeout=_LIMIT_SECONDS)
            )
            if not shown:
                finding = replace(finding, severity=Severity.DOUBT)
        findings.append(finding)
    return without_overlaps(findings)


def without_overlaps(findings: Iterable[LintFinding]) -> list[LintFinding]:
    """Return the findings in order; of two that overlap a fault stays, then the earlier, then the longer."""
    kept: list[LintFinding] = []
    ranked = sorted(findings, key=lambda one: (one.severity is Severity.DOUBT, one.start, -one.end, one.rule))
    for finding in ranked:
        if all(finding.end <= other.start or other.end <= finding.start for other in kept):
            kept.append(finding)
    return sorted(kept, key=lambda one: one.start)


def _of_rule(text: str, check: str, rule: Rule, sentences: "_Sentences") -> Iterator[LintFinding]:
    guarded: list[tuple[int, int]] | None = None
    for match in rule.pattern.finditer(text, timeout=_LIMIT_SECONDS):
        name = "word" if rule.words else 0
        start, end = match.span(name)
        if start == end:
            continue
        if rule.guards is not None:
            if guarded is None:
                guarded = [
                    one.span() for one in rule.guards.finditer(text, overlapped=True, timeout=_LIMIT_SECONDS)
                ]
            if _is_guarded(start, end, guarded):
                continue
        if rule.unless is not None and rule.unless.search(sentences.around(start), timeout=_LIMIT_SECONDS):
            continue
        found = text[start:end]
        instead = rule.words.get(found, rule.words.get(found.casefold(), "")) if rule.words else ""
        if rule.instead:
            instead = rule.instead
        yield LintFinding(check, rule.name, start, end, found, instead, rule.severity)


def _is_guarded(start: int, end: int, guards: Sequence[tuple[int, int]]) -> bool:
    """Say whether a guard shares a character with the place without lying inside it, or is the whole of it."""
    return any(
        first < end
        and start < last
        and not (start <= first and last <= end and (first, last) != (start, end))
        for first, last in guards
    )


class _Sentences:
    """A text cut behind its sentence ends, looked up by place."""

    def __init__(self, text: str, end: "regex.Pattern[str]") -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in end.finditer(text))]

    def number(self, place: int) -> int:
        """Return which sentence a place is in, from 0."""
        return bisect_right(self._starts, place) - 1

    def around(self, place: int) -> str:
        """Return the sentence a place is in."""
        number = self.number(place)
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._text)
        return self._text[self._starts[number] : end]
