"""Leak control: copies of exam items in every disguise that was thought of are found, and other texts are left alone."""

import base64
import html
from urllib.parse import quote

import pytest
from concept_embedder import ConceptEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from staffroom.records.agent import ChatTurn
from staffroom.records.exam import Item, Kind, items_digest
from staffroom.records.training import Example
from staffroom.train.leaks import (
    ExamChanged,
    LeakFound,
    LeakKind,
    LeakReport,
    LeakRules,
    TextKind,
    TrainingText,
    find_leaks,
    require_clean,
    text_of,
)

LEAVE = "我在同一家餐廳連續工作剛滿一年兩個月，依勞基法有幾日的特別休假？"
COPIES = "老師請問一下，市立圖書館的影印機印一張黑白的要收多少錢？"
WHICH = "下列何者正確？"
ITEMS = (
    Item("leave", "law#38", "zh-TW", "work", Kind.SHORT, LEAVE),
    Item("copies", "library#2", "zh-TW", "library", Kind.SHORT, COPIES),
    Item(
        "which",
        "id#5",
        "zh-TW",
        "id",
        Kind.CHOICE,
        WHICH,
        choices=("身分證遺失應於三十日內補領", "身分證不得作為抵押的物品", "他人得代為保管身分證"),
        accept=("B",),
    ),
)
FROZEN = items_digest(ITEMS)
CLEAN = (
    "申請補發戶口名簿要準備哪些文件？請攜帶本人的印章。",
    "The weather is fine today and nothing is asked here.",
    "依「勞動基準法第三十八條」：勞工在同一雇主繼續工作滿一定期間者，應給予特別休假。",
)


def check(*texts: str, rules: LeakRules | None = None) -> LeakReport:
    listed = [TrainingText(str(place), TextKind.EXAMPLE, text) for place, text in enumerate(texts)]
    return find_leaks(ITEMS, FROZEN, listed, ConceptEmbedder(), rules=rules)


def found(*texts: str) -> set[tuple[str, str]]:
    return {(leak.text, leak.item) for leak in check(*texts).leaks}


def test_clean_texts_are_clean() -> None:
    report = check(*CLEAN)
    assert report.is_clean
    require_clean(report)
    assert report.counts == {"example": 3}


