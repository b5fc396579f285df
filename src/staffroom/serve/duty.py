"""The duty record as the gateway writes it: an intent before the engine is asked, one row a request at its end.

1. `begin` writes the intent: who asks whom, and the question. Where the disk refuses it, nobody is asked.
2. While the engine works, a thread puts intents on the disk, many in one wait. `durable` returns once that of one request is
   there; the gateway lets no byte of an answer go before.
3. `record` writes words and row. They are with the kernel when it returns (a killed gateway loses none) and on the disk at most
   a quarter of a second later, many in one wait.
4. An intent without a row is closed at the next start, as `lost`: so each request that got a first byte has one row.

It does not protect against somebody who rewrites the files: that shows once their rows are sealed (`duty_seals.py`).
One gateway writes it at a time.
"""

import asyncio
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from staffroom.records.errors import StaffroomError
from staffroom.serve.duty_files import (
    Begun,
    Counted,
    DutyIntent,
    DutyRecord,
    audit_id_of,
    commitment,
    days_of,
    encode_end,
    encode_intent,
    encode_lost,
    lines_of,
    open_lines,
    rows_path,
    texts_path,
)
from staffroom.store import disk_error, make_folder, sync_folder, to_text, write_durably
from staffroom.store.durable import write_all

__all__ = ["Begun", "Counted", "DutyIntent", "DutyLog", "DutyRecord", "close_lost", "commitment"]

_ROWS_SECONDS = 0.1
_GATHER_SECONDS = 0.004
_MARK_SECONDS = 30.0
_MARK = "begun.json"
_LOST = "lost"
_UNRECORDED = "not_recorded"

_Future = asyncio.Future[None]


@dataclass(slots=True)
class _Day:
    """The open files of one day, their sizes, and the requests of that day that are under way."""

    texts: int
    rows: int
    sizes: dict[int, int]
    under_way: int = 0
    # By `time.monotonic`: when the oldest row that may not be on the disk was written.
    rows_since: float | None = None


@dataclass(slots=True)
class _Waiting:
    number: int
    loop: asyncio.AbstractEventLoop
    future: _Future = field(repr=False)


