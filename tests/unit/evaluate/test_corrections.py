"""Whether an answer follows a correction: declining, numbers that tell the two answers apart, nearness."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.corrections import compare_with_correction


def declines(text: str) -> bool:
    return bool(re.search("do not say|文件沒有寫|cannot help", text))


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [
        ("依第79條，處九百元罰鍰。", True),
        ("處新臺幣900元罰鍰。", True),
        ("會罰三千元。", False),
        ("罰九百元，最多三千元。", False),
        ("會被罰錢。", False),
        ("文件沒有寫到這件事。", False),
    ],
)
def test_the_numbers_of_the_correction_decide(answer: str, agrees: bool) -> None:
    question = "催告我去辦登記，還是不去，會罰多少？"
    corrected, wrong = "依戶籍法第79條，處新臺幣九百元罰鍰，請您儘快辦理。", "催告後不辦會罰三千元。"
    assert compare_with_correction(question, answer, corrected, wrong, declines).agrees is agrees


def test_numbers_of_articles_and_of_the_question_do_not_count() -> None:
    found = compare_with_correction(
        "What is due after 30 days?", "Nothing is due.", "Under Article 12, nothing is due after 30 days.",
        "A fee is charged then.", declines,
    )  # fmt: skip
    assert found.agrees and found.reason.startswith("shares")


def test_declining_is_right_where_the_correction_declines_and_nowhere_else() -> None:
    declined, said = "The documents do not say.", "Ten crowns."
    assert compare_with_correction("Q?", declined, declined, said, declines).agrees
    assert not compare_with_correction("Q?", said, declined, said, declines).agrees
    refused = compare_with_correction("Q?", declined, said, declined, declines)
    assert not refused.agrees and refused.declined


def test_without_numbers_the_nearer_answer_decides() -> None:
    corrected, wrong = "It may be renewed at the counter.", "Renewal is impossible for everybody."
    near = compare_with_correction("Q?", "At the counter it may be renewed.", corrected, wrong, declines)
    far = compare_with_correction("Q?", "Renewal is impossible.", corrected, wrong, declines)
    assert near.agrees and not far.agrees
    assert not compare_with_correction("Q?", "zzz", corrected, wrong, declines).agrees


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=12, max_size=60), st.text(max_size=60))
def test_the_correction_agrees_with_itself_unless_it_says_no_more_than_the_wrong_answer(
    corrected: str, wrong: str
) -> None:
    found = compare_with_correction("", corrected, corrected, wrong, declines)
    assert found.agrees or "shares" in found.reason
    assert not compare_with_correction("", wrong, wrong, wrong, declines).agrees or declines(wrong)
