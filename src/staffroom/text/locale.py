"""Whether an answer is in the language, script and words of its locale, and how it is brought there.

For zh-TW: Simplified-only characters, words of other regions, and wrong language. For other locales: wrong
language only, and nothing is repaired. Quotations and texts that the caller cites are set apart: they are
neither counted nor altered. A text is worked on in pieces between marks of punctuation, so that a stream can be
repaired as it comes and gives the same as the whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffroom.text.language import wrong_language
from staffroom.text.quotations import first_open_mark, protected_spans
from staffroom.text.script import simplified_characters
from staffroom.text.wording import BORDERS, find_wording, repair_wording

__all__ = ["Change", "LocaleFindings", "StreamRepair", "check", "repair"]

_TAIWAN = "zh-TW"


@dataclass(frozen=True, slots=True)
class LocaleFindings:
    """What is not of the locale: Simplified-only characters, (found, instead) words, and the language if wrong.

    `wrong_language` is the ISO 639-1 code of the language found instead, or "".
    """

    simplified: tuple[str, ...] = ()
    wording: tuple[tuple[str, str], ...] = ()
    wrong_language: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.simplified or self.wording or self.wrong_language)


@dataclass(frozen=True, slots=True)
class Change:
    """A piece that was repaired: what stood there and what stands there now."""

    before: str
    after: str


def check(text: str, locale: str, cited: Sequence[str] = ()) -> LocaleFindings:
    """Return what in `text` is not of `locale`; `cited` are exact texts that are set apart like quotations."""
    pieces = [piece for piece, kept in _pieces(text, cited) if not kept]
    language = wrong_language("".join(pieces), locale) or ""
    if locale != _TAIWAN:
        return LocaleFindings(wrong_language=language)
    words = tuple((item.found, item.instead) for piece in pieces for item in find_wording(piece))
    characters = tuple(character for piece in pieces for character in simplified_characters(piece))
    return LocaleFindings(characters, words, language)


def repair(text: str, locale: str, cited: Sequence[str] = ()) -> tuple[str, tuple[Change, ...]]:
    """Return the text in the locale's script and words, and what was changed; repairing twice changes nothing.

    The language itself is not translated.
    """
    if locale != _TAIWAN:
        return text, ()
    parts: list[str] = []
    changes: list[Change] = []
    for piece, kept in _pieces(text, cited):
        repaired = piece if kept else repair_wording(piece)
        parts.append(repaired)
        if repaired != piece:
            changes.append(Change(piece, repaired))
    return "".join(parts), tuple(changes)


class StreamRepair:
    """Repairs a text that comes in parts; what `feed` and `finish` return adds up to `repair` of the whole.

    It holds back what a later part may still change: the piece since the last mark of punctuation, an open
    quotation (at most 200 characters), and as many characters as the longest cited text has.
    """

    def __init__(self, locale: str, cited: Sequence[str] = ()) -> None:
        self._locale = locale
        self._cited = tuple(cited)
        self._ahead = max(map(len, self._cited), default=1) - 1
        self._text = ""

    def feed(self, text: str) -> str:
        """Take the next part and return what is certain now."""
        if self._locale != _TAIWAN:
            return text
        self._text += text
        # The last piece may go on, an open mark may be closed, and a cited text may have begun.
        spans = protected_spans(self._text, self._cited)
        open_mark = first_open_mark(self._text, spans)
        return self._release(min(len(self._text) - 1, open_mark, len(self._text) - self._ahead))

    def finish(self) -> str:
        """Return the rest."""
        return self._release(len(self._text))

    def _release(self, certain: int) -> str:
        parts: list[str] = []
        place = 0
        for piece, kept in _pieces(self._text, self._cited):
            if place + len(piece) > certain:
                break
            parts.append(piece if kept else repair_wording(piece))
            place += len(piece)
        self._text = self._text[place:]
        return "".join(parts)


def _pieces(text: str, cited: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield the text in pieces with whether each is set apart; together they are the text."""
    place = 0
    for start, end in protected_spans(text, cited):
        yield from ((piece, False) for piece in _between_borders(text[place:start]))
        yield text[start:end], True
        place = end
    yield from ((piece, False) for piece in _between_borders(text[place:]))


def _between_borders(text: str) -> Iterator[str]:
    """Yield pieces that each end behind a blank or a mark of punctuation."""
    start = 0
    for place, character in enumerate(text):
        if character in BORDERS:
            yield text[start : place + 1]
            start = place + 1
    if start < len(text):
        yield text[start:]
