"""Tell what a file is by its content; the extension decides only between kinds of plain text."""

import zipfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePath

from staffroom.onboard.readers.archive import open_archive
from staffroom.records.documents import BadDocument, BadReason

__all__ = ["MEDIA_TYPES", "Kind", "media_type", "sniff"]

_OLE = bytes.fromhex("D0CF11E0A1B11AE1")
_HEAD_BYTES = 4096


class Kind(StrEnum):
    """A format that can be read."""

    MARKDOWN = "md"
    TEXT = "txt"
    HTML = "html"
    DOCX = "docx"
    XLSX = "xlsx"
    PPTX = "pptx"
    ODT = "odt"
    ODS = "ods"
    ODP = "odp"
    PDF = "pdf"
    IMAGE = "image"


_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
MEDIA_TYPES: Mapping[Kind, str] = {
    Kind.MARKDOWN: "text/markdown",
    Kind.TEXT: "text/plain",
    Kind.HTML: "text/html",
    Kind.DOCX: _OOXML + "wordprocessingml.document",
    Kind.XLSX: _OOXML + "spreadsheetml.sheet",
    Kind.PPTX: _OOXML + "presentationml.presentation",
    Kind.ODT: _ODF + "text",
    Kind.ODS: _ODF + "spreadsheet",
    Kind.ODP: _ODF + "presentation",
    Kind.PDF: "application/pdf",
}
_BY_EXTENSION: Mapping[str, Kind] = {
    **dict.fromkeys((".md", ".markdown", ".mdown"), Kind.MARKDOWN),
    **dict.fromkeys((".txt", ".text", ""), Kind.TEXT),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    **dict.fromkeys((".docx", ".docm", ".dotx"), Kind.DOCX),
    **dict.fromkeys((".xlsx", ".xlsm"), Kind.XLSX),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx"), Kind.PPTX),
    **dict.fromkeys((".odt", ".ott"), Kind.ODT),
    **dict.fromkeys((".ods", ".ots"), Kind.ODS),
    **dict.fromkeys((".odp", ".otp"), Kind.ODP),
    ".pdf": Kind.PDF,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif"), Kind.IMAGE),
}
_LEGACY_EXTENSIONS = (".doc", ".xls", ".ppt", ".dot", ".pps", ".rtf")
_TEXTUAL = (Kind.MARKDOWN, Kind.TEXT, Kind.HTML)
_IMAGE_MAGIC: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"BM": "image/bmp",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"RIFF": "image/webp",
}


def sniff(data: bytes, name: str) -> tuple[Kind, tuple[str, ...]]:
    """Return the kind of the content, and warnings where the extension says otherwise.

    Raises BadDocument: EMPTY, ENCRYPTED, LEGACY_FORMAT, UNSUPPORTED, WRONG_EXTENSION, CORRUPT.
    """
    if not data.strip(b"\x00 \t\r\n"):
        raise BadDocument(
            BadReason.EMPTY, "is empty", hint="remove it from the job description or give the right file"
        )
    extension = PurePath(name).suffix.lower()
    named = _BY_EXTENSION.get(extension)
    kind = _binary_kind(data)
    if kind is None:
        return _text_kind(data, extension, named)
    if named is kind:
        return kind, ()
    shown = extension or "no extension"
    return kind, (f"named with {shown}, but its content is {kind.value}; read as that",)


def _binary_kind(data: bytes) -> Kind | None:
    if data.startswith(_OLE):
        _refuse_ole(data)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data)
    if b"%PDF-" in data[:1024]:
        return Kind.PDF
    if _is_image(data):
        return Kind.IMAGE
    if data.startswith(b"{\\rtf"):
        raise _legacy("rich text (RTF)", "DOCX or ODT")
    return None


def _is_image(data: bytes) -> bool:
    if data.startswith(b"RIFF"):
        return data[8:12] == b"WEBP"
    if data.startswith(b"BM"):
        return int.from_bytes(data[2:6], "little") == len(data) and data[6:10] == bytes(4)
    return data.startswith(tuple(_IMAGE_MAGIC))


