"""Plain text: the encoding found strictly, the paragraphs by empty lines or by lines that stop short."""

import codecs
import itertools
import re
import unicodedata

from staffroom.onboard.readers.pieces import Piece, Reading, join_lines
from staffroom.onboard.readers.statutes import division_of, list_level
from staffroom.records.documents import BadDocument, BadReason, BlockKind

__all__ = ["decode_text", "read_text"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BIG5_COMMON = 0.9
_ENOUGH_PAIRS = 20
_WRAP_MIN, _WRAP_MAX, _WRAP_SLACK, _WRAP_SHARE = 40, 110, 4, 0.3


def read_text(data: bytes) -> Reading:
    """Read plain text: UTF-8, UTF-16, UTF-32, Big5 as Windows writes it, or Western Windows text."""
    text, warnings = decode_text(data)
    pieces = [Piece(BlockKind.PARAGRAPH, part) for part in _paragraphs(text)]
    return Reading(tuple(pieces), "text 1", 0, warnings)


def decode_text(data: bytes, declared: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Return the text and warnings; nothing is ever replaced by question marks.

    declared: what the document says of itself; it is believed only if every byte agrees. Big5 is taken only if the
    characters are common ones too, because many byte strings happen to be valid Big5.
    Raises BadDocument (UNKNOWN_ENCODING).
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _strict(data[len(bom) :], encoding), ()
    if guess := _utf16_without_mark(data):
        return _strict(data, guess), ()
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    if declared and _known(declared) not in (None, "utf-8"):
        name = "cp950" if _known(declared) in ("big5", "cp950", "big5hkscs") else declared
        try:
            return data.decode(name), ()
        except UnicodeDecodeError:
            pass
    if (text := _big5(data)) is not None:
        return text, ("not UTF-8; read as Big5",)
    if (text := _western(data)) is not None:
        return text, ("not UTF-8; read as Western Windows text (cp1252)",)
    raise BadDocument(
        BadReason.UNKNOWN_ENCODING,
        "its text is in no encoding that is recognised with certainty",
        hint="open it in a text editor and save it as UTF-8",
    )


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadDocument(
            BadReason.UNKNOWN_ENCODING,
            f"starts like {encoding} text, but byte {error.start:,} is not",
            hint="open it in a text editor and save it as UTF-8",
        ) from error


def _known(encoding: str) -> str | None:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        return None


def _utf16_without_mark(data: bytes) -> str | None:
    head = data[:4096]
    if len(head) < 4 or b"\x00" not in head:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 2 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 2 * odd else None


def _big5(data: bytes) -> str | None:
    try:
        text = data.decode("cp950")
    except UnicodeDecodeError:
        return None
    leads, trails, place = [], [], 0
    while place < len(data):
        if data[place] < 0x80:
            place += 1
            continue
        leads.append(data[place])
        trails.append(data[place + 1])
        place += 2
    common = sum(0xA1 <= lead <= 0xC6 for lead in leads)
    if not leads or common < _BIG5_COMMON * len(leads):
        return None
    if len(leads) >= _ENOUGH_PAIRS and min(trails) >= 0xA1:
        return None
    return text


def _western(data: bytes) -> str | None:
    high = [place for place, byte in enumerate(data) if byte >= 0x80]
    if len(high) > 0.1 * len(data) or any(second - first == 1 for first, second in itertools.pairwise(high)):
        return None
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return None


def _paragraphs(text: str) -> list[str]:
    lines = [line.rstrip() for line in re.split(r"\r\n|[\r\n\f\v\u2028\u2029\x85]", text)]
    widths = [_width(line) for line in lines if line]
    widest = max(widths, default=0)
    full = widest - _WRAP_SLACK
    wrapped = _WRAP_MIN <= widest <= _WRAP_MAX and sum(
        width >= full for width in widths
    ) >= _WRAP_SHARE * len(widths)
    paragraphs: list[str] = []
    open_line = False
    for line in lines:
        if not line.strip():
            open_line = False
            continue
        starts = line[0] in " \t\u3000" or division_of(line.strip()) or list_level(line.strip())
        if open_line and not starts:
            paragraphs[-1] = join_lines(paragraphs[-1], line)
        else:
            paragraphs.append(line.strip())
        open_line = wrapped and _width(line) >= full
    return paragraphs


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)
