"""Pictures of pages: decoded within bounds, read by OCR, their lines put in reading order."""

import io
import re
import warnings as python_warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from staffroom.onboard.readers.layout import Line, Page, drop_furniture, lay_out
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.page_reader import PageReader
from staffroom.onboard.readers.pieces import Reading, is_cjk
from staffroom.records.documents import BadDocument, BadReason

if TYPE_CHECKING:
    from staffroom.engine.ocr import OcrLine

__all__ = ["ocr_page", "read_image"]

_MAX_SIDE = 4_000
_FULL_WIDTH = str.maketrans({"(": "（", ")": "）", ",": "，", ";": "；", ":": "：", "?": "？", "!": "！"})
_ASCII_MARK = re.compile(r"[(),;:?!]")


def read_image(
    data: bytes, limits: ReadLimits, on_page: Callable[[int, int], None], ocr: PageReader | None
) -> Reading:
    """Read PNG, JPEG, TIFF (each of its pages), BMP, GIF or WebP by OCR.

    Raises BadDocument (NEEDS_OCR, CORRUPT, TOO_LARGE).
    """
    if ocr is None or not ocr.available():
        raise BadDocument(BadReason.NEEDS_OCR, "is a picture", hint="make ocr")
    pages: list[Page] = []
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                count = getattr(image, "n_frames", 1)
                if count > limits.pages or image.width * image.height > limits.pixels:
                    raise BadDocument(
                        BadReason.TOO_LARGE,
                        f"has {image.width:,} × {image.height:,} pixels on {count:,} pages",
                        hint="scan it again at 200 to 300 dots per inch",
                    )
                for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
                    on_page(number, count)
                    pages.append(ocr_page(ocr, _pixels(frame), number))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BadDocument(
            BadReason.CORRUPT, f"is not a whole picture ({error})", hint="scan or export it again"
        ) from error
    pieces = lay_out(drop_furniture(pages), size_tolerance=0.4)
    note = "was read by OCR: check what is quoted from it"
    return Reading(tuple(pieces), ocr.identity, len(pages), (note,))


def _pixels(frame: Image.Image) -> Any:
    upright = ImageOps.exif_transpose(frame)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        paper = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(paper, upright.convert("RGBA"))
    picture = upright.convert("RGB")
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return np.asarray(picture)


def ocr_page(ocr: PageReader, pixels: Any, number: int) -> Page:
    """Read one picture and put its lines in order, the tilt of the page taken out of their places."""
    found = ocr.read(pixels)
    height, width = pixels.shape[:2]
    return Page(number, float(width), float(height), tuple(_ordered(found)))


def _ordered(found: "Sequence[OcrLine]") -> list[Line]:
    """Order lines from top to bottom, those side by side from left to right and joined into one line."""
    rows: list[list[OcrLine]] = []
    for line in sorted(found, key=lambda item: item.top + item.height / 2):
        middle = line.top + line.height / 2
        if rows:
            last = rows[-1][-1]
            if abs(middle - (last.top + last.height / 2)) < 0.4 * min(line.height, last.height):
                rows[-1].append(line)
                continue
        rows.append([line])
    lines = []
    for row in rows:
        row.sort(key=lambda item: item.left)
        text = _as_printed(" ".join(item.text for item in row))
        first, last = row[0], row[-1]
        lines.append(Line(text, first.left, last.right, first.top, max(item.height for item in row)))
    return lines


def _as_printed(text: str) -> str:
    """Write punctuation between Chinese characters full width again, as it stands on paper."""
    if sum(map(is_cjk, text)) * 2 < len(text):
        return text

    def widen(match: re.Match[str]) -> str:
        near = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
        return match[0].translate(_FULL_WIDTH) if any(map(is_cjk, near)) else match[0]

    return _ASCII_MARK.sub(widen, text)
