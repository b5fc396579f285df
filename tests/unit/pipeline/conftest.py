"""Temporary places for hires, and the helpers that lie beside the tests of other packages."""

import shutil
import sys
from pathlib import Path

import pytest

for folder in ("gguf", "onboard"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from counting_embedder import CountingEmbedder  # noqa: E402  # needs the folders above
from hire_world import Town, settle  # noqa: E402  # needs the folders above

from staffroom.store import Home  # noqa: E402  # beside them


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


@pytest.fixture(scope="session")
def hired_once(tmp_path_factory: pytest.TempPathFactory, settled: Path) -> Path:
    """The folder of a town whose worker is released."""
    folder = tmp_path_factory.mktemp("hired")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        Town.build(folder, patch, settled).hire()
    return folder


@pytest.fixture
def hired(tmp_path: Path, hired_once: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A town of its own whose worker is released; the same hire again finds everything done."""
    folder = tmp_path / "town"
    shutil.copytree(hired_once, folder, symlinks=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("STAFFROOM_OFFLINE", "1")
    town = Town(folder, Home(folder / "home"), CountingEmbedder())
    town.fake(monkeypatch)
    return town
