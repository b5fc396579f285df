"""An embedder without weights: character pairs hashed to 16 buckets, with a count of what it was asked."""

import hashlib
from collections.abc import Sequence

import numpy as np

from staffroom.engine.embed import Vectors

DIMENSIONS = 16


class CountingEmbedder:
    """Deterministic unit vectors; `passages` and `queries` are the texts it was asked for, in order."""

    def __init__(self, name: str = "counting") -> None:
        self._name = name
        self.passages: list[str] = []
        self.queries: list[str] = []

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self._name.encode()).hexdigest()

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.passages += texts
        return np.stack([_vector(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        self.queries.append(text)
        return _vector(text)


def _vector(text: str) -> Vectors:
    values = np.full(DIMENSIONS, 0.01, dtype=np.float32)
    for place in range(len(text) - 1):
        bucket = hashlib.blake2b(text[place : place + 2].encode("utf-8", "replace"), digest_size=1).digest()[
            0
        ]
        values[bucket % DIMENSIONS] += 1.0
    unit: Vectors = values / np.linalg.norm(values)
    return unit
