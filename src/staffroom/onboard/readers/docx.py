"""Word documents: paragraphs, headings, drawn numbers, tables, in the order in which they stand."""

import io
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.oxml import parse_xml
from docx.oxml.ns import qn

from staffroom.onboard.readers.archive import check_archive
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.numbering import ListNumbers
from staffroom.onboard.readers.pieces import Piece, Reading, squeeze
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BadDocument, BadReason, BlockKind

__all__ = ["read_docx"]

_W = qn("w:p")[:-1]
_MC_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_UNREAD = (f"{_W}del", f"{_W}moveFrom", f"{_W}rPr", f"{_W}pPr", _MC_FALLBACK)


def read_docx(data: bytes, limits: ReadLimits) -> Reading:
    """Read DOCX: deleted revisions, headers, footers and comments are left out; footnotes follow at the end."""
    check_archive(data, limits)
    try:
        document = docx.Document(io.BytesIO(data))
        body = document.element.body
        styles = _styles(document)
        numbering = _part_root(document, "/numbering")
        pieces = list(_blocks(body, styles, ListNumbers(numbering, _W)))
        pieces += _footnotes(document)
    except (OpcError, KeyError, ValueError, AttributeError, SyntaxError) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"is not a whole Word document ({type(error).__name__}: {error})",
            hint="open it in LibreOffice, save it again as DOCX, and use the new file",
        ) from error
    return Reading(tuple(pieces), f"python-docx {version('python-docx')}", 0)


def _styles(document: Any) -> dict[str, tuple[int, Any]]:
    """Map a style's id to its heading level (0: none) and its numbering, following what it is based on."""
    raw: dict[str, tuple[str, str, int, Any]] = {}
    for style in document.styles.element.findall(f"{_W}style"):
        name = style.find(f"{_W}name")
        base = style.find(f"{_W}basedOn")
        properties = style.find(f"{_W}pPr")
        numbering = properties.find(f"{_W}numPr") if properties is not None else None
        label = (name.get(f"{_W}val") or "").lower() if name is not None else ""
        above = base.get(f"{_W}val") or "" if base is not None else ""
        raw[style.get(f"{_W}styleId", "")] = (label, above, _outline(properties), numbering)
    found: dict[str, tuple[int, Any]] = {}
    for key in raw:
        level, numbering, current, seen = 0, None, key, set()
        while current in raw and current not in seen:
            seen.add(current)
            label, above, outline, own = raw[current]
            level = level or _named_level(label) or outline
            numbering = own if numbering is None else numbering
            current = above
        found[key] = (level, numbering)
    return found


def _named_level(label: str) -> int:
    if label in ("title", "標題"):
        return 1
    word, _, digit = label.rpartition(" ")
    return int(digit) if word in ("heading", "標題") and digit.isdecimal() and len(digit) == 1 else 0


def _outline(properties: Any) -> int:
    outline = properties.find(f"{_W}outlineLvl") if properties is not None else None
    value = outline.get(f"{_W}val", "") if outline is not None else ""
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def _blocks(container: Any, styles: dict[str, tuple[int, Any]], numbers: ListNumbers) -> Iterator[Piece]:
    for element in _children(container):
        if element.tag == f"{_W}p":
            yield from _paragraph(element, styles, numbers)
        elif element.tag == f"{_W}tbl":
            yield from _table(element, styles, numbers)


def _children(container: Any) -> Iterator[Any]:
    """Yield paragraphs and tables, also those inside content controls and inserted revisions."""
    stack = [iter(container)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
        elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}moveTo", f"{_W}customXml"):
            stack.append(iter(element))
        elif element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element


