"""The prompts, options and targets of a task of lm-eval, letter by letter as lm-eval 0.4.13 writes them.

As in `lm_eval/api/task.py` (ConfigurableTask), without a chat template: description, worked examples, question,
prefix. Worked examples are drawn as there with the seed 1234, one draw after the other in the order of the rows.
"""

import ast
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate.importing.lm_eval.documents import Documents
from staffroom.evaluate.importing.lm_eval.task_file import TaskFile
from staffroom.evaluate.importing.templates import Template, TemplateFault
from staffroom.records.rows import Row

__all__ = ["Asked", "TaskPrompts"]

_SEED = 1234
_MAX_LITERAL = 100_000

Doc = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one row asks.

    context: all that the model reads.  question: the question alone.  choices: the options, without delimiter.
    target: the right option's place, or texts one of which is right.  fault: why the row cannot be asked.
    """

    number: int
    line: int
    context: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()
    target: int | tuple[str, ...] = ()
    fault: str = ""


class TaskPrompts:
    """Renders the rows of one task."""

    def __init__(self, task: TaskFile, documents: Documents, *, shots: int) -> None:
        """Take the rows and draw from them; raises WrongUse where there is no split to draw from."""
        self._task = task
        self._rows = documents[task.eval_split]
        self._features = frozenset(self._rows[0].values) if self._rows else frozenset()
        self._shots = shots
        self._pool = [dict(row.values) for row in self._fewshot_rows(documents)] if self._shots else []
        self._random = random.Random(_SEED)
        self._templates: dict[str, Template] = {}
        self._several_targets = False

    def asked(self) -> Iterator[Asked]:
        """Yield what each row asks, in order; a row that cannot be asked says why."""
        for number, row in enumerate(self._rows):
            # The draw comes first and always: it decides those of the rows after this one.
            examples, fault = self._examples(row.values)
            if not fault:
                try:
                    yield self._one(number, row, examples)
                    continue
                except TemplateFault as error:
                    fault = str(error)
            yield Asked(number, row.line, fault=fault)

    def _one(self, number: int, row: Row, examples: Sequence[Doc]) -> Asked:
        task, doc = self._task, row.values
        parts = [self._resolved(doc, task.description)]
        parts += [self._example(example) for example in examples]
        question = self._text(doc, task.text)
        prefix = self._prefix(doc)
        parts.append(_turn(question, None, prefix, task.target_delimiter, ""))
        choices = self._choices(doc, task.choice) if task.choice is not None else ()
        target = self._target(doc, task.target)
        if number == 0:
            self._several_targets = isinstance(target, list) and bool(target)
        return Asked(
            number,
            row.line,
            context="".join(parts),
            question=question,
            choices=choices,
            target=self._place(target, choices)
            if task.output == "multiple_choice"
            else self._texts(target, choices),
        )

    def _fewshot_rows(self, documents: Documents) -> Sequence[Row]:
        task, part = self._task, self._task.fewshot
        if part.split is not None:
            return documents[part.split]
        if part.samples is not None:
            return [Row(0, dict(sample)) for sample in part.samples]
        for split in (task.training_split, task.validation_split):
            if split is not None:
                if split not in documents:
                    task.refuse(
                        "num_fewshot",
                        f"the worked examples come from the split `{split}`: --data {split}=FILE",
                    )
                return documents[split]
        return documents[task.eval_split]

    def _examples(self, doc: Doc) -> tuple[Sequence[Doc], str]:
        """Return the worked examples for a row, as lm_eval/api/samplers.py draws them."""
        count, pool = self._shots, self._pool
        if not count:
            return (), ""
        own = dict(doc) if self._task.fewshot.split == self._task.test_split else None
        if self._task.fewshot.sampler == "first_n":
            first = [example for example in pool if example != own] if own is not None else pool
            return (first[:count], "") if count <= len(first) else ((), f"only {len(first)} worked examples")
        if count + (own is not None) > len(pool):
            return (), f"only {len(pool)} worked examples to draw from"
        if own is None:
            return self._random.sample(pool, count), ""
        drawn = [example for example in self._random.sample(pool, count + 1) if example != own][:count]
        if len(drawn) < count:
            others = [example for example in pool if example != own]
            if count > len(others):
                return (), f"only {len(others)} worked examples to draw from"
            drawn = self._random.sample(others, count)
        return drawn, ""

    def _example(self, doc: Doc) -> str:
        task, part = self._task, self._task.fewshot
        question = self._text(doc, task.text if part.text is None else part.text)
        choice = task.choice if part.choice is None else part.choice
        choices = self._choices(doc, choice) if choice else ()
        target = self._target(doc, task.target if part.target is None else part.target)
        prefix = self._resolved(doc, part.prefix) if part.prefix else None
        answer: Any = target
        if choices and isinstance(target, int):
            if not -len(choices) <= target < len(choices):
                raise TemplateFault("a worked example's answer is not among its options")
            answer = choices[target]
        elif isinstance(target, list):
            answer = target[0] if target else None
        if not isinstance(answer, str):
            raise TemplateFault("a worked example's answer is no text")
        return _turn(question, answer, prefix, part.target_delimiter, part.delimiter)

    def _text(self, doc: Doc, template: str) -> str:
        value = doc.get(template) if template in self._features else self._filled(template, doc)
        if not isinstance(value, str):
            raise TemplateFault(f"the question is no text but {value!r:.40}")
        if template not in self._features and value.isdigit() and self._task.choice is not None:
            raise TemplateFault("several prompts for one row (doc_to_text is a number) are not supported")
        return value

    def _choices(self, doc: Doc, choice: str | Sequence[str]) -> tuple[str, ...]:
        if isinstance(choice, str):
            value = doc.get(choice) if choice in self._features else _literal(self._filled(choice, doc))
        else:
            value = choice
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise TemplateFault(f"the options are no list of texts but {value!r:.60}")
        return tuple(value)

    def _target(self, doc: Doc, target: str | int | Sequence[str]) -> Any:
        if not isinstance(target, str):
            return list(target) if isinstance(target, (list, tuple)) else target
        if target in self._features:
            return doc.get(target)
        text = self._filled(target, doc)
        if text.isdigit() and self._task.choice is not None:
            return _literal(text)
        if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
            try:
                return _literal(text)
            except TemplateFault:
                return text
        return text

    def _place(self, target: Any, choices: Sequence[str]) -> int:
        if isinstance(target, str):
            if target not in choices:
                raise TemplateFault(f"the answer {target[:60]!r} is not among the options")
            return choices.index(target)
        if isinstance(target, int) and 0 <= target < len(choices):
            return int(target)
        if isinstance(target, list):
            raise TemplateFault("several right options in one row are not supported")
        raise TemplateFault(f"the answer {target!r:.40} names no option")

    def _texts(self, target: Any, choices: Sequence[str]) -> tuple[str, ...]:
        if self._task.choice is not None:
            if (
                isinstance(target, bool)
                or not isinstance(target, int)
                or not -len(choices) <= target < len(choices)
            ):
                raise TemplateFault(f"the answer {target!r:.40} names no option")
            return (choices[target],)
        if self._several_targets:
            found = target if isinstance(target, list) else [target]
            if not all(isinstance(text, str) for text in found):
                raise TemplateFault("a target that is no text")
            return tuple(dict.fromkeys(found))
        if target is None:
            raise TemplateFault("the row has no answer")
        return (str(target),)

    def _prefix(self, doc: Doc) -> str | None:
        template = self._task.prefix
        if template is None:
            return None
        value = doc.get(template) if template in self._features else self._filled(template, doc)
        if value is not None and not isinstance(value, str):
            raise TemplateFault("gen_prefix is no text")
        return value

    def _resolved(self, doc: Doc, template: str | None) -> str:
        if not template:
            return ""
        value = doc[template] if template in doc else self._filled(template, doc)
        if value is not None and not isinstance(value, str):
            raise TemplateFault("a description that is no text")
        return value or ""

    def _filled(self, template: str, doc: Doc) -> str:
        if template not in self._templates:
            self._templates[template] = Template(template)
        return self._templates[template].render(doc)


def _turn(question: str, answer: str | None, prefix: str | None, delimiter: str, after: str) -> str:
    """Return a question with its answer or with the prefix of one (build_qa_turn)."""
    answered = answer is not None and answer != ""
    if answered:
        text = question + (delimiter if not prefix or _apart(question, prefix) else "")
        return text + _joined(prefix, answer or "") + after
    if not prefix:
        return question
    return question + (delimiter if _apart(question, prefix) else "") + prefix


def _apart(before: str, after: str) -> bool:
    return bool(before) and not (before[-1].isspace() or after[0].isspace())


def _joined(prefix: str | None, answer: str) -> str:
    if not prefix:
        return answer
    return prefix + (" " if not (prefix[-1].isspace() or answer[0].isspace()) else "") + answer


def _literal(text: str) -> Any:
    if len(text) > _MAX_LITERAL:
        raise TemplateFault(f"a list longer than {_MAX_LITERAL} characters")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise TemplateFault(f"no list or number: {text[:60]!r}") from error
