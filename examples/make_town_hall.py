"""Build the documents of the two town-hall examples from their plain sources.

``examples/NAME/source/PAGE.FORMAT.md`` (prose) and ``PAGE.FORMAT.yaml`` (sheets) become
``examples/NAME/documents/PAGE.FORMAT``. The results are committed, so nobody needs this script to run the example.

    python examples/make_town_hall.py                 # all but PDF
    python examples/make_town_hall.py --font FONT     # PDF too
    python examples/make_town_hall.py --check         # writes nothing: is each document's text that of its source?

A PDF needs ``fontTools`` and a CJK font; the committed one was made with Noto Sans CJK TC (OFL 1.1, which allows
embedding) from Debian's ``fonts-noto-cjk``: ``--font /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc``.
Only the glyphs that occur are embedded.

What it does not know: how Staffroom parses documents. It reads its own products back with the plain libraries, so
that a test of the parsers is not a test of itself.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime as dt
import html
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docx
import odfdo
import openpyxl
import pypdfium2
import pypdfium2.raw as pdfium
from lxml import html as lxml_html
from ruamel.yaml import YAML

__all__ = ["Block", "build", "document_text", "main", "source_text", "sources"]

_HERE = Path(__file__).parent
_EXAMPLES = ("town-hall", "town-hall-en")
_DATE = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
_ZIP_DATE = (2026, 3, 1, 0, 0, 0)
_LANGUAGES = {"town-hall": "zh-TW", "town-hall-en": "en"}
_NAVIGATION = {
    "zh-TW": (["首頁", "認識澄浦", "便民服務", "公告資訊", "下載專區"], "版權所有 澄浦鎮公所"),
    "en": (["Home", "About Chengpu", "Services", "Notices", "Downloads"], "Chengpu Township Office"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page: a heading (level 1 to 3), a paragraph, a list item or a table of rows."""

    kind: str
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def sources(example: str) -> Iterator[tuple[Path, Path]]:
    """Yield (source, document) for each page of an example."""
    root = _HERE / example
    for source in sorted((root / "source").iterdir()):
        yield source, root / "documents" / source.stem


def build(source: Path, language: str, font: Path | None = None) -> bytes:
    """Return the document that a source describes; ``font`` is needed for a PDF alone."""
    suffix = Path(source.stem).suffix
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".yaml":
        book = YAML(typ="safe").load(text)
        return _xlsx(book) if suffix == ".xlsx" else _ods(book)
    if suffix == ".pdf":
        if font is None:
            raise SystemExit(f"{source.stem} needs a font\nhint: pass --font FONT (see --help)")
        return _pdf(_blocks(text), font)
    writers: dict[str, Callable[[str, str], bytes]] = {
        ".md": lambda t, _: t.encode(),
        ".txt": lambda t, _: _txt(_blocks(t)),
        ".html": lambda t, lang: _html(_blocks(t), lang),
        ".docx": lambda t, _: _docx(_blocks(t)),
        ".odt": lambda t, _: _odt(_blocks(t)),
    }
    return writers[suffix](text, language)


def source_text(source: Path) -> str:
    """Return all text of a source without white space and markup, in order."""
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".yaml":
        book = YAML(typ="safe").load(text)
        cells = [cell for sheet in book["sheets"] for row in _sheet_rows(book, sheet) for cell in row]
        return _squeeze("".join(str(cell) for cell in cells))
    return _squeeze("".join(b.text + "".join("".join(row) for row in b.rows) for b in _blocks(text)))


def document_text(document: Path) -> str:
    """Return all text of a built document without white space, page numbers and navigation, in order."""
    readers: dict[str, Callable[[Path], str]] = {
        ".md": lambda p: _blocks_text(p.read_text(encoding="utf-8")),
        ".txt": lambda p: re.sub(r"(?m)^\* |  \|  ", "", p.read_text(encoding="utf-8")),
        ".html": _read_html,
        ".docx": _read_docx,
        ".odt": _read_odt,
        ".xlsx": _read_xlsx,
        ".ods": _read_ods,
        ".pdf": _read_pdf,
    }
    return _squeeze(readers[document.suffix](document))


