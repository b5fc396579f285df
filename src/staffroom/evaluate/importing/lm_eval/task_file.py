"""Task files of lm-eval: what they say, as far as it can be done without running their code.

A field that would change a prompt or a score and is not understood is refused by its name; what has no effect on an
item's score is passed over. Included files are read like the file itself; they lie beside or above it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from staffroom.evaluate.importing.plain_yaml import read_plain_yaml
from staffroom.records.errors import WrongUse

__all__ = ["HINT", "FewshotPart", "TaskFile", "read_task_file"]

HINT = "import the data file itself (CSV or JSON lines), or write the task without that"
_MAX_INCLUDES = 10
_NO_EFFECT = frozenset(
    {
        *("task_alias", "tag", "metadata", "should_decontaminate", "doc_to_decontamination_query"),
        *("dataset_name", "version", "weight_by_size", "aggregate_metric_list"),
    }
)
_UNDERSTOOD = frozenset(
    {
        *("task", "dataset_path", "dataset_kwargs", "output_type", "training_split", "validation_split"),
        *("test_split", "fewshot_split", "doc_to_text", "doc_to_target", "doc_to_choice", "description"),
        *("target_delimiter", "fewshot_delimiter", "fewshot_config", "num_fewshot", "metric_list"),
        *("generation_kwargs", "repeats", "filter_list", "gen_prefix"),
    }
)
_FEWSHOT = frozenset(
    {
        *("sampler", "split", "samples", "doc_to_text", "doc_to_target", "doc_to_choice"),
        *("target_delimiter", "fewshot_delimiter", "gen_prefix", "fewshot_indices"),
    }
)
_OUTPUTS = ("multiple_choice", "generate_until")


@dataclass(frozen=True, slots=True)
class FewshotPart:
    """How worked examples are chosen and written; a field that is None is the task's own."""

    sampler: str
    split: str | None
    samples: tuple[Mapping[str, Any], ...] | None
    text: str | None
    target: str | None
    choice: str | Sequence[str] | None
    target_delimiter: str
    delimiter: str
    prefix: str | None


@dataclass(frozen=True, slots=True)
class TaskFile:
    """One task; `places` says where each field stands, for messages."""

    path: Path
    name: str
    output: str
    dataset_path: str
    data_files: Mapping[str, tuple[str, ...]]
    csv_delimiter: str
    test_split: str | None
    validation_split: str | None
    training_split: str | None
    text: str
    target: str | int | Sequence[str]
    choice: str | Sequence[str] | None
    description: str
    target_delimiter: str
    delimiter: str
    prefix: str | None
    shots: int
    fewshot: FewshotPart
    metrics: tuple[Mapping[str, Any], ...]
    filters: tuple[Mapping[str, Any], ...]
    generation: Mapping[str, Any]
    ignored: tuple[str, ...]
    places: Mapping[str, str] = field(repr=False)

    @property
    def eval_split(self) -> str:
        """The split whose rows are asked: the test split, else the validation split."""
        split = self.test_split or self.validation_split
        if split is None:
            self.refuse("test_split", "the task names neither a test nor a validation split")
        return split

    def refuse(self, name: str, text: str) -> NoReturn:
        """Raise WrongUse about a field, with the place where it stands."""
        raise WrongUse(text, where=self.places.get(name, str(self.path)), hint=HINT)


def read_task_file(path: Path) -> TaskFile:
    """Read a task file with what it includes; raises WrongUse naming file, line and field."""
    values, places = _merged(path, [])
    reader = _Reader(path, values, places)
    reader.check_names()
    return reader.task()


