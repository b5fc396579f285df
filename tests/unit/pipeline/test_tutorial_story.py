"""The tutorial `a-better-worker`, run line by line: each command, and what the page says that it prints."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town, unanswerable
from improve_world import EXAM, fakes

from staffroom.cli import run

PAGE = Path(__file__).parents[3] / "docs" / "tutorials" / "a-better-worker.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
FILES = {"csv": "corrections.csv", "markdown": "lowwater/documents/leaflet.md"}
STATUSES = {"Not replaced": 1}


def berth(number: int) -> dict[str, Any]:
    return {
        "id": f"b{number}",
        "kind": "choice",
        "input": f"Which berth belongs to permit number {number}?",
        "choices": ["MOORPWX", "WFGPBW", "QXZKVJQ", "KPCFDX"],
        "accept": ["C"],
    }


def blocks() -> Iterator[tuple[str, str]]:
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield match.group(1), match.group(2)


def test_the_page_tells_what_happens(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAFFROOM_OFFLINE", "1")
    (tmp_path / "lowwater").mkdir()
    town = Town.build(tmp_path / "lowwater", monkeypatch, settled)
    town.write_exam([*map(berth, range(40)), *map(unanswerable, range(20))], EXAM)
    fakes(town, monkeypatch)
    monkeypatch.chdir(tmp_path)
    environment = {"STAFFROOM_HOME": str(town.home.path), "STAFFROOM_LANG": "en"}
    printed, statuses, commands = "", set[int](), 0
    for kind, text in blocks():
        if kind in FILES:
            (tmp_path / FILES[kind]).write_text(text, encoding="utf-8")
        elif kind == "sh":
            printed, statuses = "", set()
            for line in text.splitlines():
                program, *words = shlex.split(line)
                assert program == "staffroom"
                capsys.readouterr()
                statuses.add(run(words, environment))
                said = capsys.readouterr()
                printed += said.out + said.err
                commands += 1
        else:
            for line in text.splitlines():
                assert line in printed, f"{line!r} is not in:\n{printed}"
            expected = {status for words, status in STATUSES.items() if words in text}
            assert statuses <= {0, *expected} and expected <= statuses, printed
    assert commands == 12
