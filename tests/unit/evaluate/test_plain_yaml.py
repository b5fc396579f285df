"""Foreign YAML as plain data: words mean what YAML 1.1 says, tags are not obeyed, and nothing grows without bound."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.importing.plain_yaml import read_plain_yaml
from staffroom.records.errors import WrongUse


def read(folder: Path, text: str | bytes) -> Any:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_plain_yaml(path, hint="mend it")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes\nb: No\nc: on\nd: True", {"a": True, "b": False, "c": True, "d": True}),
        ("a: 'yes'\nb: \"no\"\nc: y", {"a": "yes", "b": "no", "c": "y"}),
        (
            "a: 12\nb: -3\nc: 1_000\nd: 1.5\ne: 1e5\nf: 1.0e+3\ng: .5",
            {"a": 12, "b": -3, "c": 1000, "d": 1.5, "e": "1e5", "f": 1000.0, "g": 0.5},
        ),
        ("a: ~\nb:\nc: null\nd: ''\ne: !!null 'x'", {"a": None, "b": None, "c": None, "d": "", "e": None}),
        ("a: [x, {b: 1}]\nb: {c: [d]}", {"a": ["x", {"b": 1}], "b": {"c": ["d"]}}),
        ("a: |\n  x\n   y\nb: >-\n  x\n  y\n\n  z", {"a": "x\n y\n", "b": "x y\nz"}),
        ("a: \"x\\ny\\u00e5\"\nb: 'it''s'", {"a": "x\nyå", "b": "it's"}),
        ("a: &m {b: 1}\nc: *m\nd: [*m, *m]", {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}] * 2}),
        ("2: a\ntrue: b", {2: "a", True: "b"}),
    ],
)
def test_values_are_read_as_pyyaml_reads_them(tmp_path: Path, text: str, value: Any) -> None:
    assert repr(read(tmp_path, text).data) == repr(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: !function m.f", "x.yaml:2: b: `!function m.f` is Python code, which an import never runs"),
        ("a:\n  - b: !!python/object:os.system x", "x.yaml:2: a.0.b: the tag"),
        ("a: !!str 5", "x.yaml:1: a: the tag"),
        ("a: !x {b: 1}", "x.yaml:1: a: the tag `!x` is not obeyed"),
        ("a: 1\na: 2", "x.yaml:2: `a` stands here twice"),
        ("a: 010", "x.yaml:1: `010` could mean"),
        ("a: 0x1f", "could mean"),
        ("a: 1:30", "could mean"),
        ("a: 2024-01-02", "could mean"),
        ("a: .inf", "could mean"),
        ("<<: {a: 1}", "could mean"),
        ("a: *gone", "not valid YAML|stands for nothing"),
        ("a: 1\n---\nb: 2", "one document a file is expected"),
        ("- a", "x.yaml:1: a mapping of fields is expected"),
        ("", "a mapping of fields is expected"),
        ("a: [", "x.yaml:1: not valid YAML"),
        ("[a]: 1", "a name is expected"),
        ("a: " + "[" * 40 + "]" * 40, "more than 30 levels"),
        (b"a: \xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_faulty_file_is_refused_by_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(WrongUse, match=message.replace("[", r"\[").replace("(", r"\(")):
        read(tmp_path, text)


def test_aliases_cannot_multiply_beyond_bounds(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(WrongUse, match="more than 50000 values"):
        read(tmp_path, "\n".join(lines))


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="larger than 1 MiB"):
        read(tmp_path, "a: " + "x" * (1 << 20))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Co", "Cn"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcxyz ", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), PLAIN, min_size=1, max_size=4))
def test_json_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("yaml")
    found = read(folder, json.dumps(value, ensure_ascii=False)).data
    assert found == value and not any(isinstance(one, float) and math.isnan(one) for one in found.values())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("yaml")
    try:
        read(folder, text.encode("utf-8", "surrogatepass"))
    except WrongUse as error:
        assert error.hint
