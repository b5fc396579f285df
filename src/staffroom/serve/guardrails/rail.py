"""What a guardrail on text is: it looks at one piece at a time, with what stood before, and says what to change.

A piece lies between two cuts (`text.personal.cuts`). A rail may keep a state from piece to piece; it must not depend
on anything but the text.
"""

from dataclasses import dataclass
from typing import Protocol

from staffroom.records.guardrails import Verdict

__all__ = ["BEFORE", "Edit", "Rail"]

BEFORE = 64
"""Characters of what stood before a piece that its rails see; fewer where the text begins."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A finding at `start`..`end` of a piece.

    verdict: allow does nothing and is not recorded, flag records, mask puts `instead` there, block ends the text
    before the piece.  silent: the rest of a finding that was recorded with an earlier piece.
    """

    start: int
    end: int
    guardrail: str
    verdict: Verdict
    reason: str
    instead: str = ""
    silent: bool = False


class Rail(Protocol):
    """One guardrail on one text."""

    def may(self, before: str, text: str) -> bool:
        """Say quickly whether a text can hold a finding; true for the whole where it is true for a part."""
        ...

    def peek(self, before: str, piece: str) -> list[Edit]:
        """Return what may not be cut within a piece that has no cut, without remembering anything."""
        ...

    def judge(self, before: str, piece: str) -> list[Edit]:
        """Return the findings of a piece; `before` is the end of what stood before it."""
        ...
