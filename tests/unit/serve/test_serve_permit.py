import errno
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.permit import DutyState, PermitAct, PermitChange, Permits, resume, retire, suspend

ONE, TWO = digest_bytes(b"one"), digest_bytes(b"two")


@pytest.fixture
def permits(tmp_path: Path) -> Permits:
    return Permits(tmp_path / "permits")


def test_nothing_runs_without_a_permit(permits: Permits) -> None:
    assert not permits.check("clerk", ONE)
    permits.grant("clerk", ONE)
    assert permits.check("clerk", ONE)
    assert not permits.check("clerk", TWO)
    assert not permits.check("judge", ONE)
    assert permits.state("clerk") is DutyState.RUNNING
    assert permits.revoke("clerk")
    assert not permits.check("clerk", ONE)
    assert not permits.revoke("clerk")
    assert permits.state("clerk") is DutyState.SUSPENDED


def test_it_is_on_disk_and_seen_by_others(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    other = Permits(permits.folder)
    time.sleep(0.12)
    for _ in range(3):
        assert other.check("clerk", ONE)
    permits.grant("clerk", TWO)
    assert not other.check("clerk", ONE)
    assert other.check("clerk", TWO)
    permits.revoke("clerk")
    assert not other.check("clerk", TWO)
    assert (permits.folder / "clerk").exists() is False


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("sha256:"),
        lambda path: path.write_bytes(os.urandom(71)),
        lambda path: path.write_text(ONE * 1000),
        lambda path: path.write_text(TWO),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.rename(path.with_name("moved")), path.symlink_to(path.with_name("moved"))),
        lambda path: path.with_name("clerk.retired").write_text(""),
    ],
)
def test_whatever_is_unclear_means_stopped(permits: Permits, spoil: object) -> None:
    permits.grant("clerk", ONE)
    time.sleep(0.11)
    assert permits.check("clerk", ONE)
    assert callable(spoil)
    spoil(permits.folder / "clerk")
    assert not permits.check("clerk", ONE)


