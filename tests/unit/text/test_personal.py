"""Personal data in text: check digits by other reckonings, ways of writing, look-alikes, time, cuts."""

import itertools
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personal_numbers import cards, fits_business, ibans, identities, identity_total

from staffroom.text.personal import (
    LONGEST_PIECE,
    PersonalKind,
    UbnRule,
    cuts,
    find_personal,
    is_arc,
    is_card,
    is_iban,
    is_national_id,
    ubn_rule,
)


def kinds(text: str) -> list[str]:
    return [found.kind.value for found in find_personal(text)]


def places(text: str, kind: str) -> list[str]:
    return [text[found.start : found.end] for found in find_personal(text) if found.kind.value == kind]


def other_last(value: str, step: int) -> str:
    return value[:-1] + str((int(value[-1]) + step) % 10)


@settings(max_examples=25, deadline=None)
@given(identities("12"), st.integers(1, 9))
def test_a_national_id_is_found_and_one_with_another_last_digit_is_not(value: str, step: int) -> None:
    assert is_national_id(value) and not is_national_id(other_last(value, step)) and not is_arc(value)
    for written in (value, value.lower(), f"{value[0]} {value[1:]}", f"{value[0]}-{value[1:4]}-{value[4:]}"):
        assert places(f"我的身分證是{written}。", "national_id") == [written]
    assert "national_id" not in kinds(f"我的身分證是{other_last(value, step)}。")


@settings(max_examples=25, deadline=None)
@given(identities("89ABCD"), st.integers(1, 9))
def test_both_forms_of_a_resident_certificate_are_found(value: str, step: int) -> None:
    assert is_arc(value) and not is_arc(other_last(value, step)) and not is_national_id(value)
    assert places(f"居留證{value}到期", "arc") == [value]
    assert kinds(f"居留證{other_last(value, step)}到期") == []


@settings(max_examples=25, deadline=None)
@given(st.text("0123456789", min_size=8, max_size=8))
def test_business_numbers_keep_the_old_rule_the_new_one_or_none(value: str) -> None:
    rule = UbnRule.BOTH if fits_business(value, 10) else UbnRule.NEW_ONLY if fits_business(value, 5) else None
    assert ubn_rule(value) is rule
    assert kinds(f"統一編號{value}，請開發票。") == (["ubn"] if rule else [])
    assert kinds(f"流水號{value}，請留存。") == []


def test_published_examples() -> None:
    assert is_national_id("A123456789") and not is_national_id("A123456788")
    assert is_arc("A800000014") and is_arc("AC01234567") and is_arc("AA00000009") and not is_arc("A800000015")
    assert ubn_rule("12345675") is UbnRule.BOTH and ubn_rule("04595257") is UbnRule.BOTH
    assert ubn_rule("04595252") is UbnRule.NEW_ONLY and ubn_rule("04595253") is None
    assert is_card("4111111111111111") and not is_card("4111111111111112") and not is_card("9111111111111111")
    assert is_iban("GB82WEST12345698765432") and not is_iban("GB82WEST12345698765431")
    assert is_iban("SA0380000000608010167519") and not is_iban("SA038000000060801016751")
    assert identity_total("A123456789") == 130 or identity_total("A123456789") % 10 == 0


@settings(max_examples=25, deadline=None)
@given(cards(), st.integers(1, 9))
def test_cards_of_issuers_ranges_are_found(value: str, step: int) -> None:
    assert is_card(value) and not is_card(other_last(value, step))
    spaced = " ".join(value[start : start + 4] for start in range(0, len(value), 4))
    for written in (value, spaced, spaced.replace(" ", "-")):
        assert places(f"刷卡{written}失敗", "card") == [written]
    assert places(f"card {spaced} 12 27", "card") == [spaced]


