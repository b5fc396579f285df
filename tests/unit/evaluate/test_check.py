"""`exam check`: each fault planted is found, and a clean pack has none."""

from pathlib import Path
from typing import Any

import pytest
from exam_folder import choice, rows, short, unanswerable, write_pack

from staffroom.evaluate import Severity, check_pack, load_pack
from staffroom.evaluate.check import Finding

OTHER = "每年七月舉辦的燈塔音樂會，想要擺攤的人應該向哪一個單位報名？"


def findings(folder: Path, *more: dict[str, Any], chunks: tuple[str, ...] = ()) -> list[Finding]:
    base = [row for row in rows() if row["kind"] != "choice"] + distinct_choices(20)
    return check_pack(load_pack(write_pack(folder, [*base, *more])), chunks)


def distinct_choices(count: int) -> list[dict[str, Any]]:
    return [
        choice(number, cluster="", input=f"{chr(0x4E00 + number) * 3}路{chr(0x5E00 + number) * 9}幾點關門？")
        for number in range(count)
    ]


def about(found: list[Finding], item: str) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.text) for finding in found if finding.item == item]


def test_a_question_copied_from_the_documents_is_an_error(tmp_path: Path) -> None:
    chunk = "鎮民須知。每年七月舉辦的燈塔音樂會，想要擺攤的人應該向觀光課報名，並繳保證金。"
    found = findings(tmp_path, short(77, input=OTHER), chunks=("別的文字", chunk))
    assert found[0].severity is Severity.ERROR
    assert found[0].item == "s-77"
    assert "of the question's 8-grams" in found[0].text
    assert not any(
        "8-grams" in row.text
        for row in findings(tmp_path, short(77, input=OTHER), chunks=("燈塔音樂會在七月",))
    )


def test_near_duplicates_across_clusters_are_named(tmp_path: Path) -> None:
    found = findings(tmp_path, short(77, input=OTHER), short(78, input=OTHER + "呢"))
    assert any(
        "nearly the same question as s-77" in text and "one cluster" in text
        for _, text in about(found, "s-78")
    )


@pytest.mark.parametrize(
    ("change", "severity", "text"),
    [
        ({"accept": [".*"]}, Severity.ERROR, "accept pattern 1 matches everything"),
        (
            {"accept": ["300元", "[^龘]"]},
            Severity.WARNING,
            "accept pattern 2 matches text that has nothing to do",
        ),
        ({"accept": ["擺攤|300元"]}, Severity.ERROR, "repeating the question matches accept pattern 1"),
        (
            {"answer": "五百元"},
            Severity.ERROR,
            "its own answer would be scored wrong: no accept pattern is found",
        ),
        (
            {"answer": "7700元，鎮民免費"},
            Severity.ERROR,
            "its own answer would be scored wrong: reject pattern 1 is found",
        ),
        ({"accept": ["77 00元|7700元"]}, Severity.WARNING, "has a space, but whitespace is removed"),
        ({"answer": ""}, Severity.NOTE, "has no `answer`"),
        ({"reference": ""}, Severity.WARNING, "1 items name no `reference`"),
        (
            {"accept": ["7700元", "(?:(?:1|11)+)+(?<=b)c"]},
            Severity.WARNING,
            "a pattern is slow on long answers",
        ),
    ],
)
def test_weak_items_are_found(tmp_path: Path, change: dict[str, Any], severity: Severity, text: str) -> None:
    rows_found = about(findings(tmp_path, short(77, **{"input": OTHER, **change})), "s-77")
    assert any(got is severity and text in words for got, words in rows_found), rows_found


def test_giveaways_of_position_and_length_are_found(tmp_path: Path) -> None:
    biased = [
        {**row, "accept": ["C"], "choices": ["早上", "中午", "全年無休的所有日子", "半夜"]}
        for row in distinct_choices(24)
    ]
    base = [row for row in rows() if row["kind"] != "choice"]
    texts = [row.text for row in check_pack(load_pack(write_pack(tmp_path, [*base, *biased])))]
    assert any(text.startswith("C is right in 24 of 24 choice items with 4 options") for text in texts)
    assert any("the longest option is right in 24 of 24" in text for text in texts)


def test_a_facet_too_small_to_decide_is_said_to_be_reported(tmp_path: Path) -> None:
    few = [*rows()[:60], *(unanswerable(number) for number in range(4))]
    texts = [row.text for row in check_pack(load_pack(write_pack(tmp_path, few)))]
    assert any(text.startswith("facet unanswerable has 2 clusters in the gate split") for text in texts)
    assert any(text.startswith("facet choice passes with") for text in texts)


def test_a_clean_pack_has_notes_only(tmp_path: Path) -> None:
    base = [
        *distinct_choices(24),
        *(
            short(number, input=f"{chr(0x6E00 + number) * 4}的{chr(0x7E00 + number) * 8}要繳多少？")
            for number in range(1, 12)
        ),
        *(
            unanswerable(number, input=f"{chr(0x8E00 + number) * 4}的{chr(0x9000 + number) * 8}叫什麼？")
            for number in range(12)
        ),
    ]
    found = check_pack(load_pack(write_pack(tmp_path, base)), ["與題目無關的一段文字。"])
    assert [finding for finding in found if finding.severity is not Severity.NOTE] == []
    assert len(found) == 2
