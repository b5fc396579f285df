"""The score of a task of lm-eval: which of its metrics and filters is taken, and as what rule of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from staffroom.evaluate.importing.lm_eval.task_file import TaskFile
from staffroom.evaluate.matching import Matcher, MatchRule, MatchStep

__all__ = ["TaskScore", "score_of"]

_SEARCHED = r"#### (\-?[0-9\.\,]+)"
_METRIC_ONLY = frozenset({"metric", "aggregation", "higher_is_better"})
_COMPARED: Mapping[str, str] = {
    "ignore_case": "ignore_case",
    "ignore_punctuation": "ignore_punctuation",
    "ignore_numbers": "ignore_digits",
    "regexes_to_ignore": "ignore_patterns",
}
_GENERATION = frozenset({"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k"})
_MOST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What is scored: `metric` and `filter` as the task names them, and what of the task is left out.

    rule: how a written answer is scored; None where an option is chosen.
    """

    metric: str
    filter: str
    rule: MatchRule | None
    max_tokens: int
    left_out: tuple[str, ...]


def score_of(task: TaskFile, *, filter_name: str = "") -> TaskScore:
    """Return the score that an import gives; raises WrongUse for what is not supported."""
    wanted = "acc" if task.output == "multiple_choice" else "exact_match"
    metrics = {str(entry["metric"]): entry for entry in task.metrics} or {wanted: {}}
    if wanted not in metrics:
        task.refuse("metric_list", f"of {', '.join(metrics)} none is supported (`{wanted}` is)")
    left_out = [f"metric {name}" for name in metrics if name != wanted]
    chosen, steps, others = _filter(task, filter_name)
    left_out += [f"filter {name}" for name in others]
    if task.output == "multiple_choice":
        return TaskScore(wanted, chosen, None, 0, tuple(left_out))
    until, max_tokens = _generation(task)
    entry = metrics[wanted]
    unknown = sorted(set(entry) - _METRIC_ONLY - set(_COMPARED))
    if unknown:
        task.refuse("metric_list", f"`{unknown[0]}` of exact_match is not supported")
    given = {ours: entry[theirs] for theirs, ours in _COMPARED.items() if entry.get(theirs) is not None}
    try:
        rule = MatchRule(until=until, steps=steps, **given)
        Matcher(rule)
    except (ValidationError, ValueError) as error:
        task.refuse("metric_list", f"its filters or metrics are not as expected: {_short(error)}")
    return TaskScore(wanted, chosen, rule, max_tokens, tuple(left_out))


def _filter(task: TaskFile, name: str) -> tuple[str, tuple[MatchStep, ...], list[str]]:
    if not task.filters:
        if name:
            task.refuse("filter_list", f"the task has no filter `{name}`")
        return "none", (), []
    by_name = {str(entry["name"]): entry for entry in task.filters}
    if name and name not in by_name:
        task.refuse("filter_list", f"the task has no filter `{name}` (it has {', '.join(by_name)})")
    chosen = name or next(iter(by_name))
    functions = by_name[chosen].get("filter")
    if not isinstance(functions, list) or not all(isinstance(entry, dict) for entry in functions):
        task.refuse("filter_list", "a list of functions is expected")
    if not functions or functions[-1].get("function") != "take_first":
        task.refuse("filter_list", f"the filter `{chosen}` does not end in take_first")
    steps = tuple(_step(task, entry) for entry in functions[:-1])
    if task.output == "multiple_choice" and steps:
        task.refuse("filter_list", "filters of a choice among options are not supported")
    return chosen, steps, [other for other in by_name if other != chosen]


def _step(task: TaskFile, entry: Mapping[str, Any]) -> MatchStep:
    given = {str(key): value for key, value in entry.items() if key != "function"}
    function = entry.get("function")
    values: dict[str, Any]
    if function == "regex":
        values = {
            "step": "search",
            "pattern": given.pop("regex_pattern", _SEARCHED),
            "select": given.pop("group_select", 0),
            "fallback": given.pop("fallback", "[invalid]"),
        }
    elif function == "map":
        values = {
            "step": "table",
            "table": given.pop("mapping_dict", {}),
            "otherwise": given.pop("default_value", None),
        }
    elif function in ("remove_whitespace", "lowercase", "uppercase"):
        values = {
            "step": {"remove_whitespace": "strip", "lowercase": "lower", "uppercase": "upper"}[function]
        }
    else:
        task.refuse("filter_list", f"the filter function `{function}` is not supported")
    if given:
        task.refuse(
            "filter_list", f"`{next(iter(given))}` of the filter function `{function}` is not supported"
        )
    try:
        return MatchStep.model_validate(values, strict=True)
    except ValidationError as error:
        task.refuse("filter_list", f"the filter function `{function}`: {_short(error)}")


def _generation(task: TaskFile) -> tuple[tuple[str, ...], int]:
    given = task.generation
    unknown = sorted(set(given) - _GENERATION)
    if unknown:
        task.refuse("generation_kwargs", f"`{unknown[0]}` is not supported")
    temperature = given.get("temperature", 0)
    if given.get("do_sample") or not isinstance(temperature, (int, float)) or temperature > 0:
        task.refuse(
            "generation_kwargs",
            "the task draws its answers by chance; only the likeliest answer is asked here",
        )
    until = given.get("until", task.delimiter)
    listed = [until] if isinstance(until, str) else until
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        task.refuse("generation_kwargs", "until: texts are expected")
    most = given.get("max_gen_toks", _MOST_TOKENS)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 100_000:
        task.refuse("generation_kwargs", "max_gen_toks: a number of tokens is expected")
    return tuple(listed), most


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
