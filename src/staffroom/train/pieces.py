"""Cutting a training text into the pieces in which a question could hide, and undoing the plainest disguises.

A question of an exam is one to four sentences long, so every run of one to four sentences is a piece. What has no sentences
is cut by length. It knows nothing of exams.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from staffroom.text import folded
from staffroom.text.script import is_han

__all__ = ["decoded", "pieces", "size_of"]

_END = re.compile(r"[。！？!?；;]+|\n+|(?<=[.؟])\s+")
_RUN = 4
_LEAST = 5.0
_LETTERS_PER_HAN = 3
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HAN = "㐀-鿿豈-﫿\U00020000-\U000323af"
_BETWEEN = re.compile(rf"(?<=[{_HAN}])[A-Za-z]{{1,2}}(?=[{_HAN}])")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_READABLE = 0.8


def size_of(plain: str) -> float:
    """Return how much a folded text says: a Han character counts 1, any other letter or digit a third."""
    han = sum(map(is_han, plain))
    return han + (len(plain) - han) / _LETTERS_PER_HAN


def pieces(text: str, longest: float) -> Iterator[str]:
    """Yield the runs of one to four sentences of a text of a size up to `longest`, and slices of longer ones.

    The whole text is the first piece if it is not too long. A piece may come twice; the smallest are left out.
    """
    if size_of(folded(text)) <= longest:
        yield text.strip()
    ends = [match.end() for match in _END.finditer(text)]
    spans = [
        (start, end)
        for start, end in zip([0, *ends], [*ends, len(text)], strict=True)
        if text[start:end].strip()
    ]
    sizes = [size_of(folded(text[start:end])) for start, end in spans]
    for first, (start, end) in enumerate(spans):
        total = 0.0
        for last in range(first, min(len(spans), first + _RUN)):
            total += sizes[last]
            if total > longest:
                break
            if total >= _LEAST:
                yield text[start : spans[last][1]].strip()
        if sizes[first] > longest:
            yield from _slices(text[start:end], longest)


def decoded(text: str) -> Iterator[str]:
    """Yield other readings of a text: entities, percent signs and escapes undone, base64 read, letters taken from between
    Han characters.
    """
    for reading in (
        html.unescape(text),
        unquote(text),
        _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text),
        _BETWEEN.sub("", text),
    ):
        if reading != text:
            yield reading
    for match in _BASE64.finditer(text):
        plain = _from_base64(match.group())
        if plain:
            yield plain


def _slices(sentence: str, longest: float) -> Iterator[str]:
    plain = folded(sentence)
    width = max(4, int(longest / 2 * len(sentence) / max(size_of(plain), 1.0)))
    step = max(1, width // 2)
    for start in range(0, max(1, len(sentence) - width + step), step):
        yield sentence[start : start + width].strip()


def _from_base64(run: str) -> str:
    padded = run.rstrip("=").replace("-", "+").replace("_", "/")
    padded += "=" * (-len(padded) % 4)
    try:
        plain = base64.b64decode(padded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    printable = sum(sign.isprintable() or sign.isspace() for sign in plain)
    return plain if plain and printable >= _READABLE * len(plain) else ""
