"""Find the chunks for a question: character n-grams and embeddings, fused by reciprocal ranks.

1. lexical arm: BM25 over characters and character pairs (FTS5), terms in over a fifth of all chunks left out;
2. dense arm: cosine of the question with each whole chunk;
3. passage arm: the best cosine among a chunk's passages, for the chunks that the first two arms found;
4. fusion: sum of weight / (10 + rank), the lexical arm weighted 2 so that words and vectors weigh the same.

Scores order within one query; cosines of this embedder all lie between 0.78 and 0.89, so nothing is cut by them.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from staffroom.engine.embed import Embedder
from staffroom.onboard.index import contents_digest
from staffroom.records.agent import Retrieved
from staffroom.records.documents import Chunk
from staffroom.records.errors import StaffroomError
from staffroom.text.ngrams import ngram_terms

__all__ = ["DocumentText", "IndexRetriever", "fuse"]

_ARM = 100
_RANK_OFFSET = 10
_LEXICAL_WEIGHT = 2.0
_COMMON_SHARE = 1 / 5
_HEAD_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document's extracted text, as citations open it."""

    digest: str
    name: str
    text: str
    as_of: str | None


def fuse(arms: list[tuple[float, list[int]]]) -> list[tuple[int, float]]:
    """Fuse ranked lists of (weight, chunk numbers) by reciprocal ranks; ties go to the lower number."""
    scores: dict[int, float] = {}
    for weight, ranked in arms:
        for rank, number in enumerate(ranked, start=1):
            scores[number] = scores.get(number, 0.0) + weight / (_RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))


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
        with self._lock, self._reading():
            lexical, dense, passages, focus = self._arms(question)
            fused = fuse([(_LEXICAL_WEIGHT, lexical), (1.0, dense), (1.0, passages)])[:limit]
            return [self._retrieved(number, score, lexical, dense, focus[number]) for number, score in fused]

    def arms(self, question: str, limit: int) -> dict[str, list[str]]:
        """Return the chunk ids that each arm alone ranks first, for measuring one against the other."""
        with self._lock, self._reading():
            lexical, dense, passages, _ = self._arms(question)
            named = {"lexical": lexical, "dense": dense, "passages": passages}
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

    def _arms(self, question: str) -> tuple[list[int], list[int], list[int], dict[int, int]]:
        # A lone surrogate, which JSON can carry, is no text that SQLite or an embedder takes.
        question = question.encode("utf-8", "replace").decode()
        lexical = self._lexical(question)
        query = self._embedder.embed_query(question)
        similar = self._vectors @ query
        dense = [int(number) + 1 for number in np.argsort(-similar, kind="stable")[:_ARM]]
        found = sorted(set(lexical) | set(dense))
        best = {number: self._best_passage(number, query) for number in found}
        mixed = sorted(found, key=lambda number: (-(best[number][0] + float(similar[number - 1])), number))
        return lexical, dense, mixed[:_ARM], {number: start for number, (_, start) in best.items()}

    def _lexical(self, question: str) -> list[int]:
        terms = sorted(set(ngram_terms(question)))
        marks = ",".join("?" * len(terms))
        common = {
            row[0]
            for row in self._database.execute(
                f"SELECT term FROM terms WHERE term IN ({marks}) AND doc > ?",
                (*terms, max(3.0, self._count * _COMMON_SHARE)),
            )
        }
        rare = [term for term in terms if term not in common] or terms
        if not rare:
            return []
        expression = " OR ".join('"' + term.replace('"', '""') + '"' for term in rare)
        rows = self._database.execute(
            "SELECT rowid FROM grams WHERE grams MATCH ? ORDER BY bm25(grams, ?, 1.0), rowid LIMIT ?",
            (expression, _HEAD_WEIGHT, _ARM),
        )
        return [int(row[0]) for row in rows]

    def _best_passage(self, number: int, query: np.ndarray) -> tuple[float, int]:
        rows = self._database.execute(
            "SELECT start, vector FROM passages WHERE chunk = ? ORDER BY start", (number,)
        ).fetchall()
        if not rows:
            return -1.0, 0
        matrix = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").reshape(len(rows), -1)
        similar = matrix @ query
        closest = int(similar.argmax())
        return float(similar[closest]), int(rows[closest][0])

    def _chunk(self, number: int) -> Chunk:
        row = self._database.execute("SELECT json FROM chunks WHERE number = ?", (number,)).fetchone()
        return _chunk_from(row[0])

    def _retrieved(
        self, number: int, score: float, lexical: list[int], dense: list[int], focus: int
    ) -> Retrieved:
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
            focus=focus,
            lexical_rank=lexical.index(number) + 1 if number in lexical else None,
            dense_rank=dense.index(number) + 1 if number in dense else None,
        )


def _chunk_from(text: str) -> Chunk:
    fields = json.loads(text)
    fields["heading_path"] = tuple(fields["heading_path"])
    return Chunk(**fields)
