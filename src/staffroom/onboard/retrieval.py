"""Find the chunks for a question: by its words, by its meaning, and by both together.

1. lexical arm: the share of the question's weight in characters and character pairs that a chunk covers (BM25);
2. dense arm: cosine of the question with each whole chunk;
3. passage arm: the best cosine among a chunk's passages, for the chunks that the first two arms found;
4. fusion: mean of the two cosines + 0.3 x coverage. Coverage tells by itself how sure the words are: it is large for one
   chunk where a question uses the words of the documents and small for all where it does not, so that words lead in
   the first case and vectors in the second. Ranks would hide that.

Scores order within one query; cosines of this embedder all lie between 0.78 and 0.89, so nothing is cut by them.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from staffroom.engine.embed import Embedder, Vectors
from staffroom.onboard.index import contents_digest
from staffroom.onboard.lexical import coverages
from staffroom.records.agent import Retrieved
from staffroom.records.documents import Chunk
from staffroom.records.errors import StaffroomError

__all__ = ["DocumentText", "IndexRetriever", "fuse"]

_ARM = 100
_COVERAGE_WEIGHT = 0.3
_PAGE_CACHE_KIB = 32 * 1024


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document's extracted text, as citations open it."""

    digest: str
    name: str
    text: str
    as_of: str | None


