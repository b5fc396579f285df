"""The models of a home as commands and pages ask for them: JSON rows, downloads shown as stages of progress."""

from collections.abc import Callable, Iterator
from typing import Any

from staffroom import recruit
from staffroom.records.protocols import Progress
from staffroom.recruit import ShelfEntry
from staffroom.store import Home

__all__ = ["FetchStage", "add_model", "check_models", "get_model", "list_models", "present_memory"]


class FetchStage:
    """Shows what `recruit` reports of a download as a stage of progress in bytes, and says each channel once."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._done = self._total = 0
        self._channel = ""

    def report(self, done: int, total: int, note: str) -> None:
        """Take the bytes done so far, of how many (0: not known), and what is going on."""
        channel = note.partition(",")[0]
        if channel and channel != self._channel:
            self._channel = channel
            self._progress.say(f"{self._name}: {note}")
        if total and total != self._total:
            self._total, self._done = total, 0
            self._progress.stage(f"fetching {self._name}", total)
        if done > self._done:
            self._progress.advance(done - self._done, note)
            self._done = done


def add_model(
    home: Home, reference: str, progress: Progress, *, name: str = "", license: str = "", maker: str = ""
) -> dict[str, Any]:
    """Put a file, an address, a place on a hub or a server on the shelf and return its row."""
    report = _reporter(reference.rpartition("/")[2] or reference, progress)
    entry = recruit.add_model(home.ensure().path, reference, report, name=name, license=license, maker=maker)
    return _row(entry)


def get_model(home: Home, starter: str, progress: Progress) -> dict[str, Any]:
    """Put a starter model on the shelf, fetching it if this machine does not have it, and return its row."""
    return _row(recruit.get_starter(home.ensure().path, starter, _reporter(starter, progress)))


def check_models(home: Home) -> Iterator[dict[str, Any]]:
    """Yield {"id", "ok", "text"} of each model, hashing its file anew."""
    for found in recruit.check_models(home.path) if home.models.is_dir() else ():
        yield {"id": found.entry.id, "ok": found.ok, "text": found.text}


def list_models(home: Home) -> dict[str, Any]:
    """Return {"models": rows of this home, "starters": what can be fetched, with `here`}; nothing is created."""
    entries = recruit.list_models(home.path) if home.models.is_dir() else ()
    here = {entry.id for entry in entries}
    starters = [
        {
            "id": starter.id,
            "name": starter.name,
            "bytes": starter.bytes,
            "license": starter.license,
            "maker": starter.maker,
            "note": starter.note,
            "here": starter.id in here,
        }
        for starter in recruit.load_catalogue()
    ]
    return {"models": [_row(entry) for entry in entries], "starters": starters}


def present_memory() -> tuple[int, str]:
    """Return how many bytes a model may take on this machine now, and which limit says so."""
    present = recruit.memory_present()
    return present.bytes, present.reason


def _reporter(name: str, progress: Progress) -> Callable[[int, int, str], None]:
    return FetchStage(name, progress).report


def _row(entry: ShelfEntry) -> dict[str, Any]:
    return {**entry.as_json(), "id": entry.id}
