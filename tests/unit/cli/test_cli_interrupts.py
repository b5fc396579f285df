import asyncio
import os
import signal
import threading
import time

import pytest

from staffroom.cli.interrupts import WorkLoop


def test_work_gives_its_result_and_the_handler_goes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with WorkLoop() as loop:
        assert loop.run(asyncio.sleep(0, "done")) == "done"
        assert loop.run(asyncio.to_thread(len, "abc")) == 3
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_cancels_lets_it_clean_up_and_waits_for_no_thread() -> None:
    cleaned: list[str] = []
    release = threading.Event()

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
            await asyncio.to_thread(release.wait, 20)
        finally:
            await asyncio.sleep(0)
            cleaned.append("engine stopped")

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), WorkLoop() as loop:
        try:
            loop.run(work())
        finally:
            assert loop.interrupted.is_set()
    assert cleaned == ["engine stopped"]
    assert time.monotonic() - begun < 5
    release.set()


def test_after_an_interrupted_answer_the_next_one_runs() -> None:
    async def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(20)

    with WorkLoop() as loop:
        with pytest.raises(KeyboardInterrupt):
            loop.run(interrupted())
        assert loop.run(asyncio.sleep(0, "again")) == "again"


def test_a_failure_of_the_work_is_its_own() -> None:
    async def failing() -> None:
        raise ValueError("its own")

    with WorkLoop() as loop, pytest.raises(ValueError, match="its own"):
        loop.run(failing())
