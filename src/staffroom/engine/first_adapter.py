"""The matrices from which training begins, the same for every trainer."""

import numpy as np
import numpy.typing as npt

from staffroom.records.digests import canonical_json

__all__ = ["first_down"]


def first_down(name: str, rank: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    """Return the first `down` of a layer: uniform within 1/sqrt(width), a function of its name and the seed alone."""
    words = list(canonical_json([name, seed]))
    bound = 1.0 / float(width) ** 0.5
    return np.random.default_rng(words).uniform(-bound, bound, (rank, width)).astype(np.float32)