def fuse(similar: Mapping[int, float], coverage: Mapping[int, float]) -> list[tuple[int, float]]:
    """Return (chunk number, score) of each chunk in `similar`, best first; ties go to the lower number.

    similar: cosine by number.  coverage: share of the question's words by number; 0 for a chunk that is not in it.
    """
    scores = {
        number: cosine + _COVERAGE_WEIGHT * coverage.get(number, 0.0) for number, cosine in similar.items()
    }
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the arms say of one question: ranked numbers of each, coverage and cosine by number, offsets of passages."""

    lexical: list[int]
    dense: list[int]
    passages: list[int]
    coverage: dict[int, float]
    similar: dict[int, float]
    focus: dict[int, int]


class IndexRetriever:
    """Answers from one immutable index file; safe to call from several threads."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        """Open an index; raises StaffroomError where its texts are not those that its name stands for."""
        self._path = path
        self._embedder = embedder
        self._lock = threading.Lock()
        with self._reading():
            self._database = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False
            )
        try:
            with self._reading():
                self._load()
        except StaffroomError:
            self._database.close()
            raise

    def _load(self) -> None:
        # With the 2 MiB that SQLite takes by itself, reading passages drives out the words' pages at each question.
        self._database.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
        meta = dict(self._database.execute("SELECT key, value FROM meta").fetchall())
        if meta["embedder"] != self._embedder.digest:
            raise StaffroomError(
                "the document index was made with another embedder",
                where=str(self._path),
                hint="run `staffroom hire` again to build it anew",
            )
        self._digest = str(meta["digest"])
        documents = self._database.execute(
            "SELECT digest, name, media_type, as_of, reader, text FROM documents ORDER BY rowid"
        )
        rows = self._database.execute("SELECT json, vector FROM chunks ORDER BY number").fetchall()
        if contents_digest(meta["embedder"], documents, (row[0] for row in rows)) != self._digest:
            raise ValueError("its texts are not those that it was named after")
        self._count = len(rows)
        shape = (self._count, int(meta["dimensions"]))
        self._vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").reshape(shape)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, KeyError, ValueError, TypeError) as error:
            raise StaffroomError(
                f"the document index cannot be read ({error})",
                where=str(self._path),
                hint="remove the file and run `staffroom hire` again",
            ) from error

    @property
    def digest(self) -> str:
        """Digest of the index."""
        return self._digest

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def search(self, question: str, limit: int) -> list[Retrieved]:
        """Return at most `limit` chunks, best first."""
        found = self._arms(question)
        fused = fuse(found.similar, found.coverage)[:limit]
        with self._lock, self._reading():
            return [self._retrieved(number, score, found) for number, score in fused]

    def chosen(self, question: str, chunks: Sequence[str]) -> list[Retrieved]:
        """Return the chunks of these ids in this order, as `search` shows them for the question; unknown ids are left out."""
        found = self._arms(question)
        marks = ",".join("?" * len(chunks))
        with self._lock, self._reading():
            rows = self._database.execute(
                f"SELECT id, number FROM chunks WHERE id IN ({marks}) ORDER BY number DESC", tuple(chunks)
            )
            numbers = {str(name): int(number) for name, number in rows}
            missing = sorted(set(numbers.values()) - set(found.focus))
            if missing:
                query = self._embedder.embed_query(question.encode("utf-8", "replace").decode())
                places = self._best_passages(missing, query)
                found.focus.update({number: start for number, (_, start) in places.items()})
            scores = dict(fuse(found.similar, found.coverage))
            return [
                self._retrieved(numbers[name], scores.get(numbers[name], 0.0), found)
                for name in chunks
                if name in numbers
            ]

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of the question with each text."""
        if not texts:
            return []
        plain = question.encode("utf-8", "replace").decode()
        rows = self._embedder.embed_passages(texts)
        return [float(cosine) for cosine in _cosines(rows, self._embedder.embed_query(plain))]

    def arms(self, question: str, limit: int) -> dict[str, list[str]]:
        """Return the chunk ids that each arm alone ranks first, for measuring one against the other."""
        found = self._arms(question)
        named = {"lexical": found.lexical, "dense": found.dense, "passages": found.passages}
        with self._lock, self._reading():
            return {
                name: [self._chunk(number).id for number in ranked[:limit]] for name, ranked in named.items()
            }

    def document(self, digest: str) -> DocumentText | None:
        """Return the extracted text of a document in this index, or None."""
        with self._lock, self._reading():
            row = self._database.execute(
                "SELECT digest, name, text, as_of FROM documents WHERE digest = ?", (digest,)
            ).fetchone()
        return None if row is None else DocumentText(*row)

    def chunks(self) -> list[Chunk]:
        """Return all chunks in the order of the index."""
        with self._lock, self._reading():
            rows = self._database.execute("SELECT json FROM chunks ORDER BY number").fetchall()
        return [_chunk_from(row[0]) for row in rows]

    def _arms(self, question: str) -> _Found:
        # A lone surrogate, which JSON can carry, is no text that SQLite or an embedder takes.
        question = question.encode("utf-8", "replace").decode()
        query = self._embedder.embed_query(question)
        with self._lock, self._reading():
            coverage = coverages(self._database, self._count, question, _ARM)
            whole = _cosines(self._vectors, query)
            dense = _first(whole, _ARM)
            best = self._best_passages(sorted({*coverage, *dense}), query)
        similar = {number: (float(whole[number - 1]) + cosine) / 2 for number, (cosine, _) in best.items()}
        passages = [number for number, _ in fuse(similar, {})[:_ARM]]
        focus = {number: start for number, (_, start) in best.items()}
        return _Found(list(coverage), dense, passages, coverage, similar, focus)

    def _best_passages(self, numbers: Iterable[int], query: Vectors) -> dict[int, tuple[float, int]]:
        """Return number -> (cosine, offset) of the closest passage; the first of equals, (-1, 0) where none is."""
        best = dict.fromkeys(numbers, (-1.0, 0))
        marks = ",".join("?" * len(best))
        rows = self._database.execute(
            f"SELECT chunk, start, vector FROM passages WHERE chunk IN ({marks}) ORDER BY chunk, start",
            tuple(best),
        ).fetchall()
        if rows:
            vectors = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4").reshape(len(rows), -1)
            for (number, start, _), cosine in zip(rows, _cosines(vectors, query).tolist(), strict=True):
                if cosine > best[number][0]:
                    best[number] = (cosine, start)
        return best

    def _chunk(self, number: int) -> Chunk:
        row = self._database.execute("SELECT json FROM chunks WHERE number = ?", (number,)).fetchone()
        return _chunk_from(row[0])

    def _retrieved(self, number: int, score: float, found: _Found) -> Retrieved:
        chunk = self._chunk(number)
        return Retrieved(
            chunk_id=chunk.id,
            document_digest=chunk.document_digest,
            document_name=chunk.document_name,
            heading_path=chunk.heading_path,
            text=chunk.text,
            page=chunk.page,
            start=chunk.start,
            end=chunk.end,
            as_of=chunk.as_of,
            score=score,
            focus=found.focus[number],
            lexical_rank=found.lexical.index(number) + 1 if number in found.lexical else None,
            dense_rank=found.dense.index(number) + 1 if number in found.dense else None,
        )


def _cosines(rows: Vectors, query: Vectors) -> Vectors:
    # Not a BLAS product: it is no faster here, and its threads go on spinning for tens of milliseconds, on the cores
    # that the next question's embedding and the language model need.
    cosines: Vectors = np.einsum("ij,j->i", rows, query)
    return cosines


def _first(scores: Vectors, limit: int) -> list[int]:
    """Return the numbers (from 1) of the `limit` highest scores, best first; ties go to the lower number."""
    places = np.arange(len(scores))
    if len(scores) > limit:
        places = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit])
    ordered = places[np.argsort(-scores[places], kind="stable")]
    return [int(place) + 1 for place in ordered[:limit]]


def _chunk_from(text: str) -> Chunk:
    fields = json.loads(text)
    fields["heading_path"] = tuple(fields["heading_path"])
    return Chunk(**fields)
