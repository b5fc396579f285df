"""The index of a job's documents: an immutable SQLite file named by the digest of what is in it.

Built from cached parts, so that one changed file re-reads and re-embeds that file alone:
1. read each document that the cache does not hold, cut it into chunks;
2. embed each chunk and each of its passages that the cache does not hold;
3. write the file: chunks, character n-grams in FTS5, vectors, and the extracted texts that citations open.

The name covers every text that an agent can quote; vectors and n-grams follow from the texts and are not in it,
because floats differ between machines.

It must not know questions, exams or models that answer.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from staffroom.engine.embed import Embedder
from staffroom.onboard.cache import OnboardCache
from staffroom.onboard.lexical import gram_row
from staffroom.records.digests import canonical_json, digest_bytes, digest_value
from staffroom.records.documents import Chunk, ReadDocument
from staffroom.records.protocols import Progress

__all__ = ["INDEX_FORMAT", "IndexSummary", "build_index", "contents_digest", "index_digest", "passages_of"]

INDEX_FORMAT = 4
"""Counted up when an index holds something else, and when `retrieval` comes to rank differently."""
_PASSAGE_CHARACTERS = 60
_EMBED_BATCH = 16


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index holds; `embedded` counts the vectors that had to be computed anew."""

    digest: str
    path: Path
    documents: int
    chunks: int
    embedded: int


def passages_of(chunk: Chunk) -> list[tuple[int, str]]:
    """Cut a chunk into passages of at least 60 characters that end at line ends: the finer unit of dense search.

    Returns (offset in the chunk's text, passage) in order.
    """
    passages: list[tuple[int, str]] = []
    begin = offset = 0
    current = ""
    for line in chunk.text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            begin = begin if current else offset
            current = f"{current}\n{stripped}" if current else stripped
            if len(current) >= _PASSAGE_CHARACTERS:
                passages.append((begin, current))
                current = ""
        offset += len(line)
    if current:
        passages.append((begin, current))
    return passages


def index_digest(documents: Sequence[ReadDocument], chunks: Sequence[Chunk], embedder: str) -> str:
    """Return the name of the index of these chunks: equal inputs give equal digests on every machine."""
    return contents_digest(embedder, map(_document_row, documents), map(_chunk_json, chunks))


def contents_digest(embedder: str, documents: Iterable[Sequence[str | None]], chunks: Iterable[str]) -> str:
    """Return the same name from rows as the file holds them.

    documents: digest, name, media type, as-of date, reader and text of each.  chunks: canonical JSON of each.
    """
    return digest_value(
        {
            "format": INDEX_FORMAT,
            "embedder": embedder,
            "documents": [[*row[:-1], digest_bytes(str(row[-1]).encode())] for row in documents],
            "chunks": [digest_bytes(chunk.encode()) for chunk in chunks],
        }
    )


def build_index(
    documents: Sequence[ReadDocument],
    chunks: Sequence[Chunk],
    embedder: Embedder,
    folder: Path,
    cache: OnboardCache,
    progress: Progress | None = None,
) -> IndexSummary:
    """Write `folder/<hex>.sqlite` unless it is there, and return what it holds."""
    digest = index_digest(documents, chunks, embedder.digest)
    path = folder / f"{digest.removeprefix('sha256:')}.sqlite"
    if path.exists():
        return IndexSummary(digest, path, len(documents), len(chunks), 0)
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(_texts_to_embed(chunks))
    embedded = _embed_missing(texts, embedder, cache, progress)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    try:
        _write(draft, digest, documents, chunks, embedder, cache)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return IndexSummary(digest, path, len(documents), len(chunks), embedded)


def _headed(chunk: Chunk, text: str) -> str:
    return " ".join((*chunk.heading_path, "\n", text)) if chunk.heading_path else text


def _texts_to_embed(chunks: Sequence[Chunk]) -> Iterator[str]:
    for chunk in chunks:
        yield _headed(chunk, chunk.text)
        for _, passage in passages_of(chunk):
            yield _headed(chunk, passage)


def _embed_missing(
    texts: Sequence[str], embedder: Embedder, cache: OnboardCache, progress: Progress | None
) -> int:
    wanted = {digest_bytes(text.encode()): text for text in texts}
    missing = cache.missing_vectors(embedder.digest, list(wanted))
    if progress is not None and missing:
        progress.stage("embedding documents", len(missing))
    for start in range(0, len(missing), _EMBED_BATCH):
        batch = missing[start : start + _EMBED_BATCH]
        vectors = embedder.embed_passages([wanted[key] for key in batch])
        cache.put_vectors(embedder.digest, dict(zip(batch, vectors, strict=True)))
        if progress is not None:
            progress.advance(len(batch))
    return len(missing)


def _write(
    path: Path,
    digest: str,
    documents: Sequence[ReadDocument],
    chunks: Sequence[Chunk],
    embedder: Embedder,
    cache: OnboardCache,
) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
            "CREATE TABLE documents (digest TEXT, name TEXT, media_type TEXT, as_of TEXT, reader TEXT, text TEXT);"
            "CREATE TABLE chunks (number INTEGER PRIMARY KEY, id TEXT NOT NULL, json TEXT NOT NULL, vector BLOB NOT NULL);"
            "CREATE TABLE passages (chunk INTEGER NOT NULL, start INTEGER NOT NULL, vector BLOB NOT NULL);"
            "CREATE VIRTUAL TABLE grams USING fts5(head, body, content='', tokenize='unicode61 remove_diacritics 0');"
            "CREATE TABLE terms (term TEXT PRIMARY KEY, chunks INTEGER NOT NULL) WITHOUT ROWID;"
        )
        meta = {
            "digest": digest,
            "format": str(INDEX_FORMAT),
            "embedder": embedder.digest,
            "dimensions": str(embedder.dimensions),
        }
        database.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
        database.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", [_document_row(item) for item in documents]
        )
        for number, chunk in enumerate(chunks, start=1):
            own, *fine = cache.vectors(
                embedder.digest, [digest_bytes(text.encode()) for text in _texts_to_embed([chunk])]
            )
            database.execute(
                "INSERT INTO chunks VALUES (?, ?, ?, ?)",
                (number, chunk.id, _chunk_json(chunk), _blob(own)),
            )
            database.executemany(
                "INSERT INTO passages VALUES (?, ?, ?)",
                [
                    (number, start, _blob(item))
                    for (start, _), item in zip(passages_of(chunk), fine, strict=True)
                ],
            )
            database.execute(
                "INSERT INTO grams (rowid, head, body) VALUES (?, ?, ?)",
                (number, *gram_row(chunk.heading_path, chunk.text)),
            )
        database.execute("INSERT INTO grams (grams) VALUES ('optimize')")
        # FTS5's own table of terms would count the chunks of each anew at every question.
        database.execute("CREATE VIRTUAL TABLE temp.counted USING fts5vocab(main, grams, row)")
        database.execute("INSERT INTO terms SELECT term, doc FROM counted ORDER BY term")
        database.execute("CREATE INDEX passages_of_chunk ON passages (chunk)")
        database.execute("CREATE INDEX documents_by_digest ON documents (digest)")
        database.commit()
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _document_row(document: ReadDocument) -> tuple[str | None, ...]:
    source, extracted = document.source, document.extracted
    return (source.digest, source.name, source.media_type, source.as_of, extracted.reader, extracted.text)


def _chunk_json(chunk: Chunk) -> str:
    return canonical_json(chunk.as_json()).decode()


def _blob(vector: np.ndarray) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()