def _merged(path: Path, chain: list[Path]) -> tuple[dict[str, Any], dict[str, str]]:
    resolved = path.resolve()
    where = str(path)
    if resolved in chain:
        raise WrongUse("includes itself", where=where, hint=HINT)
    if len(chain) >= _MAX_INCLUDES:
        raise WrongUse(f"more than {_MAX_INCLUDES} files include one another", where=where, hint=HINT)
    read = read_plain_yaml(path, hint=HINT)
    data = {str(name): value for name, value in read.data.items()}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    included = data.pop("include", None)
    for name in [included] if isinstance(included, str) else included or []:
        where = f"{path}:{read.lines.get(('include',), 1)}"
        if not isinstance(name, str) or Path(name).is_absolute() or "://" in name:
            raise WrongUse("include: a path beside this file is expected", where=where, hint=HINT)
        inner, inner_places = _merged(path.parent / name, [*chain, resolved])
        inner.pop("task_list", None)
        values.update(inner)
        places.update(inner_places)
    values.update(data)
    places.update({name: f"{path}:{read.lines.get((name,), 1)}: {name}" for name in data})
    return values, places


class _Reader:
    def __init__(self, path: Path, values: dict[str, Any], places: dict[str, str]) -> None:
        self._path = path
        self._values = values
        self._places = places

    def refuse(self, name: str, text: str) -> NoReturn:
        raise WrongUse(text, where=self._places.get(name, str(self._path)), hint=HINT)

    def check_names(self) -> None:
        values = self._values
        if "group" in values and not isinstance(values.get("task"), str):
            self.refuse("group", "this is a group of tasks; import its tasks one by one")
        if isinstance(values.get("task"), (list, dict)) or "task_list" in values:
            name = "task_list" if "task_list" in values else "task"
            self.refuse(name, "several tasks in one file; import each from a file of its own")
        if not isinstance(values.get("task"), str):
            self.refuse("task", "this is no task file of lm-eval: it has no `task`")
        if values.get("group") is not None:
            values.pop("group")
        for name in ("unsafe_code", "use_prompt", "custom_dataset", "process_docs", "process_results"):
            if not values.get(name):
                values.pop(name, None)
        for name in sorted(set(values) - _UNDERSTOOD - _NO_EFFECT):
            self.refuse(name, f"the field `{name}` is not supported by the import")

    def task(self) -> TaskFile:
        values = self._values
        output = values.get("output_type") or "generate_until"
        if output not in _OUTPUTS:
            self.refuse("output_type", f"`{output}` is not supported ({' and '.join(_OUTPUTS)} are)")
        repeats = values.get("repeats")
        if not isinstance(repeats if repeats is not None else 1, int):
            self.refuse("repeats", "a number is expected")
        target = values.get("doc_to_target")
        if isinstance(target, bool) or not isinstance(target, (str, int, list)):
            self.refuse("doc_to_target", "a template, a field's name, a number or a list is expected")
        files, delimiter = self._data_files()
        return TaskFile(
            path=self._path,
            name=self._text("task", ""),
            output=output,
            dataset_path=self._text("dataset_path", ""),
            data_files=files,
            csv_delimiter=delimiter,
            test_split=self._split("test_split"),
            validation_split=self._split("validation_split"),
            training_split=self._split("training_split"),
            text=self._needed_text("doc_to_text"),
            target=target,
            choice=self._choice("doc_to_choice", values.get("doc_to_choice")),
            description=self._text("description", ""),
            target_delimiter=self._text("target_delimiter", " "),
            delimiter=self._text("fewshot_delimiter", "\n\n"),
            prefix=self._text("gen_prefix", "") if values.get("gen_prefix") is not None else None,
            shots=self._shots(),
            fewshot=self._fewshot(),
            metrics=self._entries("metric_list", "metric"),
            filters=self._entries("filter_list", "name"),
            generation=self._mapping("generation_kwargs", values.get("generation_kwargs")),
            ignored=tuple(sorted(set(values) & _NO_EFFECT)),
            places=self._places,
        )

    def _text(self, name: str, default: str) -> str:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(name, f"a text is expected, not {value!r:.40}")
        return value

    def _needed_text(self, name: str) -> str:
        if self._values.get(name) is None:
            self.refuse(name, f"the task has no `{name}`")
        return self._text(name, "")

    def _split(self, name: str) -> str | None:
        return self._text(name, "") or None

    def _shots(self) -> int:
        value = self._values.get("num_fewshot")
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100
        ):
            self.refuse("num_fewshot", "a number from 0 to 100 is expected")
        return value or 0

    def _choice(self, name: str, value: Any) -> str | Sequence[str] | None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            self.refuse(name, "the options must be texts: write them in quotes")
        if value is not None and not isinstance(value, (str, list)):
            self.refuse(name, "a template, a field's name or a list is expected")
        return value

    def _mapping(self, name: str, value: Any) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.refuse(name, "a mapping is expected")
        return {str(key): inner for key, inner in value.items()}

    def _entries(self, name: str, key: str) -> tuple[Mapping[str, Any], ...]:
        value = self._values.get(name)
        entries = [] if value is None else value
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get(key), str) for entry in entries
        ):
            self.refuse(name, f"a list of mappings with `{key}` is expected")
        return tuple(entries)

    def _data_files(self) -> tuple[Mapping[str, tuple[str, ...]], str]:
        given = self._mapping("dataset_kwargs", self._values.get("dataset_kwargs"))
        unknown = sorted(set(given) - {"data_files", "trust_remote_code", "delimiter", "sep"})
        if unknown:
            self.refuse("dataset_kwargs", f"`{unknown[0]}` is not supported (data_files and delimiter are)")
        delimiter = given.get("delimiter") or given.get("sep") or ","
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            self.refuse("dataset_kwargs", "delimiter: one character is expected")
        files = given.get("data_files") or {}
        by_split = files if isinstance(files, dict) else {"train": files}
        found: dict[str, tuple[str, ...]] = {}
        for split, names in by_split.items():
            listed = [names] if isinstance(names, str) else names
            if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
                self.refuse("dataset_kwargs", "data_files: a path, or a path for each split, is expected")
            found[str(split)] = tuple(listed)
        return found, delimiter

    def _fewshot(self) -> FewshotPart:
        given = self._mapping("fewshot_config", self._values.get("fewshot_config"))
        unknown = sorted(set(given) - _FEWSHOT)
        if unknown or given.get("fewshot_indices") is not None:
            name = unknown[0] if unknown else "fewshot_indices"
            self.refuse("fewshot_config", f"`{name}` is not supported by the import")
        sampler = given.get("sampler", "default")
        if sampler not in ("default", "first_n"):
            self.refuse(
                "fewshot_config", f"the sampler `{sampler}` is not supported (default and first_n are)"
            )
        samples = given.get("samples")
        if samples is not None and not (
            isinstance(samples, list) and all(isinstance(sample, dict) for sample in samples)
        ):
            self.refuse("fewshot_config", "samples: a list of mappings is expected")
        texts = {
            name: given.get(name)
            for name in (
                "doc_to_text",
                "doc_to_target",
                "target_delimiter",
                "fewshot_delimiter",
                "gen_prefix",
                "split",
            )
        }
        for name, value in texts.items():
            if value is not None and not isinstance(value, str):
                self.refuse("fewshot_config", f"{name}: a text is expected")
        return FewshotPart(
            sampler=sampler,
            split=texts["split"] if "split" in given else self._split("fewshot_split"),
            samples=None if samples is None else tuple(samples),
            text=texts["doc_to_text"],
            target=texts["doc_to_target"],
            choice=self._choice("fewshot_config", given.get("doc_to_choice")),
            target_delimiter=_first(texts["target_delimiter"], self._text("target_delimiter", " ")),
            delimiter=_first(texts["fewshot_delimiter"], self._text("fewshot_delimiter", "\n\n")),
            prefix=texts["gen_prefix"]
            if "gen_prefix" in given
            else (self._text("gen_prefix", "") if self._values.get("gen_prefix") is not None else None),
        )


def _first(value: str | None, default: str) -> str:
    return default if value is None else value
