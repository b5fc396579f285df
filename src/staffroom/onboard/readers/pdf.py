"""PDF: text with its page, lines joined into paragraphs; pages that are pictures go through OCR."""

import ctypes
import re
import unicodedata
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as raw  # type: ignore[import-untyped]

from staffroom.onboard.readers.images import ocr_page
from staffroom.onboard.readers.layout import Line, Page, drop_furniture, lay_out
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.page_reader import PageReader
from staffroom.onboard.readers.pieces import Reading, squeeze
from staffroom.records.documents import BadDocument, BadReason

__all__ = ["read_pdf"]

_RENDER_SIDE = 2_000
_RENDER_SCALE = 200 / 72
_MIN_TEXT = 8
_UNREADABLE = 0.3
_FOLDED = re.compile(r"[\u2e80-\u2fdf\uf900-\ufaff\ufb00-\ufb06]")
_PRIVATE = re.compile(r"[\ue000-\uf8ff\ufffd\x00]")


def read_pdf(
    data: bytes, limits: ReadLimits, on_page: Callable[[int, int], None], ocr: PageReader | None
) -> Reading:
    """Read a PDF page by page, telling `on_page(number, of)` before each.

    1. Text that is there is taken; page headers, footers and numbers that repeat are dropped.
    2. A page with a picture and no usable text is rendered at about 200 dpi and read by `ocr`.
    3. Without `ocr`, a document of pictures only is refused, and single such pages are named in a warning.
    Raises BadDocument (ENCRYPTED, CORRUPT, TOO_LARGE, NEEDS_OCR).
    """
    document = _open(data)
    try:
        count = len(document)
        if count > limits.pages:
            raise BadDocument(
                BadReason.TOO_LARGE,
                f"has {count:,} pages, more than {limits.pages:,}",
                hint="split the document into several files",
            )
        pages: list[Page] = []
        scanned: list[Page] = []
        pictures: list[int] = []
        for number in range(1, count + 1):
            on_page(number, count)
            page = document[number - 1]
            try:
                found = _text_page(page, number)
                if not _usable(found) and _has_picture(page):
                    pictures.append(number)
                    if ocr is not None and ocr.available():
                        scanned.append(_scan(page, number, ocr))
                elif found.lines:
                    pages.append(found)
            finally:
                page.close()
    except pdfium.PdfiumError as error:
        raise _corrupt(error) from error
    finally:
        document.close()
    return _reading(pages, scanned, pictures, count, ocr.identity if ocr is not None and scanned else "")


def _reading(
    pages: list[Page], scanned: list[Page], pictures: list[int], count: int, ocr_identity: str
) -> Reading:
    reader = f"pypdfium2 {version('pypdfium2')}"
    warnings: list[str] = []
    if pictures and not scanned:
        if not pages:
            raise BadDocument(
                BadReason.NEEDS_OCR,
                "is a scan: its pages are pictures without text",
                hint="make ocr",
            )
        warnings.append(f"pages {_shown(pictures)} are pictures and were not read (make ocr)")
    if scanned:
        reader += f" + {ocr_identity}"
        warnings.append(
            f"pages {_shown([p.number for p in scanned])} were read by OCR: check what is quoted from them"
        )
    pieces = lay_out(drop_furniture(pages))
    scans = lay_out(drop_furniture(scanned), size_tolerance=0.4)
    merged = sorted([*pieces, *scans], key=lambda piece: piece.page or 0)
    return Reading(tuple(merged), reader, count, tuple(warnings))


def _open(data: bytes) -> Any:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise BadDocument(
                BadReason.ENCRYPTED,
                "is protected by a password",
                hint="open it with the password, save a copy without one, and use the copy",
            ) from error
        raise _corrupt(error) from error


def _corrupt(error: Exception) -> BadDocument:
    return BadDocument(
        BadReason.CORRUPT,
        f"is not a whole PDF ({error})",
        hint="ask for the file again, or print it to PDF from the program it was made with",
    )


def _text_page(page: Any, number: int) -> Page:
    width, height = page.get_size()
    textpage = page.get_textpage()
    try:
        lines = tuple(_lines(textpage.raw, textpage.count_chars(), height))
    finally:
        textpage.close()
    return Page(number, max(1.0, width), max(1.0, height), lines)


def _lines(handle: Any, count: int, height: float) -> Iterator[Line]:
    """Yield the lines as PDFium finds them; only the first and last visible character of each is measured."""
    text: list[str] = []
    first = last = -1
    for place in range(count + 1):
        code = raw.FPDFText_GetUnicode(handle, place) if place < count else 10
        character = chr(code) if code < 0x110000 else ""
        if character in "\r\n":
            shown = squeeze(_FOLDED.sub(_fold, _whole("".join(text))))
            if shown and first >= 0:
                left, top, bottom, _ = _box(handle, first, height)
                right = _box(handle, last, height)[3]
                yield Line(shown, left, max(left, right), top, max(1.0, bottom - top))
            text, first = [], -1
            continue
        text.append(character)
        if not character.isspace():
            first = place if first < 0 else first
            last = place


def _whole(text: str) -> str:
    """Put surrogate halves together and keep the mark of a hyphen at a line's end as a hyphen."""
    if text[-1:] in "\x02\ufffe":
        text = text[:-1] + "-" if text else text
    if any("\ud800" <= character <= "\udfff" for character in text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _fold(match: re.Match[str]) -> str:
    """Write radicals, compatibility forms and ligatures that fonts put in place of letters as the letters."""
    return unicodedata.normalize("NFKC", match[0])


def _box(handle: Any, place: int, height: float) -> tuple[float, float, float, float]:
    box = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(handle, place, ctypes.byref(box)):
        return 0.0, 0.0, 1.0, 0.0
    return box.left, height - box.top, height - box.bottom, box.right


def _usable(page: Page) -> bool:
    text = "".join(line.text for line in page.lines)
    visible = sum(not character.isspace() for character in text)
    return visible >= _MIN_TEXT and len(_PRIVATE.findall(text)) < _UNREADABLE * visible


def _has_picture(page: Any) -> bool:
    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=4))


def _scan(page: Any, number: int, ocr: PageReader) -> Page:
    width, height = page.get_size()
    scale = min(_RENDER_SCALE, _RENDER_SIDE / max(width, height, 1.0))
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    pixels = bitmap.to_numpy()
    return ocr_page(ocr, pixels, number)


def _shown(pages: list[int]) -> str:
    """Write page numbers as ranges: 1-3, 7."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and runs[-1][1] == page - 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
