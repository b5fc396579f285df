"""How doubtful it is, before anything is written, that the excerpts answer the question.

1. The model's one-token verdict gives odds (`serve.verdict`).
2. Where words and vectors rank different chunks first, neither has found the place: their disagreement is added.
3. The sentence that could be the answer (one that names the kind of quantity asked for, any where none is asked for)
   should be close to the question: how far it is from that is added.
4. Where the question asks for a kind of quantity that no shown excerpt names, there is nothing to write.

It looks at ranks, cosines and notations; what the excerpts mean is the model's part.
"""

import math
from collections.abc import Sequence

from staffroom.records.agent import Retrieved
from staffroom.serve.grounding import excerpt_window, sentences
from staffroom.text.quantities import asked_quantities, names_quantity

__all__ = ["disagreement", "missing_quantity", "possible_answers"]

_SHORTEST_SENTENCE = 4
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


def possible_answers(question: str, found: Sequence[Retrieved], characters: int) -> list[str]:
    """Return the shown sentences that could be the answer, each behind the last heading above it.

    characters: how much of each excerpt is shown at most. Empty where a quantity is asked for and none is shown.
    """
    kinds = asked_quantities(question)
    return [
        f"{' '.join(item.heading_path[-1:])} {sentence}"
        for item in found
        for sentence in sentences(excerpt_window(item.text, item.focus, characters))
        if len(sentence) >= _SHORTEST_SENTENCE
        and (not kinds or any(names_quantity(sentence, kind) for kind in kinds))
    ]
