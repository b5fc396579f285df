"""Numbers of a text: numerals read back, short forms in full, words that only look like numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.text.numbers import chinese_number, numbers_in

_DIGITS = "零一二三四五六七八九"


def below_ten_thousand(value: int) -> str:
    text, gap = "", False
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, unit)
        if digit:
            text += ("零" if gap else "") + _DIGITS[digit] + sign
            gap = False
        else:
            gap = bool(text)
    return text


def spell(value: int) -> str:
    """Write a number below 10^12 as it is written in full."""
    if value == 0:
        return "零"
    text = ""
    for unit, sign in ((10**8, "億"), (10**4, "萬"), (1, "")):
        part, value = divmod(value, unit)
        if part:
            text += ("零" if text and part < 1000 else "") + below_ten_thousand(part) + sign
    return text


@given(st.integers(0, 10**9) | st.integers(0, 10**6).map(lambda n: n * 1000))
@settings(max_examples=400, deadline=None)
def test_numerals_read_back(value: int) -> None:
    assert chinese_number(spell(value)) == value
    assert numbers_in(f"共{spell(value)}元整") == [str(value)]


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_every_notation_of_a_number_is_the_same(value: int) -> None:
    full_width = str(value).translate({ord(str(n)): chr(0xFF10 + n) for n in range(10)})
    digits = "".join("〇一二三四五六七八九"[int(sign)] for sign in str(value))
    for text in (f"{value}元", f"{value:,}元", f"{full_width}元", f"{digits}元", f"{value}.00元"):
        assert numbers_in(text) == [str(value)], text


@given(st.integers(1, 9999), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_digits_and_signs_may_be_mixed(tens: int, thousands: int) -> None:
    assert numbers_in(f"{tens}萬{thousands}千元") == [str(tens * 10_000 + thousands * 1000)]
    assert numbers_in(f"{tens:,}萬元") == [str(tens * 10_000)]
    assert numbers_in(f"{tens}萬{thousands:03}元") == [str(tens * 10_000 + thousands)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2萬5千", ["25000"]),
        ("2萬5000元", ["25000"]),
        ("1億2,000萬元", ["120000000"]),
        ("３萬", ["30000"]),
        ("1.5萬", ["15000"]),
        ("兩萬五", ["25000"]),
        ("1萬2", ["12000"]),
        ("一百五", ["150"]),
        ("一萬零五百", ["10500"]),
        ("一億二千萬", ["120000000"]),
        ("十五日", ["15"]),
        ("第一百零五條", ["105"]),
        ("百分之五", ["5"]),
        ("百分之百", ["100"]),
        ("三分之二", ["2/3"]),
        ("二分之一", ["0.5"]),
        ("半年", ["0.5"]),
        ("三點五公里", ["3.5"]),
        ("三點五零公里", ["3.5"]),
        ("十分鐘", ["10"]),
        ("twenty-one days, five copies", ["21", "5"]),
        ("1234567890123456789012345678901 and ...2", ["1234567890123456789012345678901", "2"]),
        ("no one", []),
        ("", []),
    ],
)
def test_what_is_said_is_read_in_full(text: str, expected: list[str]) -> None:
    assert sorted(numbers_in(text)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    ["一般", "統一", "統一編號", "萬一", "萬一下雨怎麼辦", "千萬不要", "千萬別忘記", "一定", "一起", "唯一", "十分感謝", "一一說明",
     "三三兩兩", "再三確認", "一旦", "統一發票", "同一", "一律"],
)  # fmt: skip
def test_words_are_no_numbers(text: str) -> None:
    assert numbers_in(text) == []


@given(st.text(alphabet="一二兩十百千萬億零〇點半分之0123,. %元日年abcone萬", max_size=20))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_it_and_each_number_has_one_form(text: str) -> None:
    for number in numbers_in(text):
        assert number == "0" or not number.startswith("00")
        assert numbers_in(number) == [number] or "/" in number
