"""Read the model's one-token verdict: answer, nothing in the documents, or refuse.

The words differ by locale and the tokens by model, so a token counts for the word it begins or completes; the
Simplified twin of a Traditional word counts for that word.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from staffroom.records.policy import PromptBook

__all__ = ["VerdictOdds", "read_verdict", "with_verdict"]

_UNSEEN = -12.0
_TWINS: Mapping[str, str] = {"無": "无", "拒": "拒", "答": "答"}


@dataclass(frozen=True, slots=True)
class VerdictOdds:
    """Natural-log odds of the verdict words.

    nothing: ln P(nothing) - ln P(answer).  refuse: ln P(refuse) - ln(P(answer) + P(nothing)).
    seen: False where none of the words is among the likeliest tokens; then both odds are 0.
    """

    nothing: float
    refuse: float
    seen: bool

    def above(self, nothing: float, refuse: float) -> "VerdictOdds":
        """Return the odds counted from these middles; words that were not seen say nothing either way."""
        if not self.seen:
            return self
        return VerdictOdds(self.nothing - nothing, self.refuse - refuse, True)


def with_verdict(word: str, answer: str) -> str:
    """Return an answer as the model writes it: the verdict word in a line of its own, and what follows from it."""
    return f"{word}\n{answer}"


def read_verdict(log_probabilities: Mapping[str, float], book: PromptBook) -> VerdictOdds:
    """Return the odds of the three verdict words among the likeliest next tokens."""
    mass = {
        word: _mass(log_probabilities, word)
        for word in (book.answer_word, book.nothing_word, book.refuse_word)
    }
    answer, nothing, refuse = (mass[word] for word in (book.answer_word, book.nothing_word, book.refuse_word))
    if answer is None and nothing is None and refuse is None:
        return VerdictOdds(0.0, 0.0, False)
    a, n, r = (_UNSEEN if value is None else value for value in (answer, nothing, refuse))
    return VerdictOdds(n - a, r - math.log(math.exp(a) + math.exp(n)), True)


def _mass(log_probabilities: Mapping[str, float], word: str) -> float | None:
    total = 0.0
    for token, value in log_probabilities.items():
        text = token.strip()
        if text and any(
            form.startswith(text) or text.startswith(form) for form in {word, _TWINS.get(word, word)}
        ):
            total += math.exp(value)
    return math.log(total) if total > 0 else None
