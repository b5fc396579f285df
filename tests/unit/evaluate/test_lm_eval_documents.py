"""Rows of data as lm-eval's data library (datasets 5.2 over pandas 3.1) gives them; each case was seen there."""

import json
from pathlib import Path
from typing import Any

import pytest

from staffroom.evaluate.importing.lm_eval import read_documents, read_task_file
from staffroom.records.errors import WrongUse

TASK = """\
task: t
dataset_path: {kind}
dataset_kwargs:
  data_files: {{test: data.{suffix}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{a}}}}"
doc_to_target: "{{{{a}}}}"
"""


def rows(folder: Path, text: str, suffix: str) -> list[dict[str, Any]]:
    kind = "csv" if suffix == "csv" else "json"
    (folder / "t.yaml").write_text(TASK.format(kind=kind, suffix=suffix), encoding="utf-8")
    (folder / f"data.{suffix}").write_text(text, encoding="utf-8")
    documents = read_documents(read_task_file(folder / "t.yaml"), {}, shots=0)
    return [row.values for row in documents["test"]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b\n1,x\n2,y\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ("a,b\n1,x\n,y\n", [{"a": 1.0, "b": "x"}, {"a": None, "b": "y"}]),
        ("a,b\n01,NA\n2,null\n", [{"a": 1, "b": None}, {"a": 2, "b": None}]),
        ("a,b\nTrue,1.5\nFalse,2\n", [{"a": True, "b": 1.5}, {"a": False, "b": 2.0}]),
        ("a,b\ntrue,TRUE\nfalse,\n", [{"a": True, "b": True}, {"a": False, "b": None}]),
        (
            "a,b\n2024-01-01,yes\n2024-01-02,no\n",
            [{"a": "2024-01-01", "b": "yes"}, {"a": "2024-01-02", "b": "no"}],
        ),
        ("a;b\n1;2\n", [{"a;b": "1;2"}]),
        ("a,b\n1,x\nz,y\n", [{"a": "1", "b": "x"}, {"a": "z", "b": "y"}]),
        ("a,b\n 1,x\n2 , y\n", [{"a": 1, "b": "x"}, {"a": 2, "b": " y"}]),
        ("a\n1e5\n5.\n", [{"a": 100000.0}, {"a": 5.0}]),
        ('a,b\n"x, y","q""q"\n', [{"a": "x, y", "b": 'q"q'}]),
        ("a,b\n1\n", [{"a": 1, "b": None}]),
        ("a\n\n1\n\n2\n", [{"a": 1}, {"a": 2}]),
        ("a,b\n,\n0012,\n", [{"a": None, "b": None}, {"a": 12.0, "b": None}]),
    ],
)
def test_a_column_of_a_table_is_what_pandas_takes_it_for(
    tmp_path: Path, text: str, values: list[dict[str, Any]]
) -> None:
    assert repr(rows(tmp_path, text, "csv")) == repr(values)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([{"a": 1}, {"a": 2.5}], [{"a": 1.0}, {"a": 2.5}]),
        ([{"a": 1}, {"b": 2}], [{"a": 1, "b": None}, {"a": None, "b": 2}]),
        ([{"a": None}, {"a": None}], [{"a": None}, {"a": None}]),
        ([{"a": {"x": 1}}, {"a": {"y": 2}}], [{"a": {"x": 1}}, {"a": {"y": 2}}]),
        ([{"a": []}, {"a": ["x"]}], [{"a": []}, {"a": ["x"]}]),
        ([{"a": "10:00"}, {"a": "2024-01-01"}], [{"a": "10:00"}, {"a": "2024-01-01"}]),
        ([{"a": [{"t": "a"}, {"l": "b"}]}], [{"a": [{"t": "a"}, {"l": "b"}]}]),
    ],
)
def test_json_is_as_it_stands_but_for_numbers(
    tmp_path: Path, given: list[dict[str, Any]], values: list[dict[str, Any]]
) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in given)
    assert repr(rows(tmp_path, lines, "jsonl")) == repr(values)
    assert repr(rows(tmp_path, json.dumps(given, indent=1), "json")) == repr(values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"a": "2024-01-01"}, {"a": "2024-01-02 10:00:00"}], "would read the column `a` as times"),
        ([{"a": ["2024-01-01"]}], "would read the column `a` as times"),
        ([{"a": "1"}, {"a": []}], "the column `a` mixes lists and texts"),
        ([{"a": 1}, {"a": "x"}], "mixes numbers and texts"),
        ([{"a": True}, {"a": 0}], "mixes numbers and truths"),
        ([{"a": [1, 2.5]}], "mixes whole numbers and fractions inside"),
        ([{"a": {"x": 1}}, {"a": {"x": "y"}}], "the column `a.x` mixes"),
        ([{"a": 2**63}], "a number in the column `a` is too large"),
    ],
)
def test_what_would_become_something_else_is_refused(
    tmp_path: Path, given: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(WrongUse) as caught:
        rows(tmp_path, "".join(json.dumps(row) + "\n" for row in given), "jsonl")
    assert message in str(caught.value)


@pytest.mark.parametrize("suffix", ["parquet", "txt", "jsonl.gz"])
def test_other_formats_are_refused_by_their_name(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(WrongUse, match=r"files are not read"):
        rows(tmp_path, "x\n", suffix)
