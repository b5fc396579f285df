"""What a lint of a text finds, and how often over many texts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["LintFinding", "LintRate", "LintReport", "Severity", "lint_rate"]


class Severity(StrEnum):
    """`fault` counts; `doubt` is right in another sense or register: it is shown and does not count."""

    FAULT = "fault"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing that is not of the locale, at `start`..`end` (characters) of the text.

    `check` and `rule` name what found it; `instead` is what the locale writes, or "" where there is no single word.
    """

    check: str
    rule: str
    start: int
    end: int
    found: str
    instead: str
    severity: Severity

    def as_json(self) -> dict[str, object]:
        """Return the finding as a JSON object."""
        return {
            "check": self.check,
            "rule": self.rule,
            "start": self.start,
            "end": self.end,
            "found": self.found,
            "instead": self.instead,
            "severity": self.severity.value,
        }


@dataclass(frozen=True, slots=True)
class LintReport:
    """All findings of one text in order, and how many characters that are not blank were looked at."""

    findings: tuple[LintFinding, ...]
    characters: int

    @property
    def faults(self) -> tuple[LintFinding, ...]:
        """The findings that count."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.FAULT)

    @property
    def clean(self) -> bool:
        """Whether nothing counts."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class LintRate:
    """Faults over many texts: how many texts have one, in all and per check, and faults per 1,000 characters."""

    texts: int
    faulty: int
    faulty_by_check: Mapping[str, int]
    faults: int
    characters: int

    @property
    def share(self) -> float:
        """Share of the texts with at least one fault, 0 without texts."""
        return self.faulty / self.texts if self.texts else 0.0

    @property
    def per_thousand(self) -> float:
        """Faults per 1,000 characters, 0 without text."""
        return 1000 * self.faults / self.characters if self.characters else 0.0


def lint_rate(reports: Iterable[LintReport]) -> LintRate:
    """Return how often texts have faults."""
    texts = faulty = faults = characters = 0
    by_check: dict[str, int] = {}
    for report in reports:
        texts += 1
        characters += report.characters
        found = report.faults
        faults += len(found)
        faulty += bool(found)
        for check in {finding.check for finding in found}:
            by_check[check] = by_check.get(check, 0) + 1
    return LintRate(texts, faulty, MappingProxyType(dict(sorted(by_check.items()))), faults, characters)
