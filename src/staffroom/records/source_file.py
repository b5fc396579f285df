"""Read a YAML file into a pydantic model; each error names file, line and field, and the nearest known name.

It knows nothing of what the model means.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from staffroom.records.errors import WrongUse

__all__ = ["YamlSource", "read_yaml", "read_yaml_model"]

_MAX_BYTES = 1 << 20
_MAX_NODES = 100_000
_MAX_DEPTH = 50
_MAX_INTEGER = (1 << 53) - 1  # canonical JSON has no larger one
_BRACKETS = re.compile(rf"(?:[\[{{]\s*){{{_MAX_DEPTH + 1}}}")
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d?)-(\d\d?)(?!\d)")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A YAML file as plain data, and the lines that its fields stand in."""

    path: Path
    value: dict[str, Any]
    tree: Any

    def line(self, *place: str | int) -> int:
        """Return the line of a field, or of the innermost field around it that there is."""
        return _line_of(self.tree, place)

    def where(self, *place: str | int) -> str:
        """Return `file:line` of a field."""
        return f"{self.path}:{self.line(*place)}"


def read_yaml_model(path: Path, model: type[Model], *, hint: str) -> Model:
    """Read `path` (at most 1 MiB of YAML 1.2) and validate it as `model`.

    Raises WrongUse with `file:line: field: what is wrong`; several errors come as several lines.
    """
    source = read_yaml(path, hint=hint)
    try:
        return model.model_validate(source.value)
    except ValidationError as error:
        lines = [_describe(item, source.tree, path, model) for item in _own_faults(error.errors())]
        raise WrongUse("\n".join(lines), hint=hint) from error


def read_yaml(path: Path, *, hint: str) -> YamlSource:
    """Read `path` (at most 1 MiB of YAML 1.2, a mapping); raises WrongUse with file and line where it is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongUse("larger than 1 MiB", where=str(path), hint=hint)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WrongUse(f"cannot be read ({error.strerror})", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        raise WrongUse("is not UTF-8 text", where=str(path), hint="save the file as UTF-8") from error
    tree = _parse(text, path, hint)
    return YamlSource(path, _plain(tree, path, hint), tree)


def _parse(text: str, path: Path, hint: str) -> Any:
    if _BRACKETS.search(text):  # the parser would need seconds to find out
        raise WrongUse(f"more than {_MAX_DEPTH} brackets in a row", where=str(path), hint=hint)
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise WrongUse(
            f"not valid YAML: {error.problem or error}", where=f"{path}:{line}", hint=hint
        ) from error
    except (YAMLError, RecursionError, ValueError) as error:
        where = f"{path}:{line}" if (line := _line_of_impossible_date(text)) else str(path)
        raise WrongUse(f"not valid YAML: {error}", where=where, hint=hint) from error
    if not isinstance(tree, CommentedMap):
        raise WrongUse("a mapping of fields is expected", where=f"{path}:1", hint=hint)
    return tree


def _plain(tree: Any, path: Path, hint: str) -> Any:
    """Return the tree as plain data; aliases are followed, so what they multiply to is bounded."""
    left = _MAX_NODES

    def walk(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _MAX_DEPTH:
            raise WrongUse(
                f"more than {_MAX_NODES} values or {_MAX_DEPTH} levels (aliases multiply what they stand for)",
                where=str(path),
                hint=hint,
            )
        if isinstance(node, dict):
            named = {str(key): walk(value, depth + 1) for key, value in node.items()}
            if len(named) != len(node):
                raise WrongUse("two fields of one mapping have the same name", where=str(path), hint=hint)
            return named
        if isinstance(node, (list, set)):
            return [walk(value, depth + 1) for value in node]
        if isinstance(node, int) and abs(node) > _MAX_INTEGER:
            raise WrongUse(f"the number {str(node)[:20]}… is too large", where=str(path), hint=hint)
        if node is None or isinstance(node, (bool, int, float)):
            return node
        return str(node)

    return walk(tree, 0)


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(key)


def _own_faults(faults: Sequence[Any]) -> list[Any]:
    """Leave out that a list is too short where that is only because its own members are at fault."""
    places = [fault["loc"] for fault in faults]
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(
            len(place) > len(fault["loc"]) and place[: len(fault["loc"])] == fault["loc"] for place in places
        )
    ]


def _line_of_impossible_date(text: str) -> int:
    """Return the first line that holds a date which no calendar has, 0 where there is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _DATE.findall(line):
            try:
                date(*map(int, found))
            except ValueError:
                return number
    return 0


def _describe(item: Any, tree: Any, path: Path, model: type[BaseModel]) -> str:
    place = item["loc"]
    line = _line_of(tree, place)
    field = ".".join(str(part) for part in place) or "(file)"
    if item["type"] == "extra_forbidden":
        known = _known_names(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        text = (
            f"unknown field; did you mean `{near[0]}`?"
            if near
            else f"unknown field; known: {', '.join(known)}"
        )
    elif item["type"] == "missing":
        text = "is required and missing"
    else:
        text = str(item["msg"])
    return f"{path}:{line}: {field}: {text}"


def _line_of(tree: Any, place: tuple[str | int, ...]) -> int:
    node, line = tree, 1
    for part in place:
        key = (
            next((key for key in node if str(key) == part), None) if isinstance(node, CommentedMap) else None
        )
        if key is not None:
            line = node.lc.key(key)[0] + 1
            node = node[key]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
            node = node[part]
        else:
            break
    return line


def _known_names(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    current: Any = model
    for part in place:
        if isinstance(part, int) or not _is_model(current):
            continue
        found = current.model_fields.get(part)
        current = _inner_model(found.annotation) if found is not None else None
    return sorted(current.model_fields) if _is_model(current) else []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _inner_model(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner_model(part)
        if found is not None:
            return found
    return None
