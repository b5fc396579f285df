"""Rows of data out of CSV and JSON files: names and values, each row with the line that it stands on."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.records.errors import WrongUse
from staffroom.records.source_text import SourceText

__all__ = ["Row", "read_csv_rows", "read_json_rows"]

MAX_ROWS = 20_000
_MAX_COLUMNS = 200
_MAX_DEPTH = 30
_DELIMITERS = (",", ";", "\t", "|")
_HINT = "correct the file, then import it again"


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `line` is where it begins in its file, from 1."""

    line: int
    values: dict[str, Any]


def read_csv_rows(
    source: SourceText,
    *,
    delimiter: str = "",
    fits: Callable[[Sequence[str]], int] = len,
    blank_rows: bool = False,
) -> list[Row]:
    """Return the rows of a CSV file whose first row names the columns; all values are texts.

    delimiter: else the one of , ; tab | whose names `fits` likes best (most columns, by default).
    blank_rows: rows whose values are all blank are rows too, as programs read them, and names are as they are written.
    What a row is too short for is blank. Raises WrongUse naming the line.
    """
    delimiter = delimiter or max(_DELIMITERS, key=lambda sign: fits(_header(source, sign)))
    reader = csv.reader(_lines(source), delimiter=delimiter, strict=True)
    names: list[str] = []
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            begun, line = line, reader.line_num + 1
            if not cells or not (blank_rows or any(cell.strip() for cell in cells)):
                continue
            if not names:
                names = _names(cells, source, begun, as_written=blank_rows)
                continue
            if len(cells) > len(names):
                raise WrongUse(
                    f"{len(cells)} values for {len(names)} columns (is a text with `{delimiter}` in quotes?)",
                    where=f"{source.path}:{begun}",
                    hint=_HINT,
                )
            filled = [*cells, *[""] * (len(names) - len(cells))]
            rows.append(Row(begun, dict(zip(names, filled, strict=True))))
            _check_count(rows, source)
    except csv.Error as error:
        raise WrongUse(f"not valid CSV: {error}", where=f"{source.path}:{line}", hint=_HINT) from error
    return _some(rows, source)


def read_json_rows(source: SourceText) -> list[Row]:
    """Return the rows of a file of JSON objects, one a line or all in one array; raises WrongUse naming the line."""
    if source.text.lstrip().startswith("["):
        values = _parsed(source.text, source, 1)
        found = [Row(number, _object(value, source, number)) for number, value in enumerate(values, 1)]
        if len(found) > MAX_ROWS:
            _check_count(found, source)
        return _some(found, source)
    rows: list[Row] = []
    for number, text in enumerate(source.text.split("\n"), 1):
        if text.strip():
            rows.append(Row(number, _object(_parsed(text, source, number), source, number)))
            _check_count(rows, source)
    return _some(rows, source)


def _header(source: SourceText, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(_lines(source), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _lines(source: SourceText) -> Iterator[str]:
    return (f"{line}\n" for line in source.text.split("\n"))


def _names(cells: Sequence[str], source: SourceText, line: int, *, as_written: bool) -> list[str]:
    names = [cell.strip() for cell in cells]
    if as_written and names != list(cells):
        raise WrongUse("a column's name has blanks at its ends", where=f"{source.path}:{line}", hint=_HINT)
    while names and not names[-1]:
        names.pop()
    twice = [name for name, count in Counter(names).items() if count > 1]
    if len(names) > _MAX_COLUMNS or twice or not all(names):
        what = f"the column `{twice[0]}` stands there twice" if twice else "a column without a name"
        what = f"more than {_MAX_COLUMNS} columns" if len(names) > _MAX_COLUMNS else what
        raise WrongUse(what, where=f"{source.path}:{line}", hint="the first row names the columns")
    return names


def _parsed(text: str, source: SourceText, line: int) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"not valid JSON ({error})", where=f"{source.path}:{line}", hint=_HINT) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _object(value: Any, source: SourceText, line: int) -> dict[str, Any]:
    where = f"{source.path}:{line}"
    if not isinstance(value, dict):
        raise WrongUse("a JSON object is expected", where=where, hint=_HINT)
    if len(value) > _MAX_COLUMNS:
        raise WrongUse(f"more than {_MAX_COLUMNS} fields", where=where, hint=_HINT)
    _check_values(value, where, 0)
    return value


def _check_values(value: Any, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise WrongUse(f"more than {_MAX_DEPTH} levels", where=where, hint=_HINT)
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongUse("a number that is too large", where=where, hint=_HINT)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_values(inner, where, depth + 1)


def _check_count(rows: Sequence[Row], source: SourceText) -> None:
    if len(rows) > MAX_ROWS:
        raise WrongUse(f"more than {MAX_ROWS} rows", where=str(source.path), hint="take a part of the file")


def _some(rows: list[Row], source: SourceText) -> list[Row]:
    if not rows:
        raise WrongUse("there are no rows", where=str(source.path), hint=_HINT)
    return rows
