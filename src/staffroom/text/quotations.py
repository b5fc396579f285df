"""Where a text quotes: what stands between 「」, 『』, “” or straight double quotes.

A quotation closes within 200 characters and in the same paragraph; a mark that is not closed so opens nothing.
(This bound lets a stream decide what is a quotation without waiting for the end.)
"""

from collections.abc import Mapping, Sequence

__all__ = ["LONGEST_QUOTATION", "first_open_mark", "protected_spans", "quotations"]

LONGEST_QUOTATION = 200
_CLOSING: Mapping[str, str] = {"「": "」", "『": "』", "“": "”", '"': '"'}


def quotations(text: str) -> list[tuple[int, int]]:
    """Return start and end of each outermost quotation, marks included."""
    spans: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        end = _closed_at(text, place)
        if end:
            spans.append((place, end))
            place = end
        else:
            place += 1
    return spans


def protected_spans(text: str, cited: Sequence[str] = ()) -> list[tuple[int, int]]:
    """Return the merged spans of quotations and of each occurrence of a cited text, in order."""
    spans = quotations(text)
    for quote in cited:
        start = text.find(quote) if quote else -1
        while start >= 0:
            spans.append((start, start + len(quote)))
            start = text.find(quote, start + 1)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def first_open_mark(text: str, spans: Sequence[tuple[int, int]]) -> int:
    """Return the place of the first mark outside `spans` that a longer text may still close, or the text's length."""
    start = max(text.rfind("\n") + 1, len(text) - LONGEST_QUOTATION)
    for place in range(start, len(text)):
        if text[place] in _CLOSING and not any(first <= place < end for first, end in spans):
            return place
    return len(text)


def _closed_at(text: str, start: int) -> int:
    """Return the end of the quotation that opens at `start`, or 0."""
    opening = text[start]
    closing = _CLOSING.get(opening)
    if closing is None:
        return 0
    depth = 1
    for place in range(start + 1, min(len(text), start + LONGEST_QUOTATION)):
        character = text[place]
        if character == "\n":
            return 0
        if character == closing:
            depth -= 1
            if not depth:
                return place + 1
        elif character == opening:
            depth += 1
    return 0
