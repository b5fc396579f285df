"""Temporary places for hires, and the helpers that lie beside the tests of other packages."""

import sys
from pathlib import Path

import pytest

for folder in ("gguf", "onboard"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from hire_world import Town, settle  # noqa: E402  # needs the folders above


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose cache holds the readings of the town's documents, so that each test need not read them."""
    return settle(tmp_path_factory.mktemp("settled"))


@pytest.fixture
def town(tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A job, its documents and its exam; nothing hired yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAFFROOM_OFFLINE", "1")
    return Town.build(tmp_path, monkeypatch, settled)
