"""Patterns that a pack's author wrote: compiled with bounds, matched with a time limit.

A pattern is foreign code that runs on foreign text. Length, number and time are bounded here; a match that takes
too long raises, and its item stays unscored instead of being guessed.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import regex

__all__ = ["MAX_PATTERNS", "MAX_PATTERN_CHARS", "PatternTimeout", "Patterns", "Whitespace", "compile_pattern"]

MAX_PATTERN_CHARS = 2000
MAX_PATTERNS = 64
_MAX_TEXT_CHARS = 20_000
_MAX_REPEAT = 5000
_LIMIT_SECONDS = 0.05
# A loaded machine may stop the process for longer than the limit; only what is slow twice is slow.
_SECOND_LIMIT_SECONDS = 0.5
_BLANK = re.compile(r"\s+")
_REPEAT = re.compile(r"\{(\d*)(?:,(\d*))?\}")


class Whitespace(StrEnum):
    """What happens to whitespace before patterns are tried: all removed, or runs made one space."""

    REMOVE = "remove"
    SINGLE = "single"

    def apply(self, text: str) -> str:
        """Return the text as patterns see it (U+3000 is whitespace too)."""
        if self is Whitespace.REMOVE:
            return _BLANK.sub("", text)
        return _BLANK.sub(" ", text).strip()


class PatternTimeout(Exception):
    """A pattern took longer than its limit on a text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"a pattern took longer than {_SECOND_LIMIT_SECONDS} s: {pattern[:80]}")
        self.pattern = pattern


def compile_pattern(text: str) -> "regex.Pattern[str]":
    """Compile one pattern; raises ValueError with what is wrong with it."""
    if not text:
        raise ValueError("an empty pattern matches everything")
    if len(text) > MAX_PATTERN_CHARS:
        raise ValueError(f"longer than {MAX_PATTERN_CHARS} characters")
    for found in _REPEAT.finditer(text):
        if any(part and int(part) > _MAX_REPEAT for part in found.groups()):
            raise ValueError(f"repeats more than {_MAX_REPEAT} times: {found.group()}")
    try:
        return regex.compile(text, regex.VERSION0, cache_pattern=False)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from error


class Patterns:
    """The compiled patterns of a pack, looked up by their text."""

    def __init__(self, texts: Iterable[str], whitespace: Whitespace = Whitespace.REMOVE) -> None:
        self.whitespace = whitespace
        self._compiled = {text: compile_pattern(text) for text in dict.fromkeys(texts)}

    def first_match(self, patterns: Sequence[str], text: str) -> int | None:
        """Return the index of the first pattern found in the text, None if none is.

        The text is normalised and cut at 20,000 characters. Raises PatternTimeout.
        """
        prepared = self.whitespace.apply(text)[:_MAX_TEXT_CHARS]
        for index, pattern in enumerate(patterns):
            if self._found(pattern, prepared):
                return index
        return None

    def is_slow(self, pattern: str, text: str) -> bool:
        """Say whether a pattern exceeds the first time limit on a text as given."""
        compiled = self._compiled[pattern]
        for _ in range(2):
            try:
                compiled.search(text, timeout=_LIMIT_SECONDS)
            except TimeoutError:
                continue
            return False
        return True

    def _found(self, pattern: str, text: str) -> bool:
        compiled = self._compiled[pattern]
        try:
            return compiled.search(text, timeout=_LIMIT_SECONDS) is not None
        except TimeoutError:
            pass
        try:
            return compiled.search(text, timeout=_SECOND_LIMIT_SECONDS) is not None
        except TimeoutError as error:
            raise PatternTimeout(pattern) from error
