"""YAML of strangers as plain data: mappings, lists, texts, numbers; no tag is obeyed, and every value has a line.

Read from the parser's events, so that nothing is built that was not asked for. Plain words mean what they mean in
YAML 1.1 as PyYAML reads it (`yes` is true, `1e5` is a text), because the files are written for that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from staffroom.records.errors import WrongUse

__all__ = ["PlainYaml", "read_plain_yaml"]

_MAX_BYTES = 1 << 20
_MAX_VALUES = 50_000
_MAX_DEPTH = 30
# PyYAML's own patterns for plain words (lib/yaml/resolver.py, 6.0), save those refused below.
_BOOL = re.compile(r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF")
_NULL = re.compile(r"~|null|Null|NULL|")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
)
_REFUSED = re.compile(
    r"[-+]?0[0-7_]+|[-+]?0b[0-1_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|\d{4}-\d\d?-\d\d?(?:[Tt\s].*)?|=|<<"
)
_NULL_TAG = "tag:yaml.org,2002:null"
_TRUE = frozenset({"yes", "true", "on"})


@dataclass(frozen=True, slots=True)
class PlainYaml:
    """A file's data and the line of each value by its path, such as `("fewshot_config", "sampler")`."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int] = field(repr=False)


def read_plain_yaml(path: Path, *, hint: str) -> PlainYaml:
    """Read a YAML file of at most 1 MiB whose top is a mapping; raises WrongUse naming the line."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongUse("larger than 1 MiB", where=str(path), hint=hint)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error
    builder = _Builder(path, hint, _events(text, path, hint))
    data = builder.document()
    if not isinstance(data, dict):
        raise WrongUse("a mapping of fields is expected", where=f"{path}:1", hint=hint)
    return PlainYaml(path, data, builder.lines)


def _events(text: str, path: Path, hint: str) -> Iterator[Event]:
    try:
        # Not the round-trip parser: it marks the folds of folded texts with a character of its own.
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise WrongUse(
            f"not valid YAML: {error.problem or error}", where=f"{path}:{line}", hint=hint
        ) from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise WrongUse(f"not valid YAML: {error}", where=str(path), hint=hint) from error


class _Builder:
    def __init__(self, path: Path, hint: str, events: Iterator[Event]) -> None:
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._path = path
        self._hint = hint
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        self._next(StreamStartEvent)
        event = next(self._events)
        if isinstance(event, StreamEndEvent):
            return None
        data = self._value(next(self._events), ())
        self._next(DocumentEndEvent)
        if isinstance(next(self._events), DocumentStartEvent):
            raise self._fault("one document a file is expected", event)
        return data

    def _next(self, kind: type[Event]) -> Event:
        event = next(self._events)
        if not isinstance(event, kind):
            raise self._fault("is not as YAML should be", event)
        return event

    def _value(self, event: Event, place: tuple[str | int, ...]) -> Any:
        self._count(1, event)
        self.lines[place] = event.start_mark.line + 1
        if len(place) > _MAX_DEPTH:
            raise self._fault(f"more than {_MAX_DEPTH} levels", event)
        if isinstance(event, AliasEvent):
            value, size = self._anchors.get(str(event.anchor), (None, 0))
            if not size:
                raise self._fault(f"`*{event.anchor}` stands for nothing", event)
            self._count(size, event)
            return value
        if (tag := getattr(event, "tag", None)) is not None:
            if tag == _NULL_TAG and isinstance(event, ScalarEvent):
                return None
            raise self._tagged(str(tag), event, place)
        before = self._values
        value = self._plain(event, place)
        if anchor := getattr(event, "anchor", None):
            self._anchors[str(anchor)] = (value, self._values - before + 1)
        return value

    def _plain(self, event: Event, place: tuple[str | int, ...]) -> Any:
        if isinstance(event, ScalarEvent):
            return event.value if event.style else self._word(event)
        if isinstance(event, SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(inner := next(self._events), SequenceEndEvent):
                items.append(self._value(inner, (*place, len(items))))
            return items
        if not isinstance(event, MappingStartEvent):
            raise self._fault("is not as YAML should be", event)
        mapping: dict[Any, Any] = {}
        while not isinstance(inner := next(self._events), MappingEndEvent):
            key = self._value(inner, (*place, "?"))
            if isinstance(key, (dict, list)):
                raise self._fault("a name is expected", inner)
            if key in mapping:
                raise self._fault(f"`{key}` stands here twice", inner)
            mapping[key] = self._value(next(self._events), (*place, str(key)))
            self.lines[(*place, str(key))] = inner.start_mark.line + 1
        return mapping

    def _word(self, event: Any) -> Any:
        text = str(event.value)
        if _BOOL.fullmatch(text):
            return text.lower() in _TRUE
        if _NULL.fullmatch(text):
            return None
        if _INTEGER.fullmatch(text) and len(text) < 20:
            return int(text.replace("_", ""))
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
        if _REFUSED.fullmatch(text):
            raise self._fault(f"`{text}` could mean a number, a time or a merge; write it in quotes", event)
        return text

    def _tagged(self, tag: str, event: Any, place: tuple[str | int, ...]) -> WrongUse:
        name = ".".join(map(str, place)) or "(file)"
        if tag.startswith("!function"):
            code = str(getattr(event, "value", ""))[:60]
            text = f"{name}: `!function {code}` is Python code, which an import never runs"
        else:
            text = f"{name}: the tag `{tag}` is not obeyed"
        return self._fault(text, event)

    def _count(self, values: int, event: Event) -> None:
        self._values += values
        if self._values > _MAX_VALUES:
            raise self._fault(f"more than {_MAX_VALUES} values (what an alias stands for counts too)", event)

    def _fault(self, text: str, event: Event) -> WrongUse:
        return WrongUse(text, where=f"{self._path}:{event.start_mark.line + 1}", hint=self._hint)
