"""What a reader of one format hands over: pieces in reading order, before structure and offsets are known."""

import re
from dataclasses import dataclass

from staffroom.records.documents import BadDocument, BadReason, Block, BlockKind, ExtractedText

__all__ = ["Piece", "Reading", "assemble", "is_cjk", "join_lines", "squeeze"]

_SPACES = re.compile(r"[ \t\r\n\f\v\u00a0]+")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200d\u2060\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A heading, paragraph, list item or table row as a reader found it."""

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All pieces of a document; `reader` is the name and version of what read it."""

    pieces: tuple[Piece, ...]
    reader: str
    pages: int = 0
    warnings: tuple[str, ...] = ()


def assemble(reading: Reading, document_digest: str, text_characters: int) -> ExtractedText:
    """Lay the pieces out as one plain text and give each its place in it.

    Paragraphs are parted by an empty line, neighbouring rows and list items by a line end.
    Raises BadDocument (EMPTY, TOO_LARGE).
    """
    parts: list[str] = []
    blocks: list[Block] = []
    place = 0
    last: BlockKind | None = None
    for piece in reading.pieces:
        text = squeeze(piece.text)
        if not text:
            continue
        gap = _gap(last, piece.kind)
        parts += [gap, text]
        start = place + len(gap)
        place = start + len(text)
        last = piece.kind
        if place > text_characters:
            raise BadDocument(
                BadReason.TOO_LARGE,
                f"holds more than {text_characters:,} characters of text",
                hint="split the document into several files",
            )
        blocks.append(Block(piece.kind, piece.level, text, piece.page, start, place))
    whole = "".join(parts)
    if not any(character.isalnum() for character in whole):
        raise BadDocument(
            BadReason.EMPTY, "holds no text", hint="remove it from the job description or give the right file"
        )
    return ExtractedText(
        document_digest, whole, tuple(blocks), reading.pages, reading.reader, reading.warnings
    )


def _gap(last: BlockKind | None, kind: BlockKind) -> str:
    if last is None:
        return ""
    close = (BlockKind.TABLE_ROW, BlockKind.LIST_ITEM)
    return "\n" if last == kind and kind in close else "\n\n"


def squeeze(text: str) -> str:
    """Drop invisible characters and put one space for each run of spaces; the full-width space stays inside."""
    text = text.encode("utf-8", "replace").decode("utf-8") if _has_surrogate(text) else text
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip(" \u3000")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def is_cjk(character: str) -> bool:
    """Say whether a character is Chinese, Japanese or Korean script or full-width punctuation."""
    code = ord(character)
    return (
        0x2E80 <= code <= 0x9FFF
        or 0xAC00 <= code <= 0xD7AF
        or 0xF900 <= code <= 0xFAFF
        or 0xFE30 <= code <= 0xFE4F
        or 0xFF00 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
    )


def join_lines(first: str, second: str) -> str:
    """Join two lines of one paragraph: nothing between Chinese characters, one space between words.

    A hyphen that parts a Latin word at the line end is dropped.
    """
    first, second = first.rstrip(), second.lstrip(" \t\u3000")
    if not first or not second:
        return first + second
    if is_cjk(first[-1]) or is_cjk(second[0]):
        return first + second
    if (
        first[-1] in "-\u00ad\u2010\x02\ufffe"
        and len(first) > 1
        and first[-2].isalpha()
        and second[0].islower()
    ):
        return first[:-1] + second
    return f"{first} {second}"
