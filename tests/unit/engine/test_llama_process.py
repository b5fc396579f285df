"""What the parent keeps in order around the child."""

import os
import tempfile
from pathlib import Path

import pytest

from staffroom.engine import llama_process


def test_folders_of_killed_parents_are_removed_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = 2**22 + 1  # above the highest process id that Linux gives
    kept = [f"staffroom-engine-{os.getpid()}-a", "staffroom-engine-x-a", "other-1-a"]
    for name in [*kept, f"staffroom-engine-{dead}-a"]:
        (tmp_path / name).mkdir()
    llama_process._remove_left_behind()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_at_least_one_core_is_found_and_no_more_than_there_are() -> None:
    assert 1 <= llama_process.physical_cores() <= (os.cpu_count() or 1)
