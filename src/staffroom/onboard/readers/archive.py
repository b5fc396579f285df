"""Look at a zip container before any part of it is unpacked: sizes, ratio, encryption, XML entities."""

import io
import re
import zipfile
import zlib
from typing import NoReturn

from staffroom.onboard.readers.limits import ReadLimits
from staffroom.records.documents import BadDocument, BadReason

__all__ = ["check_archive", "open_archive"]

_RATIO_FROM_BYTES = 16 << 20
_ENTITY = re.compile(
    rb"<!ENTITY|<\x00!\x00E\x00N\x00T\x00I\x00T\x00Y|\x00<\x00!\x00E\x00N\x00T\x00I\x00T\x00Y"
)
_ODF_ENCRYPTED = b"encryption-data"
_XML_SUFFIXES = (".xml", ".rels", ".vml", ".rdf")


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open the bytes as a zip container; raises BadDocument (CORRUPT)."""
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"its container is damaged or cut short ({error})",
            hint="open it in LibreOffice, save it again, and use the new file",
        ) from error


def check_archive(data: bytes, limits: ReadLimits) -> zipfile.ZipFile:
    """Refuse what would unpack to too much, is encrypted, or declares XML entities; return the open container.

    zipfile never unpacks more of a part than its declared size, so the declared sizes bound the whole.
    Raises BadDocument (ZIP_BOMB, ENCRYPTED, XML_ENTITIES, CORRUPT).
    """
    archive = open_archive(data)
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > limits.entries:
        _bomb(f"has {len(entries):,} parts, more than {limits.entries:,}")
    if unpacked > limits.unpacked_bytes:
        _bomb(f"would unpack to {unpacked >> 20:,} MiB, more than {limits.unpacked_bytes >> 20:,}")
    if unpacked > _RATIO_FROM_BYTES and unpacked > limits.ratio * max(1, len(data)):
        _bomb(f"would unpack to {unpacked // max(1, len(data)):,} times its size")
    if any(entry.flag_bits & 1 for entry in entries):
        _encrypted()
    for entry in entries:
        if entry.filename.lower().endswith(_XML_SUFFIXES):
            part = _part(archive, entry)
            if _ENTITY.search(part):
                raise BadDocument(
                    BadReason.XML_ENTITIES,
                    f"its part {entry.filename} declares XML entities, which no office program writes",
                    hint="do not use this file; ask whoever sent it for a PDF",
                )
            if entry.filename == "META-INF/manifest.xml" and _ODF_ENCRYPTED in part:
                _encrypted()
    return archive


def _part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, zlib.error) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"its part {entry.filename} is damaged ({error})",
            hint="open it in LibreOffice, save it again, and use the new file",
        ) from error


def _bomb(message: str) -> NoReturn:
    raise BadDocument(
        BadReason.ZIP_BOMB,
        message,
        hint="if the file is genuine, save it as PDF or split it into several files",
    )


def _encrypted() -> NoReturn:
    raise BadDocument(
        BadReason.ENCRYPTED,
        "is protected by a password",
        hint="open it with the password, save a copy without one, and use the copy",
    )