@settings(max_examples=25, deadline=None)
@given(ibans(), st.integers(1, 9))
def test_accounts_are_found_with_and_without_blanks(value: str, step: int) -> None:
    assert is_iban(value) and not is_iban(other_last(value, step))
    spaced = " ".join(value[start : start + 4] for start in range(0, len(value), 4))
    for written in (value, spaced, value.lower()):
        assert places(f"請匯到{written}這個帳戶", "iban") == [written]
        assert places(f"to {written} and more", "iban") == [written]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0912-345-678", "0912345678"),
        ("0912345678", "0912345678"),
        ("0912 345 678", "0912345678"),
        ("+886 912 345 678", "0912345678"),
        ("+886-912-345678", "0912345678"),
        ("(+886)912345678", "0912345678"),
        ("+886 (0)912 345 678", "0912345678"),
        ("０９１２３４５６７８", "0912345678"),
        ("〇九一二三四五六七八", "0912345678"),
        ("零九一二—三四五—六七八", "0912345678"),
        ("09\u200b12345678", "0912345678"),
        ("٠٩١٢٣٤٥٦٧٨", "0912345678"),
    ],
)
def test_a_mobile_number_is_one_value_however_it_is_written(written: str, value: str) -> None:
    text = f"請打{written}，謝謝"
    (found,) = find_personal(text)
    assert (found.kind, found.value, text[found.start : found.end]) == (PersonalKind.MOBILE, value, written)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "02-2345-6789",
            "(02)23456789",
            "（02）2345-6789",
            "+886-2-2345-6789",
            "02 2345 6789#123",
            "04-22345678",
        ),
        *(
            "(04)7234567",
            "049-2345678",
            "07-345-6789分機12",
            "(089)345678",
            "(0836)22345",
            "(037)234567",
            "03-3345678",
        ),
    ],
)
def test_landlines_by_their_area_codes(written: str) -> None:
    assert places(f"電話：{written}，請洽櫃台", "landline") == [written]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "撥打1999或110",
            "0800-123-456免付費",
            "訂單編號0912345678",
            "序號：0912345678",
            "案號112年度訴字第0912345678號",
        ),
        *(
            "02-1234567",
            "民國112.04.01",
            "112年4月1日",
            "2023-04-01",
            "分數0912",
            "20230912345678",
            "第0912345678號公文",
        ),
        *(
            "中山路與民生路口",
            "信義路五段施工",
            "捷運站3號出口",
            "國道1號",
            "釋字第748號解釋",
            "搭12號公車",
            "第3條第2項",
        ),
        *(
            "統編12345678",
            "統一發票AB-12345678",
            "HP-1234印表機",
            "ISBN 978-957-13-5678-9",
            "IP 192.168.1.254",
        ),
        *(
            "護照很重要",
            "健保卡可線上申辦",
            "車牌選號",
            "型號AB-1234",
            "a@b",
            "@name",
            "第一二三四五條",
            "費用1,234,567,890元",
        ),
        *(
            "IMEI 356938035643809",
            "版本 4.11.1111",
            "圓周率3.14159265358979",
            "No. 5 in the list",
            "Order No. 12 is late",
        ),
    ],
)
def test_what_only_looks_like_personal_data(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    "written",
    [
        "臺北市中正區重慶南路一段122號",
        "台北市中正區重慶南路1段122號5樓之3",
        "新北市板橋區文化路二段35巷7弄9號",
        "106臺北市大安區和平東路二段十二號三樓",
        "苗栗縣三義鄉廣盛村5鄰中山路10-1號",
        "高雄市三民區建國一路12之3號",
        "臺中市西屯區臺灣大道三段99號B1",
        "屏東縣潮州鎮廣盛村市民大道1段一百零八號",
        "羅斯福路四段１號",
        "花蓮縣玉里鎮大同里2鄰8號",
        "臺東縣 池上鄉 中山路 88號",
        "苗栗縣三義鄉勝興18號",
    ],
)
def test_addresses_in_chinese(written: str) -> None:
    text = f"我住在{written}，請寄來。"
    assert places(text, "address") == [written]


@pytest.mark.parametrize(
    "written",
    [
        "No. 122, Sec. 1, Chongqing S. Rd., Zhongzheng Dist., Taipei City 100, Taiwan (R.O.C.)",
        "5F.-2, No. 7, Ln. 12, Wenhua Road, Banqiao District, New Taipei City 220",
        "No. 8, Guangfu St., Zhubei City, Hsinchu County 302",
    ],
)
def test_addresses_in_english(written: str) -> None:
    assert places(f"I live at {written}, on the left.", "address") == [written]


