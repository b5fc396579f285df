"""A retriever that finds given excerpts first, as if the index held them; the rest comes from the index.

The exam uses it for items that bring their own document. Nothing else of the agent changes: the excerpts are cut, shown,
checked and cited like any other.
"""

from collections.abc import Sequence

from staffroom.records.agent import Retrieved
from staffroom.records.protocols import Retriever

__all__ = ["OverlaidRetriever"]


class OverlaidRetriever:
    """Puts excerpts before what another retriever finds, within the same limit."""

    def __init__(self, below: Retriever, excerpts: Sequence[Retrieved]) -> None:
        self._below = below
        self._excerpts = list(excerpts)

    @property
    def digest(self) -> str:
        """Digest of the index below; the excerpts belong to the question that brings them."""
        return self._below.digest

    def search(self, question: str, limit: int) -> list[Retrieved]:
        """Return the excerpts, then what the index finds, at most `limit` in all."""
        first = self._excerpts[:limit]
        room = limit - len(first)
        return [*first, *(self._below.search(question, room) if room else ())]

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of the question with each text."""
        return self._below.closeness(question, texts)
