"""The parent's side of the reading process: starts it, asks it, and turns its death into a refusal of one document."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import staffroom
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.records.documents import BadDocument, BadReason, Block, BlockKind, ExtractedText

__all__ = ["ReaderProcess"]

_GRACE_SECONDS = 5.0
_START_SECONDS = 60.0


class ReaderProcess:
    """A process that reads one document after another; started when first asked, and anew after it died."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._fresh = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(
        self, path: Path, name: str, on_page: Callable[[int, int], None] | None = None
    ) -> tuple[str, int, ExtractedText]:
        """Return media type, size in bytes and text of a file; raises BadDocument."""
        process = self._started()
        try:
            self._send(process, {"path": str(path), "name": name})
            while True:
                message = self._receive(process, name)
                if "page" not in message:
                    break
                if on_page is not None:
                    on_page(message["page"], message["of"])
        except BaseException:
            self.close()
            raise
        if "bad" in message:
            raise BadDocument(BadReason(message["bad"]), message["message"], where=name, hint=message["hint"])
        return message["media_type"], message["bytes"], _extracted(message["extracted"])

    def close(self) -> None:
        """End the process; it holds nothing that needs saving."""
        process, self._process, self._buffer = self._process, None, b""
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            root = str(Path(staffroom.__file__).parents[1])
            paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "staffroom.onboard.readers.child",
                    json.dumps(asdict(self._limits)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
            self._fresh = True
        return self._process

    def _send(self, process: subprocess.Popen[bytes], message: dict[str, str]) -> None:
        if process.stdin is None:
            raise ValueError("the reading process was started without stdin")
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            return

    def _receive(self, process: subprocess.Popen[bytes], name: str) -> dict[str, Any]:
        wait = self._limits.step_seconds + _GRACE_SECONDS + (_START_SECONDS if self._fresh else 0.0)
        deadline = time.monotonic() + wait
        if process.stdout is None:
            raise ValueError("the reading process was started without stdout")
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._too_slow(name)
                part = os.read(process.stdout.fileno(), 1 << 20)
                if not part:
                    raise self._died(process.wait(), name)
                self._buffer += part
        self._fresh = False
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _too_slow(self, name: str) -> BadDocument:
        return BadDocument(
            BadReason.TOO_SLOW,
            f"was given up after {self._limits.step_seconds:g} seconds on one page or "
            f"{self._limits.total_seconds:g} in all",
            where=name,
            hint="split the document, or save it anew from the program it was made with",
        )

    def _died(self, status: int, name: str) -> BadDocument:
        if status == -signal.SIGALRM:
            return self._too_slow(name)
        return BadDocument(
            BadReason.CRASHED,
            f"made the reading process end (status {status}): damaged, or too large for "
            f"{self._limits.memory_bytes >> 20:,} MiB of memory",
            where=name,
            hint="open it in the program it was made with, save it again, and use the new file",
        )


def _extracted(value: dict[str, Any]) -> ExtractedText:
    text: str = value["text"]
    blocks = tuple(
        Block(BlockKind(kind), level, text[start:end], page, start, end)
        for kind, level, page, start, end in value["blocks"]
    )
    return ExtractedText(
        value["document_digest"], text, blocks, value["pages"], value["reader"], tuple(value["warnings"])
    )
