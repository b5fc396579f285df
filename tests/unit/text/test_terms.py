"""Terms, numbers, normal forms and languages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.text import (
    chinese_number,
    comparable,
    containment,
    language_of,
    ngram_terms,
    numbers_in,
    squeeze,
    to_traditional,
    wrong_language,
)


def test_terms_find_words_of_two_characters_in_both_scripts() -> None:
    assert ngram_terms("台北，Form A-12") == ["台", "北", "台北", "form", "a", "12"]
    assert ngram_terms("臺北") == ngram_terms("台北")
    assert ngram_terms("個人資料") == ngram_terms("个人资料")
    assert ngram_terms("第24條") == ["第", "24", "条"]
    assert ngram_terms("１２ＡＢ") == ["12ab"]
    assert ngram_terms("，。 ") == []


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_terms_hold_no_blank_and_nothing_is_lost(text: str) -> None:
    terms = ngram_terms(text)
    assert all(term and not any(character.isspace() for character in term) for term in terms)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("三十日內", {"30"}),
        ("第二十四條", {"24"}),
        ("一百零五元、1,234.50 元、５萬", {"105", "1234.5", "50000"}),
        ("百分之三十 30% 三成", {"30", "3"}),
        ("二〇二六年十二月", {"2026", "12"}),
        ("一般、統一、一定", set()),
        ("三十萬元以上一百五十萬元以下", {"300000", "1500000"}),
        ("兩百萬", {"2000000"}),
        ("no numbers", set()),
    ],
)
def test_numbers_have_one_form(text: str, expected: set[str]) -> None:
    assert set(numbers_in(text)) == expected


@given(st.integers(0, 99_999_999))
@settings(max_examples=150, deadline=None)
def test_chinese_numerals_read_back(value: int) -> None:
    assert chinese_number(_spell(value)) == value
    assert numbers_in(f"共{value}元") == [str(value)]
    assert numbers_in(f"共{value:,}元") == [str(value)]


@given(st.text(alphabet="零一二三十百千萬億點", max_size=10))
@settings(max_examples=100, deadline=None)
def test_any_numeral_is_a_number_or_none(text: str) -> None:
    value = chinese_number(text)
    assert value is None or value >= 0


def _spell(value: int) -> str:
    if value >= 10_000:
        high, low = divmod(value, 10_000)
        between = "零" if 0 < low < 1000 else ""
        return _spell(high) + "萬" + (between + _spell(low) if low else "")
    digits, text, gap = "零一二三四五六七八九", "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += ("零" if gap and text else "") + digits[digit] + name
            gap = False
        else:
            gap = True
    return text or "零"


def test_normal_forms() -> None:
    assert squeeze("  a\n\t b ") == "a b"
    assert comparable("Ａ-１，臺 灣") == "a1臺灣"
    assert to_traditional("个人资料保护法") == "個人資料保護法"


def test_containment_counts_runs_of_eight() -> None:
    whole = "雇主應於三十日內以書面通知勞工並給付資遣費。"
    assert containment("應於三十日內，以書面通知", whole) == 1.0
    assert containment("短", whole) == 0.0
    assert containment("完全不同的一句話寫在這裡給你看", whole) == 0.0
    half = containment("應於三十日內以書面通知，然後就什麼都沒有發生過了", whole)
    assert 0.0 < half < 0.5


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_containment_is_a_share(part: str, whole: str) -> None:
    share = containment(part, whole)
    assert 0.0 <= share <= 1.0
    assert containment(part, part + whole) in (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("請於上班時間至櫃檯辦理，並攜帶身分證明文件。", "zh"),
        ("請填 Form A 並寄至 Customer Service Center，謝謝您。", "zh"),
        ("Kontoret är öppet mellan nio och fem på vardagar.", "sv"),
        ("The office is open from nine to five on weekdays.", "en"),
        ("المكتب مفتوح من الساعة التاسعة حتى الخامسة", "ar"),
        ("これは日本語の文章です。よろしくお願いします。", "ja"),
        ("1,000 / 2,000 (A-12)", None),
        ("OK", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert language_of(text) == language
    if language is not None:
        assert wrong_language(text, f"{language}-XX") is None
        assert wrong_language(text, "fi") == language
