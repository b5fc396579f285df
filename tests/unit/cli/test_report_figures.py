"""Numbers and times as the report writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffroom.cli.report.figures import NONE, cost, count, interval, moment, p_value, score, shortened, size
from staffroom.cli.report.page import voice_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NONE),
        (0, "0"),
        (0.17, "0.17"),
        (0.0304, "0.03"),
        (0.00013, "1.3 × 10⁻⁴"),
        (5e-06, "5.0 × 10⁻⁶"),
        (1, "1"),
    ],
)
def test_p_values(value: float | None, text: str) -> None:
    assert p_value(value) == text


@given(st.floats(0, 1))
def test_a_p_value_is_near_the_number(value: float) -> None:
    digits, _, power = p_value(value).partition(" × 10")
    shown = float(digits) * 10 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    assert shown == pytest.approx(value, rel=0.06, abs=1e-300)


def test_costs_are_declared_or_a_dash() -> None:
    assert cost("0.0646", 20, "TWD") == "0.323 TWD"
    assert (
        cost("0", 20, "TWD") == cost("0.1", 0, "TWD") == cost("dear", 20, "TWD") == cost(None, 1, "") == NONE
    )


def test_sizes_counts_scores_and_intervals() -> None:
    assert (size(1117320768), size(491400064), size(999), size(None)) == ("1.12 GB", "491 MB", "999 B", NONE)
    assert (count(84699), count(2.5), count(None)) == ("84,699", "2.5", NONE)
    assert (score(0.8333), score(None)) == ("0.83", NONE)
    assert interval({"low": 0.1, "high": 1}) == "0.10–1.00"
    assert interval({"low": None, "high": 1}) == NONE


def test_times_are_utc_in_both_languages() -> None:
    en, zh = voice_of("en"), voice_of("zh-TW")
    assert moment(en, "2026-11-22T15:22:19.225263Z") == "22 Nov 2026, 15:22 UTC"
    assert moment(en, "2026-11-22T23:22:19+08:00") == "22 Nov 2026, 15:22 UTC"
    assert moment(zh, "2026-03-01T08:30:00Z") == "2026 年 3 月 1 日 08:30（UTC）"
    assert moment(en, "yesterday") == "yesterday"


@given(st.text(max_size=60), st.integers(1, 60))
def test_a_long_text_is_cut_and_says_so(text: str, most: int) -> None:
    shown = shortened(voice_of("en"), text, most)
    assert shown == text if len(text) <= most else shown == f"{text[:most]} … ({len(text)} characters in all)"
