"""One document's bytes to text with places: sniff, read by kind, mark structure, lay out.

Whatever a parser raises comes out as BadDocument. Time and memory are bounded by the process around it (child.py).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.page_reader import PageReader
from staffroom.onboard.readers.pieces import Reading, assemble
from staffroom.onboard.readers.sniff import Kind, media_type, sniff
from staffroom.onboard.readers.statutes import mark_structure
from staffroom.records.digests import digest_bytes
from staffroom.records.documents import BadDocument, BadReason, ExtractedText

if TYPE_CHECKING:
    from staffroom.engine.ocr import OcrDriver, OcrLine

__all__ = ["LazyOcr", "read_bytes", "too_large"]

PageListener = Callable[[int, int], None]


class LazyOcr:
    """An OCR driver that is imported and loaded at the first picture, and kept."""

    def __init__(self) -> None:
        self._driver: OcrDriver | None = None

    def available(self) -> bool:
        """Say whether the extra `ocr` is installed."""
        from staffroom.engine.ocr import ocr_available

        return ocr_available()

    @property
    def identity(self) -> str:
        """Name and version of program and models."""
        return self._loaded().identity

    def read(self, pixels: Any) -> "tuple[OcrLine, ...]":
        """Return the lines of an RGB picture."""
        return self._loaded().read(pixels)

    def _loaded(self) -> "OcrDriver":
        from staffroom.engine.ocr import OcrDriver

        if self._driver is None:
            self._driver = OcrDriver()
        return self._driver


def read_bytes(
    data: bytes,
    name: str,
    *,
    limits: ReadLimits | None = None,
    on_page: PageListener | None = None,
    ocr: PageReader | None = None,
) -> tuple[str, ExtractedText]:
    """Return media type and text of a document; `name` gives its extension, `ocr` None means that none is installed.

    Raises BadDocument.
    """
    limits = limits or ReadLimits()
    try:
        if len(data) > limits.file_bytes:
            raise too_large(len(data), limits)
        kind, warnings = sniff(data, name)
        reading = _read(data, kind, limits, on_page or _ignore_page, ocr)
        marked = replace(
            reading,
            pieces=mark_structure(reading.pieces),
            warnings=(*warnings, *reading.warnings),
            reader=f"{reading.reader}; staffroom readers 1",
        )
        return media_type(kind, data), assemble(marked, digest_bytes(data), limits.text_characters)
    except BadDocument as error:
        error.where = error.where or name
        raise
    except MemoryError as error:
        raise BadDocument(
            BadReason.TOO_MUCH_MEMORY,
            f"needs more than {limits.memory_bytes >> 20:,} MiB of memory to read",
            where=name,
            hint="split the document into several files",
        ) from error
    except Exception as error:  # boundary: parsers of foreign formats raise anything on damaged input
        raise BadDocument(
            BadReason.CORRUPT,
            f"cannot be read ({type(error).__name__}: {error})",
            where=name,
            hint="open it in the program it was made with, save it again, and use the new file",
        ) from error


def too_large(size: int, limits: ReadLimits) -> BadDocument:
    """Return the refusal of a file of this many bytes."""
    return BadDocument(
        BadReason.TOO_LARGE,
        f"is {size / (1 << 20):,.0f} MiB, more than the limit of {limits.file_bytes >> 20:,} MiB",
        hint="split the document, or save it with smaller pictures",
    )


def _ignore_page(number: int, of: int) -> None:
    del number, of


def _read(
    data: bytes, kind: Kind, limits: ReadLimits, on_page: PageListener, ocr: PageReader | None
) -> Reading:
    """Call the reader of this kind; each is imported only when it is needed, so that a Markdown file starts no PDF library."""
    match kind:
        case Kind.MARKDOWN:
            from staffroom.onboard.readers.markdown import read_markdown

            return read_markdown(data)
        case Kind.TEXT:
            from staffroom.onboard.readers.plain import read_text

            return read_text(data)
        case Kind.HTML:
            from staffroom.onboard.readers.html import read_html

            return read_html(data)
        case Kind.DOCX:
            from staffroom.onboard.readers.docx import read_docx

            return read_docx(data, limits)
        case Kind.XLSX:
            from staffroom.onboard.readers.xlsx import read_xlsx

            return read_xlsx(data, limits)
        case Kind.PPTX:
            from staffroom.onboard.readers.pptx import read_pptx

            return read_pptx(data, limits)
        case Kind.ODT | Kind.ODS | Kind.ODP:
            from staffroom.onboard.readers.odf import read_odf

            return read_odf(data, kind, limits)
        case Kind.PDF:
            from staffroom.onboard.readers.pdf import read_pdf

            return read_pdf(data, limits, on_page, ocr)
        case Kind.IMAGE:
            from staffroom.onboard.readers.images import read_image

            return read_image(data, limits, on_page, ocr)
