"""Answers that must equal a target: how the answer is taken out of a response, and what does not count in comparing.

1. The response ends before the first `until` text in it.
2. The steps are taken in order: a search, blanks off the ends, lower or upper case, a table.
3. What `ignore_patterns` find is taken out of both sides; case, punctuation and digits do not count where the rule
   says so.
4. Right is who then equals one of the targets, letter by letter.

Steps and comparison are those of lm-eval's filters and of its exact_match (lm_eval/filters, lm_eval/api/metrics.py,
version 0.4.13), so that an imported task scores each response as there. Patterns come from strangers and run with a
time limit.
"""

import string
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from staffroom.evaluate.patterns import MAX_PATTERN_CHARS, PatternTimeout, compile_pattern

__all__ = ["MatchRule", "MatchStep", "Matcher"]

_MAX_TEXT_CHARS = 100_000
_SECONDS = 0.5
_DIGITS = str.maketrans("", "", string.digits)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_Text = Annotated[str, Field(max_length=MAX_PATTERN_CHARS)]


class MatchStep(BaseModel):
    """One step from a response to its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Literal["search", "strip", "lower", "upper", "table"]
    pattern: _Text = Field(
        "", description="search: what is looked for; its first group that found something counts."
    )
    select: int = Field(0, ge=-100, le=100, description="search: which of the places found; -1 is the last.")
    fallback: _Text = Field("[invalid]", description="search: the answer where nothing is found.")
    table: dict[_Text, _Text] = Field(
        default_factory=dict, max_length=1000, description="table: answer to answer."
    )
    otherwise: _Text = Field("", description="table: the answer for what is not in it.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "MatchStep":
        if (self.step == "search") != bool(self.pattern):
            raise ValueError("a search has a pattern, and no other step has one")
        if bool(self.table) and self.step != "table":
            raise ValueError("only a table step has a table")
        return self


class MatchRule(BaseModel):
    """How a pack's `match` items are scored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: tuple[_Text, ...] = Field((), max_length=64, description="Texts before which a response ends.")
    steps: tuple[MatchStep, ...] = Field(
        (), max_length=16, description="From the response to the answer, in order."
    )
    ignore_patterns: tuple[_Text, ...] = Field(
        (), max_length=64, description="Taken out of answer and target."
    )
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_digits: bool = False


class Matcher:
    """A rule with its patterns compiled; raises ValueError for one that is no pattern."""

    def __init__(self, rule: MatchRule) -> None:
        self.rule = rule
        self._searches = {step.pattern: compile_pattern(step.pattern) for step in rule.steps if step.pattern}
        self._ignored = [compile_pattern(text) for text in rule.ignore_patterns]

    def answer_in(self, response: str) -> str:
        """Return the answer that a response holds; raises PatternTimeout."""
        text = response[:_MAX_TEXT_CHARS]
        for end in self.rule.until:
            if end:
                text = text.split(end, 1)[0]
        for step in self.rule.steps:
            text = self._step(step, text)
        return text

    def is_right(self, response: str, targets: Sequence[str]) -> bool:
        """Say whether the answer in a response equals one of the targets; raises PatternTimeout."""
        (answer,) = self._comparable([self.answer_in(response)])
        return answer in self._comparable(targets)

    def _step(self, step: MatchStep, text: str) -> str:
        if step.step == "search":
            return self._search(step, text)
        if step.step == "table":
            return step.table.get(text, step.otherwise)
        if step.step == "strip":
            return text.strip()
        return text.lower() if step.step == "lower" else text.upper()

    def _search(self, step: MatchStep, text: str) -> str:
        pattern = self._searches[step.pattern]
        try:
            found = pattern.findall(text, timeout=_SECONDS)
        except TimeoutError as error:
            raise PatternTimeout(step.pattern) from error
        if not -len(found) <= step.select < len(found):
            return step.fallback
        place = found[step.select]
        if isinstance(place, tuple):
            place = next((group for group in place if group), None)
            if place is None:
                return step.fallback.strip()
        return str(place).strip()

    def _comparable(self, texts: Sequence[str]) -> list[str]:
        changed = list(texts)
        for pattern in self._ignored:
            try:
                changed = [pattern.sub("", text, timeout=_SECONDS) for text in changed]
            except TimeoutError as error:
                raise PatternTimeout(pattern.pattern) from error
        # There the texts are a numpy array: a cell is as wide as the longest, and zeros at its end are lost.
        if self.rule.ignore_case:
            width = max(map(len, changed), default=0)
            changed = [text.lower()[:width] for text in changed]
        if self.rule.ignore_punctuation:
            changed = [text.translate(_PUNCTUATION) for text in changed]
        if self.rule.ignore_digits:
            changed = [text.translate(_DIGITS) for text in changed]
        return [text.rstrip("\0") for text in changed]
