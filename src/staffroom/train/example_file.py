"""What was made so far, on disk, so that making goes on where it was stopped: one line for each passage.

The first line says what all of it was made with; a file that was made with something else is refused, not mixed. A last
line that a crash cut off is dropped, and its passage is done again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.records.agent import ChatTurn
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.training import Example
from staffroom.store.durable import disk_error, make_folder
from staffroom.train.filters import DropReason

__all__ = ["ExampleFile", "PassageResult", "kept_examples"]


@dataclass(frozen=True, slots=True)
class PassageResult:
    """What came of one passage (`chunk` is its id): examples, how many questions were dropped why, and what it cost."""

    chunk: str
    examples: tuple[Example, ...]
    dropped: Mapping[DropReason, int]
    tokens_in: int
    tokens_out: int
    seconds: float


class ExampleFile:
    """A file of results that only grows; one writer."""

    def __init__(self, path: Path, made_with: Mapping[str, Any]) -> None:
        """Open or begin a file; raises WrongUse where it was made with something else."""
        self._path = path
        self.results: dict[str, PassageResult] = {}
        try:
            make_folder(path.parent)
            whole = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise disk_error(error, path) from error
        lines = whole.split(b"\n")
        kept = len(whole) - len(lines.pop())  # what stands behind the last line end was cut off
        if not lines:
            self._size = 0
            self._append({"made_with": dict(made_with)})
            return
        head = self._parsed(lines[0], 1).get("made_with")
        if head != dict(made_with):
            differing = sorted(
                name for name in {*made_with, *(head or {})} if (head or {}).get(name) != made_with.get(name)
            )
            raise WrongUse(
                f"was made with another {', '.join(differing)}",
                where=str(path),
                hint="name another file, or remove this one to make all examples anew",
            )
        self._size = kept
        for number, line in enumerate(lines[1:], 2):
            result = _result(self._parsed(line, number))
            self.results[result.chunk] = result

    def add(self, result: PassageResult) -> None:
        """Keep a result; on return it is on disk."""
        self._append(
            {
                "chunk": result.chunk,
                "examples": [example.as_json() for example in result.examples],
                "dropped": {reason.value: count for reason, count in result.dropped.items()},
                "tokens_in": result.tokens_in,
                "tokens_out": result.tokens_out,
                "seconds": round(result.seconds, 3),
            }
        )
        self.results[result.chunk] = result

    def _append(self, value: Mapping[str, Any]) -> None:
        data = (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            with self._path.open("r+b" if self._path.exists() else "xb") as stream:
                stream.truncate(self._size)
                stream.seek(self._size)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise disk_error(error, self._path) from error
        self._size += len(data)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except ValueError as error:
            raise self._broken(number) from error
        if not isinstance(value, dict):
            raise self._broken(number)
        return value

    def _broken(self, number: int) -> StaffroomError:
        return StaffroomError(
            "this line is damaged",
            where=f"{self._path}:{number}",
            hint="remove the line, or the file to begin anew",
        )


def kept_examples(path: Path) -> tuple[dict[str, Any], tuple[Example, ...]] | None:
    """Return what a file's examples were made with, and the examples; None where it is no file of made examples."""
    try:
        with path.open("rb") as stream:
            first = json.loads(stream.readline())
    except OSError as error:
        raise disk_error(error, path) from error
    except ValueError:
        return None
    if not isinstance(first, dict) or not isinstance(first.get("made_with"), dict):
        return None
    results = ExampleFile(path, first["made_with"]).results.values()
    return first["made_with"], tuple(example for result in results for example in result.examples)


def _result(row: Mapping[str, Any]) -> PassageResult:
    return PassageResult(
        chunk=row["chunk"],
        examples=tuple(
            Example(
                turns=tuple(ChatTurn(turn["role"], turn["content"]) for turn in example["turns"]),
                answer=example["answer"],
                origin=example["origin"],
                chunks=tuple(example["chunks"]),
                case=example["case"],
            )
            for example in row["examples"]
        ),
        dropped={DropReason(reason): count for reason, count in row["dropped"].items()},
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        seconds=row["seconds"],
    )
