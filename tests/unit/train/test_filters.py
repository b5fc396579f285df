"""Filters of made examples: what each lets through and what it stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffroom.train.filters import (
    DropReason,
    agree,
    answer_fault,
    question_fault,
    sentences_of,
    stands_in,
    supporting_sentence,
)

PASSAGE = "每人最多借十冊。借期為二十一日，可續借一次；逾期每日二元。"
ASKED = "我向圖書館借書，借期是幾天？"


@pytest.mark.parametrize(
    ("question", "locale", "reason"),
    [
        (ASKED, "zh-TW", None),
        ("How long may I keep a book that I borrowed?", "en", None),
        ("借期？", "zh-TW", DropReason.LENGTH),
        ("借" * 161, "zh-TW", DropReason.LENGTH),
        ("我向圖書館借書，想知道借期。", "zh-TW", DropReason.FORM),
        ("你是不是要借書？你是否想知道借期是幾天？", "zh-TW", DropReason.FORM),
        ("我向图书馆借书，借期是几天？", "zh-TW", DropReason.SCRIPT),
        ("我向图书馆借书，借期是几天？", "zh-CN", None),
        ("How long may I keep a book that I borrowed?", "zh-TW", DropReason.LANGUAGE),
        ("我向圖書館借書，借期是幾天？", "en", DropReason.LANGUAGE),
        ("這一段說借期是幾天？", "zh-TW", DropReason.NAMES_PASSAGE),
        ("What does this passage say about loans?", "en", DropReason.NAMES_PASSAGE),
    ],
)
def test_questions(question: str, locale: str, reason: DropReason | None) -> None:
    assert question_fault(question, locale) is reason


@pytest.mark.parametrize(
    ("answer", "quote", "reason"),
    [
        ("借期是21天。", "借期為二十一日", None),
        ("借期是三十日。", "借期為二十一日", DropReason.NOT_IN_PASSAGE),
        ("借期是二十一日。", "借期為三十日", DropReason.NOT_IN_PASSAGE),
        ("借期是二十一日。", "", DropReason.NOT_IN_PASSAGE),
        ("請洽櫃檯服務人員詢問詳細辦法。", "借期為二十一日", DropReason.NOT_IN_PASSAGE),
        ("是", "借期為二十一日", DropReason.LENGTH),
        ("請問借期是不是二十一日？", "借期為二十一日", DropReason.FORM),
        ("借期是二十一日，还可续借。", "借期為二十一日", DropReason.SCRIPT),
    ],
)
def test_answers(answer: str, quote: str, reason: DropReason | None) -> None:
    assert answer_fault(answer, quote, ASKED, PASSAGE, "zh-TW") is reason


@given(st.text(alphabet="每人最多借十冊期為二一日可續，。 ", min_size=1, max_size=40), st.data())
def test_any_part_of_a_passage_stands_in_it(passage: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(passage)))
    end = data.draw(st.integers(start, len(passage)))
    part = passage[start:end]
    # Cut within a number, a part names another number.
    if part.strip("，。 ") and not set(part) & set("十二一"):
        assert stands_in(part, passage)


@given(st.text(max_size=40), st.text(max_size=40))
def test_agreement_is_mutual_and_with_oneself(first: str, second: str) -> None:
    assert agree(first, second) == agree(second, first)
    assert agree(first, first)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("借期是二十一日。", "可以借21天", True),
        ("借期是二十一日。", "借期是二十日。", False),
        ("可以，請帶身分證。", "可以，請攜帶身分證。", True),
        ("可以，請帶身分證。", "不行，要本人到場辦理。", False),
        ("可以借。", "可以借，最多十冊。", False),
    ],
)
def test_agreement(first: str, second: str, same: bool) -> None:
    assert agree(first, second) is same


@given(st.text(alphabet="每人最多借十冊。；！？\n.a ", max_size=60))
def test_sentences_stand_in_their_passage_in_order(passage: str) -> None:
    place = 0
    for sentence in sentences_of(passage):
        place = passage.index(sentence, place) + len(sentence)


@pytest.mark.parametrize(
    ("answer", "quote"),
    [
        ("借期是21天。", "借期為二十一日，可續借一次；"),
        ("最多可以借10冊。", "每人最多借十冊。"),
        ("逾期要繳費用，每日2元。", "逾期每日二元。"),
        ("借期是三十日。", ""),
        ("請洽櫃檯。", ""),
    ],
)
def test_the_sentence_that_an_answer_rests_on(answer: str, quote: str) -> None:
    assert supporting_sentence(answer, ASKED, PASSAGE) == quote
