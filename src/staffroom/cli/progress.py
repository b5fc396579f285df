"""How far long work has come: a bar with the time left on a terminal, a line every few seconds elsewhere; on stderr."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from staffroom.cli.language import Words
from staffroom.cli.terminal import Terminal
from staffroom.records.protocols import Progress

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["BarProgress", "LineProgress", "ShownProgress", "progress_for", "time_left"]

_LINE_SECONDS = 5.0
_LARGE = 1_000_000
"""Stages as long as this count bytes (downloads, copies): shown in megabytes."""


class ShownProgress(Progress, Protocol):
    """A `Progress` that is drawn; use as a context manager. Calls may come from any thread."""

    def __enter__(self) -> Self:
        """Begin to draw."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Draw nothing while the block runs, because a person is asked something."""
        ...


def progress_for(terminal: Terminal) -> ShownProgress:
    """Return the progress that suits stderr."""
    return BarProgress(terminal) if terminal.err.is_terminal else LineProgress(terminal)


def time_left(done: float, total: float, seconds: float) -> float | None:
    """Return the seconds left if the rest goes as fast as what is done, None while nothing can be said."""
    if done <= 0 or total <= 0 or seconds <= 0:
        return None
    return max(0.0, (total - done) * seconds / done)


class LineProgress:
    """One line every few seconds: `gate 12/40, 3 min left`."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        every_seconds: float = _LINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._every = every_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._name, self._total, self._done = "", 0.0, 0.0
        self._began, self._spoke = 0.0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def stage(self, name: str, total: float) -> None:
        """A stage of `total` units begins."""
        with self._lock:
            self._name, self._total, self._done = _stage_name(name, self._terminal.t), total, 0.0
            self._began = self._spoke = self._clock()
            self._terminal.note(f"{self._name} 0/{_count(total, total)}")

    def advance(self, units: float = 1.0, note: str = "") -> None:
        """`units` more are done."""
        del note
        with self._lock:
            self._done += units
            now = self._clock()
            finished = self._total > 0 and self._done >= self._total > self._done - units
            if not finished and now - self._spoke < self._every:
                return
            self._spoke = now
            left = None if finished else time_left(self._done, self._total, now - self._began)
            text = f"{self._name} {_count(self._done, self._total)}/{_count(self._total, self._total)}"
            self._terminal.note(text if left is None else f"{text}, {_spoken(left, self._terminal.t)}")

    def say(self, text: str) -> None:
        """A line that a person should see."""
        with self._lock:
            self._terminal.note(text)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing while the block runs."""
        with self._lock:
            yield


class BarProgress:
    """A bar for each stage, with the time left."""

    def __init__(self, terminal: Terminal) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._t = terminal.t
        self._task: TaskID | None = None
        self._total = self._done = 0.0
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
            console=terminal.err,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()
        self._bars.stop()

    def stage(self, name: str, total: float) -> None:
        """A stage of `total` units begins."""
        self._finish()
        self._total, self._done = total, 0.0
        self._task = self._bars.add_task(
            _stage_name(name, self._t), total=total or None, count=f"0/{_count(total, total)}", note=""
        )

    def advance(self, units: float = 1.0, note: str = "") -> None:
        """`units` more are done."""
        if self._task is None:
            return
        self._done += units
        count = f"{_count(self._done, self._total)}/{_count(self._total, self._total)}"
        self._bars.update(self._task, completed=self._done, count=count, note=note[:40])

    def say(self, text: str) -> None:
        """A line that a person should see."""
        self._bars.console.print(text)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing while the block runs."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def _finish(self) -> None:
        # A stage may end early (losers leave the race): its bar must not go on promising a time.
        if self._task is not None:
            self._bars.update(self._task, note="")
            self._bars.stop_task(self._task)
            self._task = None


def _stage_name(name: str, t: Words) -> str:
    verb, _, rest = name.partition(" ")
    return t("fetching {name}", name=rest) if verb == "fetching" else t(name)


def _count(units: float, total: float) -> str:
    return f"{units / 1e6:,.0f} MB" if total >= _LARGE else f"{units:,.0f}"


def _spoken(seconds: float, t: Words) -> str:
    if seconds < 60:
        return t("less than a minute left")
    return t("{minutes} min left", minutes=round(seconds / 60))
