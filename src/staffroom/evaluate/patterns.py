"""Patterns that a pack's author wrote: compiled with bounds, matched with a time limit.

A pattern is foreign code that runs on foreign text. Length, number and time are bounded here; a match that takes
too long raises, and its item stays unscored instead of being guessed.

A pack may give patterns a name and write `(?&name)` in others, as PCRE and Perl write a call of a named group. Here
the name is replaced by its text before anything is compiled, so that an item's digest holds what it was scored by.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

import regex

__all__ = [
    "MAX_PATTERNS",
    "MAX_PATTERN_CHARS",
    "NamedPatterns",
    "PatternTimeout",
    "Patterns",
    "Whitespace",
    "compile_pattern",
]

MAX_PATTERN_CHARS = 2000
MAX_PATTERNS = 64
_MAX_EXPANDED_CHARS = 16_000
_MAX_EXPANDED_CHARS_IN_ALL = 32 << 20
_MAX_TEXT_CHARS = 20_000
_MAX_REPEAT = 5000
_LIMIT_SECONDS = 0.05
# A loaded machine may stop the process for longer than the limit; only what is slow twice is slow.
_SECOND_LIMIT_SECONDS = 0.5
_BLANK = re.compile(r"\s+")
_REPEAT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
# An escaped character and a set in brackets are passed over: what looks like a name there is none.
_NAME = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?&(?P<name>[^()]*)\)", re.DOTALL)


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
    if len(text) > _MAX_EXPANDED_CHARS:
        raise ValueError(f"longer than {_MAX_EXPANDED_CHARS} characters")
    for found in _REPEAT.finditer(text):
        if any(part and int(part) > _MAX_REPEAT for part in found.groups()):
            raise ValueError(f"repeats more than {_MAX_REPEAT} times: {found.group()}")
    try:
        return regex.compile(text, regex.VERSION0, cache_pattern=False)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from error


class NamedPatterns:
    """The patterns to which a pack gives names, for use in others; a name may use the names before it."""

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        """Take each name's alternatives; raises ValueError as `name.index: what is wrong`."""
        self._texts: dict[str, str] = {}
        self._expanded: dict[str, str] = {}
        self._compiled: dict[str, regex.Pattern[str]] = {}
        self._chars = 0
        for name, alternatives in patterns.items():
            parts = []
            for index, text in enumerate(alternatives):
                try:
                    parts.append(self._part(text))
                except ValueError as error:
                    raise ValueError(f"{name}.{index}: {error}") from error
            self._texts[name] = "|".join(parts)

    def expand(self, text: str) -> str:
        """Return a pattern with each `(?&name)` replaced by a group of the name's alternatives.

        Raises ValueError for a name that is not there, and for texts that grow beyond what is compiled.
        """
        if len(text) > MAX_PATTERN_CHARS:
            raise ValueError(f"longer than {MAX_PATTERN_CHARS} characters")
        if text not in self._expanded:
            expanded = _NAME.sub(self._group, text)
            self._chars += len(expanded)
            if len(expanded) > _MAX_EXPANDED_CHARS:
                raise ValueError(f"longer than {_MAX_EXPANDED_CHARS} characters with its names replaced")
            if self._chars > _MAX_EXPANDED_CHARS_IN_ALL:
                raise ValueError("the pack's patterns are longer than 32 MiB with their names replaced")
            self._expanded[text] = expanded
        return self._expanded[text]

    def compile(self, expanded: str) -> "regex.Pattern[str]":
        """Compile an expanded pattern, each once; raises ValueError with what is wrong with it."""
        if expanded not in self._compiled:
            self._compiled[expanded] = compile_pattern(expanded)
        return self._compiled[expanded]

    def _part(self, text: str) -> str:
        compiled = compile_pattern(self.expand(text))
        if compiled.groups:
            raise ValueError("a named pattern must not capture: write (?:...) for (...)")
        if compiled.flags != regex.compile("", regex.VERSION0).flags:
            raise ValueError("a named pattern must not set flags for all: write (?i:...) for (?i)")
        return self.expand(text)

    def _group(self, found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in self._texts:
            near = difflib.get_close_matches(name, self._texts, n=1, cutoff=0.5)
            ask = f"; did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"`{name}` is not under `patterns` in exam.yaml{ask}")
        return f"(?:{self._texts[name]})"


class Patterns:
    """The compiled patterns of a pack, looked up by their text."""

    def __init__(
        self,
        texts: Iterable[str],
        whitespace: Whitespace = Whitespace.REMOVE,
        compiler: Callable[[str], "regex.Pattern[str]"] = compile_pattern,
    ) -> None:
        self.whitespace = whitespace
        self._compiled = {text: compiler(text) for text in dict.fromkeys(texts)}

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
        """Say whether a pattern exceeds the first time limit on a text as given, and four times it once more."""
        compiled = self._compiled[pattern]
        for limit in (_LIMIT_SECONDS, 4 * _LIMIT_SECONDS):
            try:
                compiled.search(text, timeout=limit)
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
