"""Recognise the structure that by-laws and statutes carry in their wording: 編 章 節 條, and 一、 （一） 1.

It works on plain paragraphs of any format. It does not know the law: a heading is what looks like one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from staffroom.onboard.readers.pieces import Piece, squeeze
from staffroom.records.documents import BlockKind

__all__ = ["Division", "division_of", "list_level", "mark_structure", "number_of"]

_NUMBER = r"[0-9０-９〇零一二三四五六七八九十百千]+"
_ARTICLE = re.compile(
    rf"第\s*({_NUMBER})\s*(?:[-－–—之]\s*({_NUMBER})\s*)?條(?:\s*之\s*({_NUMBER}))?"
    r"(?P<rest>$|[\s　：:]*[（(][^（）()]{1,40}[）)]\s*$|[\s　：:]+(?!第|規定|所|之|及|或|與|至|前段|後段).*)",
    re.DOTALL,
)
_DIVISION = re.compile(
    rf"第\s*({_NUMBER})\s*([編章節款目])(?P<rest>$|[\s　]+[^。；]{{1,40}}$|(?![所之規及或與至第、，])[^，。；：、\s]{{1,20}}$)"
)
_LATIN = re.compile(
    r"(Article|Art\.|§|Section|Chapter|Part|Title)\s*([0-9]+(?:[.\-][0-9]+)*[A-Za-z]?|[IVXLC]+)\b"
    r"(?P<rest>[.:]?\s*$|[.:\s–—-]\s*[^.;]{1,80}$)"
)
_LATIN_RANK: Mapping[str, int] = {
    "Title": 1,
    "Part": 1,
    "Chapter": 2,
    "Section": 3,
    "Article": 6,
    "Art.": 6,
    "§": 6,
}
_RANK: Mapping[str, int] = {"編": 1, "章": 2, "節": 3, "款": 4, "目": 5}
_ARTICLE_RANK = 6
_LIST = (
    (1, re.compile(r"[一二三四五六七八九十百]+、")),
    (2, re.compile(r"[（(][一二三四五六七八九十]+[）)]")),
    (3, re.compile(r"[0-9０-９]{1,3}[.．、](?=\s*[^\s0-9０-９])")),
    (4, re.compile(r"[（(][0-9０-９]{1,3}[）)]")),
    (1, re.compile(r"[•●○■□◆◇▪▸‧・](?=\s*\S)")),
)
_ENDS = "。；，、：:;,.!?！？"
_DIGITS: Mapping[str, int] = {"〇": 0, "零": 0, **{c: i for i, c in enumerate("一二三四五六七八九", 1)}}
_UNITS: Mapping[str, int] = {"十": 10, "百": 100, "千": 1000}
_HEADING_MAX = 25
_TITLE_MAX = 40


@dataclass(frozen=True, slots=True)
class Division:
    """A heading of a statute: rank 1 (編) to 6 (條); `label` is normal form, such as 第13-1條; `rest` follows it."""

    rank: int
    label: str
    head: str
    rest: str

    @property
    def is_article(self) -> bool:
        """Whether this is the unit by which a statute is cited."""
        return self.rank == _ARTICLE_RANK


def division_of(text: str) -> Division | None:
    """Return the division that a line or paragraph opens with, or None."""
    if not text or text[0] not in "第ACPST§":
        return None
    if match := _ARTICLE.match(text):
        branch = match[2] or match[3]
        label = f"第{number_of(match[1])}" + (f"-{number_of(branch)}" if branch else "") + "條"
        rest = match["rest"]
        titled = rest.strip(" \u3000：:")
        if titled.startswith(("（", "(")) and titled.endswith(("）", ")")):
            return Division(_ARTICLE_RANK, label, squeeze(text), "")
        return Division(_ARTICLE_RANK, label, squeeze(text[: match.start("rest")]), titled)
    if match := _DIVISION.match(text):
        rank = _RANK[match[2]]
        return Division(rank, f"第{number_of(match[1])}{match[2]}", squeeze(text), "")
    if match := _LATIN.match(text):
        return Division(_LATIN_RANK[match[1]], f"{match[1]} {match[2]}", squeeze(text), "")
    return None


def number_of(numeral: str) -> int:
    """Return the value of an Arabic (half or full width) or Chinese numeral below ten thousand."""
    if numeral.isdecimal():
        return int(numeral)
    if not any(character in _UNITS for character in numeral):
        return int("".join(str(_DIGITS.get(character, character)) for character in numeral))
    total, digit = 0, 0
    for character in numeral:
        if character in _UNITS:
            total += (digit or 1) * _UNITS[character]
            digit = 0
        else:
            digit = _DIGITS[character] if character in _DIGITS else int(character)
    return total + digit


def list_level(text: str) -> int:
    """Return 1 for 一、 or a bullet, 2 for （一）, 3 for 1., 4 for (1), and 0 for anything else."""
    for level, pattern in _LIST:
        if pattern.match(text):
            return level
    return 0


def mark_structure(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Turn paragraphs that open like a statute's headings or list items into such.

    1. A first short line becomes the title where the document has no heading of the first level.
    2. 第…條 and 第…章 become headings; text on the same line as 第…條 becomes a paragraph of its own.
    3. 一、 and the like become list items, or headings where each is a short line with text of its own below.
    """
    marked = _with_title([p for p in pieces if squeeze(p.text)])
    split: list[Piece] = []
    for piece in marked:
        split += _divided(piece) if piece.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM) else [piece]
    return tuple(_with_list_headings(split))


