"""Pictures: pages decoded, lines ordered, and a clear word where OCR is not installed (the recogniser itself: integration)."""

import io
import sys
from typing import Any

import pytest
from PIL import Image
from reader_samples import pdf_bytes

from staffroom.engine.ocr import OcrDriver, OcrLine
from staffroom.onboard.readers import ReadLimits, read_bytes
from staffroom.records.documents import BadDocument, BadReason
from staffroom.records.errors import StaffroomError


class FixedReader:
    """Stands in for the recogniser: the same lines for every page, in no order."""

    identity = "fixed 1"

    def __init__(self, *lines: OcrLine) -> None:
        self.lines = lines
        self.shapes: list[tuple[int, ...]] = []

    def available(self) -> bool:
        return True

    def read(self, pixels: Any) -> tuple[OcrLine, ...]:
        self.shapes.append(pixels.shape)
        return self.lines


LINES = (
    OcrLine("第二條", 0.9, 50, 160, 120, 20),
    OcrLine("(含稅)", 0.9, 150, 101, 230, 20),
    OcrLine("第一條", 0.9, 50, 60, 120, 20),
    OcrLine("規費", 0.9, 50, 100, 120, 20),
)


def picture(
    mode: str = "RGB", size: tuple[int, int] = (400, 300), kind: str = "PNG", pages: int = 1
) -> bytes:
    stream = io.BytesIO()
    images = [Image.new(mode, size) for _ in range(pages)]
    images[0].save(stream, kind, **({"save_all": True, "append_images": images[1:]} if pages > 1 else {}))
    return stream.getvalue()


def test_lines_are_put_in_order_and_punctuation_is_as_printed() -> None:
    reader = FixedReader(*LINES)
    media_type, text = read_bytes(picture(), "a.png", ocr=reader)
    assert media_type == "image/png"
    assert [block.text for block in text.blocks] == ["第一條", "規費 （含稅）", "第二條"]
    assert "OCR" in text.warnings[0] and text.reader.startswith("fixed 1")
    assert reader.shapes == [(300, 400, 3)]


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("L", "JPEG"), ("1", "TIFF"), ("P", "GIF"), ("RGB", "BMP")]
)
def test_every_kind_of_picture_is_decoded(mode: str, kind: str) -> None:
    reader = FixedReader(*LINES)
    read_bytes(picture(mode, kind=kind), f"a.{kind.lower()}", ocr=reader)
    assert reader.shapes == [(300, 400, 3)]


def test_pages_of_a_tiff_are_numbered() -> None:
    seen: list[tuple[int, int]] = []
    _, text = read_bytes(
        picture(kind="TIFF", pages=3),
        "a.tiff",
        ocr=FixedReader(*LINES),
        on_page=lambda n, of: seen.append((n, of)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert text.pages == 3 and {block.page for block in text.blocks} >= {1, 3}


def test_pictures_are_bounded_and_need_ocr() -> None:
    for limits, ocr, reason in (
        (ReadLimits(pixels=1000), FixedReader(), BadReason.TOO_LARGE),
        (ReadLimits(), None, BadReason.NEEDS_OCR),
        (ReadLimits(), FixedReader(), BadReason.EMPTY),
    ):
        with pytest.raises(BadDocument) as caught:
            read_bytes(picture(), "a.png", limits=limits, ocr=ocr)
        assert caught.value.reason is reason


def scanned_pdf(text_page: bool) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (200, 300)).save(stream, "PDF")
    if not text_page:
        return stream.getvalue()
    import pypdfium2 as pdfium

    whole = pdfium.PdfDocument(pdf_bytes([[(50, 500, 10, "Words that are text")]]))
    whole.import_pages(pdfium.PdfDocument(stream.getvalue()))
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def test_scanned_pages_go_through_ocr_and_are_named_without_it() -> None:
    _, text = read_bytes(scanned_pdf(True), "a.pdf", ocr=FixedReader(*LINES))
    assert [(b.text, b.page) for b in text.blocks][:2] == [("Words that are text", 1), ("第一條", 2)]
    _, text = read_bytes(scanned_pdf(True), "a.pdf")
    assert "pages 2 are pictures" in text.warnings[0] and "make ocr" in text.warnings[0]
    with pytest.raises(BadDocument) as caught:
        read_bytes(scanned_pdf(False), "a.pdf")
    assert caught.value.reason is BadReason.NEEDS_OCR and caught.value.hint == "make ocr"


def test_driver_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(StaffroomError) as caught:
        OcrDriver()
    assert caught.value.hint == "make ocr"