def test_a_rewrite_of_the_same_length_is_seen_at_once(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    for _ in range(50):
        (permits.folder / "clerk").write_text(TWO + "\n")
        assert not permits.check("clerk", ONE)
        (permits.folder / "clerk").write_text(ONE + "\n")
        assert permits.check("clerk", ONE)


def test_an_alias_is_no_path(permits: Permits, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(ONE)
    for wrong in ("../outside", "", ".", "clerk.retired", "a/b", "A", "a\0b", "x" * 64):
        assert not permits.check(wrong, ONE)
        for act in (permits.revoke, permits.release, permits.state, lambda alias: permits.grant(alias, ONE)):
            with pytest.raises(WrongUse):
                act(wrong)
    with pytest.raises(WrongUse, match="not a release"):
        permits.grant("clerk", "latest")
    assert (tmp_path / "outside").exists()


def test_stopping_works_on_a_full_disk_and_starting_says_so(
    permits: Permits, monkeypatch: pytest.MonkeyPatch
) -> None:
    permits.grant("clerk", ONE)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert permits.revoke("clerk")
    assert not permits.check("clerk", ONE)
    with pytest.raises(StaffroomError, match="disk is full"):
        permits.grant("clerk", ONE)
    assert list(permits.folder.iterdir()) == []
    seen: list[PermitChange] = []
    with pytest.raises(StaffroomError, match="disk is full"):
        retire(permits, "clerk", reason="closed", record=seen.append)
    assert [change.act for change in seen] == [PermitAct.SUSPENDED]


def test_one_that_cannot_be_removed_does_not_keep_the_others_running(permits: Permits) -> None:
    for alias in ("a", "b", "c"):
        permits.grant(alias, ONE)
    (permits.folder / "b").unlink()
    (permits.folder / "b").mkdir()
    with pytest.raises(StaffroomError, match="may still answer"):
        permits.revoke_all()
    assert permits.running() == {}


def test_a_stop_beats_a_start_that_is_under_way(permits: Permits, monkeypatch: pytest.MonkeyPatch) -> None:
    permits.grant("clerk", ONE)
    real = os.fsync
    inside, go_on = threading.Event(), threading.Event()

    def slow(handle: int) -> None:
        if threading.current_thread() is starter:
            inside.set()
            go_on.wait(5)
        real(handle)

    caught: list[StaffroomError] = []

    def start() -> None:
        try:
            permits.grant("clerk", TWO)
        except StaffroomError as error:
            caught.append(error)

    starter = threading.Thread(target=start)
    monkeypatch.setattr(os, "fsync", slow)
    starter.start()
    assert inside.wait(5)
    assert permits.revoke("clerk")
    go_on.set()
    starter.join()
    assert permits.running() == {}
    assert "was stopped while" in str(caught[0])


def test_a_check_is_cheap(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    time.sleep(0.11)
    best = min(_seconds_of_1000(permits) for _ in range(5)) / 1000
    assert best < 20e-6, f"{best * 1e6:.1f} microseconds"


def _seconds_of_1000(permits: Permits) -> float:
    start = time.perf_counter()
    for _ in range(1000):
        permits.check("clerk", ONE)
    return time.perf_counter() - start


def test_suspend_stops_before_it_records(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    permits.grant("judge", TWO)

    def record(change: PermitChange) -> None:
        assert permits.running() == {}
        raise StaffroomError("the log is full")

    with pytest.raises(StaffroomError, match="log is full"):
        suspend(permits, None, reason="drill", record=record)
    assert permits.running() == {}


def test_suspend_all_tells_what_it_stopped(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    permits.grant("judge", TWO)
    changes = suspend(permits, None, reason="drill")
    assert [(change.alias, change.ran) for change in changes] == [("clerk", ONE), ("judge", TWO)]
    assert suspend(permits, None, reason="again") == []
    (again,) = suspend(permits, "clerk", reason="again")
    assert again.ran is None


def test_resume_records_before_it_starts(permits: Permits) -> None:
    def refuse(_: PermitChange) -> None:
        assert not permits.check("clerk", ONE)
        raise StaffroomError("the log cannot be written")

    with pytest.raises(StaffroomError, match="log cannot"):
        resume(permits, "clerk", ONE, reason="back", record=refuse)
    assert not permits.check("clerk", ONE)
    change = resume(permits, "clerk", ONE, reason="back")
    assert (change.act, change.release, change.ran) == (PermitAct.RESUMED, ONE, None)
    assert permits.check("clerk", ONE)


def test_retired_never_comes_back(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    seen: list[PermitChange] = []
    retire(permits, "clerk", reason="office closed", record=seen.append)
    assert [(change.act, change.ran) for change in seen] == [(PermitAct.RETIRED, ONE)]
    assert permits.state("clerk") is DutyState.RETIRED
    with pytest.raises(StaffroomError, match="retired"):
        permits.grant("clerk", ONE)
    with pytest.raises(StaffroomError, match="retired"):
        resume(permits, "clerk", ONE, reason="please", record=seen.append)
    assert len(seen) == 1
    (permits.folder / "clerk").write_text(ONE)
    assert not permits.check("clerk", ONE), "a permit put back by hand is not enough"
    assert permits.running() == {}


class PermitMachine(RuleBasedStateMachine):
    """Two processes' views of one folder against the plain rule of who may run."""

    place: Path
    aliases = st.sampled_from(["clerk", "judge"])
    digests = st.sampled_from([ONE, TWO])

    def __init__(self) -> None:
        super().__init__()
        folder = self.place / os.urandom(8).hex()
        self.views = [Permits(folder), Permits(folder)]
        self.runs: dict[str, str] = {}
        self.retired: set[str] = set()

    @rule(view=st.integers(0, 1), alias=aliases, digest=digests)
    def start(self, view: int, alias: str, digest: str) -> None:
        try:
            resume(self.views[view], alias, digest, reason="")
        except StaffroomError:
            assert alias in self.retired
        else:
            self.runs[alias] = digest

    @rule(view=st.integers(0, 1), alias=aliases | st.none())
    def stop(self, view: int, alias: str | None) -> None:
        suspend(self.views[view], alias, reason="")
        self.runs = {} if alias is None else {k: v for k, v in self.runs.items() if k != alias}

    @rule(view=st.integers(0, 1), alias=aliases)
    def end(self, view: int, alias: str) -> None:
        retire(self.views[view], alias, reason="")
        self.runs.pop(alias, None)
        self.retired.add(alias)

    @invariant()
    def every_view_agrees(self) -> None:
        for view in self.views:
            assert view.running() == self.runs
            for alias in ("clerk", "judge"):
                for digest in (ONE, TWO):
                    assert view.check(alias, digest) == (self.runs.get(alias) == digest)


def test_permits_follow_the_rule(tmp_path: Path) -> None:
    class Here(PermitMachine):
        place = tmp_path

    run_state_machine_as_test(Here, settings=settings(max_examples=8, stateful_step_count=15, deadline=None))


def test_a_prepared_permit_lets_nobody_run_and_dies_with_any_stop(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    for stop in (
        lambda: permits.revoke("clerk"),
        permits.revoke_all,
        lambda: suspend(permits, None, reason="now"),
        lambda: permits.bury("clerk"),
    ):
        prepared = permits.prepare("clerk", ONE)
        assert permits.running().keys() <= {"clerk"}
        stop()
        assert not permits.check("clerk", ONE)
        with pytest.raises(StaffroomError, match="was stopped while"):
            prepared.enter()
        assert not permits.check("clerk", ONE)


def test_a_drill_spares_its_own_prepared_permit_alone(permits: Permits) -> None:
    permits.grant("clerk", ONE)
    mine, other = permits.prepare("clerk", ONE), permits.prepare("clerk", TWO)
    assert suspend(permits, None, reason="drill", sparing=[mine.name])[0].ran == ONE
    assert not permits.running()
    with pytest.raises(StaffroomError):
        other.enter()
    change = resume(permits, "clerk", ONE, reason="drill over", prepared=mine)
    assert change.act is PermitAct.RESUMED and permits.check("clerk", ONE)
    mine = permits.prepare("clerk", ONE)
    permits.revoke("clerk", sparing=[mine.name])
    mine.drop()
    mine.drop()
    assert not list(permits.folder.iterdir())


def test_a_stop_while_a_start_is_recorded_wins(permits: Permits) -> None:
    def record(change: PermitChange) -> None:
        Permits(permits.folder).revoke_all()

    with pytest.raises(StaffroomError, match="was stopped while"):
        resume(permits, "clerk", ONE, reason="back", record=record)
    assert not permits.check("clerk", ONE)


def test_one_that_cannot_be_recorded_keeps_no_other_out_of_the_log(permits: Permits) -> None:
    for alias in ("clerk", "judge"):
        permits.grant(alias, ONE)
    recorded: list[str] = []

    def record(change: PermitChange) -> None:
        if change.alias == "clerk":
            raise StaffroomError("the disk is full")
        recorded.append(change.alias)

    with pytest.raises(StaffroomError, match="full"):
        suspend(permits, None, reason="now", record=record)
    assert recorded == ["judge"] and not permits.running()
