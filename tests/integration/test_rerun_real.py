"""A real evaluation asked again: the smallest real model, a new engine process, the same choices."""

import asyncio
from pathlib import Path

import pytest
from test_hire import MODEL, STARTER, Quiet, run, write_job

from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.exam_rerun import rejudge_exam, rerun_exam
from staffroom.store import Home


def test_the_gate_of_a_real_hire_gives_the_same_choices_again(tmp_path: Path) -> None:
    if not MODEL.exists():
        pytest.fail(f"the smallest model is absent; run: staffroom models get {STARTER}")
    home = Home(tmp_path / "home")
    run(write_job(tmp_path), home)
    log = DecisionLog(home)
    found = [item.entry["body"] for item in log.entries() if item.entry["type"] == "evaluation"]
    name, size = found[0]["evaluation"], log.size()

    judged = rejudge_exam(home, name)
    assert judged["ok"] and judged["digest_now"] == name

    # Another sample, hence another order: what was asked before an item must not matter.
    for seed in (1, 2):
        value = asyncio.run(rerun_exam(home, name, Quiet(), sample=4, seed=seed))
        assert (value["engine"], value["ok"], value["differ"]) == ("same", True, [])
        assert value["sample"] == 4
        assert value["largest_shift_nats"] in (None, 0.0)
    assert log.size() == size
