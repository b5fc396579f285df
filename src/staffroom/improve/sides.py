"""Which side a correction goes to: 70 % may train, 30 % are examined ever after and never train.

By its digest, so that nobody chooses; once, so that nothing learnt is ever examined. A case that shares its person, its passage
or its question with an earlier one goes where that one went: otherwise what was learnt from one side would answer
the other. Where earlier ones went to both sides, it goes to neither.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from staffroom.records.feedback import Correction, Side
from staffroom.text.normalise import comparable

__all__ = ["TRAIN_SHARE", "SideOfCase", "assign_side", "cases_of"]

TRAIN_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class SideOfCase:
    """Where the cases of an earlier correction went."""

    side: Side
    cases: frozenset[str]


def cases_of(correction: Correction, passage: str = "") -> frozenset[str]:
    """Return what makes two corrections one case: person, passage and question, as digests."""
    parts = {
        "person": correction.person,
        "passage": passage or correction.passage,
        "question": comparable(correction.question),
    }
    return frozenset(
        hashlib.sha256(f"{what}|{value}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        for what, value in parts.items()
        if value
    )


def assign_side(digest: str, cases: frozenset[str], earlier: Iterable[SideOfCase]) -> Side:
    """Return the side of a correction with these cases, after those that were assigned before it."""
    near = {one.side for one in earlier if one.cases & cases}
    if Side.ASIDE in near or len(near) > 1:
        return Side.ASIDE
    if near:
        return near.pop()
    drawn = int.from_bytes(hashlib.sha256(f"side|{digest}".encode()).digest()[:6], "big") / 2**48
    return Side.TRAIN if drawn < TRAIN_SHARE else Side.REGRESSION
