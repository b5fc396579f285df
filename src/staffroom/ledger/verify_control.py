"""Checks what a log says of human control: stop drills and incidents. This one file, with Python's standard library alone.

    python verify_control.py LOGDIR

It reads what the entries say and trusts that they are the ones that were signed: run `verify.py` first. It shares no code
with the writer. An entry of a kind that it does not know is passed over.

1. A stop drill's word follows from its figures.
2. An incident is opened once and before anything else is said of it; its events are numbered without a gap; each clock ends
   so many hours after the moment of which it says that somebody became aware; a report is to a clock that was set; after the
   closing nothing follows.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["ControlFinding", "check_control", "main"]

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_MOST_HOURS = 24 * 366


@dataclass(frozen=True, slots=True)
class ControlFinding:
    """One rule that an entry breaks, in a sentence."""

    entry: int
    what: str


class _Bad(Exception):
    """An entry that cannot be read as what it says it is."""


def check_control(entries: Sequence[bytes]) -> list[ControlFinding]:
    """Return every breach of the rules in the entries of a log, oldest first; never raises on what they hold."""
    incidents: dict[str, _Incident] = {}
    found: list[ControlFinding] = []
    for index, data in enumerate(entries):
        entry = _read(data)
        rule = _RULES.get(str(entry.get("type"))) if entry else None
        if entry is None or rule is None:
            continue
        try:
            found += [ControlFinding(index, text) for text in list(rule(incidents, _object(entry, "body")))]
        except _Bad as bad:
            found.append(ControlFinding(index, str(bad)))
    return found


@dataclass(slots=True)
class _Incident:
    """What the entries up to now have said of one incident."""

    aware: datetime
    number: int = 1
    clocks: set[str] = field(default_factory=set)
    closed: bool = False


# --- the rules, by kind of entry ---


def _stop_drill(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    del incidents
    streams, under_way, told = (_whole(body, name) for name in ("streams", "under_way", "told"))
    last, goal = _number(body, "last_token_ms"), _number(body, "goal_ms")
    if not told <= under_way <= streams:
        yield f"{told} streams were told of the stop, of {under_way} under way, of {streams}"
    passed = under_way > 0 and told == under_way and 0 <= last <= goal
    passed = passed and body.get("refused") is True and body.get("kept_refused") is True
    if body.get("passed") is not passed:
        yield f"its figures say {'passed' if passed else 'not passed'}, it says {body.get('passed')}"


def _opened(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    name = _text(body, "incident")
    if name in incidents:
        yield f"incident {name} was opened before"
        return
    if _whole(body, "number") != 1:
        yield f"incident {name} begins with event {body.get('number')}"
    incidents[name] = _Incident(_time(body, "aware"))


def _event(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    """Check what holds for every event after the opening; the rules below call it first."""
    name, number = _text(body, "incident"), _whole(body, "number")
    known = incidents.get(name)
    if known is None:
        raise _Bad(f"incident {name} was not opened before")
    if known.closed:
        yield f"incident {name} was closed before"
    if number != known.number + 1:
        yield f"incident {name}: event {number} follows event {known.number}"
    known.number = number


def _classified(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    yield from _event(incidents, body)
    known = incidents[_text(body, "incident")]
    if body.get("aware") is not None:
        known.aware = _time(body, "aware")
    known.clocks = set()
    rows = body.get("clocks")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _Bad("`clocks` is no list of rows")
    for row in rows:
        name = _text(row, "class")
        if name in known.clocks:
            yield f"class {name} stands in it twice"
        known.clocks.add(name)
        hours = row.get("hours")
        if hours is None:
            continue  # no law or rule sets a time; one that a person set needs no rule
        if not 0 < _number(row, "hours") <= _MOST_HOURS:
            yield f"class {name}: {hours} hours are no clock"
        elif _time(row, "due") != known.aware + timedelta(hours=_number(row, "hours")):
            yield f"class {name}: its end is not {hours} hours after somebody became aware"


def _evidence(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    yield from _event(incidents, body)
    known, report = incidents[_text(body, "incident")], body.get("report")
    if report is not None and report not in known.clocks:
        yield f"it is a report to class {report}, which was not set"


def _closed(incidents: dict[str, _Incident], body: Mapping[str, Any]) -> Iterator[str]:
    yield from _event(incidents, body)
    incidents[_text(body, "incident")].closed = True


_Rule = Callable[[dict[str, _Incident], Mapping[str, Any]], Iterator[str]]
_RULES: Mapping[str, _Rule] = {
    "stop-drill": _stop_drill,
    "incident-opened": _opened,
    "incident-classified": _classified,
    "incident-evidence": _evidence,
    "incident-closed": _closed,
}


# --- reading, of what may be anything ---


def _read(data: bytes) -> dict[str, Any] | None:
    """Return an entry that is a JSON object; logs may hold other things, which are not ours to judge."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _Bad(f"it has no `{name}`")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise _Bad(f"`{name}` is no text")
    return found


def _time(value: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.strptime(_text(value, name), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise _Bad(f"`{name}` is no time") from error


def _whole(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 10**9:
        raise _Bad(f"`{name}` is no count")
    return found


def _number(value: Mapping[str, Any], name: str) -> float:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < 10**9:
        raise _Bad(f"`{name}` is no number")
    return float(found)


def read_entries(folder: Path) -> list[bytes]:
    """Return the entries of a log folder (C2SP tlog-tiles bundles), up to the size that its checkpoint names."""
    size = int((folder / "checkpoint").read_bytes().split(b"\n")[1])
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        digits = str(index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        path = folder / "tile" / "entries" / "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        width = min(256, size - 256 * index)
        if not path.is_file():
            path = path.with_name(f"{path.name}.p") / str(width)
        data, offset = path.read_bytes(), 0
        for _ in range(width):
            end = offset + 2 + int.from_bytes(data[offset : offset + 2], "big")
            if not offset + 2 <= end <= len(data):
                raise ValueError(f"{path} ends before its entries do")
            entries.append(data[offset + 2 : end])
            offset = end
    return entries


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where all rules were kept, 1 where one was broken, 2 on wrong use."""
    parser = argparse.ArgumentParser(
        description="Check the stop drills and incidents of a decision log; run verify.py on it first."
    )
    parser.add_argument("folder", type=Path, metavar="LOGDIR")
    options = parser.parse_args(arguments)
    try:
        entries = read_entries(options.folder)
    except (ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    found = check_control(entries)
    lines = [f"entry {finding.entry}: {finding.what}" for finding in found]
    lines = lines or [f"ok: drills and incidents of {len(entries)} entries keep the rules"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
