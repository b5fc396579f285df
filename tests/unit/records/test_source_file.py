"""Job descriptions from YAML: file, line and field of each fault; nothing that a file can hold breaks the reader."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model

JOB = """\
name: counter
title: T
sponsor: Office
locale: en
charter: {turn_to: Desk, ai_notice: "an AI speaks"}
documents: [{path: d.md, as_of: 2026-03-01}]
candidates: [a]
exam: exam
alias: counter
"""


def read(folder: Path, text: str | bytes) -> JobDescription:
    path = folder / "job.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml_model(path, JobDescription, hint="look again")


def test_an_unquoted_date_is_a_date(tmp_path: Path) -> None:
    job = read(tmp_path, JOB)
    assert job.documents[0].as_of == "2026-03-01"
    assert job == read(tmp_path, JOB.replace("2026-03-01", '"2026-03-01"'))


def test_a_byte_order_mark_windows_lines_and_json_are_read(tmp_path: Path) -> None:
    job = read(tmp_path, JOB)
    assert read(tmp_path, b"\xef\xbb\xbf" + JOB.encode()) == job
    assert read(tmp_path, JOB.replace("\n", "\r\n")) == job
    assert read(tmp_path, json.dumps(job.as_json())) == job


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    job = read(tmp_path, JOB.replace("title: T", "title: &name Counter").replace("Office", "*name"))
    assert job.sponsor == job.title == "Counter"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (JOB + "name: twice\n", 10, "duplicate key"),
        (JOB + "\tpolicy: {}\n", 10, "cannot start any token"),
        (JOB + "polcy: {}\n", 10, "polcy: unknown field; did you mean `policy`?"),
        (JOB + "budget:\n  price:\n    currencey: TWD\n", 12, "did you mean `currency`?"),
        (JOB + "policy:\n  skip_bad_documens: true\n", 11, "did you mean `skip_bad_documents`?"),
        (JOB + "zzzzzz: 1\n", 10, "unknown field; known: alias"),
        (JOB + "1: 2\n", 10, "1: unknown field"),
        (JOB + "? [a, b]\n: 3\n", 10, "unknown field"),
        (
            JOB.replace("[{path: d.md, as_of: 2026-03-01}]", "\n  - path: d.md\n    asof: 2026-01-01"),
            8,
            "`as_of`",
        ),
        (JOB.replace("exam: exam\n", ""), 1, "exam: is required and missing"),
        (JOB.replace("turn_to: Desk, ", ""), 5, "charter.turn_to: is required and missing"),
        (JOB.replace("2026-03-01", "2026-13-41"), 6, "month must be in 1..12"),
        (JOB.replace("2026-03-01", '"2026-02-30"'), 6, "day is out of range"),
        (JOB.replace("2026-03-01", "2026-03-01 10:00:00"), 6, "should match pattern"),
        (JOB.replace("title: T", "title: 12"), 2, "should be a valid string"),
        (JOB.replace("title: T", "title: !!binary aGVsbG8="), 2, ""),
        (JOB.replace("title: T", "title: !!python/object/apply:os.system [ls]"), 2, ""),
        (JOB.replace("name: counter", "name: Two Words"), 1, "should match pattern"),
        (JOB.replace("[a]", "[a, a]"), 7, "named twice"),
        (JOB + "x: *nowhere\n", 10, "undefined alias"),
        (JOB + "budget: {price: {per_million_tokens_in: .nan}}\n", 10, "finite number"),
        ("- a\n", 1, "a mapping of fields is expected"),
        ("", 1, "a mapping of fields is expected"),
        ("---\na: 1\n---\nb: 2\n", 3, "another document"),
        ("a: [1, 2\nb: }", 2, "not valid YAML"),
    ],
)
def test_a_fault_has_file_line_and_field(tmp_path: Path, text: str, line: int, words: str) -> None:
    try:
        read(tmp_path, text)
    except WrongUse as error:
        assert f"job.yaml:{line}:" in str(error) and words in str(error)
        assert str(error).endswith("hint: look again")
        return
    assert not words, "this must be refused"


def test_one_fault_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WrongUse) as caught:
        read(tmp_path, JOB.replace("path: d.md, ", ""))
    assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
        )]),
        "a: &a\n  b: *a\n",
        "a: &a [*a]\n",
        "[" * 1500,
        JOB + f"requirements: {{context: 1{'0' * 30}}}\n",
        JOB + f"budget: {{tokens_per_day: 1{'0' * 5000}}}\n",
        JOB + "1: a\n'1': b\n",
        "a: \ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe",
        "a: \0",
        "x" * (1 << 20) + "x",
    ],
)  # fmt: skip
def test_what_grows_without_bound_is_refused_soon(tmp_path: Path, text: str | bytes) -> None:
    begun = time.monotonic()
    with pytest.raises(WrongUse, match="hint:"):
        read(tmp_path, text)
    assert time.monotonic() - begun < 5


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="No such file"):
        read_yaml_model(tmp_path / "no.yaml", JobDescription, hint="x")
    with pytest.raises(WrongUse, match="directory"):
        read_yaml_model(tmp_path, JobDescription, hint="x")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(JobDescription.model_fields)), TREES)
@settings(max_examples=60, deadline=None)
def test_any_value_of_any_field_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: object
) -> None:
    job = {**read(tmp_path_factory.mktemp("job"), JOB).as_json(), name: value}
    try:
        read_back = read(tmp_path_factory.mktemp("job"), json.dumps(job))
    except WrongUse as error:
        assert "hint:" in str(error)
    else:
        assert digest_value(read_back.as_json()).startswith("sha256:")
