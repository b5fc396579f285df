"""Training data that people bring: the formats they have, and errors that name file, line and what to do."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.agent import ChatTurn
from staffroom.records.errors import WrongUse
from staffroom.train.reading import read_examples

USER, SAID = {"role": "user", "content": "借期是幾天？"}, {"role": "assistant", "content": "二十一日。"}


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_chats_give_an_example_for_each_answer(tmp_path: Path) -> None:
    system = {"role": "system", "content": "你是館員。"}
    more = {"role": "user", "content": "可以續借嗎？"}
    yes = {"role": "assistant", "content": "可以一次。"}
    path = written(tmp_path, "chat.jsonl", json.dumps({"messages": [system, USER, SAID, more, yes]}) + "\n\n")
    first, second = read_examples(path)
    assert [turn.role for turn in first.turns] == ["system", "user"] and first.answer == "二十一日。"
    assert [turn.role for turn in second.turns] == ["system", "user", "assistant", "user"]
    assert first.case == second.case != "" and first.origin == "chat.jsonl"


@pytest.mark.parametrize(
    "row",
    [
        {
            "conversations": [
                {"from": "human", "value": "借期是幾天？"},
                {"from": "gpt", "value": "二十一日。"},
            ]
        },
        {"prompt": "借期是幾天？", "completion": "二十一日。"},
        {"question": "借期是幾天？", "answer": "二十一日。"},
        {"instruction": "借期是幾天？", "input": "", "output": "二十一日。"},
    ],
)
def test_other_names_for_the_same(tmp_path: Path, row: dict[str, object]) -> None:
    (example,) = read_examples(written(tmp_path, "x.jsonl", json.dumps(row)))
    assert example.turns == (ChatTurn("user", "借期是幾天？"),) and example.answer == "二十一日。"


def test_what_an_instruction_is_about_stays_with_it(tmp_path: Path) -> None:
    row = {"instruction": "改成一句話", "input": "借期為二十一日。", "output": "可借二十一日。"}
    (example,) = read_examples(written(tmp_path, "x.json", json.dumps([row])))
    assert example.turns[0].content == "改成一句話\n\n借期為二十一日。"


@pytest.mark.parametrize(
    "text",
    [
        "question,answer\n借期是幾天？,二十一日。\n",
        "題目;答案\n借期是幾天？;二十一日。\n",
        "﻿Prompt\tResponse\n借期是幾天？\t二十一日。\n",
    ],
)
def test_tables_of_questions_and_answers(tmp_path: Path, text: str) -> None:
    (example,) = read_examples(written(tmp_path, "x.csv", text))
    assert example.turns[0].content == "借期是幾天？" and example.answer == "二十一日。"


def test_cases_keep_rows_together(tmp_path: Path) -> None:
    path = written(tmp_path, "x.csv", "question,answer,case\n甲？,乙。,A\n丙？,丁。,A\n")
    assert [example.case for example in read_examples(path)] == ["A", "A"]


def test_old_tables_of_the_region_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("問題,答案\n借期是幾天？,二十一日。\n".encode("cp950"))
    assert read_examples(path, locale="zh-TW")[0].answer == "二十一日。"


QNA = """version: 3
domain: library
created_by: somebody
seed_examples:
  - context: |
      借期為二十一日。
    questions_and_answers:
      - question: 借期是幾天？
        answer: 二十一日。
      - question: 可以借多久？
        answer: 二十一日。
  - question: 可以續借嗎？
    answer: 可以一次。
document_outline: rules
document:
  repo: https://example.org/rules
  commit: abc
  patterns: [rules.md]
"""


def test_instructlab_files(tmp_path: Path) -> None:
    first, second, third = read_examples(written(tmp_path, "qna.yaml", QNA))
    assert first.turns[0].content == "借期為二十一日。\n\n借期是幾天？"
    assert first.case == second.case == "qna.yaml#1" and third.case == "qna.yaml#2"
    assert third.turns[0].content == "可以續借嗎？"


@pytest.mark.parametrize(
    ("name", "text", "where", "what"),
    [
        ("x.jsonl", "", "x.jsonl", "no rows"),
        ("x.csv", "question,answer\n", "x.csv", "no rows"),
        ("x.jsonl", json.dumps({"messages": [USER, SAID]}) + "\n{", "x.jsonl:2", "not valid JSON"),
        ("x.jsonl", '{"messages": []}', "x.jsonl:1", "no list of turns"),
        ("x.jsonl", json.dumps({"messages": [USER]}), "x.jsonl:1", "no assistant's turn"),
        ("x.jsonl", json.dumps({"messages": [SAID, USER]}), "x.jsonl:1", "no assistant's turn"),
        ("x.jsonl", json.dumps({"messages": [USER, "yes"]}), "x.jsonl:1", "turn 2 is no object"),
        ("x.jsonl", json.dumps({"messages": [{"role": "tool", "content": "x"}]}), "x.jsonl:1", "role 'tool'"),
        (
            "x.jsonl",
            json.dumps({"messages": [USER, {"role": "assistant", "content": " "}]}),
            "x.jsonl:1",
            "turn 2",
        ),
        (
            "x.jsonl",
            json.dumps({"messages": [USER, {"role": "assistant", "content": ["x"]}]}),
            "x.jsonl:1",
            "no text",
        ),
        ("x.jsonl", '{"question": "x?"}', "x.jsonl:1", "the answer is missing"),
        ("x.jsonl", '{"question": "", "answer": "x"}', "x.jsonl:1", "the question is empty"),
        ("x.csv", "a,b\n1,2\n", "x.csv:2", "there is a, b"),
        ("x.csv", "question,answer\nx?,y\nz?,\n", "x.csv:3", "the answer is empty"),
        ("x.csv", "question,answer\n" + "x" * 20_001 + ",y\n", "x.csv:2", "20001 characters"),
        ("qna.yaml", "seed_examples: []\n", "qna.yaml:1", "seed_examples"),
        ("qna.yaml", "seed_examples:\n  - question: x?\n", "qna.yaml", "seed_examples.0"),
        (
            "qna.yaml",
            "seed_examples:\n  - questions_and_answers:\n      - question: x?\n",
            "qna.yaml:3",
            "answer",
        ),
        ("qna.yaml", "seed_examples: [\n", "qna.yaml:", "not valid YAML"),
        ("x.docx", "x", "x.docx", "is not read"),
    ],
)
def test_errors_name_file_line_and_what_to_do(
    tmp_path: Path, name: str, text: str, where: str, what: str
) -> None:
    with pytest.raises(WrongUse) as refused:
        read_examples(written(tmp_path, name, text))
    said = str(refused.value)
    assert where in said and what in said and "hint: " in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("x.jsonl", "x.csv", "qna.yaml"):
        with pytest.raises(WrongUse, match="cannot be read"):
            read_examples(tmp_path / name)


TEXT = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_what_is_written_as_chats_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("chats") / "x.jsonl"
    lines = [
        json.dumps({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]})
        for asked, said in pairs
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    read = read_examples(path)
    assert [(example.turns[0].content, example.answer) for example in read] == pairs
