"""Commands run in this process, in a home of their own, with the modules of the pipeline as the test says."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from command_line import CommandLine

from staffroom import pipeline as package


@pytest.fixture
def staffroom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a module of the pipeline in place of the real one: `pipeline("workers", list_workers=...)`."""

    def put(name: str, **members: object) -> None:
        module = ModuleType(f"staffroom.pipeline.{name}")
        for member, value in members.items():
            setattr(module, member, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        # `from staffroom.pipeline import NAME` takes the package's attribute where the real module was loaded before.
        monkeypatch.setattr(package, name, module, raising=False)

    return put
