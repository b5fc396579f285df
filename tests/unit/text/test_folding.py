"""Folding: a copy that only looks different is the same text, and two different texts stay two."""

import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from staffroom.text import folded

SENTENCES = (
    "我在同一家餐廳連續工作剛滿一年兩個月，依勞基法有幾日的特別休假？",
    "公司裡的頭髮、發票和臺灣後面的皇后，乾杯之後干擾了幹部。",
    "罰鍰是新臺幣三萬元以上十五萬元以下，按週年利率百分之五計算。",
    "How many days' notice does the law require?",
    "Hur många dagar har jag på mig?",
)
QUIET = " \t\n　，、。！？「」-·*_​‌‍﻿⁠­"
LETTERS = st.text(
    alphabet=string.ascii_letters + string.digits + "甲乙丙丁二三十百萬億壹臺台后後髮发", max_size=40
)


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text(max_size=60))
def test_nothing_but_letters_and_numbers_is_left(text: str) -> None:
    assert all(sign.isalnum() for sign in folded(text))


@given(LETTERS, st.data())
def test_blanks_marks_and_invisible_characters_do_not_count(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    between = data.draw(st.text(alphabet=QUIET, min_size=1, max_size=3))
    assert folded(text[:place] + between + text[place:]) == folded(text)


@given(LETTERS)
def test_width_and_case_do_not_count(text: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)
    assert folded(wide) == folded(text) == folded(text.upper())


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("to", ["t2s", "tw2s", "t2tw", "t2hk", "tw2t"])
def test_the_script_does_not_count(sentence: str, to: str) -> None:
    assert folded(OpenCC(to).convert(sentence)) == folded(sentence)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_form_of_its_characters_does_not_count(sentence: str, form: str) -> None:
    assert folded(unicodedata.normalize(form, sentence)) == folded(sentence)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("二十日", "20日"),
        ("２０日", "廿日"),
        ("三萬元", "30,000元"),
        ("3 萬元", "参万元"),
        ("2.5萬", "二萬五千"),
        ("百分之五", "5%"),
        ("二〇二四年", "2024 年"),
        ("٣٥", "35"),
        ("①②", "12"),
        ("台灣", "臺灣"),
        ("pаssроrt", "passport"),
        ("ⅷ", "VIII"),
        ("⽇本", "日本"),
        ("café", "cafe"),
    ],
)
def test_two_ways_to_write_one_thing(first: str, second: str) -> None:
    assert folded(first) == folded(second)


@pytest.mark.parametrize(
    ("first", "second"), [("三十日", "十三日"), ("五萬", "五千"), ("2.5萬", "25萬"), ("應", "得")]
)
def test_different_things_stay_different(first: str, second: str) -> None:
    assert folded(first) != folded(second)


@settings(max_examples=200)
@given(st.integers(0, 10**8))
def test_a_number_is_the_same_in_digits_and_in_chinese(number: int) -> None:
    assert folded(chinese(number)) == str(number)


def chinese(number: int) -> str:
    """Write a number below 1,0000,0000,0000 in Chinese, by the rule of four digits a group."""
    if number == 0:
        return "零"
    text = ""
    for scale, sign in ((10**8, "億"), (10**4, "萬"), (1, "")):
        group = number // scale % 10**4
        if not group:
            continue
        if text and group < 1000:
            text += "零"
        text += below_ten_thousand(group) + sign
    return text


def below_ten_thousand(number: int) -> str:
    text, gap = "", False
    for scale, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // scale % 10
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + sign
            gap = False
        elif text:
            gap = True
    return text
