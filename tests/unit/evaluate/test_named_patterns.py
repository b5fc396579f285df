"""Patterns that a pack names once: `(?&name)` stands for them, and every fault of a name is found."""

import json
from pathlib import Path

import pytest
import regex
from exam_folder import EXAM, rows, short, write_pack
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import load_pack, score_response
from staffroom.evaluate.patterns import NamedPatterns
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response, ScoreStatus

NAMED = EXAM + "patterns:\n  fee: ['[1-9][0-9]*00元', '免費']\n  fee_due: ['每天(?&fee)']\n"


def test_a_name_stands_for_its_alternatives_in_items_and_declines(tmp_path: Path) -> None:
    exam = NAMED.replace('"無法確認"', '"無法確認(?&fee)?"')
    pack = load_pack(write_pack(tmp_path, [*rows(), short(99, accept=["要繳(?&fee_due)|(?&fee)$"])], exam))
    item = next(item for item in pack.items if item.id == "s-99")
    fee = "(?:[1-9][0-9]*00元|免費)"
    assert item.accept == (f"要繳(?:每天{fee})|{fee}$",)
    assert pack.declines[1] == f"無法確認{fee}?"
    assert pack.patterns.first_match(item.accept, "要繳 每天 9900 元，其他另計") == 0
    assert pack.patterns.first_match(item.accept, "每天都要繳") is None


def test_the_digest_holds_what_a_name_stands_for_and_is_unchanged_without_names(tmp_path: Path) -> None:
    items = [*rows(), short(99, accept=["(?&fee)"])]
    first = load_pack(write_pack(tmp_path / "a", items, NAMED))
    second = load_pack(write_pack(tmp_path / "b", items, NAMED.replace("免費", "不用錢")))
    assert first.digest != second.digest
    assert {item.id: item.digest for item in first.items}["s-99"] != (
        {item.id: item.digest for item in second.items}["s-99"]
    )
    plain = load_pack(write_pack(tmp_path / "c"))
    assert "patterns" not in plain.definition
    assert load_pack(write_pack(tmp_path / "d", exam=EXAM + "patterns: {}\n")).digest == plain.digest


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("fee: ['(']", "exam.yaml:14: patterns.fee.0: not a regular expression"),
        ("fee: ['(a)b']", "patterns.fee.0: a named pattern must not capture"),
        ("fee: ['a(?i)b']", "patterns.fee.0: "),
        ("fee: ['(?i)b']", "patterns.fee.0: a named pattern must not set flags for all"),
        ("fee: ['a', '(?&fee)']", "patterns.fee.1: `fee` is not under `patterns` in exam.yaml"),
        ("a: ['(?&b)']\n  b: ['x']", "patterns.a.0: `b` is not under `patterns`"),
        ("Fee: ['a']", "patterns.Fee"),
        ("fee: []", "patterns.fee: "),
        ("fee: 'a'", "patterns.fee: "),
        ("fee: ['']", "patterns.fee.0: an empty pattern"),
    ],
)
def test_a_faulty_name_is_refused_by_line(tmp_path: Path, patterns: str, message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        load_pack(write_pack(tmp_path, exam=f"{EXAM}patterns:\n  {patterns}\n"))
    assert message in str(caught.value)


def test_an_unknown_name_in_an_item_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(WrongUse) as caught:
        load_pack(write_pack(tmp_path, [*rows(), short(99, accept=["(?&fe)"])], NAMED))
    assert "items.jsonl:81: accept.0: `fe` is not under `patterns` in exam.yaml; did you mean `fee`?" in str(
        caught.value
    )


def test_what_is_escaped_or_in_a_set_is_no_name() -> None:
    named = NamedPatterns({"fee": ["1", "2"]})
    for text in (r"\(\?&fee\)", r"[(?&fee)]", r"[^](?&fee)]", r"[\](?&fee)]", r"\\[(?&fee)]"):
        assert named.expand(text) == text
    assert named.expand(r"\\(?&fee)[(]") == r"\\(?:1|2)[(]"


def test_names_cannot_grow_without_bound() -> None:
    doubling = {f"n{index}": [f"(?&n{index - 1})" * 8] if index else ["abcdefgh"] for index in range(8)}
    with pytest.raises(ValueError, match="longer than 16000 characters with its names replaced"):
        NamedPatterns(doubling)
    named = NamedPatterns({"long": ["x" * 1900] * 8})
    with pytest.raises(ValueError, match="longer than 32 MiB"):
        for index in range(4000):
            named.expand(f"(?&long){index}")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.from_regex(r"[a-c]{1,4}", fullmatch=True), min_size=1, max_size=4),
    st.text(alphabet="abc", max_size=12),
)
def test_a_name_finds_what_its_alternatives_find(alternatives: list[str], text: str) -> None:
    named = NamedPatterns({"any": alternatives})
    found = named.compile(named.expand("c(?&any)a")).search(text)
    spelled = regex.search("|".join(f"c{word}a" for word in alternatives), text)
    assert (found is None) == (spelled is None)


def test_scores_are_those_of_the_pattern_written_out(tmp_path: Path) -> None:

    pack = load_pack(write_pack(tmp_path, [*rows(), short(99, accept=["(?&fee)"], reject=[])], NAMED))
    item = next(item for item in pack.items if item.id == "s-99")
    for text, value in (("一律免費", 1.0), ("一天 300 元", 1.0), ("一天 30 元", 0.0)):
        score = score_response(pack, item, Response(item_id="s-99", agent="a", seed=0, text=text))
        assert (score.value, score.status) == (value, ScoreStatus.SCORED)


def test_the_packaged_safety_packs_name_their_patterns() -> None:
    folder = Path(__file__).parents[3] / "src" / "staffroom" / "evaluate" / "packs"
    for name in ("safety-en", "safety-zh-TW"):
        lines = (folder / name / "items.jsonl").read_text(encoding="utf-8").splitlines()
        longest = max(len(text) for line in lines for text in json.loads(line).get("accept", []))
        assert longest < 600, "a pattern that every item repeats belongs under `patterns`"
