"""Read a job's documents: each bad one named with its reason, skipped only where the job allows it."""

import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from staffroom.onboard.readers import ReaderProcess, ReadLimits, find_as_of
from staffroom.onboard.readers.reading import too_large
from staffroom.records.documents import (
    BadDocument,
    BadReason,
    ReadDocument,
    SkippedDocument,
    SourceDocument,
)

__all__ = ["DocumentListener", "list_documents", "read_documents"]

DocumentListener = Callable[[str, int, int], None]
_FINDING_HINT = "give the right path in the job description"


def read_documents(
    paths: Sequence[Path],
    allow_skip: bool,
    *,
    as_of: Mapping[Path, str] | None = None,
    limits: ReadLimits | None = None,
    on_document: DocumentListener | None = None,
) -> tuple[tuple[ReadDocument, ...], tuple[SkippedDocument, ...]]:
    """Read files, and the files in folders, in the order given; return what was read and what was skipped.

    as_of: ISO dates by the path given (a folder's date holds for its files); else a date found in the text.
    on_document(name, number, of) is told before each.  Reading happens in a process of its own, within `limits`.
    Raises BadDocument that names every bad document, unless `allow_skip`.
    """
    limits = limits or ReadLimits()
    files = list_documents(paths)
    read: list[ReadDocument] = []
    skipped: list[SkippedDocument] = []
    bad: list[BadDocument] = []
    with ReaderProcess(limits) as process:
        for number, (path, name, given) in enumerate(files, start=1):
            if on_document is not None:
                on_document(name, number, len(files))
            try:
                read.append(_read_one(process, path, name, (as_of or {}).get(given), limits))
            except BadDocument as error:
                bad.append(error)
                skipped.append(SkippedDocument(path, name, error.reason, error.message, error.hint))
    if bad and not allow_skip:
        raise _all_bad(bad)
    return tuple(read), tuple(skipped)


def list_documents(paths: Iterable[Path]) -> list[tuple[Path, str, Path]]:
    """Return (file, name, path as given) of each file once; hidden files and office lock files in folders are left out.

    Names are unique: the file's own name, or with as much of its folders as tells two files of one name apart.
    """
    found: dict[Path, Path] = {}
    for given in paths:
        for path in _files(given):
            found.setdefault(path, given)
    names: dict[Path, str] = {}
    for path in found:
        others = [other.absolute() for other in found if other.name == path.name and other != path]
        parts = path.absolute().parts
        length = 1
        while length < len(parts) and any(other.parts[-length:] == parts[-length:] for other in others):
            length += 1
        names[path] = "/".join(parts[-length:])
    return [(path, names[path], given) for path, given in found.items()]


def _files(given: Path) -> Iterator[Path]:
    if not given.is_dir():
        yield given
        return
    for path in sorted(given.rglob("*")):
        inner = path.relative_to(given).parts
        if path.is_file() and not any(part.startswith((".", "~$")) for part in inner):
            yield path


def _read_one(
    process: ReaderProcess, path: Path, name: str, as_of: str | None, limits: ReadLimits
) -> ReadDocument:
    _check(path, name, limits)
    media_type, size, extracted = process.read(path, name)
    source = SourceDocument(
        path, name, extracted.document_digest, media_type, as_of or find_as_of(extracted.text), size
    )
    return ReadDocument(source, extracted)


def _check(path: Path, name: str, limits: ReadLimits) -> None:
    """Refuse what is not an ordinary file of an allowed size, before anything opens it (a pipe would never end)."""
    try:
        status = path.stat()
    except OSError as error:
        raise BadDocument(
            BadReason.MISSING, f"cannot be opened ({error.strerror})", where=name, hint=_FINDING_HINT
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise BadDocument(BadReason.NOT_A_FILE, "is not an ordinary file", where=name, hint=_FINDING_HINT)
    if not os.access(path, os.R_OK):
        raise BadDocument(
            BadReason.MISSING,
            "may not be read by this user",
            where=name,
            hint=f"chmod u+r {shlex.quote(str(path))}",
        )
    if status.st_size > limits.file_bytes:
        refusal = too_large(status.st_size, limits)
        refusal.where = name
        raise refusal


def _all_bad(bad: Sequence[BadDocument]) -> BadDocument:
    if len(bad) == 1:
        return bad[0]
    lines = [f"{error.where}: {error.message} (hint: {error.hint})" for error in bad]
    return BadDocument(
        bad[0].reason,
        f"{len(bad)} documents cannot be read\n" + "\n".join(lines),
        hint="mend or remove them, or set policy.skip_bad_documents: true in the job description",
    )