def media_type(kind: Kind, data: bytes) -> str:
    """Return the media type of a content of this kind."""
    if kind is not Kind.IMAGE:
        return MEDIA_TYPES[kind]
    return next(name for magic, name in _IMAGE_MAGIC.items() if data.startswith(magic))


def _refuse_ole(data: bytes) -> None:
    def holds(stream: str) -> bool:
        return stream.encode("utf-16-le") in data

    if holds("EncryptedPackage"):
        raise BadDocument(
            BadReason.ENCRYPTED,
            "is protected by a password",
            hint="open it with the password, save a copy without one, and use the copy",
        )
    if holds("WordDocument"):
        raise _legacy("an old Word document (.doc)", "DOCX or ODT")
    if holds("Workbook") or holds("Book"):
        raise _legacy("an old Excel workbook (.xls)", "XLSX or ODS")
    if holds("PowerPoint Document"):
        raise _legacy("an old PowerPoint presentation (.ppt)", "PPTX or ODP")
    raise _legacy("in an old binary Office format", "DOCX, XLSX, PPTX or PDF")


def _legacy(what: str, target: str) -> BadDocument:
    return BadDocument(
        BadReason.LEGACY_FORMAT,
        f"is {what}, which is not read",
        hint=f"open it in LibreOffice, save it as {target}, and use the new file",
    )


def _zip_kind(data: bytes) -> Kind:
    archive = open_archive(data)
    names = set(archive.namelist())
    for marker, kind in (
        ("word/document.xml", Kind.DOCX),
        ("xl/workbook.xml", Kind.XLSX),
        ("ppt/presentation.xml", Kind.PPTX),
    ):
        if marker in names:
            return kind
    if "mimetype" in names and archive.getinfo("mimetype").file_size < _HEAD_BYTES:
        try:
            mimetype = archive.read("mimetype").decode("ascii", "replace").strip()
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise BadDocument(
                BadReason.CORRUPT, f"its container is damaged ({error})", hint="ask for the file again"
            ) from error
        for kind in (Kind.ODT, Kind.ODS, Kind.ODP):
            if mimetype in (MEDIA_TYPES[kind], MEDIA_TYPES[kind] + "-template"):
                return kind
    raise BadDocument(
        BadReason.UNSUPPORTED,
        "is a zip archive, not a document",
        hint="unpack it and name the documents in it one by one",
    )


def _text_kind(data: bytes, extension: str, named: Kind | None) -> tuple[Kind, tuple[str, ...]]:
    looks_html = _looks_html(data[:_HEAD_BYTES])
    if named in _TEXTUAL:
        if named is not Kind.HTML and looks_html:
            return Kind.HTML, (
                f"named with {extension or 'no extension'}, but its content is html; read as that",
            )
        return named, ()
    if looks_html:
        return Kind.HTML, (f"named with {extension}, but its content is html; read as that",)
    if named is not None or extension in _LEGACY_EXTENSIONS:
        raise BadDocument(
            BadReason.WRONG_EXTENSION,
            f"is named with {extension}, but its content is nothing of the kind: damaged, cut short or misnamed",
            hint="open it in the program it was made with, and save it again",
        )
    if b"\x00" in data[:_HEAD_BYTES] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadDocument(
            BadReason.UNSUPPORTED,
            f"is of a kind that is not read ({extension})",
            hint="save it as PDF, DOCX, ODT, HTML, Markdown or text",
        )
    return Kind.TEXT, (f"the extension {extension} is not known; read as plain text",)


def _looks_html(head: bytes) -> bool:
    text = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if text.startswith(b"<?xml"):
        return b"<html" in text
    while text.startswith(b"<!--") and b"-->" in text:
        text = text.split(b"-->", 1)[1].lstrip()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
