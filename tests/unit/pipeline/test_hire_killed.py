"""`kill -9` after each log entry, each kept step and each kept response; then the same command."""

import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town, report_of

from staffroom.pipeline.decision_log import DecisionLog
from staffroom.store import FinishedStep, Responses, StepCache

_MOST_DEATHS = 60


def die_once(done: Path, name: str) -> None:
    """Kill this process the first time that a place is passed, over all processes."""
    passed = done.read_text().splitlines() if done.exists() else []
    if name not in passed:
        done.write_text("\n".join([*passed, name]))
        os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], Any]) -> int:
    """Run `work` in a fork and return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  # the child must not return into pytest
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_finished(town: Town) -> None:
    first, second = town.hire(), town.hire()
    assert report_of(first) == report_of(second)
    assert second.json["unchanged"] and second.json["verdict"] == "promoted"
    keys = [item.entry["key"] for item in town.log.entries()]
    assert len(set(keys)) == len(keys) == 12
    assert town.log.verify().ok
    assert [
        item.entry["body"]["use"] for item in town.log.entries() if item.entry["type"] == "gate-opened"
    ] == [1]


def test_a_kill_after_each_entry_and_step_costs_nothing_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = town.folder / "done"
    append, put, keep = DecisionLog.append, StepCache.put, Responses.put_many
    responses = iter(range(10**6))

    def append_and_die(self: DecisionLog, kind: str, key: str, run: str, body: dict[str, Any]) -> int:
        index = append(self, kind, key, run, body)
        die_once(done, f"append {kind}")
        return index

    def put_and_die(self: StepCache, step: FinishedStep) -> None:
        die_once(done, f"before {step.name}")
        put(self, step)
        die_once(done, f"after {step.name}")

    def keep_and_die(self: Responses, rows: Sequence[tuple[str, Any]]) -> None:
        keep(self, rows)
        if 3 in [next(responses) for _ in rows]:
            item, response = rows[-1]
            die_once(done, f"response {response.agent} {item}")

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", append_and_die)
        patch.setattr(StepCache, "put", put_and_die)
        patch.setattr(Responses, "put_many", keep_and_die)
        deaths = 0
        while (status := in_child(town.hire)) != 0:
            assert status == -signal.SIGKILL
            deaths += 1
            assert deaths < _MOST_DEATHS
    assert deaths > 20
    check_finished(town)


def test_kills_at_random_moments(town: Town) -> None:
    moments = random.Random(20260301)
    for _ in range(6):
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.02, 0.35))
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            status = in_process(town)
            os._exit(status)
        moments.random()
        os.waitpid(child, 0)
    check_finished(town)


def in_process(town: Town) -> int:
    try:
        town.hire()
    except BaseException:  # noqa: BLE001  # the child must not return into pytest
        return 99
    return 0