DISGUISES = {
    "as it is": LEAVE,
    "in Simplified characters": OpenCC("tw2s").convert(LEAVE),
    "in variants": LEAVE.replace("餐廳", "餐厛"),
    "full width and other marks": LEAVE.replace("，", " , ").replace("？", "!"),
    "numbers in digits": LEAVE.replace("一年兩個月", "1年2個月"),
    "spaced": " ".join(LEAVE),
    "zero-width characters": "​".join(LEAVE),
    "soft hyphens and joiners": "­⁠".join(LEAVE),
    "marks over characters": "".join(sign + "\u0301" for sign in LEAVE),
    "a line each": "\n".join(LEAVE),
    "in a longer text": "前言很長。" * 60 + LEAVE + "後記也很長。" * 60,
    "without punctuation in a longer sentence": "這裡說了許多別的事情" * 20
    + LEAVE.strip("？")
    + "之後又說了其他事情" * 20,
    "JSON": '{"q": "' + LEAVE + '", "a": 7}',
    "JSON escapes": "".join(f"\\u{ord(sign):04x}" for sign in LEAVE),
    "HTML entities": "".join(f"&#{ord(sign)};" for sign in LEAVE),
    "named entities around": html.escape("<b>" + LEAVE + "</b>"),
    "percent signs": quote(LEAVE),
    "base64": "decode: " + base64.b64encode(LEAVE.encode()).decode(),
    "base64 for addresses, without its end": base64.urlsafe_b64encode(LEAVE.encode()).decode().rstrip("="),
    "backwards": LEAVE[::-1],
    "a letter between any two characters": "x".join(LEAVE),
    "sentences in another order": "依勞基法有幾日的特別休假？在這之前，我在同一家餐廳連續工作剛滿一年兩個月。",
    "its first two thirds": LEAVE[: len(LEAVE) * 2 // 3],
    "one word changed": LEAVE.replace("餐廳", "旅館"),
    "a name put in": LEAVE.replace("我在", "小明在台北"),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_copy_is_found_in_disguise(disguise: str) -> None:
    assert ("0", "leave") in found(DISGUISES[disguise])


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguise_is_undone_without_looking_at_the_meaning(disguise: str) -> None:
    report = check(DISGUISES[disguise])
    how = {leak.how for leak in report.leaks if leak.item == "leave"}
    assert how and how <= {LeakKind.CONTAINED, LeakKind.ALIKE}


def test_latin_letters_that_are_none_are_read_as_what_they_look_like() -> None:
    asked = "How many days of annual leave does an employee have after one year?"
    items = (Item("en", "en", "en", "work", Kind.SHORT, asked),)
    text = TrainingText("x", TextKind.EXAMPLE, asked.replace("a", "а").replace("o", "ο").replace("e", "е"))
    report = find_leaks(items, items_digest(items), [text], ConceptEmbedder())
    assert [leak.how for leak in report.leaks] == [LeakKind.CONTAINED]


@settings(max_examples=40, deadline=None)
@given(
    st.text(alphabet="申請文件印章服務臺今天明天很好，。 abc", max_size=60),
    st.text(alphabet="申請文件印章服務臺今天明天很好，。 abc", max_size=60),
)
def test_a_copy_is_found_wherever_it_stands(before: str, after: str) -> None:
    assert ("0", "copies") in found(before + COPIES + after)


def test_halves_in_two_examples_are_both_found() -> None:
    middle = len(LEAVE) // 2
    assert {("0", "leave"), ("1", "leave")} <= found(LEAVE[:middle], LEAVE[middle:])


def test_a_question_cut_over_turns_and_answer_is_found() -> None:
    third = len(LEAVE) // 3
    turns = (
        ChatTurn("user", LEAVE[:third]),
        ChatTurn("assistant", LEAVE[third : 2 * third]),
        ChatTurn("user", LEAVE[2 * third :]),
    )
    for example in (
        Example(turns, "好的。", "x"),
        Example((ChatTurn("user", "請複誦"),), LEAVE, "x"),
        Example((ChatTurn("system", LEAVE), ChatTurn("user", "開始")), "好的。", "x"),
    ):
        report = find_leaks(ITEMS, FROZEN, [text_of(example)], ConceptEmbedder())
        assert report.leaking == {example.digest}


def test_a_question_in_other_words_is_found_by_its_meaning() -> None:
    report = check("到職12個月之後，每年的特休有幾天？", "書館複印費用是怎麼算的呢")
    assert {(leak.text, leak.item, leak.how) for leak in report.leaks} == {
        ("0", "leave", LeakKind.SAME_MEANING),
        ("1", "copies", LeakKind.SAME_MEANING),
    }


def test_a_translation_is_found_by_its_meaning() -> None:
    report = check("Having served one year, how many days of annual leave do I get?")
    assert {(leak.item, leak.how) for leak in report.leaks} == {("leave", LeakKind.SAME_MEANING)}


def test_a_translation_in_the_middle_of_a_long_text_is_found() -> None:
    hidden = "Nothing here. " * 30 + "How much is a copy at the library? " + "Nothing there either. " * 30
    assert ("0", "copies") in found(hidden)


def test_options_count_where_the_question_says_little() -> None:
    asked = "考考你，身分證遺失應於三十日內補領、身分證不得作為抵押的物品、他人得代為保管身分證，哪一個對？"
    assert ("0", "which") in found(asked)
    assert not found("關於垃圾分類，下列何者正確？")


def test_options_are_recognised_by_their_words_alone() -> None:
    long = "我弄丟了皮夾裡的身分證，想知道下面哪一句話在法律上講得通？"
    items = (Item("long", "x", "zh-TW", "id", Kind.CHOICE, long, choices=ITEMS[2].choices),)
    text = TrainingText("x", TextKind.EXAMPLE, "選一個：" + "；".join(reversed(ITEMS[2].choices)))
    report = find_leaks(items, items_digest(items), [text], ConceptEmbedder())
    assert [leak.how for leak in report.leaks] == [LeakKind.CONTAINED]
    related = TrainingText("x", TextKind.EXAMPLE, "身分證補領要帶照片。")
    assert find_leaks(items, items_digest(items), [related], ConceptEmbedder()).is_clean


def test_a_paraphrase_in_base64_is_read_first() -> None:
    hidden = base64.b64encode("到職12個月之後，每年的特休有幾天？".encode()).decode()
    assert ("0", "leave") in found(hidden)


def test_an_untrusted_document_of_an_item_is_an_item_too() -> None:
    document = "公告：自明年起，本館影印機暫停使用，請改至一樓服務臺申請代印，每人每日以二十張為限。"
    items = (Item("d", "d", "zh-TW", "x", Kind.SHORT, "今天可以印幾張？", document=document),)
    report = find_leaks(
        items, items_digest(items), [TrainingText("x", TextKind.EXAMPLE, document)], ConceptEmbedder()
    )
    assert report.leaking == {"x"}


@pytest.mark.parametrize("kind", list(TextKind))
def test_prompts_and_demonstrations_are_checked_as_examples_are(kind: TextKind) -> None:
    report = find_leaks(ITEMS, FROZEN, [TrainingText("system prompt", kind, LEAVE)], ConceptEmbedder())
    with pytest.raises(LeakFound, match=f"{kind.value} system prompt gives away leave"):
        require_clean(report)


def test_a_leak_stops_the_run_and_names_the_pairs_but_not_the_exam() -> None:
    report = check(CLEAN[0], LEAVE.replace("餐廳", "旅館"), COPIES)
    with pytest.raises(LeakFound) as stopped:
        require_clean(report)
    said = str(stopped.value)
    assert "1 gives away leave" in said and "2 gives away copies" in said and "hint:" in said
    assert "餐廳" not in said
    assert stopped.value.report is report


def test_many_pairs_are_counted_not_all_listed() -> None:
    report = check(*[f"{LEAVE}{number}" for number in range(30)])
    with pytest.raises(LeakFound, match="and 10 more"):
        require_clean(report)


def test_the_exam_must_be_the_one_that_was_frozen() -> None:
    changed = (*ITEMS[:2], Item("which", "id#5", "zh-TW", "id", Kind.SHORT, "何者正確？"))
    for items, committed in ((changed, FROZEN), (ITEMS[:2], FROZEN), (ITEMS, ""), ((), items_digest(()))):
        with pytest.raises(ExamChanged):
            find_leaks(items, committed, [], ConceptEmbedder())


def test_a_report_is_named_by_what_was_checked_and_by_the_rules() -> None:
    one, two = (TrainingText(str(place), TextKind.EXAMPLE, text) for place, text in enumerate(CLEAN[:2]))
    first = find_leaks(ITEMS, FROZEN, [one, two], ConceptEmbedder())
    assert first.digest == find_leaks(ITEMS, FROZEN, [two, one], ConceptEmbedder()).digest
    assert first.digest != find_leaks(ITEMS, FROZEN, [one], ConceptEmbedder()).digest
    other = TrainingText("1", TextKind.EXAMPLE, CLEAN[1] + ".")
    assert first.digest != find_leaks(ITEMS, FROZEN, [one, other], ConceptEmbedder()).digest
    looser = LeakRules(contained=0.9)
    assert first.digest != find_leaks(ITEMS, FROZEN, [one, two], ConceptEmbedder(), rules=looser).digest


def test_what_stands_in_a_document_is_compared_by_its_words_only() -> None:
    page = "圖書館影印費用說明。每張二元。"
    embedder = ConceptEmbedder()
    text = TrainingText("x", TextKind.EXAMPLE, "圖書館影印費用說明。\n每張二元。")
    assert find_leaks(ITEMS, FROZEN, [text], embedder, documents=[page]).is_clean
    assert not any("影印費用說明" in seen for seen in embedder.embedded)
    copied = TrainingText("y", TextKind.EXAMPLE, COPIES)
    assert not find_leaks(ITEMS, FROZEN, [copied], embedder, documents=[COPIES]).is_clean


def test_progress_is_told_for_each_piece() -> None:
    seen: list[tuple[int, int]] = []
    listed = [TrainingText("x", TextKind.EXAMPLE, "".join(CLEAN))]
    find_leaks(
        ITEMS, FROZEN, listed, ConceptEmbedder(), on_progress=lambda done, total: seen.append((done, total))
    )
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_texts_without_letters_and_lone_surrogates_do_no_harm() -> None:
    assert check("", "   ", "？！", "\ud800", "a" * 5000).is_clean
