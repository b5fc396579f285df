"""Items whose answers nobody can check, because they do not say where they come from."""

from collections.abc import Iterator

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.pack import ExamPack
from staffroom.records.exam import Kind

__all__ = ["find_missing_sources"]

_SOURCED = (Kind.CHOICE, Kind.SHORT, Kind.DILEMMA, Kind.SURVEY)


def find_missing_sources(pack: ExamPack) -> Iterator[Finding]:
    """Find an empty SOURCES.md, and items with a right answer or shares that have no `reference`."""
    if not pack.sources.strip():
        yield Finding(
            Severity.WARNING, "", "SOURCES.md is empty: say where the items come from, and their licence"
        )
    lacking = [item for item in pack.items if item.kind in _SOURCED and not item.reference]
    if lacking:
        yield Finding(
            Severity.WARNING,
            lacking[0].id,
            f"{len(lacking)} items name no `reference`, so nobody can check their answers",
        )
