"""Reading a person's file as text: size, byte-order mark, and an encoding that is said, known or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from staffroom.records.errors import WrongUse

__all__ = ["SourceText", "read_source"]

MAX_BYTES = 32 << 20
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ENCODINGS = frozenset(
    {
        *("utf-8", "utf-16-le", "utf-16-be", "cp950", "big5hkscs", "gb18030", "cp932", "cp949"),
        *("cp1250", "cp1251", "cp1252", "cp1254", "cp1256", "iso8859-1", "iso8859-6", "iso8859-15"),
    }
)
# What office programs of the region wrote before UTF-8.
_REGIONAL: Mapping[str, str] = MappingProxyType(
    {"zh-TW": "cp950", "zh-HK": "big5hkscs", "zh-CN": "gb18030", "ja": "cp932", "ko": "cp949", "ar": "cp1256"}
)


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's text with `\\n` at line ends, and the encoding that it was read by."""

    path: Path
    text: str
    encoding: str


def read_source(path: Path, *, encoding: str = "", locale: str = "") -> SourceText:
    """Read a text file of at most 32 MiB.

    A byte-order mark decides; else `encoding` where it is given; else UTF-8; else the encoding that office programs of
    the locale used to write. Raises WrongUse with what to say where none of them reads the file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WrongUse(f"larger than {MAX_BYTES >> 20} MiB", where=str(path), hint="split the file")
        raw = path.read_bytes()
    except OSError as error:
        raise WrongUse(
            f"cannot be read ({error.strerror})", where=str(path), hint="name a file that is there"
        ) from error
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return _decoded(path, raw[len(mark) :], name)
    if encoding:
        return _decoded(path, raw, _known(encoding))
    try:
        return _decoded(path, raw, "utf-8")
    except WrongUse:
        regional = _REGIONAL.get(locale) or _REGIONAL.get(locale.partition("-")[0]) or ""
        if not regional:
            raise
        return _decoded(path, raw, regional)


def _known(encoding: str) -> str:
    name = encoding.strip().lower().replace("_", "-")
    name = {"big5": "cp950", "utf8": "utf-8", "latin-1": "iso8859-1", "windows-1252": "cp1252"}.get(
        name, name
    )
    name = name.replace("windows-", "cp").replace("iso-8859", "iso8859")
    if name not in _ENCODINGS:
        raise WrongUse(
            f"the encoding `{encoding}` is not known",
            hint=f"--encoding takes {', '.join(sorted(_ENCODINGS))}",
        )
    return name


def _decoded(path: Path, raw: bytes, encoding: str) -> SourceText:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WrongUse(
            f"is not {encoding} text", where=f"{path}:{line}", hint="save it as UTF-8, or say --encoding NAME"
        ) from error
    if "\0" in text:
        raise WrongUse(
            "holds zero bytes: it is no text", where=str(path), hint="save it as CSV or JSON lines in UTF-8"
        )
    return SourceText(path, text.replace("\r\n", "\n").replace("\r", "\n"), encoding)