class DutyLog:
    """Appends duty records; `close` when done. Raises StaffroomError where a record cannot be kept.

    At the start it closes what a gateway that was killed left open; `lost` says how many requests that were.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._soon = threading.Event()
        self._now = threading.Event()
        self._closing = threading.Event()
        self._days: dict[str, _Day] = {}
        self._open: dict[str, Begun] = {}
        self._waiting: list[_Waiting] = []
        self._number = self._synced = 0
        self._gone = range(0)
        self._failed: StaffroomError | None = None
        self._marked = time.monotonic()
        self.lost = close_lost(folder)
        self._flusher = threading.Thread(target=self._flush_often, name="duty-log", daemon=True)
        self._flusher.start()

    def __enter__(self) -> "DutyLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def open(self) -> int:
        """Requests that were begun and have no row yet."""
        return len(self._open)

    def begin(self, intent: DutyIntent) -> Begun:
        """Write the intent of a request; raises StaffroomError where the disk refuses it or lost an earlier one."""
        with self._lock:
            self._tell_failure()
            begun = self._begin(intent)
        _set(self._soon)
        _set(self._dirty)
        return begun

    async def durable(self, begun: Begun) -> None:
        """Wait until an intent is on the disk; raises StaffroomError where the disk lost it."""
        if begun.number <= self._synced and begun.number not in self._gone:
            return
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        with self._lock:
            if begun.number in self._gone:
                raise StaffroomError("the duty record is not on the disk", where=str(self._folder))
            if begun.number <= self._synced:
                return
            self._waiting.append(_Waiting(begun.number, loop, future))
        _set(self._now)
        _set(self._soon)
        _set(self._dirty)
        await future

    def record(self, entry: DutyRecord) -> None:
        """Write a request's row and words; what was never begun is begun and ended at once.

        Raises StaffroomError where the disk refuses this one or lost an earlier one; the request then stays open.
        """
        with self._lock:
            self._tell_failure()
            begun = self._open.get(entry.audit_id) or self._begin(entry.intent)
            row, text = encode_end(begun, entry)
            self._end(begun, row, text)
        _set(self._dirty)

    def flush(self) -> None:
        """Put everything written so far on the disk."""
        self._sync(rows=True)

    def close(self) -> None:
        """Flush and close; a request that could not be recorded is tried once more, without its words. Idempotent."""
        self._closing.set()
        for event in (self._now, self._soon, self._dirty):
            event.set()
        if self._flusher.is_alive():
            self._flusher.join()
        try:
            with self._lock:
                for begun in list(self._open.values()):
                    self._end(begun, encode_lost(begun.audit_id, begun.as_json(), _UNRECORDED), b"")
        except StaffroomError:
            pass  # the next start closes them as lost
        self.flush()
        self._mark()
        with self._lock:
            self._close_files()

    def _begin(self, intent: DutyIntent) -> Begun:
        at = to_text(intent.at)
        try:
            day = self._files(at[:10])
            before = day.sizes[day.texts], day.sizes[day.rows]
            begun, line = encode_intent(intent, at, self._number + 1, *before)
            _append(day, day.texts, line)
        except OSError as error:
            raise disk_error(error, self._folder) from error
        day.under_way += 1
        self._number += 1
        self._open[begun.audit_id] = begun
        return begun

    def _end(self, begun: Begun, row: bytes, text: bytes) -> None:
        try:
            day = self._files(begun.day)
            # The words first: a row never stands without them.
            if text:
                _append(day, day.texts, text)
            _append(day, day.rows, row)
        except OSError as error:
            raise disk_error(error, self._folder) from error
        if day.rows_since is None:
            day.rows_since = time.monotonic()
        day.under_way -= 1
        del self._open[begun.audit_id]

    def _tell_failure(self) -> None:
        if self._failed is not None:
            failed, self._failed = self._failed, None
            self._close_files()
            raise failed

    def _flush_often(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            # An intent is waited for sooner or later: others of these moments come along with it.
            if self._soon.wait(_ROWS_SECONDS):
                self._now.wait(_GATHER_SECONDS)
            for event in (self._dirty, self._soon, self._now):
                event.clear()
            self._sync(rows=False)
            if time.monotonic() - self._marked > _MARK_SECONDS:
                self._mark()

    def _sync(self, *, rows: bool) -> None:
        # Copies of the descriptors: a request that records meanwhile must not wait for the disk.
        with self._lock:
            number, due = self._number, time.monotonic() - _ROWS_SECONDS
            days = list(self._days.values())
            late = [day for day in days if day.rows_since is not None and (rows or day.rows_since <= due)]
            texts = [os.dup(day.texts) for day in days]
            lines = [os.dup(day.rows) for day in late]
            for day in late:
                day.rows_since = None
            again = any(day.rows_since is not None for day in days)
        try:
            for handle in texts:
                os.fdatasync(handle)
            self._settle(number)
            for handle in lines:
                os.fdatasync(handle)
        except OSError as error:
            self._fail(number, disk_error(error, self._folder))
        finally:
            for handle in (*texts, *lines):
                os.close(handle)
        if again:
            self._dirty.set()

    def _settle(self, number: int) -> None:
        with self._lock:
            self._synced = max(self._synced, number)
            done = [each for each in self._waiting if each.number <= number]
            self._waiting = [each for each in self._waiting if each.number > number]
        _wake(done, None)

    def _fail(self, number: int, error: StaffroomError) -> None:
        with self._lock:
            self._failed = error
            first = min(self._gone.start, self._synced + 1) if self._gone else self._synced + 1
            self._gone = range(first, max(self._gone.stop, number + 1))
            done, self._waiting = self._waiting, []
        _wake(done, error)

    def _files(self, day: str) -> _Day:
        found = self._days.get(day)
        if found is not None:
            return found
        make_folder(self._folder, mode=0o700)
        texts = open_lines(texts_path(self._folder, day))
        try:
            rows = open_lines(rows_path(self._folder, day))
        except OSError:
            os.close(texts)
            raise
        sizes = {handle: os.fstat(handle).st_size for handle in (texts, rows)}
        opened = self._days[day] = _Day(texts, rows, sizes)
        opened.under_way = sum(begun.day == day for begun in self._open.values())
        sync_folder(self._folder)
        for name, other in list(self._days.items()):
            if name < day and not other.under_way and other.rows_since is None:
                _close(self._days.pop(name))
        return opened

    def _mark(self) -> None:
        """Keep from where on a start must look for requests that were left open."""
        self._marked = time.monotonic()
        with self._lock:
            first = min(self._open.values(), key=lambda begun: begun.number, default=None)
            newest = max(self._days, default="")
            if first is not None:
                mark = {"day": first.day, "texts": first.texts_at, "rows": first.rows_at}
            elif newest:
                day = self._days[newest]
                mark = {"day": newest, "texts": day.sizes[day.texts], "rows": day.sizes[day.rows]}
            else:
                return
        try:
            write_durably(self._folder / _MARK, orjson.dumps(mark), mode=0o600)
        except StaffroomError:
            return  # a start then looks further back

    def _close_files(self) -> None:
        for day in self._days.values():
            _close(day)
        self._days.clear()


def close_lost(folder: Path) -> int:
    """Write the row of each request that was begun and never ended; returns how many. Only while no gateway writes."""
    mark = _mark_of(folder)
    lost = 0
    for day in days_of(folder):
        if day < mark["day"]:
            continue
        same = day == mark["day"]
        texts, rows = texts_path(folder, day), rows_path(folder, day)
        open_ones: dict[str, bytes] = {}
        for line in lines_of(texts, _within(texts, mark["texts"]) if same else 0):
            if b'"begun":{' in line[:70]:
                open_ones[audit_id_of(line)] = line
        if open_ones:
            for line in lines_of(rows, _within(rows, mark["rows"]) if same else 0):
                open_ones.pop(audit_id_of(line), None)
        lost += _append_lost(rows, open_ones)
    return lost


def _append_lost(rows: Path, open_ones: dict[str, bytes]) -> int:
    lines = []
    for audit_id, line in open_ones.items():
        try:
            begun = orjson.loads(line).get("begun")
        except orjson.JSONDecodeError:
            continue  # half a line that a power loss left: no byte of an answer went out
        lines.append(encode_lost(audit_id, begun, _LOST))
    if lines:
        try:
            handle = open_lines(rows)
            try:
                write_all(handle, b"".join(lines))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise disk_error(error, rows) from error
    return len(lines)


def _mark_of(folder: Path) -> dict[str, Any]:
    try:
        value = orjson.loads((folder / _MARK).read_bytes())
        return {"day": str(value["day"]), "texts": int(value["texts"]), "rows": int(value["rows"])}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return {"day": "", "texts": 0, "rows": 0}


def _within(path: Path, start: int) -> int:
    """Return a place to start reading: 0 where it is not the beginning of a line of this file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, start - 1))
            return start if start and file.read(1) == b"\n" else 0
    except OSError:
        return 0


def _append(day: _Day, handle: int, line: bytes) -> None:
    before = day.sizes[handle]
    try:
        write_all(handle, line)
    except OSError:
        os.ftruncate(handle, before)
        raise
    day.sizes[handle] = before + len(line)


def _set(event: threading.Event) -> None:
    # To set one that is set wakes nobody, and costs a lock all the same.
    if not event.is_set():
        event.set()


def _close(day: _Day) -> None:
    os.close(day.texts)
    os.close(day.rows)


def _wake(waiting: list[_Waiting], error: StaffroomError | None) -> None:
    for loop in {each.loop for each in waiting}:
        futures = [each.future for each in waiting if each.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list[_Future], error: StaffroomError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
