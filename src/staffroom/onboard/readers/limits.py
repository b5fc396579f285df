"""How much a document may cost before it is refused."""

from dataclasses import dataclass

__all__ = ["ReadLimits"]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Bounds on one document; all sizes in bytes, all times in seconds of wall clock.

    file_bytes: the file itself.  unpacked_bytes, entries, ratio: the parts of a zip container, looked at before
    any is unpacked (`ratio` counts only above 16 MiB unpacked).  text_characters: what may come out.
    pages: pages, slides or sheets.  pixels: of one picture.  step_seconds: one page of a PDF or picture,
    or the whole of any other document.  total_seconds: the whole.  memory_bytes: address space of the reading process.
    """

    file_bytes: int = 100 << 20
    unpacked_bytes: int = 400 << 20
    entries: int = 10_000
    ratio: int = 200
    text_characters: int = 20_000_000
    pages: int = 3_000
    pixels: int = 80_000_000
    step_seconds: float = 120.0
    total_seconds: float = 1_800.0
    memory_bytes: int = 3 << 30
