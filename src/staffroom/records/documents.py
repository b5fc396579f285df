"""Values of documents on their way into an index: the file, its text with places, its chunks, what was skipped."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from staffroom.records.errors import StaffroomError

__all__ = [
    "BadDocument",
    "BadReason",
    "Block",
    "BlockKind",
    "Chunk",
    "ExtractedText",
    "ReadDocument",
    "SkippedDocument",
    "SourceDocument",
]


class BlockKind(StrEnum):
    """What a stretch of text is on the page."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    TABLE_ROW = "table_row"
    LIST_ITEM = "list_item"


class BadReason(StrEnum):
    """Why a document cannot be read; each is a code that programs may rely on."""

    MISSING = "missing"
    NOT_A_FILE = "not_a_file"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    WRONG_EXTENSION = "wrong_extension"
    LEGACY_FORMAT = "legacy_format"
    UNSUPPORTED = "unsupported"
    UNKNOWN_ENCODING = "unknown_encoding"
    ZIP_BOMB = "zip_bomb"
    XML_ENTITIES = "xml_entities"
    NEEDS_OCR = "needs_ocr"
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    CRASHED = "crashed"


class BadDocument(StaffroomError):
    """A document cannot be read; `reason` says why as a code, the text says it in words."""

    exit_code = 2

    def __init__(self, reason: BadReason, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A file as it was read: `name` is unique within a job, `digest` and `bytes` (its size) are of the file.

    `as_of` is an ISO 8601 date or None; `media_type` is that of the content, whatever the extension says.
    """

    path: Path
    name: str
    digest: str
    media_type: str
    as_of: str | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, list item or table row; `text` is the extracted text from `start` to `end`.

    level: 1 (outermost) to 9 for headings and list items, 0 otherwise.  page: from 1, None where a format has no pages.
    """

    kind: BlockKind
    level: int
    text: str
    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """The plain text of a document, in which every citation opens, and the blocks it consists of.

    pages: how many pages, slides or sheets there are (0 where a format has none).
    reader: name and version of what read it.  warnings: sentences that a person should see.
    """

    document_digest: str
    text: str
    blocks: tuple[Block, ...]
    pages: int
    reader: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A file together with what was read from it."""

    source: SourceDocument
    extracted: ExtractedText


@dataclass(frozen=True, slots=True)
class SkippedDocument:
    """A file that was left out because the job allows it, and why."""

    path: Path
    name: str
    reason: BadReason
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What an index holds: a stretch of one document, `text` being its extracted text from `start` to `end`.

    heading_path goes from the document's title inwards and is not part of `text`.
    cluster: the article, section or page it belongs to, equal for one article in several formats.
    id: digest of the document's name, the heading path, the place below it and the text: it survives changes elsewhere.
    """

    id: str
    document_digest: str
    document_name: str
    heading_path: tuple[str, ...]
    text: str
    page: int | None
    start: int
    end: int
    as_of: str | None
    cluster: str

    def as_json(self) -> dict[str, Any]:
        """Return the chunk as JSON data."""
        return {
            "id": self.id,
            "document_digest": self.document_digest,
            "document_name": self.document_name,
            "heading_path": list(self.heading_path),
            "text": self.text,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "as_of": self.as_of,
            "cluster": self.cluster,
        }
