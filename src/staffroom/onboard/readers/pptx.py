"""PowerPoint presentations: each slide a heading and a page; text, tables, then the speaker's notes."""

import io
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pptx
from pptx.exc import PythonPptxError

from staffroom.onboard.readers.archive import check_archive
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.pieces import Piece, Reading, squeeze
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BadDocument, BadReason, BlockKind

__all__ = ["read_pptx"]


def read_pptx(data: bytes, limits: ReadLimits) -> Reading:
    """Read PPTX slide by slide; hidden slides are left out, pictures are not read."""
    check_archive(data, limits)
    pieces: list[Piece] = []
    try:
        slides = list(pptx.Presentation(io.BytesIO(data)).slides)
        for page, slide in enumerate(slides, start=1):
            if slide._element.get("show") != "0":
                pieces += _slide(slide, page)
    except (PythonPptxError, KeyError, ValueError, AttributeError, IndexError, SyntaxError) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"is not a whole presentation ({type(error).__name__}: {error})",
            hint="open it in LibreOffice, save it again as PPTX, and use the new file",
        ) from error
    return Reading(tuple(pieces), f"python-pptx {version('python-pptx')}", len(slides))


def _slide(slide: Any, page: int) -> Iterator[Piece]:
    title = slide.shapes.title
    if title is not None and title.has_text_frame and squeeze(title.text_frame.text):
        yield Piece(BlockKind.HEADING, " ".join(title.text_frame.text.split("\v")), 2, page)
    for shape in _shapes(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            rows = [[cell.text_frame.text for cell in row.cells] for row in shape.table.rows]
            yield from table_pieces(rows, header=True if shape.table.first_row else None, page=page)
        elif shape.has_text_frame:
            yield from _paragraphs(shape.text_frame, page)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame, page)


def _shapes(shapes: Any) -> Iterator[Any]:
    """Yield shapes in the order in which they are drawn, those inside groups too."""
    stack = [iter(shapes)]
    while stack:
        shape = next(stack[-1], None)
        if shape is None:
            stack.pop()
        elif hasattr(shape, "shapes"):
            stack.append(iter(shape.shapes))
        else:
            yield shape


def _paragraphs(frame: Any, page: int) -> Iterator[Piece]:
    paragraphs = list(frame.paragraphs)
    for paragraph in paragraphs:
        for line in paragraph.text.split("\v"):
            if paragraph.level or len(paragraphs) > 1:
                yield Piece(BlockKind.LIST_ITEM, line, min(9, paragraph.level + 1), page)
            else:
                yield Piece(BlockKind.PARAGRAPH, line, 0, page)
