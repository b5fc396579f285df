"""From a task of lm-eval to items, either for a bare model, word by word, or for a worker."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate.importing.imported import Imported, Left, pack_name
from staffroom.evaluate.importing.lm_eval.documents import read_documents
from staffroom.evaluate.importing.lm_eval.prompts import Asked, TaskPrompts
from staffroom.evaluate.importing.lm_eval.scoring import TaskScore, score_of
from staffroom.evaluate.importing.lm_eval.task_file import HINT, TaskFile, read_task_file
from staffroom.evaluate.importing.templates import TemplateFault
from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.matching import MatchRule, MatchStep
from staffroom.evaluate.patterns import MAX_PATTERNS
from staffroom.records.errors import WrongUse

__all__ = ["import_lm_eval_task"]

_LABELS = re.compile(r"[(（]?[A-Za-z0-9][)）.]?")
_MOST_CUE = 40


def import_lm_eval_task(
    path: Path,
    *,
    locale: str,
    data: Mapping[str, Sequence[Path]] | None = None,
    filter_name: str = "",
    shots: int | None = None,
    for_worker: bool = False,
) -> Imported:
    """Return the items of a task file.

    data: files of each split, where the task does not name local ones.  filter_name: one of the task's filters, else
    its first.  shots: worked examples a prompt, else as the task says.  for_worker: without description, worked
    examples and cues, options by their text, so that a worker is asked as it is asked in any exam; else the prompts
    are lm-eval's, letter by letter, and only a bare model can be asked them.
    Raises WrongUse naming file, line and field for what is not supported.
    """
    task = read_task_file(path)
    score = score_of(task, filter_name=filter_name)
    wanted = task.shots if shots is None else shots
    count = 0 if for_worker else wanted
    documents = read_documents(task, data or {}, shots=count)
    try:
        prompts = TaskPrompts(task, documents, shots=count)
        asked = list(prompts.asked())
    except TemplateFault as error:
        raise WrongUse(f"a template of the task: {error}", where=str(path), hint=HINT) from error
    facet = pack_name(task.name)
    items: list[dict[str, Any]] = []
    questions: list[str] = []
    left: list[Left] = []
    for one in asked:
        try:
            items.append(_item(one, task, facet, for_worker=for_worker))
            questions.append(one.question)
        except TemplateFault as error:
            left.append(Left(one.line, str(error)))
    return Imported(
        name=facet,
        locale=locale,
        items=tuple(items),
        questions=tuple(questions),
        facets=(facet,),
        left=tuple(left),
        notes=tuple(_notes(task, score, count, for_worker=for_worker)),
        source=path.name,
        rule=_rule(score.rule, for_worker=for_worker),
        asking="worker" if for_worker else "continuation",
        delimiter="" if for_worker or task.output != "multiple_choice" else task.target_delimiter,
        max_tokens=None if for_worker or score.rule is None else score.max_tokens,
        details={"task": task.name, "metric": score.metric, "filter": score.filter, "shots": count},
    )


def _item(asked: Asked, task: TaskFile, facet: str, *, for_worker: bool) -> dict[str, Any]:
    if asked.fault:
        raise TemplateFault(asked.fault)
    text = asked.question if for_worker else asked.context
    item: dict[str, Any] = {
        "id": f"{facet}-{asked.number}",
        "facet": facet,
        "kind": "choice" if task.output == "multiple_choice" else "match",
        "input": text,
    }
    if isinstance(asked.target, int):
        stem, choices = _for_worker(text, asked.choices) if for_worker else (text, asked.choices)
        if not 2 <= len(choices) <= len(LETTERS):
            raise TemplateFault(f"{len(choices)} options (2 to {len(LETTERS)} can be asked)")
        if len({choice.strip() for choice in choices}) != len(choices):
            raise TemplateFault("two options are the same")
        item |= {"input": stem, "choices": list(choices), "accept": [LETTERS[asked.target]]}
    else:
        if not 1 <= len(asked.target) <= MAX_PATTERNS:
            raise TemplateFault(f"{len(asked.target)} right answers (1 to {MAX_PATTERNS} can be kept)")
        item |= {"input": text.strip() if for_worker else text, "accept": list(asked.target)}
    if not str(item["input"]).strip():
        raise TemplateFault("the question is blank")
    item["reference"] = f"{task.eval_split} row {asked.number}, line {asked.line}"
    return item


def _for_worker(text: str, choices: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return question and options without labels; options that are labels are looked for in the question."""
    if not all(_LABELS.fullmatch(choice.strip()) for choice in choices):
        return text.strip(), [choice.strip() for choice in choices]
    lines = text.split("\n")
    labels = [choice.strip().strip("()（）.") for choice in choices]
    for start in range(len(lines) - len(labels), -1, -1):
        found = [
            re.fullmatch(rf"\s*[(（]?{re.escape(label)}[)）.．、:：]\s*(\S.*)", lines[start + place])
            for place, label in enumerate(labels)
        ]
        after = "\n".join(lines[start + len(labels) :]).strip()
        if all(found) and len(after) <= _MOST_CUE:
            return "\n".join(lines[:start]).strip(), [match[1].strip() for match in found if match]
    if any(_LABELS.fullmatch(choice.strip()) and choice.strip().isalpha() for choice in choices):
        raise TemplateFault("the options are letters, and their texts are not found in the question")
    return text.strip(), [choice.strip() for choice in choices]


def _rule(rule: MatchRule | None, *, for_worker: bool) -> MatchRule | None:
    if rule is None or not for_worker:
        return rule
    # A worker's answer is served without blanks at its ends, and where it ends is its own business.
    return rule.model_copy(update={"until": (), "steps": (MatchStep(step="strip"), *rule.steps)})


def _notes(task: TaskFile, score: TaskScore, shots: int, *, for_worker: bool) -> Iterator[str]:
    yield f"Imported from the task `{task.name}` of lm-eval (`{task.path.name}`), data of `{task.dataset_path}`."
    taken = f"Scored by `{score.metric}`" + (
        f" with the filter `{score.filter}`" if score.filter != "none" else ""
    )
    yield f"{taken}; left out: {', '.join(score.left_out)}." if score.left_out else f"{taken}."
    if for_worker:
        yield "Asked of a worker: description, worked examples and cues of the prompt are left out."
    else:
        yield f"Prompts, options and targets are those of lm-eval, letter by letter, with {shots} worked examples."
    if task.ignored:
        yield f"Fields without effect on a score, passed over: {', '.join(task.ignored)}."
