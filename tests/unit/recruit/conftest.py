"""Temporary places for every test here, and the writer of small GGUF files that lies beside its own tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "gguf"))


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the machine-wide folder inside the test's own and the network out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAFFROOM_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
