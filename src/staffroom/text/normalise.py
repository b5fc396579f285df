"""Bringing texts that say the same into the same characters, for comparing; never for showing."""

import re
import unicodedata

from staffroom.text.script import convert_script, is_han, simplified_characters

__all__ = ["comparable", "squeeze", "to_traditional"]

_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"[\W_]+")


def to_traditional(text: str) -> str:
    """Return the text with runs of Simplified Chinese in Taiwan's characters; words stay as they are."""
    if not simplified_characters(text):
        return text
    parts: list[str] = []
    run = ""
    for character in text:
        if is_han(character):
            run += character
        else:
            parts += [convert_script(run), character]
            run = ""
    return "".join([*parts, convert_script(run)])


def squeeze(text: str) -> str:
    """Return the text with each run of white space, line ends included, as one blank, and none at the ends."""
    return _BLANKS.sub(" ", text).strip()


def comparable(text: str) -> str:
    """Return letters and digits only: NFKC (full-width to half-width), lower case, Traditional characters."""
    return _MARKS.sub("", to_traditional(unicodedata.normalize("NFKC", text)).lower())