def _with_title(pieces: list[Piece]) -> list[Piece]:
    if not pieces or any(p.kind is BlockKind.HEADING and p.level <= 1 for p in pieces):
        return pieces
    first, text = pieces[0], squeeze(pieces[0].text)
    fits = first.kind is BlockKind.PARAGRAPH and len(text) <= _TITLE_MAX and text[-1] not in _ENDS
    if not fits or len(pieces) < 2 or division_of(text) or list_level(text):
        return pieces
    return [replace(first, kind=BlockKind.HEADING, level=1), *pieces[1:]]


def _divided(piece: Piece) -> list[Piece]:
    text = squeeze(piece.text)
    division = division_of(text)
    if division is None:
        level = list_level(text)
        if level and piece.kind is BlockKind.PARAGRAPH:
            return [replace(piece, kind=BlockKind.LIST_ITEM, level=level)]
        return [piece]
    heading = replace(piece, kind=BlockKind.HEADING, level=division.rank + 1, text=division.head)
    if not division.rest:
        return [heading]
    body = Piece(BlockKind.PARAGRAPH, division.rest, 0, piece.page)
    return [heading, *_divided(body)]


def _with_list_headings(pieces: list[Piece]) -> list[Piece]:
    """Make headings of short 一、 lines, only if every one of the document has text of its own below it."""
    if any(p.kind is BlockKind.HEADING and _is_article(p) for p in pieces):
        return pieces
    places = [
        i
        for i, p in enumerate(pieces)
        if p.kind is BlockKind.LIST_ITEM and _LIST[0][1].match(squeeze(p.text))
    ]
    if len(places) < 2:
        return pieces
    ends = [*places[1:], len(pieces)]
    for place, end in zip(places, ends, strict=True):
        text = squeeze(pieces[place].text)
        if len(text) > _HEADING_MAX or text[-1] in _ENDS or end == place + 1:
            return pieces
        if pieces[place + 1].kind is BlockKind.HEADING:
            return pieces
    chosen = set(places)
    return [replace(p, kind=BlockKind.HEADING, level=8) if i in chosen else p for i, p in enumerate(pieces)]


def _is_article(piece: Piece) -> bool:
    division = division_of(squeeze(piece.text))
    return division is not None and division.is_article
