"""`exam check`: faults of whole packs, each planted into a pack that has none; and packs in use are not accused."""

import importlib.util
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exam_folder import EXAM, choice, short, unanswerable, write_pack

from staffroom.evaluate import Severity, check_pack, load_pack
from staffroom.evaluate.check import Finding
from staffroom.evaluate.checks import facet_need, find_giveaways, find_slow_patterns
from staffroom.records.exam import Split
from staffroom.stats import can_ever_decide

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data" / "tw-law"


def clean() -> list[dict[str, Any]]:
    """Return items without a fault: distinct questions and options, letters in turn, answers and sources."""

    def words(kind: int, number: int) -> str:
        return "".join(chr(0x4E00 + kind * 0x1000 + number * 40 + place) for place in range(12))

    return [
        *(
            choice(
                number,
                cluster="",
                input=f"{words(0, number)}幾點關門？",
                choices=[f"{words(0, number)[place * 3 : place * 3 + 3]}時" for place in range(4)],
            )
            for number in range(60)
        ),
        *(
            short(number, cluster="", input=f"{words(1, number)}要繳多少？", reference=f"收費.md#{number}")
            for number in range(1, 21)
        ),
        *(unanswerable(number, input=f"{words(2, number)}叫什麼？") for number in range(40)),
    ]


def findings(folder: Path, items: list[dict[str, Any]], exam: str = EXAM) -> list[Finding]:
    return [
        finding
        for finding in check_pack(load_pack(write_pack(folder, items, exam)))
        if finding.severity is not Severity.NOTE
    ]


def test_the_clean_pack_has_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, clean()) == []


def test_the_same_question_in_two_splits_is_an_error_and_in_one_cluster_a_warning(tmp_path: Path) -> None:
    items = clean()
    pack = load_pack(write_pack(tmp_path / "a", items))
    gate = next(item for item in pack.items_of(Split.GATE) if item.kind.value == "short")
    wording = gate.input.replace("？", " ?")
    twins = [{**row, "input": wording} if row["id"] == "s-20" else row for row in items]
    found = [row for row in findings(tmp_path / "b", twins) if "same question" in row.text]
    assert len(found) == 1
    splits = load_pack(tmp_path / "b").splits
    apart = splits[gate.id] is not splits["s-20"]
    assert (found[0].severity is Severity.ERROR) == apart
    together = [{**row, "cluster": "one"} if row["id"] in (gate.id, "s-20") else row for row in twins]
    found = [row for row in findings(tmp_path / "c", together) if "same question" in row.text]
    assert [row.severity for row in found] == [Severity.WARNING]


def test_one_stem_with_other_options_is_another_question(tmp_path: Path) -> None:
    stem = "下列敘述何者正確？"
    items = [{**row, "input": stem} if row["kind"] == "choice" else row for row in clean()]
    assert not [row for row in findings(tmp_path, items) if "same question" in row.text]


def test_a_passage_in_two_splits_is_found_and_a_book_is_not(tmp_path: Path) -> None:
    passage = [{**row, "reference": "收費.md#碼頭"} if row["kind"] == "short" else row for row in clean()]
    found = findings(tmp_path / "a", passage)
    assert len(found) == 1 and "20 items come from 收費.md#碼頭 and fell into" in found[0].text
    book = [{**row, "reference": "收費標準彙編"} if row["kind"] == "short" else row for row in clean()]
    assert findings(tmp_path / "b", book) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda row, n: {"accept": ["A"] if n % 2 else row["accept"]}, "A is right in"),
        (lambda row, n: {"accept": ["ABC"[n % 3]]}, "D is right in only 0 of 60 choice items"),
        (lambda row, n: {"choices": longer(row, 9)}, "the longest option is right in 60 of 60"),
        (lambda row, n: {"choices": longer(row, -1)}, "the shortest option is right in 60 of 60"),
    ],
)
def test_giveaways_are_found(
    tmp_path: Path, change: Callable[[dict[str, Any], int], dict[str, Any]], text: str
) -> None:
    items = [
        {**row, **change(row, number)} if row["kind"] == "choice" else row
        for number, row in enumerate(clean())
    ]
    found = findings(tmp_path, items)
    assert any(row.text.startswith(text) for row in found), found


