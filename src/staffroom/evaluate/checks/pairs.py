"""Pairs whose two sides differ in more than one fact, so that nobody knows what made the answers differ."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.pack import ExamPack
from staffroom.records.exam import Item

__all__ = ["find_unlike_pairs"]

_LEAST_ALIKE = 0.5


def find_unlike_pairs(pack: ExamPack) -> Iterator[Finding]:
    """Find pairs whose sides share less than half of their wording."""
    first: dict[tuple[str, str], Item] = {}
    for item in pack.items:
        if not item.kind.is_paired:
            continue
        other = first.setdefault((item.kind.value, item.cluster), item)
        if other is item:
            continue
        share = SequenceMatcher(None, other.input, item.input, autojunk=False).ratio()
        if share < _LEAST_ALIKE:
            yield Finding(
                Severity.WARNING,
                item.id,
                f"shares {share:.0%} of its wording with its other side {other.id}: let them differ in one fact only",
            )
