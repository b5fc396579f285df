"""Run asynchronous work so that Ctrl-C stops it at once, also while a worker thread is busy.

1. The first Ctrl-C cancels the work: engines are stopped, what was finished is kept.
2. A second one is an ordinary KeyboardInterrupt, for a clean-up that hangs.
3. Threads that cannot be cancelled are not waited for; `entry.main` ends the process under them, as `kill -9` would,
   which finished steps survive.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["WorkLoop"]

Result = TypeVar("Result")


class WorkLoop:
    """An event loop of one command; `interrupted` is set as soon as Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> "WorkLoop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            if not self.interrupted.is_set():
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what the work returns; raises KeyboardInterrupt after Ctrl-C, once the work has let go."""
        self.interrupted.clear()
        task = self._loop.create_task(work)
        handles = threading.current_thread() is threading.main_thread()

        def stop() -> None:
            self.interrupted.set()
            self._loop.remove_signal_handler(signal.SIGINT)
            task.cancel()

        if handles:
            self._loop.add_signal_handler(signal.SIGINT, stop)
        try:
            return self._loop.run_until_complete(task)
        except asyncio.CancelledError as error:
            if self.interrupted.is_set():
                raise KeyboardInterrupt from error
            raise
        finally:
            if handles:
                self._loop.remove_signal_handler(signal.SIGINT)
