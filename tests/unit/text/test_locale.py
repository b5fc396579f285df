"""Locale: what counts, what is repaired, what stays untouched, and that a stream gives the same as the whole."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.text import (
    StreamRepair,
    check,
    find_wording,
    quotations,
    repair,
    simplified_characters,
    simplified_only,
)

PAIRS = Path(__file__).parents[3].parent / "shared" / "data" / "zhtw-pairs" / "aosp.jsonl"
BITS = [
    *(
        "这个软件",
        "軟件",
        "信息",
        "數據",
        "视频",
        "头发",
        "后来",
        "河口里",
        "台北市",
        "發展",
        "规定",
        "規定金額",
        "公里",
    ),
    *(
        "「",
        "」",
        "『",
        "』",
        "“",
        "”",
        '"',
        "，",
        "。",
        "\n",
        " ",
        "ABC",
        "第24條",
        "內存",
        "网络",
        "系统",
        "經",
        "的",
    ),
]
TEXTS = st.lists(st.sampled_from(BITS), max_size=24).map("".join)


def test_simplified_only_leaves_shared_characters_alone() -> None:
    known = simplified_only()
    assert not known & set("台后里面只干松云了准系占核秘污床群峰余范姜于表丑咸游涂柜岩恤才症裡爲")
    assert set("这个软过发来听体机术国说对为实价确种广厂党极据坏儿") <= known


def test_shared_words_are_no_evidence() -> None:
    assert simplified_characters("生活拮据") == ()
    assert simplified_characters("根据") == ("据",)
    assert simplified_characters("臺灣的后里區，公里數，皇后。") == ()


def test_false_alarms_on_native_text_are_rare() -> None:
    if not PAIRS.exists():
        pytest.skip("the acceptance data (zhtw-pairs) are not beside this checkout")
    rows = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    native = sum(bool(simplified_characters(row["expected"])) for row in rows) / len(rows)
    foreign = sum(bool(simplified_characters(row["input"])) for row in rows) / len(rows)
    words = sum(bool(find_wording(row["expected"])) for row in rows) / len(rows)
    assert native <= 0.002
    assert foreign >= 0.85
    assert words <= 0.015


@pytest.mark.parametrize(
    "text",
    [
        "主管機關核定後，應於三十日內以書面聲明，並支付規定金額。",
        "河口里辦公處的電話請撥打的時候注意時段，因此系統會自動轉接。",
        "電視頻道、公里、皇后、占有、雇用人、污染、循環、有效期限。",
        "申請人應檢附證明文件，依行政程序法之規定辦理。",
    ],
)
def test_official_language_is_neither_counted_nor_altered(text: str) -> None:
    assert check(text, "zh-TW").clean
    assert repair(text, "zh-TW") == (text, ())


def test_repair_follows_the_context() -> None:
    assert repair("头发很长，后来剪了。", "zh-TW")[0] == "頭髮很長，後來剪了。"
    assert repair("請到河口里办公处", "zh-TW")[0] == "請到河口里辦公處"
    assert repair("这个软件的视频信息", "zh-TW")[0] == "這個軟體的影片資訊"


def test_quotations_and_cited_texts_stay() -> None:
    text = '原文寫「这个软件」，你說的"网络"和“信息”也是。軟件'
    fixed, changes = repair(text, "zh-TW")
    assert fixed == '原文寫「这个软件」，你說的"网络"和“信息”也是。軟體'
    assert [(change.before, change.after) for change in changes] == [("軟件", "軟體")]
    assert check(fixed, "zh-TW").clean
    assert repair("查軟件條例，軟件", "zh-TW", ["軟件條例"])[0] == "查軟件條例，軟體"
    assert check("查軟件條例", "zh-TW", ["軟件條例"]).clean


def test_an_unclosed_quotation_protects_nothing() -> None:
    assert quotations("他說「软件\n很好」") == []
    assert repair("他說「软件", "zh-TW")[0] == "他說「軟體"
    assert repair("「" + "软" * 300 + "」", "zh-TW")[0] == "「" + "軟" * 300 + "」"


def test_other_locales_are_checked_for_language_only() -> None:
    assert repair("这个软件", "sv-SE") == ("这个软件", ())
    assert check("这个软件需要优化才能使用", "sv-SE").wrong_language == "zh"
    assert check("Kontoret är öppet mellan nio och fem på vardagar.", "sv-SE").clean


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_repair_is_idempotent_and_leaves_nothing_to_find(text: str) -> None:
    fixed, changes = repair(text, "zh-TW")
    assert repair(fixed, "zh-TW") == (fixed, ())
    findings = check(fixed, "zh-TW")
    assert findings.simplified == ()
    assert findings.wording == ()
    assert bool(changes) == (fixed != text)
    assert [text[start:end] for start, end in quotations(text)] == [
        fixed[start:end] for start, end in quotations(fixed)
    ]


@given(
    TEXTS, st.lists(st.integers(1, 5), max_size=60), st.sampled_from([(), ("台北市",), ("发展", "，軟件。")])
)
@settings(max_examples=150, deadline=None)
def test_a_stream_gives_the_same_as_the_whole(text: str, cuts: list[int], cited: tuple[str, ...]) -> None:
    stream = StreamRepair("zh-TW", cited)
    parts: list[str] = []
    place = 0
    for cut in [*cuts, len(text)]:
        parts.append(stream.feed(text[place : place + cut]))
        place += cut
    parts.append(stream.finish())
    assert "".join(parts) == repair(text, "zh-TW", cited)[0]


def test_a_stream_lets_go_at_punctuation() -> None:
    stream = StreamRepair("zh-TW")
    assert stream.feed("这个软件很好，") == ""
    assert stream.feed("因") == "這個軟體很好，"
    assert stream.finish() == "因"