def main(arguments: list[str] | None = None) -> int:
    """Build or check all documents; 0 where every text equals its source's, 1 where one does not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--font", type=Path)
    options = parser.parse_args(arguments)
    wrong = 0
    for example in _EXAMPLES:
        for source, document in sources(example):
            if not options.check and (document.suffix != ".pdf" or options.font):
                document.parent.mkdir(exist_ok=True)
                document.write_bytes(build(source, _LANGUAGES[example], options.font))
            same = document.exists() and document_text(document) == source_text(source)
            wrong += not same
            shown = document.relative_to(_HERE)
            print(f"{'same' if same else 'DIFFERS'}  {shown}")
    if wrong:
        print("hint: build again with --font FONT, then look at what differs", file=sys.stderr)
    return 1 if wrong else 0


# -- reading the sources


def _blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    table: list[tuple[str, ...]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not all(set(cell) <= {"-"} for cell in cells):
                table.append(cells)
            continue
        if table:
            blocks.append(Block("table", rows=tuple(table)))
            table = []
        if heading := re.match(r"(#{1,3}) (.+)", line):
            blocks.append(Block("heading", heading[2], len(heading[1])))
        elif line.startswith("- "):
            blocks.append(Block("item", line[2:]))
        elif line.strip():
            blocks.append(Block("paragraph", line.strip()))
    return blocks


def _blocks_text(text: str) -> str:
    return "".join(b.text + "".join("".join(row) for row in b.rows) for b in _blocks(text))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _sheet_rows(book: dict[str, Any], sheet: dict[str, Any]) -> list[list[Any]]:
    return [[book["title"]], [book["note"]], sheet["header"], *sheet["rows"]]


# -- writing


def _txt(blocks: list[Block]) -> bytes:
    lines: list[str] = []
    for block in blocks:
        if block.kind == "heading":
            lines += ["", block.text]
        elif block.kind == "table":
            lines += ["  |  ".join(row) for row in block.rows]
        else:
            lines.append(("* " if block.kind == "item" else "") + block.text)
    return ("\n".join(lines).strip() + "\n").encode()


def _html(blocks: list[Block], language: str) -> bytes:
    links, footer = _NAVIGATION[language]
    out = [
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">',
        f"<title>{html.escape(blocks[0].text)}</title>\n</head>\n<body>\n<nav>\n<ul>",
        *[f'<li><a href="#{number}">{link}</a></li>' for number, link in enumerate(links)],
        "</ul>\n</nav>\n<main>",
    ]
    for index, block in enumerate(blocks):
        text = html.escape(block.text)
        if block.kind == "heading":
            out.append(f"<h{block.level}>{text}</h{block.level}>")
        elif block.kind == "paragraph":
            out.append(f"<p>{text}</p>")
        elif block.kind == "item":
            first = blocks[index - 1].kind != "item"
            last = index + 1 == len(blocks) or blocks[index + 1].kind != "item"
            out.append(("<ul>\n" if first else "") + f"<li>{text}</li>" + ("\n</ul>" if last else ""))
        else:
            rows = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in block.rows]
            out.append("<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "\n</table>")
    out.append(f"</main>\n<footer>\n<p>{footer}</p>\n</footer>\n</body>\n</html>\n")
    return "\n".join(out).encode()


def _docx(blocks: list[Block]) -> bytes:
    document = docx.Document()
    for block in blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "paragraph":
            document.add_paragraph(block.text)
        elif block.kind == "item":
            document.add_paragraph(block.text, style="List Bullet")
        else:
            table = document.add_table(len(block.rows), len(block.rows[0]), style="Table Grid")
            for cells, row in zip(table.rows, block.rows, strict=True):
                for cell, text in zip(cells.cells, row, strict=True):
                    cell.text = text
    properties = document.core_properties
    properties.title, properties.author, properties.comments = blocks[0].text, "", ""
    properties.created = properties.modified = _DATE.replace(tzinfo=None)
    out = io.BytesIO()
    document.save(out)
    return _same_zip(out.getvalue())


def _odt(blocks: list[Block]) -> bytes:
    document = odfdo.Document("text")
    document.body.clear()
    items: odfdo.List | None = None
    for block in blocks:
        if block.kind != "item":
            items = None
        if block.kind == "heading":
            document.body.append(odfdo.Header(block.level, block.text))
        elif block.kind == "paragraph":
            document.body.append(odfdo.Paragraph(block.text))
        elif block.kind == "table":
            document.body.append(_odf_table("table", [list(row) for row in block.rows]))
        elif items is None:
            items = odfdo.List([block.text])
            document.body.append(items)
        else:
            items.append_item(block.text)
    return _odf_bytes(document, blocks[0].text)


def _ods(book: dict[str, Any]) -> bytes:
    document = odfdo.Document("spreadsheet")
    document.body.clear()
    for sheet in book["sheets"]:
        document.body.append(_odf_table(sheet["name"], _sheet_rows(book, sheet)))
    return _odf_bytes(document, book["title"])


def _odf_table(name: str, rows: list[list[Any]]) -> odfdo.Table:
    table = odfdo.Table(name)
    for values in rows:
        row = odfdo.Row()
        row.set_values(values)
        table.append_row(row)
    return table


def _odf_bytes(document: odfdo.Document, title: str) -> bytes:
    moment = _DATE.replace(tzinfo=None)
    document.meta.title = title
    document.meta.creation_date = moment
    document.meta.date = moment
    out = io.BytesIO()
    document.save(out)
    return _same_zip(out.getvalue())


def _xlsx(book: dict[str, Any]) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for sheet in book["sheets"]:
        page = workbook.create_sheet(sheet["name"])
        for row in _sheet_rows(book, sheet):
            page.append(row)
        for column in "ABCDE":
            page.column_dimensions[column].width = 24
    workbook.properties.title = book["title"]
    workbook.properties.created = workbook.properties.modified = _DATE.replace(tzinfo=None)
    out = io.BytesIO()
    workbook.save(out)
    return _same_zip(out.getvalue())


def _same_zip(data: bytes) -> bytes:
    """The same archive with fixed times, so that a build changes no byte unless a source changed.

    openpyxl and odfdo write the moment of saving into their metadata; it is replaced as well.
    """
    out = io.BytesIO()
    moment = _DATE.strftime("%Y-%m-%dT%H:%M:%S").encode()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename in ("docProps/core.xml", "meta.xml"):
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?", moment, content)
            fresh = zipfile.ZipInfo(entry.filename, _ZIP_DATE)
            fresh.compress_type = entry.compress_type
            fresh.external_attr = 0o644 << 16
            new.writestr(fresh, content)
    return out.getvalue()


# -- PDF: lines laid out here, glyphs embedded by PDFium

_PAGE = (595.0, 842.0)
_MARGIN = 64.0
_SIZES = {1: 18.0, 2: 15.0, 3: 13.0, 0: 12.0}
_NOT_FIRST = "，。、；：！？）」』％"


def _pdf(blocks: list[Block], font_path: Path) -> bytes:
    used = "".join(b.text + "".join("".join(row) for row in b.rows) for b in blocks)
    font_bytes, widths = _subset(font_path, used + "0123456789- ·")
    pages: list[list[tuple[float, float, float, str]]] = [[]]
    y = _PAGE[1] - _MARGIN
    for block in blocks:
        size = _SIZES[block.level]
        texts = ["　".join(row) for row in block.rows] or [
            ("· " if block.kind == "item" else "") + block.text
        ]
        lines = [line for text in texts for line in _wrapped(text, size, widths)]
        y -= 10 if block.kind == "heading" else 0
        for line in lines:
            keep = size * 4 if block.kind == "heading" else size
            if y - keep < _MARGIN:
                pages.append([])
                y = _PAGE[1] - _MARGIN
            y -= size * 1.6
            pages[-1].append((_MARGIN, y, size, line))
    for number, page in enumerate(pages, 1):
        page.append((_PAGE[0] / 2 - 10, _MARGIN / 2, 10.0, f"- {number} -"))
    return _draw(pages, font_bytes)


def _wrapped(text: str, size: float, widths: dict[str, float]) -> Iterator[str]:
    room, line, used = _PAGE[0] - 2 * _MARGIN, "", 0.0
    for character in text:
        width = widths[character] * size
        if used + width > room and character not in _NOT_FIRST:
            yield line
            line, used = "", 0.0
        line, used = line + character, used + width
    yield line


def _draw(pages: list[list[tuple[float, float, float, str]]], font_bytes: bytes) -> bytes:
    document = pypdfium2.PdfDocument.new()
    buffer = (ctypes.c_uint8 * len(font_bytes)).from_buffer_copy(font_bytes)
    font = pdfium.FPDFText_LoadFont(document, buffer, len(font_bytes), pdfium.FPDF_FONT_TRUETYPE, True)
    for lines in pages:
        page = document.new_page(*_PAGE)
        for x, y, size, line in lines:
            text = pdfium.FPDFPageObj_CreateTextObj(document, font, size)
            encoded = ctypes.create_string_buffer((line + "\0").encode("utf-16-le"))
            pdfium.FPDFText_SetText(text, ctypes.cast(encoded, pdfium.FPDF_WIDESTRING))
            pdfium.FPDFPageObj_Transform(text, 1, 0, 0, 1, x, y)
            pdfium.FPDFPage_InsertObject(page, text)
        page.gen_content()
    out = io.BytesIO()
    document.save(out)
    pdfium.FPDFFont_Close(font)
    document.close()
    return _same_pdf(out.getvalue())


def _same_pdf(data: bytes) -> bytes:
    """The same file with a fixed date and identifier of equal length, so that offsets hold."""
    data = re.sub(rb"\(D:\d{14}", _DATE.strftime("(D:%Y%m%d%H%M%S").encode(), data)
    return re.sub(rb"(/ID ?\[ ?)(.*?)(\] ?>>)", lambda m: m[1] + _blank_id(m[2]) + m[3], data, flags=re.S)


def _blank_id(identifiers: bytes) -> bytes:
    return re.sub(rb"[0-9A-Fa-f]", b"0", identifiers)


def _subset(path: Path, text: str) -> tuple[bytes, dict[str, float]]:
    """A TrueType font of just the characters of ``text``, and each one's width in ems.

    CFF outlines become quadratic ones, because PDFium embeds TrueType alone.
    """
    from fontTools import subset, ttLib  # needed only here

    if path.suffix == ".ttc":
        faces = ttLib.TTCollection(path).fonts
        font = next((f for f in faces if " TC" in f["name"].getDebugName(4)), faces[0])
    else:
        font = ttLib.TTFont(path)
    options = subset.Options(layout_features=[], hinting=False, name_IDs=[0, 1, 2, 4, 6, 13, 14])
    cutter = subset.Subsetter(options)
    cutter.populate(text=text)
    cutter.subset(font)
    units, names, advances = font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"]
    missing = sorted(set(text) - {chr(code) for code in names})
    if missing:
        raise SystemExit(f"{path.name} has no glyph for {''.join(missing)}\nhint: pass a CJK font")
    widths = {character: advances[names[ord(character)]][0] / units for character in set(text)}
    if "CFF " in font:
        _to_truetype(font)
    font["head"].created = font["head"].modified = 0
    font.recalcTimestamp = False
    out = io.BytesIO()
    font.save(out)
    return out.getvalue(), widths


def _to_truetype(font: Any) -> None:
    from fontTools import ttLib
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    glyphs, order, outlines = font.getGlyphSet(), font.getGlyphOrder(), {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, max_err=1.0, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["loca"], font["glyf"] = ttLib.newTable("loca"), ttLib.newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, outlines
    del font["CFF "]
    for tag in ("VORG", "BASE", "GPOS", "GSUB", "vhea", "vmtx"):
        if tag in font:
            del font[tag]
    font["maxp"].tableVersion = 0x00010000
    for field in ("maxZones", "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs"):
        setattr(font["maxp"], field, 1 if field == "maxZones" else 0)
    for field in ("maxStackElements", "maxSizeOfInstructions", "maxComponentElements", "maxComponentDepth"):
        setattr(font["maxp"], field, 0)
    for field in ("maxPoints", "maxContours", "maxCompositePoints", "maxCompositeContours"):
        setattr(font["maxp"], field, 0)
    font["post"].formatType, font["post"].extraNames, font["post"].mapping = 2.0, [], {}
    font["post"].glyphOrder = order
    font.sfntVersion = "\000\001\000\000"


# -- reading the products back


def _read_html(path: Path) -> str:
    return str(lxml_html.fromstring(path.read_bytes()).find(".//main").text_content())


def _read_docx(path: Path) -> str:
    document = docx.Document(str(path))
    parts: list[str] = []
    for element in document.iter_inner_content():
        if isinstance(element, docx.table.Table):
            parts += [cell.text for row in element.rows for cell in row.cells]
        else:
            parts.append(element.text)
    return "".join(parts)


def _read_odt(path: Path) -> str:
    wanted = "//office:text//text:h | //office:text//text:p"
    found = odfdo.Document(path).body.xpath(wanted)
    return "".join(element.inner_text for element in found if isinstance(element, odfdo.Element))


def _read_ods(path: Path) -> str:
    tables = odfdo.Document(path).body.tables
    return "".join(str(v) for t in tables for row in t.iter_values() for v in row if v is not None)


def _read_xlsx(path: Path) -> str:
    pages = openpyxl.load_workbook(path).worksheets
    return "".join(
        str(v) for page in pages for row in page.iter_rows(values_only=True) for v in row if v is not None
    )


def _read_pdf(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    text = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    return re.sub(r"(?m)^\s*- \d+ -\s*$", "", text.replace("\r", ""))


if __name__ == "__main__":
    sys.exit(main())
