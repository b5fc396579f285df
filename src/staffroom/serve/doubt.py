"""How doubtful it is, before anything is written, that the excerpts answer the question.

1. The model's one-token verdict gives odds (`serve.verdict`).
2. Where words and vectors rank different chunks first, neither has found the place: their disagreement is added.
3. Where the question asks for a kind of quantity that no shown excerpt names, there is nothing to write.

It looks at ranks and notations only; what the excerpts mean is the model's part.
"""

import math
from collections.abc import Sequence

from staffroom.records.agent import Retrieved
from staffroom.text.quantities import asked_quantities, names_quantity

__all__ = ["disagreement", "missing_quantity"]

_UNRANKED = 100
"""Rank of a chunk that an arm did not find: both arms list a hundred."""


def disagreement(found: Sequence[Retrieved]) -> float:
    """Return the least ln(rank by words) + ln(rank by vectors) of the excerpts, in nats.

    0 where both arms rank one of them first; without excerpts as if no arm had found any.
    """
    return min(
        (math.log(item.lexical_rank or _UNRANKED) + math.log(item.dense_rank or _UNRANKED) for item in found),
        default=2 * math.log(_UNRANKED),
    )


def missing_quantity(question: str, shown: str) -> str:
    """Return the first kind of quantity that the question asks for and the shown excerpts do not name, or ""."""
    return next((kind for kind in asked_quantities(question) if not names_quantity(shown, kind)), "")
