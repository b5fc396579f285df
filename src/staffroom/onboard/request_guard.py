"""Fit the request guard: a logistic model over embeddings of packaged example requests.

The examples (`text/data/requests.jsonl`) were written for this project: requests that a public body must refuse,
and ordinary ones that look alike. Embedding them takes half a minute, so the fit for the embedder that is installed by
default comes with the package (`data/request-guard.json`); it is used only where the digests of embedder and examples
match, and a test fits it anew. The fitted model is part of the release.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np

from staffroom.engine.embed import Embedder
from staffroom.onboard.cache import OnboardCache
from staffroom.records.digests import digest_bytes, digest_value
from staffroom.records.policy import RequestGuardModel
from staffroom.records.protocols import Progress

__all__ = ["fit_request_guard", "packaged_guard", "prototypes_digest"]

_RIDGE = 0.05
_ROUNDS = 30
_BATCH = 16


def prototypes_digest() -> str:
    """Return the digest of the packaged examples."""
    return digest_bytes(_data())


def packaged_guard(embedder: str) -> RequestGuardModel | None:
    """Return the fit that comes with the package, None where it is of another embedder or of other examples."""
    text = files("staffroom.onboard").joinpath("data/request-guard.json").read_text(encoding="utf-8")
    data = json.loads(text)
    if data["embedder"] != embedder or data["prototypes"] != prototypes_digest():
        return None
    return RequestGuardModel.from_json(data)


def fit_request_guard(
    embedder: Embedder, cache: OnboardCache, progress: Progress | None = None
) -> RequestGuardModel:
    """Embed the packaged examples (kept in the cache) and fit the guard on them."""
    rows = [json.loads(line) for line in _data().decode().splitlines() if line.strip()]
    texts = [row["text"] for row in rows]
    space = digest_value({"embedder": embedder.digest, "as": "query"})
    keys = [digest_bytes(text.encode()) for text in texts]
    missing = set(cache.missing_vectors(space, keys))
    wanted = [(key, text) for key, text in zip(keys, texts, strict=True) if key in missing]
    if progress is not None and wanted:
        progress.stage("preparing the request guard", len(wanted))
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        cache.put_vectors(space, {key: embedder.embed_query(text) for key, text in batch})
        if progress is not None:
            progress.advance(len(batch))
    features = np.stack(cache.vectors(space, keys)).astype(np.float64)
    labels = np.array([row["label"] == "refuse" for row in rows], dtype=np.float64)
    weights, bias = _fit(features, labels)
    return RequestGuardModel(
        embedder=embedder.digest,
        prototypes=prototypes_digest(),
        weights=tuple(round(float(value), 6) for value in weights),
        bias=round(float(bias), 6),
    )


def _fit(features: "np.ndarray[Any, np.dtype[np.float64]]", labels: Any) -> tuple[Any, float]:
    """Newton's method on the ridge-penalised, class-balanced logistic loss."""
    count = len(labels)
    centre = features.mean(axis=0)
    design = np.column_stack([features - centre, np.ones(count)])
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 1e-6
    positive = labels.sum()
    balance = np.where(labels > 0, count / 2 / positive, count / 2 / (count - positive))
    weights = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        probability = 1.0 / (1.0 + np.exp(-design @ weights))
        gradient = design.T @ (balance * (probability - labels)) + ridge * weights
        curvature = (design * (balance * probability * (1 - probability))[:, None]).T @ design
        weights = weights - np.linalg.solve(curvature + np.diag(ridge), gradient)
    return weights[:-1], float(weights[-1] - weights[:-1] @ centre)


def _data() -> bytes:
    return files("staffroom.text").joinpath("data/requests.jsonl").read_bytes()
