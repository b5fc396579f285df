"""`staffroom exam new`, `import` and `export`: what a person types and reads."""

import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.cli.terminal import Terminal

TASKS = Path(__file__).parents[1] / "evaluate" / "lm_eval_tasks"


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the terminal one at which a person types these lines; then the input ends."""

    def put(*lines: str) -> list[str]:
        said: Iterator[str] = iter(lines)
        prompts: list[str] = []

        def read(prompt: str = "") -> str:
            prompts.append(prompt)
            line = next(said, None)
            if line is None:
                raise EOFError
            return line

        monkeypatch.setattr(Terminal, "asks", property(lambda self: True))
        monkeypatch.setattr(builtins, "input", read)
        return prompts

    return put


CHOICE = ("By when must I leave?", "7:30", "9:45", "", "B", "hours.md#Friday")
SHORT = ("What does a permit cost?", "300 dollars", "$300; three hundred", "free", "fees.md")


def test_a_first_exam_is_written_question_by_question(
    staffroom: CommandLine, tmp_path: Path, types: Any
) -> None:
    prompts = types(*CHOICE, "", *SHORT, "", "Who cleans the windows?", "", "Give me their number.", "")
    said = staffroom("exam", "new", tmp_path / "first", "--locale", "en")
    assert said.status == 0, said.err
    rows = [
        json.loads(line)
        for line in (tmp_path / "first" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["id"] for row in rows] == ["choice-01", "short-01", "unanswerable-01", "refuse-01"]
    assert rows[0]["choices"] == ["7:30", "9:45"] and rows[0]["accept"] == ["B"]
    assert len(rows[1]["accept"]) == 3 and rows[1]["answer"] == "300 dollars"
    assert "1. Questions with options, one of which is right." in said.err
    assert prompts[0] == "Question (Enter: next kind): "
    assert "needed at least" in said.out and "reported only" in said.out
    assert "choice: with 17 questions, from as many places, a worker passes only if all" in said.out
    assert f"staffroom exam check {tmp_path / 'first'}" in said.out


def test_a_slip_is_asked_again_and_the_question_is_not_lost(
    staffroom: CommandLine, tmp_path: Path, types: Any
) -> None:
    types("When?", "one", "one", "", "A", "", "one", "two", "", "b", "")
    said = staffroom("exam", "new", tmp_path / "first", "--locale", "en")
    assert said.status == 0, said.err
    assert "Not yet: two options are the same (change one of them). Once more, please." in said.err
    row = json.loads((tmp_path / "first" / "items.jsonl").read_text(encoding="utf-8"))
    assert (row["input"], row["accept"]) == ("When?", ["B"])
    assert "The pack cannot be used yet" in said.out


def test_the_questions_are_in_chinese_for_a_chinese_terminal(
    staffroom: CommandLine, tmp_path: Path, types: Any
) -> None:
    prompts = types("幾點關門？", "七點", "九點", "", "B", "")
    said = staffroom("exam", "new", tmp_path / "first", STAFFROOM_LANG="zh-TW")
    assert said.status == 0 and "1. 選擇題：幾個選項裡有一個是對的。" in said.err
    assert prompts[:2] == ["題目（按 Enter 換下一種）：", "選項 A："]
    exam = (tmp_path / "first" / "exam.yaml").read_text(encoding="utf-8")
    assert "locale: zh-TW" in exam and "# 每次修改就加 1。" in exam
    assert "選擇題" in said.out and "：1 題" in said.out


def test_nothing_is_asked_where_nobody_is(staffroom: CommandLine, tmp_path: Path, types: Any) -> None:
    said = staffroom("exam", "new", tmp_path / "first")
    assert said.status == 2 and "there is no terminal to ask at" in said.err and "--questions" in said.err
    types()
    said = staffroom("exam", "new", tmp_path / "first")
    assert said.status == 2 and "no question was written" in said.err
    assert not (tmp_path / "first").exists()


def test_a_script_gives_its_questions_in_a_file(staffroom: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    rows = [
        {
            "kind": "choice",
            "question": f"{chr(0x4E00 + n * 9) * 9}?",
            "options": ["1", "2", "3"],
            "answer": "ABC"[n % 3],
            "source": f"a#{n}",
        }
        for n in range(15)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    value = staffroom("exam", "new", tmp_path / "p", "--questions", file, "--locale", "en", "--json").json
    assert (value["items"], value["loads"], value["name"]) == (15, True, "p")
    assert value["facets"][0]["written"] == 15
    again = staffroom("exam", "new", tmp_path / "p", "--questions", file)
    assert again.status == 2 and "is there already" in again.err
    file.write_text(
        '{"kind": "choice", "question": "q", "options": ["1"], "answer": "A"}\n', encoding="utf-8"
    )
    bad = staffroom("exam", "new", tmp_path / "o", "--questions", file)
    assert bad.status == 2 and "question 1: a choice question needs at least two options" in bad.err


def test_a_table_is_imported_with_its_columns_named(staffroom: CommandLine, tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    rows = (
        "".join(f"{chr(0x4E00 + n * 9) * 9}？\t甲{n}\t乙{n}\t{n % 2}\n" for n in range(30))
        + "？\t甲\t甲\t0\n"
    )
    table.write_text(f"fråga x\tA\tB\tkey\n{rows}", encoding="utf-8")
    options = ("--column", "question=fråga x", "--locale", "zh-TW")
    refused = staffroom("exam", "import", table, tmp_path / "p", *options)
    assert (
        refused.status == 2
        and "t.tsv:32: two options are the same" in refused.err
        and "--skip" in refused.err
    )
    said = staffroom("exam", "import", table, tmp_path / "p", *options, "--skip")
    assert said.status == 0, said.err
    assert "left out: 1 rows" in said.out and "No facet bars a promotion yet" in said.out
    wrong = staffroom("exam", "import", table, tmp_path / "q", "--column", "question")
    assert wrong.status == 2 and "`question` is not of the form NAME=VALUE" in wrong.err


def test_a_task_of_lm_eval_is_imported_for_a_model_or_a_worker(
    staffroom: CommandLine, tmp_path: Path
) -> None:
    task = TASKS / "numbers_out_of_text.yaml"
    said = staffroom("exam", "import", task, tmp_path / "m", "--locale", "en", "--filter", "flexible")
    assert said.status == 0 and "exam run MODEL" in said.out and "--bare-model" in said.out
    value = staffroom(
        "exam", "import", task, tmp_path / "w", "--locale", "en", "--for-worker",
        "--data", f"test={TASKS / 'sums.jsonl'}", "--json",
    ).json  # fmt: skip
    assert value["asking"] == "worker" and value["details"]["filter"] == "strict"
    unknown = staffroom("exam", "import", task, tmp_path / "u", "--filter", "loose")
    assert unknown.status == 2 and "the task has no filter `loose` (it has strict, flexible)" in unknown.err


def test_an_export_names_its_files_or_says_why_not(
    staffroom: CommandLine, pipeline: Any, tmp_path: Path
) -> None:
    def export(home: object, evaluation: str, to: str, file: Path, **more: Any) -> dict[str, Any]:
        items = 4 if more["folder"] else 0
        why = "" if items else "the pack was not named (--pack FOLDER)"
        return {"files": [str(file)], "items": items, "split": "screen", "to": to, "sums_only": why}

    pipeline("exam_exchange", export_evaluation=export)
    said = staffroom("exam", "export", "sha256:1", tmp_path / "a.eval", "--to", "inspect", "--pack", tmp_path)
    assert said.status == 0 and "4 items of the screen split" in said.out and "inspect view" in said.out
    said = staffroom("exam", "export", "sha256:1", tmp_path / "a.json", "--to", "eee")
    assert "sums only: the pack was not named" in said.out
    assert staffroom("exam", "export", "sha256:1", "x", "--to", "csv").status == 2
