"""The duty record: one line a request, `private/duty/YYYY-MM-DD.jsonl`, with texts and salts kept apart.

A line names persons' words by salted commitments only; the words and the salts are in
`YYYY-MM-DD.texts.jsonl` beside it, so that a text can be erased while the line still stands. A line is with
the kernel when `record` returns (a killed gateway loses none) and on the disk at most 250 ms later.

It does not protect against somebody who rewrites the files: sealing them into a log is not done here.
One gateway writes it at a time.
"""

import os
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import orjson

from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError
from staffroom.records.guardrails import Ruling
from staffroom.store import disk_error, make_folder, sync_folder, to_text
from staffroom.store.durable import write_all

__all__ = ["DutyLog", "DutyRecord", "commitment"]

_FLUSH_SECONDS = 0.1
_SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class DutyRecord:
    """One request that was handed to a worker.

    outcome: answered, declined or refused, or the code by which the answer was broken off.
    first_text_seconds, seconds: from the request's arrival.  problem: what went wrong, for the texts file.
    rulings: what the guardrails did, as codes and counts; no text stands in them.
    """

    audit_id: str
    at: datetime
    alias: str
    release: str
    key: str
    outcome: str
    chunks: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    first_text_seconds: float | None
    seconds: float
    question: str
    answer: str
    problem: str = ""
    rulings: tuple[Ruling, ...] = ()


def commitment(salt: bytes, text: str) -> str:
    """Return `sha256:<hex>` of a random salt (32 bytes) followed by the text in UTF-8."""
    return digest_bytes(salt + text.encode("utf-8", "surrogatepass"))


class DutyLog:
    """Appends duty records; `close` when done. Raises StaffroomError where a record cannot be kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._day = ""
        self._lines = -1
        self._texts = -1
        self._sizes: dict[int, int] = {}
        self._failed: StaffroomError | None = None
        self._flusher = threading.Thread(target=self._flush_often, name="duty-log", daemon=True)
        self._flusher.start()

    def __enter__(self) -> "DutyLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, entry: DutyRecord) -> None:
        """Append one record; raises StaffroomError where the disk refuses this one or lost an earlier one."""
        at = to_text(entry.at)
        line, text = _encode(entry, at)
        with self._lock:
            if self._failed is not None:
                failed, self._failed = self._failed, None
                self._close_files()
                raise failed
            try:
                self._open(at[:10])
                # The words first: a line never stands without them.
                self._append(self._texts, text)
                self._append(self._lines, line)
            except OSError as error:
                raise disk_error(error, self._folder) from error
        self._dirty.set()

    def flush(self) -> None:
        """Put everything recorded so far on the disk."""
        # Copies of the descriptors: a request that records meanwhile must not wait for the disk.
        with self._lock:
            copies = [os.dup(handle) for handle in (self._texts, self._lines) if handle >= 0]
        try:
            for handle in copies:
                os.fsync(handle)
        except OSError as error:
            with self._lock:
                self._failed = disk_error(error, self._folder)
        finally:
            for handle in copies:
                os.close(handle)

    def close(self) -> None:
        """Flush and close; idempotent."""
        self._closing.set()
        self._dirty.set()
        if self._flusher.is_alive():
            self._flusher.join()
        self.flush()
        with self._lock:
            self._close_files()

    def _flush_often(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._closing.wait(_FLUSH_SECONDS)
            self._dirty.clear()
            self.flush()

    def _open(self, day: str) -> None:
        if day == self._day and self._lines >= 0:
            return
        self._close_files()
        make_folder(self._folder, mode=0o700)
        self._texts = _open_lines(self._folder / f"{day}.texts.jsonl")
        self._lines = _open_lines(self._folder / f"{day}.jsonl")
        self._sizes = {handle: os.fstat(handle).st_size for handle in (self._texts, self._lines)}
        self._day = day
        sync_folder(self._folder)

    def _append(self, handle: int, line: bytes) -> None:
        before = self._sizes[handle]
        try:
            write_all(handle, line)
        except OSError:
            os.ftruncate(handle, before)
            raise
        self._sizes[handle] = before + len(line)

    def _close_files(self) -> None:
        for handle in (self._texts, self._lines):
            if handle >= 0:
                os.close(handle)
        self._lines = self._texts = -1


def _encode(entry: DutyRecord, at: str) -> tuple[bytes, bytes]:
    salts = secrets.token_bytes(2 * _SALT_BYTES)
    question_salt, answer_salt = salts[:_SALT_BYTES], salts[_SALT_BYTES:]
    line = {
        "audit_id": entry.audit_id,
        "at": at,
        "alias": entry.alias,
        "release": entry.release,
        "key": entry.key,
        "outcome": entry.outcome,
        "chunks": list(entry.chunks),
        "tokens_in": entry.tokens_in,
        "tokens_out": entry.tokens_out,
        "first_text_seconds": _rounded(entry.first_text_seconds),
        "seconds": _rounded(entry.seconds),
        "guardrails": [ruling.as_json() for ruling in entry.rulings],
        "question": commitment(question_salt, entry.question),
        "answer": commitment(answer_salt, entry.answer),
    }
    text = {
        "audit_id": entry.audit_id,
        "question_salt": question_salt.hex(),
        "question": entry.question,
        "answer_salt": answer_salt.hex(),
        "answer": entry.answer,
        "problem": entry.problem,
    }
    return orjson.dumps(line) + b"\n", orjson.dumps(text) + b"\n"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _open_lines(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        # A power loss left half a line: it stays as it is, and the next one begins on its own.
        write_all(handle, b"\n")
    return handle
