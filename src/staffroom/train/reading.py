"""Training data that somebody brings: chats as JSON lines, questions and answers as CSV, InstructLab's `qna.yaml`.

Each assistant's turn of a chat is an example, after the turns before it; all of one chat stay on one side of a split. What
a file says of chunks of its own is part of the question, because the worker's index does not hold it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.rows import Row, read_csv_rows, read_json_rows
from staffroom.records.source_file import read_yaml_model
from staffroom.records.source_text import read_source
from staffroom.records.training import Example

__all__ = ["read_examples"]

_LONGEST = 20_000
_ROLES: Mapping[str, str] = {
    "user": "user", "human": "user", "system": "system", "assistant": "assistant", "gpt": "assistant", "model": "assistant",
}  # fmt: skip
_ASKED = ("question", "prompt", "instruction", "input", "query", "問題", "題目", "提問", "问题")
_ANSWERED = ("answer", "completion", "response", "output", "答案", "回答", "答覆")
_CASE = ("case", "cluster", "group", "案件")
_CHAT_HINT = (
    'each line is {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
)
_TABLE_HINT = "the first row names the columns; one is called question (or 問題), one answer (or 答案)"
_QNA_HINT = "see the qna.yaml format of InstructLab: seed_examples with question and answer"


class _Pair(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)
    question: str = Field(min_length=1, max_length=_LONGEST)
    answer: str = Field(min_length=1, max_length=_LONGEST)


class _Seed(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)
    context: str = Field("", max_length=_LONGEST)
    question: str = Field("", max_length=_LONGEST)
    answer: str = Field("", max_length=_LONGEST)
    questions_and_answers: tuple[_Pair, ...] = ()


class _Qna(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    seed_examples: tuple[_Seed, ...] = Field(min_length=1)


def read_examples(path: Path, *, locale: str = "", encoding: str = "") -> tuple[Example, ...]:
    """Return the examples of a `.jsonl`, `.json`, `.csv`, `.tsv`, `.yaml` or `.yml` file, in its order.

    encoding and locale: as for tables that are imported as exams.  Raises WrongUse with file, line and what to do; a file
    without a single example is one.
    """
    kind = path.suffix.lower()
    if kind in (".yaml", ".yml"):
        return tuple(_from_qna(path))
    if kind in (".jsonl", ".json", ".csv", ".tsv"):
        source = read_source(path, encoding=encoding, locale=locale)
        if kind.startswith(".json"):
            return tuple(example for row in read_json_rows(source) for example in _from_object(row, path))
        rows = read_csv_rows(source, delimiter="\t" if kind == ".tsv" else "", fits=_known_columns)
        return tuple(_from_table(row, path) for row in rows)
    raise WrongUse(
        f"training data in `{kind or 'a file without an extension'}` is not read",
        where=str(path),
        hint="save it as .jsonl (chats), .csv (questions and answers) or qna.yaml",
    )


def _from_object(row: Row, path: Path) -> Iterator[Example]:
    where = f"{path}:{row.line}"
    turns = row.values.get("messages", row.values.get("conversations"))
    if turns is None:
        yield _from_table(row, path)
        return
    if not isinstance(turns, list) or not turns:
        raise WrongUse("`messages` is no list of turns", where=where, hint=_CHAT_HINT)
    read = [_turn(turn, number, where) for number, turn in enumerate(turns, 1)]
    case = _named(row.values, _CASE) or digest_value([[turn.role, turn.content] for turn in read])
    found = False
    for place, turn in enumerate(read):
        if turn.role == "assistant" and place and read[place - 1].role == "user":
            found = True
            yield Example(tuple(read[:place]), turn.content, path.name, case=case)
    if not found:
        raise WrongUse("no assistant's turn follows a user's", where=where, hint=_CHAT_HINT)


def _turn(turn: Any, number: int, where: str) -> ChatTurn:
    if not isinstance(turn, dict):
        raise WrongUse(f"turn {number} is no object", where=where, hint=_CHAT_HINT)
    role = turn.get("role", turn.get("from"))
    content = turn.get("content", turn.get("value"))
    if not isinstance(role, str) or role.lower() not in _ROLES:
        known = ", ".join(sorted(set(_ROLES.values())))
        raise WrongUse(
            f"turn {number}: the role {role!r} is not one of {known}", where=where, hint=_CHAT_HINT
        )
    if not isinstance(content, str) or not content.strip():
        raise WrongUse(f"turn {number}: `content` is no text", where=where, hint=_CHAT_HINT)
    return ChatTurn(_ROLES[role.lower()], _bounded(content, f"turn {number}", where))


def _from_table(row: Row, path: Path) -> Example:
    where = f"{path}:{row.line}"
    asked, answered = _named(row.values, _ASKED), _named(row.values, _ANSWERED)
    if (
        "instruction" in row.values
        and isinstance(row.values.get("input"), str)
        and row.values["input"].strip()
    ):
        # Instruction data keeps what the instruction is about in a field of its own.
        asked = f"{asked}\n\n{row.values['input'].strip()}"
    for what, text, names in (("question", asked, _ASKED), ("answer", answered, _ANSWERED)):
        if not text:
            there = ", ".join(map(str, row.values)) or "nothing"
            some = "is empty" if _has(row.values, names) else f"is missing (there is {there})"
            raise WrongUse(f"the {what} {some}", where=where, hint=_TABLE_HINT)
    return Example(
        (ChatTurn("user", _bounded(asked, "the question", where)),),
        _bounded(answered, "the answer", where),
        path.name,
        case=_named(row.values, _CASE),
    )


def _from_qna(path: Path) -> Iterator[Example]:
    read = read_yaml_model(path, _Qna, hint=_QNA_HINT)
    for number, seed in enumerate(read.seed_examples, 1):
        asked: Sequence[tuple[str, str]] = [
            (pair.question, pair.answer) for pair in seed.questions_and_answers
        ]
        if seed.question or seed.answer:
            asked = [*asked, (seed.question, seed.answer)]
        if not asked or not all(question and answer for question, answer in asked):
            raise WrongUse(
                f"seed_examples.{number - 1}: a question and its answer are expected",
                where=str(path),
                hint=_QNA_HINT,
            )
        for question, answer in asked:
            text = f"{seed.context}\n\n{question}" if seed.context else question
            yield Example((ChatTurn("user", text),), answer, path.name, case=f"{path.name}#{number}")


def _known_columns(names: Sequence[str]) -> int:
    lowered = {name.strip().lower() for name in names}
    return 2 * bool(lowered & set(_ASKED)) + 2 * bool(lowered & set(_ANSWERED)) + min(1, len(lowered) // 2)


def _named(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the text under the first of these names that is there, in small letters, or an empty one."""
    lowered = {str(name).strip().lower(): value for name, value in values.items()}
    for name in names:
        value = lowered.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _has(values: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(str(name).strip().lower() in names for name in values)


def _bounded(text: str, what: str, where: str) -> str:
    if len(text) > _LONGEST:
        raise WrongUse(
            f"{what} has {len(text)} characters, {_LONGEST} at most", where=where, hint="shorten it"
        )
    return text.strip()
