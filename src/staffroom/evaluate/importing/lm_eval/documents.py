"""The rows that a task of lm-eval asks and shows, with the types that its data library would give them.

A column of whole numbers and fractions is read as fractions there, a name that is missing in a row is None, and a
CSV column is what pandas takes it for. What that library would turn into something else yet is refused.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate.importing.lm_eval.task_file import TaskFile
from staffroom.records.errors import WrongUse
from staffroom.records.rows import Row, read_csv_rows, read_json_rows
from staffroom.records.source_text import read_source

__all__ = ["Documents", "read_documents"]

Documents = Mapping[str, Sequence[Row]]

_LARGEST = (1 << 63) - 1
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[-+]\d\d:?\d\d)?)?")
# What pandas 3 reads as nothing (io/parsers, "na_values").
_NOTHING = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
_WHOLE = re.compile(r"\s*[-+]?\d+\s*")
_FRACTION = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")
_TRUTH: Mapping[str, bool] = {
    "True": True,
    "TRUE": True,
    "true": True,
    "False": False,
    "FALSE": False,
    "false": False,
}


def read_documents(task: TaskFile, given: Mapping[str, Sequence[Path]], *, shots: int) -> Documents:
    """Return the rows of each split that is there.

    shots: worked examples wanted; without any, their split need not be there.
    given: the files of each split as a person named them; without any, the task's own `data_files`, which must lie in
    the task file's folder. Raises WrongUse for data on a hub, other places and other formats.
    """
    files = {split: list(paths) for split, paths in given.items()} or _own_files(task)
    documents = {split: _read_split(paths, task) for split, paths in files.items()}
    for split in (task.eval_split, task.fewshot.split if shots else None):
        if split is not None and split not in documents:
            known = ", ".join(sorted(documents))
            raise WrongUse(
                f"there is no data for the split `{split}` (there is: {known})",
                where=str(task.path),
                hint=f"--data {split}=FILE",
            )
    return documents


def _own_files(task: TaskFile) -> dict[str, list[Path]]:
    if task.dataset_path not in ("json", "csv"):
        raise WrongUse(
            f"the task fetches its data (`{task.dataset_path}`), which an import never does",
            where=task.places.get("dataset_path", str(task.path)),
            hint=f"name local files: --data {task.eval_split}=FILE.jsonl",
        )
    if not task.data_files:
        task.refuse("dataset_kwargs", "data_files is missing")
    folder = task.path.parent.resolve()
    found: dict[str, list[Path]] = {}
    for split, names in task.data_files.items():
        for name in names:
            path = (folder / name).resolve()
            if "://" in name or not path.is_relative_to(folder):
                task.refuse(
                    "dataset_kwargs",
                    f"`{name:.80}` lies outside the task's folder; name it with --data {split}=FILE",
                )
            found.setdefault(split, []).append(path)
    return found


def _read_split(paths: Sequence[Path], task: TaskFile) -> list[Row]:
    rows: list[Row] = []
    for path in paths:
        suffix = path.suffix.lower()
        source = read_source(path)
        if suffix in (".json", ".jsonl"):
            rows += _typed_json(read_json_rows(source), path)
        elif suffix in (".csv", ".tsv"):
            delimiter = "\t" if suffix == ".tsv" else task.csv_delimiter
            rows += _typed_csv(read_csv_rows(source, delimiter=delimiter, blank_rows=True), path)
        else:
            raise WrongUse(
                f"`{suffix}` files are not read (.jsonl, .json, .csv and .tsv are)",
                where=str(path),
                hint="write the rows as JSON lines",
            )
    return rows


def _typed_json(rows: Sequence[Row], path: Path) -> list[Row]:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    columns = {name: [row.values.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        _check_values(name, values, path, top=True)
        if _mixes_numbers(values):
            columns[name] = [float(value) if isinstance(value, int) else value for value in values]
    return [Row(row.line, {name: columns[name][index] for name in names}) for index, row in enumerate(rows)]


def _check_values(name: str, values: Sequence[Any], path: Path, *, top: bool = False) -> None:
    """Refuse what the data library changes or may change: times, mixed types, numbers past 64 bits."""
    there = [value for value in values if value is not None]
    kinds = {_kind(value) for value in there}
    if len(kinds) > 1:
        _refuse(f"the column `{name}` mixes {' and '.join(sorted(kinds))}", path)
    if kinds == {"texts"} and all(_TIME.fullmatch(value) for value in there):
        _refuse(f"lm-eval would read the column `{name}` as times", path)
    if any(isinstance(value, int) and abs(value) > _LARGEST for value in there):
        _refuse(f"a number in the column `{name}` is too large", path)
    if not top and _mixes_numbers(there):
        _refuse(f"the column `{name}` mixes whole numbers and fractions inside", path)
    if kinds == {"lists"}:
        _check_values(name, [item for value in there for item in value], path)
    elif kinds == {"mappings"}:
        for key in dict.fromkeys(key for value in there for key in value):
            _check_values(f"{name}.{key}", [value[key] for value in there if key in value], path)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truths"
    if isinstance(value, (int, float)):
        return "numbers"
    return "texts" if isinstance(value, str) else "lists" if isinstance(value, list) else "mappings"


def _mixes_numbers(values: Sequence[Any]) -> bool:
    numbers = [value for value in values if value is not None]
    plain = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers)
    return plain and len({type(value) for value in numbers}) == 2


def _typed_csv(rows: Sequence[Row], path: Path) -> list[Row]:
    names = list(rows[0].values)
    columns = {name: _typed_column(name, [row.values[name] for row in rows], path) for name in names}
    return [Row(row.line, {name: columns[name][index] for name in names}) for index, row in enumerate(rows)]


def _typed_column(name: str, cells: Sequence[str], path: Path) -> list[Any]:
    there = [cell for cell in cells if cell not in _NOTHING]
    if there and all(_WHOLE.fullmatch(cell) for cell in there):
        if any(abs(int(cell)) > _LARGEST for cell in there):
            _refuse(f"a number in the column `{name}` is too large", path)
        if len(there) == len(cells):
            return [int(cell) for cell in cells]
    if there and all(_FRACTION.fullmatch(cell) for cell in there):
        return [None if cell in _NOTHING else float(cell) for cell in cells]
    if there and all(cell in _TRUTH for cell in there):
        return [_TRUTH.get(cell) for cell in cells]
    return [None if cell in _NOTHING else cell for cell in cells]


def _refuse(text: str, path: Path) -> None:
    raise WrongUse(
        text, where=str(path), hint="write such values as texts in quotes, with a letter before them"
    )
