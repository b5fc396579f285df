"""The checks of an answer against its excerpts, verdict odds, and options, each alone."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_engine import Shelf, job

from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.records.errors import WrongUse
from staffroom.serve.grounding import (
    Grounding,
    asks_for_quantity,
    cite,
    excerpt_window,
    plain_marks,
    split_sentence,
)
from staffroom.serve.options import cyclic_orders, option_lines, option_probabilities
from staffroom.serve.verdict import read_verdict

FOUND = Shelf(["停車費每小時三十元。", "The fee is 1,200 crowns [7]. Pay by 5 May.\n第二行。"]).search("", 5)


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("三十元", True),
        ("30元", True),
        ("３０元", True),
        ("1200 crowns", True),
        ("一千二百元", True),
        ("2 小時", True),
        ("301元", False),
        ("三百元", False),
        ("十二月", False),
        ("一般、統一、萬一、千萬不要、十分抱歉", True),
        ("【1】", True),
        (" \n", True),
    ],
)
def test_a_number_needs_a_place(sentence: str, allowed: bool) -> None:
    assert bool(Grounding("停2小時要繳費嗎？", FOUND).objection(sentence)) is not allowed


def test_only_the_first_sentence_must_name_the_quantity() -> None:
    grounding = Grounding("停車費多少？", FOUND)
    assert grounding.objection("\n") == ""
    assert grounding.objection("請洽櫃台。") != ""
    assert Grounding("停車費多少？", FOUND).objection("三十元。") == ""
    grounding = Grounding("停車費多少？", FOUND)
    assert [grounding.objection(text) for text in ("三十元。", "請洽櫃台。")] == ["", ""]


def test_a_number_of_another_kind_is_no_answer() -> None:
    found = Shelf(["逾三十日未繳者，處六百元罰鍰。"]).search("", 1)
    assert Grounding("會罰多少錢？", found).objection("逾三十日未繳者會被罰。") != ""
    assert Grounding("會罰多少錢？", found).objection("處六百元罰鍰。") == ""
    assert Grounding("未繳會罰多少錢？", found).best_quote() == "「逾三十日未繳者，處六百元罰鍰。」[1]"
    assert Grounding("要坐幾公里？", found).best_quote() is None


def test_questions_for_quantities() -> None:
    for question in ("多少錢", "幾天", "How much is it?", "what fee applies"):
        assert asks_for_quantity(question)
    for question in ("幾乎都可以嗎", "Who decides?", ""):
        assert not asks_for_quantity(question)


@given(st.text(alphabet="甲。！.;\n 【】[]12", max_size=30))
@settings(max_examples=200, deadline=None)
def test_splitting_loses_nothing(text: str) -> None:
    finished, rest = split_sentence(text)
    assert finished + rest == text


@given(st.text(alphabet="甲。 【】[]0123", max_size=25), st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_citing_whatever_stands_there_names_shown_excerpts_only(text: str, count: int) -> None:
    found = (FOUND * 2)[:count]
    for given_text in (text, plain_marks(text, count)):
        cited, citations = cite(given_text, found)
        assert all(1 <= citation.number <= count for citation in citations)
        assert cited.startswith(given_text) and (citations or not found)


def test_a_citation_opens_at_its_sentence() -> None:
    shelf = Shelf(["甲。乙要繳三十元。", "The fee is 1,200 crowns. Pay by 5 May.\n第二行。"])
    found = shelf.search("", 5)
    _, citations = cite("乙繳三十元[1]，pay by 5 May [2]。", found)
    assert [shelf.document[item.start : item.end] for item in citations] == [
        "乙要繳三十元。",
        "Pay by 5 May.",
    ]


@given(st.text(alphabet="甲乙\n ", max_size=300), st.integers(0, 300), st.integers(20, 200))
@settings(max_examples=200, deadline=None)
def test_a_window_is_short_and_of_the_text(text: str, focus: int, limit: int) -> None:
    window = excerpt_window(text, min(focus, len(text)), limit)
    assert len(window) <= max(limit, 0)
    for part in window.split("\n…"):
        assert part in text


BOOK = prompt_book(job())
TOKENS = st.dictionaries(
    st.sampled_from(["答", "無", "无", "拒", " 答", "答案", "好", "", "\n"]), st.floats(-800, 0), max_size=9
)


@given(TOKENS)
@settings(max_examples=200, deadline=None)
def test_odds_are_finite(tokens: dict[str, float]) -> None:
    odds = read_verdict(tokens, BOOK)
    assert math.isfinite(odds.nothing) and math.isfinite(odds.refuse)
    assert odds.seen or (odds.nothing, odds.refuse) == (0.0, 0.0)


def test_a_verdict_counts_by_word_its_beginning_and_its_twin() -> None:
    book = prompt_book(job("en"))
    assert read_verdict({"ANSW": -0.1, "NO": -3.0}, book).nothing == pytest.approx(-2.9)
    assert read_verdict({"无": -0.1, "答": -2.0}, BOOK).nothing == pytest.approx(1.9)
    assert read_verdict({"拒": -0.1, "答": -3.0, "無": -3.0}, BOOK).refuse > 2
    assert not read_verdict({"": -0.1, " ": -0.2}, BOOK).seen


@given(st.integers(2, 10))
def test_each_option_stands_once_in_each_place(count: int) -> None:
    orders = cyclic_orders(count)
    for place in range(count):
        assert sorted(order[place] for order in orders) == list(range(count))
    assert option_lines([str(number) for number in range(count)]).count("\n") == count


@given(
    st.dictionaries(st.sampled_from(["A", " B", "C", "a", "AB", "Z", ""]), st.floats(-900, 0)),
    st.integers(2, 10),
)
@settings(max_examples=150, deadline=None)
def test_option_probabilities_sum_to_one(tokens: dict[str, float], count: int) -> None:
    found = option_probabilities(tokens, count)
    assert len(found) == count and sum(found) == pytest.approx(1.0)


@pytest.mark.parametrize("locale", ["zh-TW", "en"])
def test_the_charter_is_in_the_prompt_as_it_is_written(locale: str) -> None:
    asked = job(locale, must=["say {x}"], must_not=["lie"], refuse=["fraud"])
    book, policy = prompt_book(asked), agent_policy(asked)
    assert all(f"- {text}" in book.system for text in ("say {x}", "lie", "fraud"))
    assert "服務台 {room} 分機 12" in policy.declined_text
    assert "服務台 {room} 分機 12" in policy.refused_text
    assert book.digest != prompt_book(job(locale)).digest
    for text in (book.question, book.choice):
        assert "{excerpts}" in text and "{question}" in text


def test_a_locale_without_wording_is_refused() -> None:
    with pytest.raises(WrongUse, match="no prompt book"):
        prompt_book(job("sv-SE"))
