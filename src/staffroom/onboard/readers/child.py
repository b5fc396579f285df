"""The process in which documents are read: it dies when one takes too long, needs too much memory, or crashes a library.

Run as `python -P -m staffroom.onboard.readers.child LIMITS`; requests and answers are JSON lines on stdin and stdout.
An alarm that the kernel delivers ends it even inside a library, and even if its parent is gone.
"""

import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.reading import LazyOcr, read_bytes, too_large
from staffroom.records.documents import BadDocument, ExtractedText

__all__ = ["main"]


def main() -> None:
    """Serve requests until stdin ends.

    1. Bound the address space; keep stdout for answers alone, whatever a library prints.
    2. For each request set the alarm, read the file, answer; each page of a PDF or picture sets the alarm anew.
    """
    limits = ReadLimits(**json.loads(sys.argv[1]))
    # 1.
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    ocr = LazyOcr()

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    # 2.
    for line in sys.stdin:
        request = json.loads(line)
        ends = time.monotonic() + limits.total_seconds

        def on_page(number: int, of: int, ends: float = ends) -> None:
            left = ends - time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, max(0.01, min(limits.step_seconds, left)))
            answer({"page": number, "of": of})

        signal.setitimer(signal.ITIMER_REAL, min(limits.step_seconds, limits.total_seconds))
        try:
            data = _load(Path(request["path"]), limits)
            media_type, extracted = read_bytes(data, request["name"], limits=limits, on_page=on_page, ocr=ocr)
            answer({"media_type": media_type, "bytes": len(data), "extracted": _as_json(extracted)})
        except BadDocument as error:
            answer({"bad": error.reason.value, "message": error.message, "hint": error.hint})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _load(path: Path, limits: ReadLimits) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        raise too_large(path.stat().st_size, limits)
    return data


def _as_json(extracted: ExtractedText) -> dict[str, Any]:
    value = asdict(extracted)
    value["blocks"] = [[b.kind.value, b.level, b.page, b.start, b.end] for b in extracted.blocks]
    return value


if __name__ == "__main__":
    main()
