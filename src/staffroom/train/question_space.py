"""Which question of an exam a text means, whatever its words and its language: nearest neighbours among sentence vectors.

Plain cosines of such vectors mean little: all lie between 0.8 and 1, texts of one language and style lie together, and a
translation lies further away than a different question in the exam's own language. So three things are taken out first:
the mean of each language (measured on sentences that say the same in several ones, `data/anchors.jsonl`), the mean of the
exam, and what all its questions have in common (whitening). It knows nothing of what is done with a neighbour.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from staffroom.engine import Embedder
from staffroom.text import repair, simplified_characters

__all__ = ["Closeness", "Neighbour", "QuestionSpace"]

Matrix = NDArray[np.float64]

_BATCH = 64
_SHRINKAGE = 1.0
_CHINESE = "zh-TW"


@dataclass(frozen=True, slots=True)
class Closeness:
    """From which closeness on a text means the same question: in one language, and between two.

    The least bounds at which few different development questions are accused (4 of 518; 1 of 55 in English), with
    multilingual-e5-small (`benchmarks/leaks.py --tuning`); another model needs its own.
    """

    one_language: float = 0.52
    two_languages: float = 0.28


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The question (by its place) that a text comes closest to, how close (-1 to 1), and from where on that is the same."""

    question: int
    closeness: float
    bound: float

    @property
    def is_same(self) -> bool:
        """Whether the text means that question."""
        return self.closeness >= self.bound


class QuestionSpace:
    """The questions of an exam as vectors; blocking, several seconds for some hundreds of them."""

    def __init__(self, questions: Sequence[str], embedder: Embedder, closeness: Closeness) -> None:
        self._embedder = embedder
        self._closeness = closeness
        self._means, anchors = self._languages()
        vectors = self._embed(questions)
        self._language = self._nearest_language(vectors)
        centred = vectors - self._means[self._language]
        self._offset: Matrix = (
            centred.mean(axis=0) if len(questions) else np.zeros(self._means.shape[1], dtype=np.float64)
        )
        self._whiten = _whitening(np.concatenate([centred - self._offset, anchors]))
        self._questions = self._place(vectors)

    def nearest(self, texts: Sequence[str]) -> Iterator[Neighbour | None]:
        """Yield for each text the question that exceeds its bound most (or misses it least); None without questions."""
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            vectors = self._embed(batch)
            if not len(self._questions):
                yield from (None for _ in batch)
                continue
            closeness = self._place(vectors) @ self._questions.T
            same = self._nearest_language(vectors)[:, None] == self._language[None, :]
            bounds = np.where(same, self._closeness.one_language, self._closeness.two_languages)
            for row, bound, best in zip(closeness, bounds, (closeness - bounds).argmax(axis=1), strict=True):
                yield Neighbour(int(best), float(row[best]), float(bound[best]))

    def _languages(self) -> tuple[Matrix, Matrix]:
        """Return the mean of each language, and all anchors without theirs."""
        columns = _anchors()
        vectors = [self._embed(sentences) for sentences in columns.values()]
        means = np.stack([rows.mean(axis=0) for rows in vectors])
        return means, np.concatenate([rows - mean for rows, mean in zip(vectors, means, strict=True)])

    def _nearest_language(self, vectors: Matrix) -> NDArray[np.intp]:
        best: NDArray[np.intp] = (vectors @ _unit(self._means).T).argmax(axis=1)
        return best

    def _place(self, vectors: Matrix) -> Matrix:
        means = self._means[self._nearest_language(vectors)]
        return _unit((vectors - means - self._offset) @ self._whiten)

    def _embed(self, texts: Sequence[str]) -> Matrix:
        rows = self._embedder.embed_passages([_one_script(text) for text in texts])
        return _unit(np.asarray(rows, dtype=np.float64))


def _anchors() -> Mapping[str, Sequence[str]]:
    """Return language -> sentences, which say the same at the same place."""
    lines = files("staffroom.train").joinpath("data/anchors.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {language: [row[language] for row in rows] for language in rows[0]}


def _one_script(text: str) -> str:
    """Return Simplified Chinese in Taiwan's characters and words, which the vectors would otherwise tell apart."""
    return repair(text, _CHINESE)[0] if simplified_characters(text) else text


def _whitening(rows: Matrix) -> Matrix:
    """Return the symmetric matrix that makes the rows' spread even, as far as their number allows (shrinkage)."""
    size = rows.shape[1]
    covariance = rows.T @ rows / len(rows)
    covariance += _SHRINKAGE * np.trace(covariance) / size * np.eye(size) + 1e-12 * np.eye(size)
    values, vectors = np.linalg.eigh(covariance)
    whitening: Matrix = vectors @ np.diag(values**-0.5) @ vectors.T
    return whitening


def _unit(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Matrix = vectors / np.maximum(lengths, 1e-12)
    return result
