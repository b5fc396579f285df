"""From a job's documents to its index: read what changed, cut, drop copies in other formats, embed, write.

It lives here because reading, cutting and indexing meet the cache of a home; each of them knows only its own part.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from staffroom import __version__
from staffroom.engine.embed import Embedder
from staffroom.onboard.cache import OnboardCache
from staffroom.onboard.chunks import chunk_document
from staffroom.onboard.documents import list_documents, read_documents
from staffroom.onboard.duplicates import find_duplicates
from staffroom.onboard.index import IndexSummary, build_index
from staffroom.onboard.request_guard import fit_request_guard, packaged_guard, prototypes_digest
from staffroom.pipeline.assemble import index_path
from staffroom.records.digests import canonical_json, digest_file, digest_value
from staffroom.records.documents import (
    Block,
    BlockKind,
    Chunk,
    ExtractedText,
    ReadDocument,
    SkippedDocument,
    SourceDocument,
)
from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.protocols import Progress
from staffroom.store import Home

__all__ = [
    "DocumentSet",
    "document_digests",
    "fit_guard",
    "guard_inputs",
    "index_documents",
    "kept_in",
    "open_cache",
]


@dataclass(frozen=True, slots=True)
class DocumentSet:
    """What indexing a job's documents gave; `duplicates` maps a dropped chunk to the one that stands for it."""

    summary: IndexSummary
    names: tuple[str, ...]
    skipped: tuple[SkippedDocument, ...]
    warnings: tuple[str, ...]
    duplicates: int

    def as_json(self) -> dict[str, Any]:
        """Return what the run keeps of it."""
        return {
            "digest": self.summary.digest,
            "documents": list(self.names),
            "chunks": self.summary.chunks,
            "skipped": [[item.name, item.reason.value, item.message] for item in self.skipped],
            "warnings": list(self.warnings),
            "duplicates": self.duplicates,
        }


def open_cache(home: Home) -> OnboardCache:
    """Return the home's cache of readings and vectors."""
    return OnboardCache(home.index / "cache.sqlite")


def document_digests(job: JobDescription, folder: Path) -> dict[str, list[str | None]]:
    """Return name -> [digest, as-of date] of each document file; raises WrongUse for one that is not there."""
    dates = _dates(job, folder)
    found: dict[str, list[str | None]] = {}
    for path, name, given in list_documents(dates):
        if not path.is_file():
            raise WrongUse(
                "no such document",
                where=str(given),
                hint="mend `documents` in the job description, or bring the file",
            )
        try:
            found[name] = [digest_file(path), dates[given]]
        except OSError as error:
            raise WrongUse(
                f"cannot be read ({error.strerror})", where=str(path), hint="check who owns it (`ls -l`)"
            ) from error
    if not found:
        raise WrongUse("the folders named under `documents` hold no file", hint="put a document there")
    return found


def index_documents(
    job: JobDescription, folder: Path, home: Home, embedder: Embedder, progress: Progress
) -> dict[str, Any]:
    """Index a job's documents; one changed file is read and embedded anew, the others come from the cache."""
    cache = open_cache(home)
    try:
        read, skipped = _read(job, folder, cache, progress)
        if not read:
            reasons = "\n".join(f"  {item.name}: {item.message}" for item in skipped)
            raise WrongUse(
                f"none of the documents can be read\n{reasons}", hint="name documents that can be read"
            )
        chunks = [chunk for document in read for chunk in chunk_document(document)]
        copies = find_duplicates(read, chunks)
        kept = [chunk for chunk in chunks if chunk.id not in copies]
        summary = build_index(read, _unique(kept), embedder, home.index, cache, progress)
    finally:
        cache.close()
    found = DocumentSet(
        summary=summary,
        names=tuple(document.source.name for document in read),
        skipped=skipped,
        warnings=tuple(
            f"{document.source.name}: {warning}"
            for document in read
            for warning in document.extracted.warnings
        ),
        duplicates=len(chunks) - len(kept),
    )
    return found.as_json()


def kept_in(home: Home) -> Callable[[dict[str, Any]], bool]:
    """Return what says of a kept result of `index_documents` whether its index is still there."""
    return lambda found: index_path(home, found["digest"]).is_file()


def guard_inputs(embedder: Embedder) -> dict[str, Any]:
    """Return what the request guard depends on."""
    return {"embedder": embedder.digest, "prototypes": prototypes_digest()}


def fit_guard(home: Home, embedder: Embedder, progress: Progress) -> dict[str, Any]:
    """Return the request guard: the fit of the package, or one made here for another embedder."""
    packaged = packaged_guard(embedder.digest)
    if packaged is not None:
        return packaged.as_json()
    cache = open_cache(home)
    try:
        return fit_request_guard(embedder, cache, progress).as_json()
    finally:
        cache.close()


def _dates(job: JobDescription, folder: Path) -> dict[Path, str | None]:
    return {folder / reference.path: reference.as_of for reference in job.documents}


def _unique(chunks: Iterable[Chunk]) -> list[Chunk]:
    return list({chunk.id: chunk for chunk in chunks}.values())


def _read(
    job: JobDescription, folder: Path, cache: OnboardCache, progress: Progress
) -> tuple[list[ReadDocument], tuple[SkippedDocument, ...]]:
    dates = _dates(job, folder)
    files = list_documents(dates)
    progress.stage("reading documents", len(files))
    found: dict[Path, ReadDocument] = {}
    missing: list[Path] = []
    for path, name, given in files:
        known = cache.reading(_key(digest_file(path), name, dates[given])) if path.is_file() else None
        if known is None:
            missing.append(path)
        else:
            found[path] = _from_json(known, path)
            progress.advance(1, name)
    skipped: tuple[SkippedDocument, ...] = ()
    if missing:
        given_dates = {path: date for path, _, given in files if (date := dates[given]) is not None}
        read, skipped = read_documents(
            missing,
            job.policy.skip_bad_documents,
            as_of=given_dates,
            on_document=lambda name, _number, _of: progress.advance(1, name),
        )
        names = {path: (name, dates[given]) for path, name, given in files}
        for document in read:
            name, date = names[document.source.path]
            named = replace(document, source=replace(document.source, name=name))
            # By the digest of what was read: the file may have changed since.
            cache.put_reading(_key(document.source.digest, name, date), _to_json(named))
            found[document.source.path] = named
        skipped = tuple(replace(item, name=names[item.path][0]) for item in skipped)
    return [found[path] for path, _, _ in files if path in found], skipped


def _key(digest: str, name: str, as_of: str | None) -> str:
    return digest_value([__version__, digest, name, as_of])


def _to_json(document: ReadDocument) -> bytes:
    data = asdict(document)
    data["source"]["path"] = str(document.source.path)
    return canonical_json(json.loads(json.dumps(data)))


def _from_json(data: bytes, path: Path) -> ReadDocument:
    value = json.loads(data)
    source, extracted = value["source"], value["extracted"]
    blocks = tuple(Block(**{**block, "kind": BlockKind(block["kind"])}) for block in extracted["blocks"])
    return ReadDocument(
        SourceDocument(**{**source, "path": path}),
        ExtractedText(**{**extracted, "blocks": blocks, "warnings": tuple(extracted["warnings"])}),
    )
