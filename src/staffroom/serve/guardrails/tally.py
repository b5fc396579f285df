"""Counting what the guardrails did, without any text."""

from collections import Counter
from collections.abc import Iterable

from staffroom.records.guardrails import GUARDRAIL_VERSIONS, Ruling, Stage, Verdict

__all__ = ["Tally"]


class Tally:
    """Rulings of one request, each kind of them once with its count."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Stage, Verdict, str]] = Counter()

    def note(self, guardrail: str, stage: Stage, verdict: Verdict, reason: str, count: int = 1) -> None:
        """Count one ruling."""
        self._counts[guardrail, stage, verdict, reason] += count

    def add(self, rulings: Iterable[Ruling]) -> None:
        """Count rulings that were counted elsewhere."""
        for ruling in rulings:
            self.note(ruling.guardrail, ruling.stage, ruling.verdict, ruling.reason, ruling.count)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """All rulings, in an order that depends on them alone."""
        return tuple(
            Ruling(name, GUARDRAIL_VERSIONS[name], stage, verdict, reason, count)
            for (name, stage, verdict, reason), count in sorted(self._counts.items())
        )
