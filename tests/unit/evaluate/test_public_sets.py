"""Public sets by name: what their rows become, which items a limit takes, and what is said of files that will not do."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import ExamPack, ItemLine, load_pack
from staffroom.evaluate.public_sets import PUBLIC_SETS, first_by_rule, write_public_set
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind, Split

DATA = Path(__file__).parents[3].parent / "shared" / "data"
TTQA = [
    {"id": f"ttqa {number}", "category": "FOOD" if number % 3 else "", "question": f"第{number}題？", "choices": ["甲", "乙", "丙", "丁"], "answer": "ABCD"[number % 4]}
    for number in range(24)
]  # fmt: skip


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return folder


def made(tmp_path: Path, name: str, data: Path, limit: int | None = None) -> ExamPack:
    into = tmp_path / "private"
    into.mkdir(exist_ok=True)
    return load_pack(write_public_set(PUBLIC_SETS[name], data, into, limit))


def test_rows_become_choice_items_that_are_all_asked_and_never_gated(tmp_path: Path) -> None:
    pack = made(tmp_path, "ttqa", write(tmp_path, "ttqa/ttqa.jsonl", TTQA))
    assert len(pack.items) == 24 and pack.locale == "zh-TW"
    assert not pack.items_of(Split.SEALED)
    assert not any(rule.gated for rule in pack.facets.values())
    assert Counter(item.facet for item in pack.items) == {"food": 16, "other": 8}
    item = pack.items[1]
    assert (item.id, item.input, item.choices, item.accept) == (
        "ttqa-1",
        "第1題？",
        ("甲", "乙", "丙", "丁"),
        ("B",),
    )
    assert "Apache-2.0" in pack.sources


def test_the_files_may_lie_directly_in_the_folder_and_the_same_ones_give_the_same_pack(
    tmp_path: Path,
) -> None:
    first = made(tmp_path, "ttqa", write(tmp_path / "one", "ttqa/ttqa.jsonl", TTQA))
    second = made(tmp_path, "ttqa", write(tmp_path / "two", "ttqa.jsonl", TTQA))
    assert (first.folder, first.digest) == (second.folder, second.digest)
    assert [path.name for path in (tmp_path / "private").iterdir()] == [first.folder.name]


def test_statements_are_asked_once_with_yes_and_no(tmp_path: Path) -> None:
    rows = [{"id": f"Saudi Arabia-{number}", "question": f"العبارة رقم {number}", "answer": "نعم"} for number in range(12)]  # fmt: skip
    rows += [
        {"id": "Saudi Arabia-20", "question": "العبارة رقم 0.", "answer": "نعم"},
        {"id": "Saudi Arabia-21", "question": "العبارة رقم 1", "answer": "لا"},
        {"id": "Saudi Arabia-22", "question": "العبارة رقم 30", "answer": "لا"},
    ]
    pack = made(tmp_path, "acva", write(tmp_path, "acva-saudi.jsonl", rows))
    # 20 repeats 0, and 21 contradicts 1: both of the contradiction are left out.
    assert [item.id for item in pack.items] == [f"Saudi-Arabia-{n}" for n in (0, *range(2, 12), 22)]
    assert {item.choices for item in pack.items} == {("نعم", "لا")}
    assert pack.items[-1].accept == ("B",) and pack.items[0].input.endswith("العبارة رقم 0")
    assert "15 rows; 3 repeat or contradict" in pack.sources


def test_a_question_of_two_subjects_is_told_apart_by_its_subject(tmp_path: Path) -> None:
    rows = [
        {"id": f"t-{number}", "subject": f"牙醫學{number % 3}", "question": "下列何者正確？", "choices": [f"甲{number}", "乙", "丙", "丁"], "answer": "A"}
        for number in range(3)
    ]  # fmt: skip
    rows += [
        {"id": f"u-{number}", "subject": f"普通物理{number}", "question": f"第{number}題？", "choices": ["一", "二"], "answer": "B"}
        for number in range(12)
    ]  # fmt: skip
    pack = made(tmp_path, "tmmlu", write(tmp_path, "tmmlu.jsonl", rows))
    assert [item.input for item in pack.items[:2]] == [
        "（牙醫學0）下列何者正確？",
        "（牙醫學1）下列何者正確？",
    ]
    assert Counter(item.facet for item in pack.items) == {"medicine": 3, "science": 12}
    assert pack.items[0].cluster == "牙醫學0"


def winograd(number: int, **fields: Any) -> dict[str, Any]:
    text = f"Anna {number} såg Eva när hon gick."
    pronoun = text.index("hon")
    return {
        "idx": number,
        "text": text,
        "pronoun": {"text": "hon", "location": {"start": pronoun, "stop": pronoun + 3}},
        "candidate_antecedent": {"text": "Anna", "location": {"start": 0, "stop": 4}},
        "label": "coreferring" if number % 2 else "not_coreferring",
        "meta": {"snippet_id": str(number // 2)},
        **fields,
    }


def test_a_pronoun_and_its_candidate_are_marked(tmp_path: Path) -> None:
    synonyms = [{"id": "h1a01", "item": f"ord{number}", "candidate_answers": ["a", "b", "c", "d", "e"], "label": 4} for number in range(6)]  # fmt: skip
    write(tmp_path, "superlim/swesat-synonyms_test.jsonl", synonyms)
    data = write(tmp_path, "superlim/swewinograd_test.jsonl", [winograd(number) for number in range(6)])
    pack = made(tmp_path, "superlim", data)
    assert [item.id for item in pack.items[:3]] == ["synonym-h1a01", "synonym-h1a01-2", "synonym-h1a01-3"]
    assert pack.items[0].accept == ("E",)
    item = pack.items[7]
    assert item.input == "[Anna] 1 såg Eva när *hon* gick.\n\nSyftar *hon* på [Anna]?"
    assert (item.choices, item.accept, item.cluster) == (("Ja", "Nej"), ("A",), "winograd-0")
    wrong = winograd(9, candidate_antecedent={"text": "Eva", "location": {"start": 0, "stop": 3}})
    write(tmp_path, "superlim/swewinograd_test.jsonl", [wrong])
    with pytest.raises(WrongUse, match="`Eva` does not stand at its place"):
        made(tmp_path, "superlim", data)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({**TTQA[0], "answer": "E"}, "number 5 of 4"),
        ({**TTQA[0], "answer": "甲"}, "answer: String should match"),
        ({"id": "x", "question": "?"}, "choices: Field required"),
        ({**TTQA[0], "choices": ["甲"]}, "choices: Tuple should have at least 2"),
        ([1, 2], "a JSON object is expected"),
    ],
)
def test_a_row_that_will_not_do_is_named_by_its_line(tmp_path: Path, row: Any, text: str) -> None:
    data = write(tmp_path, "ttqa.jsonl", [TTQA[1], row])
    with pytest.raises(WrongUse, match=text) as caught:
        made(tmp_path, "ttqa", data)
    assert str(caught.value.where).endswith("ttqa.jsonl:2")


def test_missing_and_broken_files_and_a_small_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"is expected \(CC BY 4\.0") as caught:
        made(tmp_path, "superlim", tmp_path)
    assert "--data FOLDER" in caught.value.hint
    (tmp_path / "ttqa.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongUse, match="cannot be read"):
        made(tmp_path, "ttqa", tmp_path)
    (tmp_path / "ttqa.jsonl").write_text("{", "utf-8")
    with pytest.raises(WrongUse, match="Expecting property name"):
        made(tmp_path, "ttqa", tmp_path)
    with pytest.raises(WrongUse, match="limit of 3"):
        made(tmp_path, "ttqa", tmp_path, 3)


ROWS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from("abc")), min_size=1, max_size=60, unique_by=lambda row: row[0])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, limit=st.integers(1, 60), more=st.integers(0, 20))
def test_a_sample_is_nested_ordered_and_in_proportion(
    rows: list[tuple[int, str]], limit: int, more: int
) -> None:
    items = [ItemLine(id=f"i{number}", facet=facet, kind=Kind.CHOICE, input="?") for number, facet in rows]
    few = first_by_rule(items, "set", limit)
    many = first_by_rule(items, "set", limit + more)
    assert len(few) == min(limit, len(items))
    assert [item for item in items if item in few] == few
    assert {item.id for item in few} <= {item.id for item in many}
    shuffled = first_by_rule(items[::-1], "set", limit)
    assert {item.id for item in shuffled} == {item.id for item in few}
    for facet, total in Counter(item.facet for item in items).items():
        share = sum(item.facet == facet for item in few)
        assert abs(share - len(few) * total / len(items)) < 1 + 1e-9


@pytest.mark.parametrize(
    ("name", "items", "facets"),
    [("ttqa", 103, 15), ("tmmlu", 1624, 5), ("acva", 69, 1), ("superlim", 879, 2)],
)
def test_the_sets_as_they_are(tmp_path: Path, name: str, items: int, facets: int) -> None:
    if not (DATA / "ttqa").is_dir():
        pytest.skip("the acceptance data are not beside this checkout")
    pack = made(tmp_path, name, DATA)
    assert (len(pack.items), len(pack.facets)) == (items, facets)
    few = made(tmp_path, name, DATA, 40)
    assert len(few.items) == 40
    assert {item.digest for item in few.items} <= {item.digest for item in pack.items}
