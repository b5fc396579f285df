"""Say how likely a request is one that the charter refuses, before any document is looked at.

It does not protect against a request that is harmless in its words; the model's own verdict comes on top.
"""

import numpy as np

from staffroom.engine.embed import Embedder
from staffroom.records.errors import StaffroomError
from staffroom.records.policy import RequestGuardModel

__all__ = ["EmbeddingRequestGuard"]


class EmbeddingRequestGuard:
    """A fitted logistic model over request embeddings."""

    def __init__(self, model: RequestGuardModel, embedder: Embedder) -> None:
        if model.embedder != embedder.digest:
            raise StaffroomError(
                "the request guard was fitted with another embedder",
                hint="run `staffroom hire` again to fit it anew",
            )
        self._model = model
        self._embedder = embedder
        self._weights = np.array(model.weights, dtype=np.float64)

    @property
    def digest(self) -> str:
        """Digest of the fitted model."""
        return self._model.digest

    def refuse_probability(self, request: str) -> float:
        """Return the probability, in [0, 1], that the request is to be refused."""
        vector = self._embedder.embed_query(request).astype(np.float64)
        return float(1.0 / (1.0 + np.exp(-(vector @ self._weights + self._model.bias))))
