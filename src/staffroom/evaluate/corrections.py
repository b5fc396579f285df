"""Whether an answer follows a correction: the corrected answer rather than the wrong one, by rules that need no judge.

1. Declining: where the corrected answer declines, the answer must too; where it does not, the answer must not.
2. Numbers that tell the two apart (amounts, days; numbers of articles and of the question aside): all that only the corrected
   answer has must be there, none that only the wrong one has may be.
3. Where no number tells them apart: the answer shares more character pairs with the corrected answer than with the wrong
   one, and at least a tenth (F score).

It does not know whether the correction is right, and takes a paraphrase without the words of either for a miss. That is
why such items only compare two agents, and never carry a score of their own into a decision.
"""

from collections.abc import Callable
from dataclasses import dataclass

from staffroom.text.ngrams import character_ngrams
from staffroom.text.numbers import numbers_in, without_references

__all__ = ["Agreement", "compare_with_correction"]

_LEAST_SHARED = 0.1
_PAIR = 2


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether an answer agrees with a correction, and why, in one phrase."""

    agrees: bool
    declined: bool
    reason: str


def compare_with_correction(
    question: str, answer: str, corrected: str, wrong: str, declines: Callable[[str], bool]
) -> Agreement:
    """Return whether an answer follows the corrected one; wrong: the answer that it replaces, or an empty text."""
    declined, should = declines(answer), declines(corrected)
    if declined != should:
        return Agreement(
            False, declined, "declines to answer" if declined else "answers what was to be declined"
        )
    if should:
        return Agreement(True, declined, "declines as the correction does")
    asked = _numbers(question)
    right, bad, given = _numbers(corrected), _numbers(wrong), _numbers(answer)
    needed, barred = right - bad - asked, bad - right - asked
    if found := sorted(given & barred):
        return Agreement(False, declined, f"has {found[0]}, as the wrong answer has")
    if missing := sorted(needed - given):
        return Agreement(False, declined, f"lacks {missing[0]}, which the correction has")
    if needed:
        return Agreement(True, declined, f"has {', '.join(sorted(needed))} as the correction has")
    near, far = _shared(answer, corrected), _shared(answer, wrong)
    agrees = near > far and near >= _LEAST_SHARED
    return Agreement(
        agrees, declined, f"shares {near:.2f} with the correction, {far:.2f} with the wrong answer"
    )


def _numbers(text: str) -> set[str]:
    return set(numbers_in(without_references(text)))


def _shared(one: str, other: str) -> float:
    first, second = character_ngrams(one, _PAIR), character_ngrams(other, _PAIR)
    return 2 * len(first & second) / (len(first) + len(second)) if first and second else 0.0
