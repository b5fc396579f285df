"""`staffroom` run in this process, in a home of its own."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from staffroom.cli import run


@dataclass
class Said:
    """What a command left: exit code, stdout and stderr."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class CommandLine:
    """`staffroom` in a home."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: object, **more: str) -> Said:
        self.capsys.readouterr()
        environment = {"STAFFROOM_HOME": str(self.home), "STAFFROOM_LANG": "en", **self.environment, **more}
        status = run([str(argument) for argument in arguments], environment)
        captured = self.capsys.readouterr()
        return Said(status, captured.out, captured.err)
