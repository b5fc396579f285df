import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from staffroom.records.errors import StaffroomError
from staffroom.store import Home, HomeBusy


def test_the_tree_is_created_and_ignores_itself(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home").ensure()
    assert (home.path / ".gitignore").read_text() == "*\n"
    for folder in (home.objects, home.models, home.log, home.private, home.keys, home.permits, home.index):
        assert folder.is_dir()
    assert home.keys.stat().st_mode & 0o777 == 0o700
    assert home.private.stat().st_mode & 0o777 == 0o700
    (home.path / ".gitignore").write_text("*\n!log\n")
    home.ensure()
    assert (home.path / ".gitignore").read_text() == "*\n!log\n"


def test_the_home_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Home.located({"STAFFROOM_HOME": str(tmp_path / "h")}).path == tmp_path / "h"
    monkeypatch.chdir(tmp_path)
    assert Home.located({}).path == tmp_path / ".staffroom"
    assert not (tmp_path / ".staffroom").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StaffroomError) as caught:
        Home(tmp_path / "file" / "home").ensure()
    assert str(tmp_path) in str(caught.value)
    assert "hint:" in str(caught.value)


def test_the_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.lock("hire"):
        with pytest.raises(HomeBusy) as caught, home.lock("hire"):
            pass
        assert f"process {os.getpid()} is at `hire`" in str(caught.value)
        with pytest.raises(HomeBusy) as again, home.lock("hire"):
            pass
        assert str(os.getpid()) in str(again.value), "a refused attempt must not wipe the holder's name"
        with home.lock("serve"):
            pass
    with home.lock("hire"):
        pass


_HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from staffroom.store.home import Home
    with Home(Path(sys.argv[1])).lock("hire"):
        print("held", flush=True)
        time.sleep(60)
    """
)


def test_a_killed_holder_never_blocks(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(HomeBusy, match=str(child.pid)), Home(tmp_path).lock("hire"):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert str(child.pid) in (tmp_path / "locks" / "hire.lock").read_text(), "stale text stays behind"
    with Home(tmp_path).lock("hire"):
        pass


def test_unreadable_holder_text_still_means_busy(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.lock("hire"):
        (tmp_path / "locks" / "hire.lock").write_bytes(b"\xff[")
        with pytest.raises(HomeBusy, match="another process"), home.lock("hire"):
            pass


def test_a_lock_name_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lock name"), Home(tmp_path).lock("../hire"):
        pass


def test_of_many_processes_one_gets_the_lock(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    context = multiprocessing.get_context("fork")
    release, results = context.Event(), context.SimpleQueue()

    def attempt() -> None:
        try:
            with home.lock("hire"):
                results.put(True)
                release.wait(20)
        except HomeBusy:
            results.put(False)

    children = [context.Process(target=attempt) for _ in range(4)]
    for child in children:
        child.start()
    won = [results.get() for _ in children]
    release.set()
    for child in children:
        child.join()
    assert sorted(won) == [False, False, False, True]
