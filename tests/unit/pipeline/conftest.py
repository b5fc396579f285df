"""Temporary places for hires, and the helpers that lie beside the tests of other packages."""

import shutil
import sys
from pathlib import Path

import pytest

for folder in ("gguf", "onboard"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from counting_embedder import CountingEmbedder  # noqa: E402  # needs the folders above
from hire_world import Town, settle  # noqa: E402  # needs the folders above
from improve_world import correct, fakes, ready_town, run_improve  # noqa: E402  # needs the folders above

from staffroom.store import Database, Home  # noqa: E402  # beside them


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


@pytest.fixture(scope="session")
def ready_once(tmp_path_factory: pytest.TempPathFactory, settled: Path) -> Path:
    """The folder of a town whose worker is released and can get better."""
    folder = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        ready_town(Town.build(folder, patch, settled), patch)
    return folder


@pytest.fixture(scope="session")
def improved_once(tmp_path_factory: pytest.TempPathFactory, ready_once: Path) -> Path:
    """The folder of a town whose worker was replaced by a better one."""
    folder = tmp_path_factory.mktemp("improved") / "town"
    shutil.copytree(ready_once, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        town = _moved(folder, patch)
        correct(town)
        assert run_improve(town).json["verdict"] == "promoted"
    return folder


@pytest.fixture
def ready(tmp_path: Path, ready_once: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A town of its own whose worker is released and can get better; nothing corrected yet."""
    shutil.copytree(ready_once, tmp_path / "town", symlinks=True)
    return _moved(tmp_path / "town", monkeypatch)


@pytest.fixture
def improved(tmp_path: Path, improved_once: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A town of its own whose worker was replaced by a better one."""
    shutil.copytree(improved_once, tmp_path / "town", symlinks=True)
    return _moved(tmp_path / "town", monkeypatch)


def _moved(folder: Path, patch: pytest.MonkeyPatch) -> Town:
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    patch.setenv("STAFFROOM_OFFLINE", "1")
    town = Town(folder, Home(folder / "home"), CountingEmbedder())
    town.fake(patch)
    fakes(town, patch)
    with Database(town.home.database) as database:
        database.set_meta("job-file:counter", str(folder / "job.yaml"))
    return town
