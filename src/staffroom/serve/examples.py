"""The worked examples nearest to a question, by the meaning of the questions they answer."""

import threading

import numpy as np

from staffroom.engine.embed import Embedder, Vectors
from staffroom.records.policy import Demonstration, ExampleBook

__all__ = ["NearestExamples"]


class NearestExamples:
    """A book of examples, embedded at the first question; safe to call from several threads."""

    def __init__(self, book: ExampleBook, embedder: Embedder) -> None:
        self._book = book
        self._embedder = embedder
        self._lock = threading.Lock()
        self._vectors: Vectors | None = None

    @property
    def digest(self) -> str:
        """Digest of the book."""
        return self._book.digest

    def nearest(self, question: str) -> tuple[Demonstration, ...]:
        """Return the examples to show before a question, the nearest last, where it is read closest to it."""
        if not self._book.examples or self._book.shown < 1:
            return ()
        with self._lock:
            if self._vectors is None:
                rows = [self._embedder.embed_query(example.question) for example in self._book.examples]
                self._vectors = np.stack(rows)
            plain = question.encode("utf-8", "replace").decode()
            cosines = np.einsum("ij,j->i", self._vectors, self._embedder.embed_query(plain))
        # Stable, so that two equally near ones come in the order of the book.
        order = np.argsort(-cosines, kind="stable")[: self._book.shown]
        return tuple(self._book.examples[place] for place in reversed(order.tolist()))
