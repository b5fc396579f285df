"""Tasks of lm-eval: prompts, options, targets and scores are lm-eval's own, as recorded from its version 0.4.13."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from staffroom.evaluate import load_pack, score_response
from staffroom.evaluate.importing import import_lm_eval_task, make_pack
from staffroom.evaluate.importing.lm_eval import read_task_file
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response

HERE = Path(__file__).parent
TASKS = HERE / "lm_eval_tasks"
RECORDED = json.loads((HERE / "recorded_lm_eval.json").read_text(encoding="utf-8"))["rows"]


def recorded(task: str, filter_name: str) -> dict[int, dict[str, Any]]:
    return {row["doc_id"]: row for row in RECORDED if row["task"] == task and row["filter"] == filter_name}


@pytest.mark.parametrize(
    ("task", "filter_name"),
    sorted({(row["task"], row["filter"]) for row in RECORDED}),
)
def test_a_task_asks_and_scores_as_lm_eval_does(task: str, filter_name: str, tmp_path: Path) -> None:
    path = TASKS / f"{task}.yaml"
    chosen = filter_name if filter_name != "none" else ""
    imported = import_lm_eval_task(path, locale="zh-TW", filter_name=chosen)
    rows = recorded(task, filter_name)
    assert imported.left == ()
    assert len(imported.items) == len(rows) > 3
    # Some tasks have too few rows for two splits, so that a pack holds each of them six times.
    more = [
        {**item, "id": f"{item['id']}.{turn}", "input": item["input"] + "\u200b" * turn}
        for turn in range(6)
        for item in imported.items
    ]
    many = type(imported)(
        **{
            **{name: getattr(imported, name) for name in imported.__dataclass_fields__},
            "items": tuple(more),
            "questions": tuple(str(index) for index in range(len(more))),
        }
    )
    pack = make_pack(many, tmp_path / "pack")
    by_id = {item.id: item for item in pack.items}
    for item in imported.items:
        row = rows[int(str(item["id"]).rsplit("-", 1)[1])]
        assert item["input"] == row["context"]
        kept = by_id[f"{item['id']}.0"]
        assert kept.input == row["context"]
        if item["kind"] == "choice":
            assert [imported.delimiter + choice for choice in item["choices"]] == row["continuations"]
            shares = [2.718281828**value for value in row["log_likelihoods"]]
            response = Response(
                kept.id, "a", 0, "", option_probabilities=tuple(share / sum(shares) for share in shares)
            )
            assert score_response(pack, kept, response).value == row["scores"]["acc"]
        else:
            response = Response(kept.id, "a", 0, row["written"])
            assert score_response(pack, kept, response).value == row["scores"]["exact_match"]


def test_both_outcomes_were_recorded() -> None:
    for metric in ("acc", "exact_match"):
        values = [row["scores"][metric] for row in RECORDED if metric in row["scores"]]
        assert {0.0, 1.0} <= set(values) and len(values) >= 20


def test_a_pack_of_prompts_keeps_what_they_are_asked_by(tmp_path: Path) -> None:
    imported = import_lm_eval_task(TASKS / "numbers_out_of_text.yaml", locale="en", filter_name="flexible")
    pack = make_pack(imported, tmp_path / "pack")
    assert pack.definition["asking"] == "continuation"
    assert pack.definition["max_tokens"] == 256
    assert pack.definition["match"]["until"] == ["Q:", "</s>"]
    assert pack.facets["numbers-out-of-text"].gated is False
    sources = (tmp_path / "pack" / "SOURCES.md").read_text(encoding="utf-8")
    assert "Scored by `exact_match` with the filter `flexible`; left out: filter strict." in sources
    assert load_pack(tmp_path / "pack").digest == pack.digest


def test_a_worker_is_asked_without_cues_and_by_the_options_texts(tmp_path: Path) -> None:
    imported = import_lm_eval_task(TASKS / "letters_in_text.yaml", locale="zh-TW", for_worker=True)
    first = imported.items[0]
    assert first["input"] == "第1號碼頭幾點關門？"
    assert first["choices"] == ["上午1時", "下午1時", "晚上1時", "不關門"] and first["accept"] == ["D"]
    pack = make_pack(imported, tmp_path / "pack")
    assert "asking" not in pack.definition
    written = import_lm_eval_task(TASKS / "numbers_out_of_text.yaml", locale="en", for_worker=True)
    assert written.rule is not None and written.rule.until == () and written.rule.steps[0].step == "strip"
    assert written.items[0]["input"] == "Q: A boat costs $5 and a net $2. Together?\nA:"


def changed(tmp_path: Path, name: str, change: Callable[[str], str]) -> Path:
    shutil.copytree(TASKS, tmp_path / "tasks")
    path = tmp_path / "tasks" / f"{name}.yaml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "options_by_label",
            "metadata",
            "process_docs: !function utils.load\nmetadata",
            "options_by_label.yaml:16: process_docs: `!function utils.load` is Python code, which an import never runs",
        ),
        (
            "options_by_label",
            "metadata",
            "secret: !!python/object/apply:os.system [id]\nmetadata",
            "is not obeyed",
        ),
        ("options_by_label", "task: options_by_label", "group: g\ntask: [a, b]", "this is a group of tasks"),
        ("options_by_label", "task: options_by_label", "task: [a, b]", "several tasks in one file"),
        ("options_by_label", "task: options_by_label", "task_list: []\ntask: x", "several tasks in one file"),
        ("options_by_label", "task: options_by_label", "title: x", "it has no `task`"),
        ("options_by_label", "multiple_choice", "loglikelihood", "`loglikelihood` is not supported"),
        (
            "options_by_label",
            "metadata",
            "doc_to_image: x\nmetadata",
            "the field `doc_to_image` is not supported",
        ),
        (
            "options_by_label",
            "metadata",
            "unsafe_code: true\nmetadata",
            "the field `unsafe_code` is not supported",
        ),
        (
            "options_by_label",
            "  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n",
            "",
            "of acc_norm none is supported",
        ),
        (
            "options_by_label",
            "json\n",
            "someone/somewhere\n",
            "fetches its data (`someone/somewhere`), which an import never does",
        ),
        ("options_by_label", "options.jsonl", "/etc/passwd", "`/etc/passwd` lies outside the task's folder"),
        ("options_by_label", "options.jsonl", "../../letters.jsonl", "lies outside the task's folder"),
        ("options_by_label", "options.jsonl", "https://host/x.jsonl", "lies outside the task's folder"),
        ("options_by_label", "options.jsonl", "gone.jsonl", "cannot be read"),
        ("options_by_label", "test_split: test", "test_split: exam", "there is no data for the split `exam`"),
        (
            "options_by_label",
            "{{choices.text}}",
            "{{choices.text|sort}}",
            "the filter `sort` is not supported",
        ),
        ("options_by_label", "{{choices.text}}", "{{choices.__class__}}", "is not supported"),
        ("options_by_label", "{{question.strip()}}", "{% include 'x' %}", "`{% include %}` is not supported"),
        ("letters_in_text", "letters_base", "letters_in_text.yaml", "includes itself"),
        ("letters_in_text", "letters_base", "/etc/hosts", "a path beside this file is expected"),
        ("letters_in_text", "num_fewshot: 2", "num_fewshot: 9", "only 4 worked examples"),
        (
            "written_examples",
            "samples:",
            "sampler: balanced\n  samples:",
            "the sampler `balanced` is not supported",
        ),
        (
            "numbers_out_of_text",
            "temperature: 0.0",
            "temperature: 0.7",
            "the task draws its answers by chance",
        ),
        ("numbers_out_of_text", "exact_match", "bleu", "of bleu none is supported"),
        (
            "numbers_out_of_text",
            "function: regex",
            "function: majority_vote",
            "the filter function `majority_vote` is not supported",
        ),
        (
            "numbers_out_of_text",
            "      - function: take_first\n  - name: flexible",
            "  - name: flexible",
            "does not end in take_first",
        ),
        ("numbers_out_of_text", "#### (", "#### ((", "not a regular expression"),
        (
            "numbers_out_of_text",
            "ignore_case: true",
            "ignore_vowels: true",
            "`ignore_vowels` of exact_match is not supported",
        ),
        ("numbers_out_of_text", "until: [", "until: [3, ", "until: texts are expected"),
        ("words_by_table", '"no": "no"', '"no": 0', "the filter function `map`: table.no"),
        (
            "words_by_table",
            "task: words_by_table",
            "task: words_by_table\ntask: x",
            "`task` stands here twice",
        ),
        ("words_by_table", "max_gen_toks: 8", "num_beams: 4", "`num_beams` is not supported"),
        (
            "words_by_table",
            "test_split: test",
            "test_split: 2024-01-01",
            "could mean a number, a time or a merge",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    path = changed(tmp_path, name, lambda text: text.replace(old, new, 1))
    with pytest.raises(WrongUse) as caught:
        imported = import_lm_eval_task(path, locale="zh-TW")
        make_pack(imported, tmp_path / "pack")
    assert message in str(caught.value)
    assert not (tmp_path / "pack").exists()


def test_data_given_by_a_person_may_lie_anywhere(tmp_path: Path) -> None:
    path = changed(tmp_path, "options_by_label", lambda text: text.replace("json\n", "hub/set\n", 1))
    imported = import_lm_eval_task(path, locale="sv-SE", data={"test": [TASKS / "options.jsonl"]})
    assert [item["accept"] for item in imported.items] == [["B"], ["D"], ["A"], ["C"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answerKey": "Z"}, "ValueError"),
        ({"choices": {"text": ["a"] * 12, "label": list("ABCDEFGHIJKL")}}, "12 options"),
        (
            {"choices": {"text": ["a", "a "], "label": ["A", "B"]}, "answerKey": "A"},
            "two options are the same",
        ),
        ({"question": None}, "not supported"),
    ],
)
def test_a_row_that_cannot_be_asked_says_why_and_is_left_out_only_when_told(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    path = changed(tmp_path, "options_by_label", lambda text: text)
    data = path.parent / "options.jsonl"
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    rows += [{**rows[0], "question": f"Nummer {number}?"} for number in range(20)]
    rows[2] = {**rows[2], **row}
    data.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    imported = import_lm_eval_task(path, locale="sv-SE")
    assert [left.line for left in imported.left] == [3] and reason in imported.left[0].reason
    with pytest.raises(WrongUse, match=r"options_by_label\.yaml:3: "):
        make_pack(imported, tmp_path / "pack")
    pack = make_pack(imported, tmp_path / "pack", skip=True)
    assert len(pack.items) == 23
    assert "- line 3:" in (tmp_path / "pack" / "SOURCES.md").read_text(encoding="utf-8")


def test_include_chains_are_bounded(tmp_path: Path) -> None:
    for number in range(14):
        (tmp_path / f"t{number}.yaml").write_text(f"include: t{number + 1}.yaml\n", encoding="utf-8")
    with pytest.raises(WrongUse, match="more than 10 files include one another"):
        read_task_file(tmp_path / "t0.yaml")
