"""What the readers of PDFs and pictures ask of OCR; nothing heavy is imported for it."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from staffroom.engine.ocr import OcrLine

__all__ = ["PageReader"]


class PageReader(Protocol):
    """Reads the lines of a picture."""

    def available(self) -> bool:
        """Say whether it can be used, without loading it."""
        ...

    @property
    def identity(self) -> str:
        """Name and version of program and models."""
        ...

    def read(self, pixels: Any) -> "tuple[OcrLine, ...]":
        """Return the lines of an RGB picture (height, width, 3) of bytes."""
        ...