def longer(row: dict[str, Any], by: int) -> list[str]:
    right = "ABCD".index(row["accept"][0])
    return [
        text + "之後" * by if place == right and by > 0 else text[by:] if place == right else text
        for place, text in enumerate(row["choices"])
    ]


def test_fair_packs_are_rarely_accused_of_giveaways(tmp_path: Path) -> None:
    """Letters and lengths drawn at random: four questions at level 0.01 each accuse at most 4 % of packs."""
    draw = random.Random(7)
    accused = 0
    base = load_pack(write_pack(tmp_path, clean()))
    for _ in range(300):
        items = tuple(
            replace(
                item,
                accept=(draw.choice("ABCD"),),
                choices=tuple("字" * draw.randint(1, 6) + letter for letter in "甲乙丙丁"),
            )
            if item.choices
            else item
            for item in base.items
        )
        accused += any(True for _ in find_giveaways(replace(base, items=items)))
    assert accused <= 300 * 0.04 + 8  # three standard errors above


@pytest.mark.parametrize(
    "pattern",
    ["(?:x|xx)+y", r"(?:\d|\d\d)+元整", "(?:鎮|鎮鎮)+公所", "(?:[0-9]|[0-9]{2},?)+元整"],
)
def test_patterns_that_backtrack_are_found_in_bounded_time(tmp_path: Path, pattern: str) -> None:
    items = [{**row, "accept": [*row["accept"], pattern]} if row["id"] == "s-5" else row for row in clean()]
    begun = time.monotonic()
    found = findings(tmp_path, items)
    assert time.monotonic() - begun < 10
    assert [row.item for row in found if "is slow on long answers" in row.text] == ["s-5"]


def test_a_thousand_slow_patterns_end_at_the_time_set(tmp_path: Path) -> None:
    items = [
        {**row, "accept": [*row["accept"], *(f"(?:a{place}?a+)+b{number}" for place in range(40))]}
        if row["kind"] == "short"
        else row
        for number, row in enumerate(clean())
    ]
    pack = load_pack(write_pack(tmp_path, items))
    begun = time.monotonic()
    found = list(find_slow_patterns(pack, seconds=1.0))
    assert time.monotonic() - begun < 5
    assert found[-1].severity is Severity.NOTE and "patterns were not tried for slowness" in found[-1].text


@pytest.mark.parametrize("method", ["exact", "betting"])
def test_a_facet_that_cannot_decide_is_told_what_it_needs(tmp_path: Path, method: str) -> None:
    need = facet_need(0.90, method, 0.05)
    exam = EXAM.replace("short: {gated: false}", f"short: {{threshold: 0.90, gated: true, method: {method}}}")
    found = findings(tmp_path, clean(), exam)
    assert len(found) == 1
    assert found[0].text.startswith("facet short has ") and f"until there are {need.least}" in found[0].text
    if method == "exact":
        alpha = 0.05 * 6 / 3.141592653589793**2
        assert can_ever_decide(need.least, 0.90, alpha) and not can_ever_decide(need.least - 1, 0.90, alpha)


def folders() -> list[Path]:
    return sorted(
        {
            path.parent
            for place in ("src/staffroom/evaluate/packs", "src/staffroom/cli/starter", "examples")
            for path in (ROOT / place).rglob("exam.yaml")
        }
    )


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_packs_in_use_are_not_accused(folder: Path) -> None:
    pack = load_pack(folder)
    too_small = "will be reported, not gated"
    found = [row for row in check_pack(pack) if row.severity is not Severity.NOTE]
    assert [row for row in found if too_small not in row.text] == []


@pytest.mark.skipif(not DATA.is_dir(), reason="the acceptance data are not beside this checkout")
def test_the_statutes_exam_is_not_accused(tmp_path: Path) -> None:
    place = ROOT / "tests" / "e2e" / "statutes_job.py"
    spec = importlib.util.spec_from_file_location("statutes_job", place)
    assert spec is not None and spec.loader is not None
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    lines = (DATA / "exam" / "exam-public.jsonl").read_text(encoding="utf-8").splitlines()
    job.write_pack([json.loads(line) for line in lines if line.strip()], tmp_path, "exam-public.jsonl")
    pack = load_pack(tmp_path)
    chunks = [
        text
        for path in (DATA / "documents").iterdir()
        for text in path.read_text(encoding="utf-8").split("\n\n")
    ]
    assert [row for row in check_pack(pack, chunks) if row.severity is not Severity.NOTE] == []