def test_papers_need_a_word_beside_them() -> None:
    assert kinds("護照號碼312345678") == ["passport"] and kinds("號碼312345678") == []
    assert kinds("健保卡 0000 1234 5678") == ["health_card"] and kinds("0000 1234 5678") == []
    assert kinds("車牌ABC-1234違停") == ["plate"] and kinds("請看ABC-1234的說明") == []
    assert kinds("ABC-1234 這台車") == ["plate"] and kinds("車子。ABC-1234 是型號") == []


def test_several_in_one_text_lie_apart_and_in_order() -> None:
    text = "王先生，A123456789，0912-345-678，a.b@example.com，臺北市中正區中山路1號，4111-1111-1111-1111"
    found = find_personal(text)
    assert [each.kind.value for each in found] == ["national_id", "mobile", "email", "address", "card"]
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    assert find_personal(text, {PersonalKind.EMAIL})[0].value == "a.b@example.com"


@settings(max_examples=25, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("A1290 -.()@號路段市區之一二三電話統編護照。a\u200b０：+8"), max_size=300
    )
)
def test_any_text_gives_spans_within_it_that_do_not_meet(text: str) -> None:
    found = find_personal(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))


@pytest.mark.parametrize(
    "part",
    [
        *(
            "0912-345-67 ",
            "1",
            "a@",
            "A1",
            "號",
            "路號",
            "1號",
            "一",
            "(02) ",
            "4111 1111 1111 1111 ",
            "SE45 ",
            "No. 1, ",
        ),
        *(
            "Aa ",
            "台北市中正區",
            "12345678 ",
            "A123456788 ",
            "a.",
            "AB-1234 ",
            "三",
            "車牌A",
            "-----BEGIN ",
            "電話02",
        ),
    ],
)
def test_time_grows_with_the_length_and_not_with_its_square(part: str) -> None:
    def seconds(length: int) -> float:
        text = part * (length // len(part))
        best = float("inf")
        for _ in range(2):
            begun = time.process_time()
            find_personal(text)
            list(cuts(text))
            best = min(best, time.process_time() - begun)
        return best

    short, long = seconds(1_000), seconds(8_000)
    assert long < max(24 * short, 0.03)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_cut_depends_on_what_is_near_alone(seed: int) -> None:
    rng = random.Random(seed)
    parts = [
        "本館開放時間為每日上午至晚間",
        "，",
        "。",
        "The library opens at noon ",
        "0912-345-678",
        "臺北市中正區",
        "路12號",
        "\n",
        "A123456789",
        "word ",
    ]
    text = "".join(rng.choice(parts) for _ in range(30))
    whole = set(cuts(text))
    some = rng.randrange(len(text) + 1)
    begun = set(cuts(text[:some]))
    assert begun == {cut for cut in whole if cut <= some and (cut in begun or cut > some - 9)} & begun
    assert {cut for cut in whole if cut <= some - 9} <= begun <= whole
    assert {cut for cut in whole if cut > some} == {cut for cut in cuts(text, some) if cut > some}


def test_no_cut_lies_in_what_is_found() -> None:
    text = (
        "請洽王小姐，她住在臺北市中正區重慶南路一段122號5樓之3，電話(02) 2345-6789分機12或+886 912 345 678，"
        "IBAN SE45 5000 0000 0583 9825 7466，身分證A 123 456 789，刷卡4111 1111 1111 1111，寄到 a.b@example.com 就好。"
        " I live at No. 122, Sec. 1, Chongqing S. Rd., Zhongzheng Dist., Taipei City 100 and my car is ABC 1234 today"
    )
    found = find_personal(text)
    assert len(found) >= 8
    for each in found:
        assert not [cut for cut in cuts(text) if each.start < cut < each.end], text[each.start : each.end]


def test_plain_text_is_held_back_by_a_clause_at_most() -> None:
    text = "本館開放時間為每日上午至晚間請各位讀者多加利用並遵守規定謝謝大家的配合與支持。" + "word " * 50
    places = [0, *cuts(text)]
    assert max(two - one for one, two in itertools.pairwise(places)) < 30 < LONGEST_PIECE
    assert re.search("謝謝", text)
