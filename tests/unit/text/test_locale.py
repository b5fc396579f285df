"""Locale: what counts, what is repaired, what stays untouched, and that a stream gives the same as the whole."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

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

DATA = Path(__file__).parents[3].parent / "shared" / "data"
PAIRS = DATA / "zhtw-pairs" / "aosp.jsonl"
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
        "公交車",
        "默認",
        "設置",
        "程序",
        "質量",
        "用戶名",
        "違背他",
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
    assert simplified_characters("苗栗縣南庄鄉的客庄") == () and simplified_characters("村庄") == ("庄",)
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
    assert words <= 0.001


@pytest.mark.parametrize(
    "text",
    [
        "主管機關核定後，應於三十日內以書面聲明，並支付規定金額。",
        "河口里辦公處的電話請撥打的時候注意時段，因此系統會自動轉接。",
        "電視頻道、公里、皇后、占有、雇用人、污染、循環、有效期限。",
        "申請人應檢附證明文件，依行政程序法之規定辦理。",
        "區域名稱，十日內核發，願意面對，火車位置，符合同法第三條，配合同意，免提供證明，增加納稅人負擔。",
        "權力分立，交互詰問，搜索票，法定代表人，違背他人意願，投保人數，資源回收站，單一窗口。",
        "確實時間，許多任務，最新消息，維修金額，提高校園安全，輸油管線，包羅萬象，其實時代不同。",
        "國內存款，體內存在，刺激活動，觀光標章，下列表格，編列表示，多數組織，分散列管，立刻錄影。",
        "統計數據，數據機，博客來，菠蘿麵包，比特幣，電信用戶，界面活性劑，重置成本，遠程飛彈。",
        "被告默認犯行，訴訟程序，物體的質量，高質量恆星，餐廳的菜單，律師登錄，土豆，地鐵，項目，水平。",
        "電子程序，恢復制度，全屏東縣，出租車輛，命令行政機關，填寫程序，推導出公式，三克拉。",
    ],
)
def test_official_language_is_neither_counted_nor_altered(text: str) -> None:
    assert check(text, "zh-TW").clean
    assert repair(text, "zh-TW") == (text, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("請搭公交車或出租車", "請搭公車或計程車"),
        ("智能手機和人工智能", "智慧型手機和人工智慧"),
        ("默認設置是系統默認密碼", "預設設定是系統預設密碼"),
        ("這個應用程序的驅動程序", "這個應用程式的驅動程式"),
        ("產品質量和高質量發展", "產品品質和高品質發展"),
        ("用戶名和賬號登錄", "使用者名稱和帳號登入"),
        ("短視頻、短信息", "短影片、簡訊"),
        ("信息素不是錯誤信息", "費洛蒙不是錯誤訊息"),
        ("集成電路與局域網絡", "積體電路與區域網路"),
        ("移動支付，二維碼，U盤或優盤", "行動支付，二維條碼，隨身碟或隨身碟"),
        ("手機內存不足，簽訂合同時", "手機記憶體不足，簽訂合約時"),
        ("交通信息和個人數據", "交通資訊和個人資料"),
        ("實現實時監控，啟動線程", "實現即時監控，啟動執行緒"),
        ("后来软件的程序员愿意面对", "後來軟體的程式設計師願意面對"),
        ("违背他人意愿，权力分立，十日内核发", "違背他人意願，權力分立，十日內核發"),
        ("个人数据存储空间", "個人資料儲存空間"),
    ],
)
def test_mainland_words_in_either_script_become_taiwans(text: str, expected: str) -> None:
    assert repair(text, "zh-TW")[0] == expected
    assert not check(text, "zh-TW").clean
    assert check(expected, "zh-TW").clean


def test_statutes_stay_as_they_are() -> None:
    documents = sorted((DATA / "tw-law" / "documents").glob("*.md"))
    if not documents:
        pytest.skip("the acceptance data (tw-law) are not beside this checkout")
    for document in documents:
        text = document.read_text("utf-8")
        assert repair(text, "zh-TW") == (text, ())


def test_examinations_of_taiwan_are_hardly_flagged() -> None:
    path = DATA / "tmmlu" / "tmmlu.jsonl"
    if not path.exists():
        pytest.skip("the acceptance data (tmmlu) are not beside this checkout")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    texts = [text for row in rows for text in (row["question"], *map(str, row["choices"]))]
    assert sum(bool(find_wording(text)) for text in texts) <= 20


def _listed(name: str) -> dict[str, Any]:
    listed: dict[str, Any] = json.loads((files("staffroom.text") / "data" / name).read_text("utf-8"))
    return listed


def test_every_listed_word_is_repaired_to_something_that_stays() -> None:
    groups = [group for group in _listed("mainland-words.json").values() if isinstance(group, dict)]
    assert sum(map(len, groups)) > 400
    for group in groups:
        for word, instead in group.items():
            assert repair(word, "zh-TW")[0] == instead
            assert repair(instead, "zh-TW") == (instead, ())
            assert find_wording(instead) == ()


def test_native_words_stay() -> None:
    native = _listed("native-words.json")
    words = [word for name, group in native.items() if isinstance(group, list) for word in group]
    assert len(words) > 900
    # What is written in Simplified characters stands for its Traditional form.
    for word in (word for word in words if not simplified_characters(word)):
        assert find_wording(word) == (), word


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