def _paragraph(element: Any, styles: dict[str, tuple[int, Any]], numbers: ListNumbers) -> Iterator[Piece]:
    properties = element.find(f"{_W}pPr")
    style = properties.find(f"{_W}pStyle") if properties is not None else None
    level, inherited = styles.get(style.get(f"{_W}val", ""), (0, None)) if style is not None else (0, None)
    own = properties.find(f"{_W}numPr") if properties is not None else None
    level = _outline(properties) or level
    lines = _text(element).split("\n")
    if not any(map(squeeze, lines)):
        return
    number = numbers.next(own if own is not None else inherited)
    kind, depth = (BlockKind.HEADING, level) if level else (BlockKind.PARAGRAPH, 0)
    if number is not None:
        drawn, list_depth = number
        parted = (drawn and drawn[-1].isascii()) or drawn.endswith("條")
        lines[0] = drawn + (" " if parted else "") + lines[0]
        if kind is BlockKind.PARAGRAPH and not drawn.endswith(("條", "章", "節", "編")):
            kind, depth = BlockKind.LIST_ITEM, min(9, list_depth)
    if kind is BlockKind.HEADING:
        lines = [" ".join(lines)]
    for line in lines:
        yield Piece(kind, line, depth)


def _text(element: Any) -> str:
    """Return the text that a reader sees: no deleted revisions, line breaks as \\n, text boxes after the line."""
    parts: list[str] = []
    boxes: list[str] = []
    stack = list(reversed(element))
    while stack:
        node = stack.pop()
        if node.tag in _UNREAD:
            continue
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif node.tag in (f"{_W}tab", f"{_W}ptab"):
            parts.append(" ")
        elif node.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif node.tag == f"{_W}txbxContent":
            boxes += [_text(inner) for inner in node.iter(f"{_W}p")]
        else:
            stack += reversed(node)
    return "\n".join(["".join(parts), *boxes]) if boxes else "".join(parts)


def _table(element: Any, styles: dict[str, tuple[int, Any]], numbers: ListNumbers) -> list[Piece]:
    """Read a table row by row; a table of one column only lays out the page, so its cells are read as text."""
    rows: list[list[str]] = []
    cells_of_rows = [list(row.iter(f"{_W}tc")) for row in _rows(element)]
    if all(len(cells) <= 1 for cells in cells_of_rows):
        return [
            piece for cells in cells_of_rows for cell in cells for piece in _blocks(cell, styles, numbers)
        ]
    header = None
    for place, row in enumerate(_rows(element)):
        line: list[str] = []
        for cell in _row_cells(row):
            properties = cell.find(f"{_W}tcPr")
            merge = properties.find(f"{_W}vMerge") if properties is not None else None
            column = len(line)
            if merge is not None and merge.get(f"{_W}val", "continue") == "continue" and rows:
                line.append(rows[-1][column] if column < len(rows[-1]) else "")
            else:
                line.append(" ".join(piece.text for piece in _blocks(cell, styles, numbers)))
            line += [""] * (_span(properties) - 1)
        rows.append(line)
        marked = row.find(f"{_W}trPr/{_W}tblHeader") is not None
        header = True if place == 0 and marked else header
    return table_pieces(rows, header=header)


def _rows(table: Any) -> list[Any]:
    return list(_flat(table, f"{_W}tr"))


def _row_cells(row: Any) -> list[Any]:
    return list(_flat(row, f"{_W}tc"))


def _flat(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins"):
            yield from _flat(child, tag)


def _span(properties: Any) -> int:
    span = properties.find(f"{_W}gridSpan") if properties is not None else None
    value = span.get(f"{_W}val", "1") if span is not None else "1"
    return max(1, min(100, int(value))) if value.isdecimal() and len(value) < 6 else 1


def _part_root(document: Any, suffix: str) -> Any:
    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(suffix):
            part = relation.target_part
            return part.element if hasattr(part, "element") else parse_xml(part.blob)
    return None


def _footnotes(document: Any) -> list[Piece]:
    root = _part_root(document, "/footnotes")
    if root is None:
        return []
    notes = [note for note in root.findall(f"{_W}footnote") if note.get(f"{_W}type") is None]
    texts = [" ".join(_text(p) for p in note.iter(f"{_W}p")) for note in notes]
    return [Piece(BlockKind.PARAGRAPH, text) for text in texts]
