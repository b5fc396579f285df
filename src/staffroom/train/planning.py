"""In which order sequences are learnt: a function of the sequences, the batch and the seed alone.

Sequences that begin alike (one document's excerpts, one set of instructions) come into the same step, where their
beginning is computed once. Which of them, and in which order the groups come, is drawn anew for each epoch.
"""

import random
from collections.abc import Sequence
from itertools import pairwise

from staffroom.engine.training import TrainingSequence, TrainingSettings

__all__ = ["families", "plan_steps"]

_LEAST_SHARED = 32


def plan_steps(
    sequences: Sequence[TrainingSequence], settings: TrainingSettings
) -> tuple[tuple[int, ...], ...]:
    """Return the places in `sequences` that each step learns, over all epochs; a last step may be smaller."""
    groups = families(sequences)
    steps: list[tuple[int, ...]] = []
    for epoch in range(settings.epochs):
        draw = random.Random(f"{settings.seed}/{epoch}")
        order = [draw.sample(group, len(group)) for group in draw.sample(groups, len(groups))]
        flat = [place for group in order for place in group]
        steps += [
            tuple(flat[begin : begin + settings.batch]) for begin in range(0, len(flat), settings.batch)
        ]
    return tuple(steps)


def families(sequences: Sequence[TrainingSequence]) -> list[list[int]]:
    """Return places of sequences that share at least 32 tokens more than all of them do, in a fixed order."""
    order = sorted(range(len(sequences)), key=lambda place: (sequences[place].tokens, place))
    if not order:
        return []
    everyone = _common(sequences[order[0]].tokens, sequences[order[-1]].tokens)
    groups = [[order[0]]]
    for before, place in pairwise(order):
        shared = _common(sequences[before].tokens, sequences[place].tokens)
        if shared - everyone >= _LEAST_SHARED:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    for count, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return count
    return min(len(left), len(right))
