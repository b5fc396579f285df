"""Unit tests leave the person's own files alone: home and caches are a temporary folder."""

import pytest


@pytest.fixture(scope="session")
def strange_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _nobodys_home(strange_home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", strange_home)
    monkeypatch.setenv("STAFFROOM_HOME", f"{strange_home}/.staffroom")
    monkeypatch.setenv("XDG_CACHE_HOME", f"{strange_home}/.cache")
