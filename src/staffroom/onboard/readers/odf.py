"""OpenDocument text, spreadsheets and presentations (ODT, ODS, ODP), tables and drawn numbers kept."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import odfdo
from lxml import etree  # type: ignore[import-untyped]

from staffroom.onboard.readers.archive import check_archive
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.numbering import numeral
from staffroom.onboard.readers.pieces import Piece, Reading, squeeze
from staffroom.onboard.readers.sniff import Kind
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BadDocument, BadReason, BlockKind

__all__ = ["read_odf"]

_UNREAD = frozenset(
    [
        "text:tracked-changes",
        "office:annotation",
        "office:annotation-end",
        "text:note-citation",
        "text:sequence-decls",
        "office:forms",
        "text:table-of-content",
        "text:index-title",
        "presentation:notes",
        "office:event-listeners",
        "draw:image",
        "svg:title",
        "svg:desc",
    ]
)
_MAX_COLUMNS, _MAX_REPEAT, _MAX_ROWS = 512, 100, 200_000
_FORMATS: Mapping[str, str] = {
    "1": "decimal",
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
    "一, 二, 三, ...": "taiwaneseCounting",
    "甲, 乙, 丙, ...": "ideographTraditional",
    "子, 丑, 寅, ...": "ideographZodiac",
}
_Styles = Mapping[tuple[str, int], tuple[str, str, str]]


@dataclass
class _Place:
    """Where the walk stands: the page, and the counters of the numbered lists."""

    styles: _Styles
    page: int | None = None
    counts: dict[str, dict[int, int]] = field(default_factory=dict)


def read_odf(data: bytes, kind: Kind, limits: ReadLimits) -> Reading:
    """Read an OpenDocument file; `kind` is ODT, ODS or ODP. Sheets and slides are its pages."""
    check_archive(data, limits)
    try:
        document = odfdo.Document(io.BytesIO(data))
        body: Any = document.body
        place = _Place(_list_styles(document))
        pieces, pages = _read(body, kind, place)
    except (
        etree.LxmlError,
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        RecursionError,
    ) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"is not a whole OpenDocument file ({type(error).__name__}: {error})",
            hint="open it in LibreOffice, save it again, and use the new file",
        ) from error
    return Reading(tuple(pieces), f"odfdo {version('odfdo')}", pages)


def _read(body: Any, kind: Kind, place: _Place) -> tuple[list[Piece], int]:
    if kind is Kind.ODT:
        return list(_blocks(body, place)), 0
    tag = "table:table" if kind is Kind.ODS else "draw:page"
    sections = [child for child in body.children if child.tag == tag]
    pieces: list[Piece] = []
    for place.page, section in enumerate(sections, start=1):
        if kind is Kind.ODP:
            pieces += _slide(section, place)
            continue
        rows = list(table_pieces(_rows(section, place)[0], page=place.page))
        name = section.get_attribute("table:name") or ""
        pieces += [Piece(BlockKind.HEADING, name, 2, place.page), *rows] if rows else []
    return pieces, len(sections)


def _slide(section: Any, place: _Place) -> Iterator[Piece]:
    frames = [child for child in section.children if child.tag.startswith("draw:")]
    titles = [frame for frame in frames if frame.get_attribute("presentation:class") == "title"]
    for frame in titles:
        text = squeeze(" ".join(piece.text for piece in _blocks(frame, place)))
        if text:
            yield Piece(BlockKind.HEADING, text, 2, place.page)
    for child in section.children:
        if child.tag == "presentation:notes":
            yield from _blocks(child, place)
        elif child.tag.startswith("draw:") and child.get_attribute("presentation:class") != "title":
            yield from _blocks_of(child, place)


def _blocks(container: Any, place: _Place, depth: int = 0) -> Iterator[Piece]:
    for element in container.children:
        yield from _blocks_of(element, place, depth)


def _blocks_of(element: Any, place: _Place, depth: int = 0) -> Iterator[Piece]:
    tag = element.tag
    if tag in _UNREAD:
        return
    if tag == "text:h":
        value = element.get_attribute("text:outline-level") or "1"
        level = int(value) if value.isdecimal() and len(value) == 1 else 9
        yield Piece(BlockKind.HEADING, _text(element).replace("\n", " "), max(1, level), place.page)
    elif tag == "text:p":
        kind = BlockKind.LIST_ITEM if depth else BlockKind.PARAGRAPH
        for line in _text(element).split("\n"):
            yield Piece(kind, line, min(9, depth), place.page)
    elif tag == "text:list":
        yield from _list(element, place, depth + 1, None)
    elif tag == "table:table":
        rows, header = _rows(element, place)
        if all(len(row) <= 1 for row in rows):
            yield from (Piece(BlockKind.PARAGRAPH, row[0], 0, place.page) for row in rows if row)
        else:
            yield from table_pieces(rows, header=True if header else None, page=place.page)
    else:
        yield from _blocks(element, place, depth)


def _list(element: Any, place: _Place, depth: int, style: str | None) -> Iterator[Piece]:
    style = element.get_attribute("text:style-name") or style or ""
    counts = place.counts.setdefault(style, {})
    if element.get_attribute("text:continue-numbering") != "true" and not element.get_attribute(
        "text:continue-list"
    ):
        counts[depth] = 0
    shown, before, after = place.styles.get((style, depth), ("", "", ""))
    for item in element.children:
        if item.tag == "text:list-header":
            yield from _blocks(item, place, depth)
        if item.tag != "text:list-item":
            continue
        counts[depth] = counts.get(depth, 0) + 1
        drawn = f"{before}{numeral(counts[depth], shown)}{after}" if shown else ""
        for child in item.children:
            if child.tag == "text:list":
                yield from _list(child, place, depth + 1, style)
                continue
            for piece in _blocks_of(child, place, depth):
                parted = bool(drawn) and (drawn[-1].isascii() or drawn[-1] in "條章節編")
                text = drawn + (" " if parted else "") + piece.text
                divides = drawn.endswith(("條", "章", "節", "編")) and piece.kind is BlockKind.LIST_ITEM
                kind, level = (BlockKind.PARAGRAPH, 0) if divides else (piece.kind, piece.level)
                yield Piece(kind, text, level, piece.page)
                drawn = ""


def _list_styles(document: Any) -> _Styles:
    """Map (list style, depth) to number format, prefix and suffix; bullets are not in it."""
    found: dict[tuple[str, int], tuple[str, str, str]] = {}
    for part in ("styles", "content"):
        for style in document.get_part(part).get_elements("//text:list-style"):
            name = style.get_attribute("style:name") or ""
            for level in style.children:
                depth = level.get_attribute("text:level") or ""
                shown = _FORMATS.get(level.get_attribute("style:num-format") or "")
                if level.tag == "text:list-level-style-number" and shown and depth.isdecimal():
                    before = level.get_attribute("style:num-prefix") or ""
                    after = level.get_attribute("style:num-suffix") or ""
                    found[name, int(depth)] = (shown, before, after)
    return found


def _text(element: Any) -> str:
    """Return what a reader sees in a paragraph: line breaks as \\n, footnotes in brackets, text boxes after it."""
    parts = [element.text or ""]
    for child in element.children:
        if child.tag == "text:s" or child.tag == "text:tab":
            parts.append(" ")
        elif child.tag == "text:line-break":
            parts.append("\n")
        elif child.tag in ("text:p", "draw:frame", "draw:text-box"):
            parts.append("\n" + _text(child))
        elif child.tag == "text:note":
            parts.append(f"（{squeeze(_text(child))}）")
        elif child.tag not in _UNREAD:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _rows(table: Any, place: _Place) -> tuple[list[list[str]], bool]:
    """Return a table's rows and whether the first is marked as header; blank repeats are not written out."""
    rows: list[list[str]] = []
    header = False
    stack = [iter(table.children)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag in ("table:table-header-rows", "table:table-rows", "table:table-row-group"):
            header = header or (element.tag == "table:table-header-rows" and not rows)
            stack.append(iter(element.children))
        elif element.tag == "table:table-row" and element.get_attribute("table:visibility") != "filter":
            row = _cells(element, place)
            if row:
                rows += [row] * min(_MAX_REPEAT, _repeat(element, "table:number-rows-repeated"))
        if len(rows) > _MAX_ROWS:
            raise BadDocument(
                BadReason.TOO_LARGE,
                f"a sheet has more than {_MAX_ROWS:,} rows",
                hint="keep what people ask about, and leave the rest to a database",
            )
    return rows, header


def _cells(row: Any, place: _Place) -> list[str]:
    cells: list[str] = []
    for cell in row.children:
        if cell.tag not in ("table:table-cell", "table:covered-table-cell"):
            continue
        if cell.tag == "table:covered-table-cell":
            text = ""
        else:
            page = _Place(place.styles, place.page)
            text = " ".join(filter(None, (squeeze(piece.text) for piece in _blocks(cell, page))))
        count = min(_repeat(cell, "table:number-columns-repeated"), _MAX_COLUMNS - len(cells))
        cells += [text] * max(0, count)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _repeat(element: Any, name: str) -> int:
    value = element.get_attribute(name) or "1"
    return max(1, int(value)) if value.isdecimal() and len(value) < 9 else 1
