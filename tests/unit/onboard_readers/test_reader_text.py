"""Encodings, statute headings, dates, layout of lines, tables: the pieces that readers share."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.onboard.readers.dates import find_as_of
from staffroom.onboard.readers.layout import Line, Page, drop_furniture, lay_out
from staffroom.onboard.readers.pieces import join_lines, squeeze
from staffroom.onboard.readers.plain import decode_text
from staffroom.onboard.readers.statutes import division_of, list_level
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BadDocument, BadReason

COMMON = "的一是不了人在有我他這中大來上國和民法規費申請辦公所週時間，。、"
chinese = st.text(alphabet=COMMON, min_size=30, max_size=80)


@given(chinese)
def test_chinese_text_comes_back_from_each_encoding(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp950"):
        assert decode_text(text.encode(encoding))[0] == text


@given(st.text(max_size=200))
def test_utf8_is_never_altered(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    if data.count(0) == 0 and not data.startswith((b"\xef\xbb\xbf",)):
        assert decode_text(data)[0].encode() == data


def test_western_text_and_simplified_bytes() -> None:
    assert decode_text("Le café est ouvert à midi, naturellement pour tous.".encode("cp1252"))[0].startswith(
        "Le café"
    )
    with pytest.raises(BadDocument) as caught:
        decode_text("这是一个没有声明编码的文件内容说明超过二十个字".encode("gbk"))
    assert caught.value.reason is BadReason.UNKNOWN_ENCODING
    declared = "这是中文".encode("gb2312")
    assert decode_text(declared, "gb2312")[0] == "这是中文"


@pytest.mark.parametrize(
    ("text", "label", "rest"),
    [
        ("第1條", "第1條", ""),
        ("第 1 條", "第1條", ""),
        ("第１３條", "第13條", ""),
        ("第1-1條", "第1-1條", ""),
        ("第十三條之一", "第13-1條", ""),
        ("第 13 條之 1", "第13-1條", ""),
        ("第一百零五條", "第105條", ""),
        ("第三條 （定義）", "第3條", ""),
        ("第三條　本辦法所稱場地，指活動中心。", "第3條", "本辦法所稱場地，指活動中心。"),
        ("第 一 章 總則", "第1章", ""),
        ("第一章總則", "第1章", ""),
        ("第二節", "第2節", ""),
        ("Article 5. Fees", "Article 5", ""),
        ("§ 12", "§ 12", ""),
    ],
)
def test_divisions_are_recognised(text: str, label: str, rest: str) -> None:
    division = division_of(text)
    assert division is not None and (division.label, division.rest) == (label, rest)


@pytest.mark.parametrize(
    "text",
    [
        "第九條、第十一條及第十二條第二項之規定，準用之。",
        "第一項所定之決定，應於十五日內為之。",
        "第十二條第二項至第四項之規定",
        "第三條 第二項規定之期間",
        "第二款所稱者",
        "第一次申請",
        "Article 5 applies to residents. They pay nothing.",
        "Parts of the hall",
        "",
    ],
)
def test_sentences_are_no_divisions(text: str) -> None:
    assert division_of(text) is None


def test_list_levels() -> None:
    samples = ("一、甲", "（一）甲", "1. 甲", "(1) 甲", "• 甲", "1.5 倍", "一般規定", "2015.1.1")
    assert [list_level(text) for text in samples] == [1, 2, 3, 4, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("法規編號 D0030006，最新異動日期 20150121", "2015-01-21"),
        ("中華民國104年1月21日修正公布", "2015-01-21"),
        ("修正日期：民國 112 年 05 月 31 日", "2023-05-31"),
        ("民國九十四年十二月二十八日公布\n民國一百零四年一月五日修正", "2015-01-05"),
        ("公布日期：094.12.28", "2005-12-28"),
        ("資料截止日：2024/7/31", "2024-07-31"),
        ("Last updated: 3 March 2024", "2024-03-03"),
        ("As of January 21, 2015", "2015-01-21"),
        ("as_of: 2024-02-29", "2024-02-29"),
        ("公布日期 1030229", None),
        ("活動於 2024年7月31日 舉行", None),
        ("", None),
    ],
)
def test_as_of_dates(text: str, date: str | None) -> None:
    assert find_as_of(text) == date


@given(st.text(alphabet=COMMON + "第0123456789年月日條修正公布 .-/:date", max_size=80))
def test_dates_and_divisions_take_any_text(text: str) -> None:
    date = find_as_of(text)
    assert date is None or len(date) == 10
    division_of(text)


def _page(number: int, texts: list[tuple[str, float]]) -> Page:
    lines = tuple(Line(text, 50, 50 + 12.0 * len(text), top, 12) for text, top in texts)
    return Page(number, 600, 800, lines)


def test_chinese_lines_are_joined_only_in_the_middle_of_a_sentence() -> None:
    full = "政府資訊公開法規定人民得申請提供之範圍以及各機關主動公開之事項與其他應注"
    page = _page(1, [("第一條", 100), (full, 130), ("意事項。", 148), ("短句。", 180), ("二、第二項", 198)])
    assert [piece.text for piece in lay_out([page])] == ["第一條", full + "意事項。", "短句。", "二、第二項"]


def test_a_paragraph_goes_on_over_the_page_and_article_headings_at_page_tops_stay() -> None:
    full = "政府資訊公開法規定人民得申請提供之範圍以及各機關主動公開之事項與其他應注"
    pages = [
        _page(n, [(f"第{n}條", 60), ("內容如下。", 100), (full, 600), (f"第 {n} 頁", 770)]) for n in (1, 2, 3)
    ]
    texts = [piece.text for piece in lay_out(drop_furniture(pages))]
    assert texts == ["第1條", "內容如下。", full, "第2條", "內容如下。", full, "第3條", "內容如下。", full]
    over = [_page(1, [(full, 700)]), _page(2, [("意事項。", 60)])]
    assert [piece.text for piece in lay_out(over)] == [full + "意事項。"]


@settings(max_examples=50)
@given(st.lists(st.tuples(chinese, st.floats(0, 790)), max_size=12))
def test_layout_loses_no_character(texts: list[tuple[str, float]]) -> None:
    pieces = lay_out([_page(1, texts)])
    assert "".join(piece.text for piece in pieces) == "".join(text for text, _ in texts)


@given(st.text(max_size=30), st.text(max_size=30))
def test_joining_lines_keeps_all_but_spaces_and_one_hyphen(first: str, second: str) -> None:
    joined = "".join(join_lines(first, second).split())
    whole = "".join((first + second).split())
    assert joined == whole or len(joined) == len(whole) - 1


@given(st.text(max_size=60))
def test_squeeze_is_idempotent(text: str) -> None:
    assert squeeze(squeeze(text)) == squeeze(text)


def test_tables_without_a_header_are_not_given_one() -> None:
    contact = [["承辦單位", "民政課"], ["電話", "02-1234"], ["地址", "青石鎮中山路1號"]]
    pieces = table_pieces(contact[1:])
    assert [p.text for p in pieces] == ["電話：02-1234", "地址：青石鎮中山路1號"]
    named = table_pieces([["星期", "上午", "下午"], ["一", "開放", "休息"]])
    assert [p.text for p in named] == ["星期：一；上午：開放；下午：休息"]
    english = table_pieces([["Item", "Fee"], ["Certificate", "15"]])
    assert [p.text for p in english] == ["Item: Certificate; Fee: 15"]


@given(
    st.lists(st.lists(st.text(alphabet="甲乙丙a1 ", max_size=5), max_size=4), max_size=6),
    st.sampled_from([None, True, False]),
)
def test_no_cell_is_lost(rows: list[list[str]], header: bool | None) -> None:
    shown = "".join(piece.text for piece in table_pieces(rows, header=header))
    for row in rows:
        for value in row:
            assert squeeze(value) in shown
