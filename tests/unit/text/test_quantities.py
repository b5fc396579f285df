"""Which quantity is asked for, and that every usual way to name one is seen."""

import pytest

from staffroom.text.quantities import asked_quantities, names_quantity


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("補辦一張要收多少規費？", "money"),
        ("會罰他多少？", "money"),
        ("租金一個月多少", "money"),
        ("生育補助有多少？", "money"),
        ("How much is a day ticket?", "money"),
        ("What is the late fee?", "money"),
        ("手續費是百分之幾？", "share"),
        ("利率是多少？", "share"),
        ("滿幾歲可以辦？", "age"),
        ("最晚幾天內要去？", "period"),
        ("可以借多久？", "period"),
        ("登完要過幾天才生效？", "period"),
        ("How long may I keep it?", "period"),
        ("是幾月幾號？", "date"),
        ("幾點開始收？", "clock"),
        ("最多可以有幾個人？", "people"),
        ("電話是幾號？", "telephone"),
        ("可以借幾本？", "volumes"),
        ("超過幾分貝？", "decibels"),
    ],
)
def test_what_is_asked_for(question: str, asked: str) -> None:
    assert asked in asked_quantities(question)


@pytest.mark.parametrize(
    "question",
    [
        "誰可以申請？",
        "我在工廠做了三十幾年，要去哪裡申請？",
        "這幾天可以去嗎？",
        "好幾個人一起去可以嗎？",
        "Who decides?",
        "How much notice do they need?",
        "",
    ],
)
def test_nothing_is_asked_for(question: str) -> None:
    assert asked_quantities(question) == ()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("money", "每張新臺幣三十元。"),
        ("money", "單價（元）：17"),
        ("money", "本項服務免費。"),
        ("money", "NT$420 a day"),
        ("money", "Entry is free."),
        ("share", "應繳百分之五"),
        ("share", "加收３％"),
        ("share", "退還半數"),
        ("age", "滿十八歲"),
        ("age", "children aged six"),
        ("period", "應於三十日內"),
        ("period", "二星期"),
        ("period", "半年以上"),
        ("period", "twenty-one days"),
        ("period", "2 working days"),
        ("date", "5月31日前"),
        ("date", "every Monday"),
        ("clock", "下午 4 點 40 分"),
        ("clock", "16:40"),
        ("people", "置委員七人"),
        ("people", "418 seats"),
        ("telephone", "請洽 (01) 778-6200"),
        ("volumes", "每人十冊"),
        ("decibels", "70 分貝"),
    ],
)
def test_what_names_it(kind: str, text: str) -> None:
    assert names_quantity(text, kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("money", "應於三十日內繳納，逾期者移送執行。"),
        ("period", "處新臺幣三千元罰鍰。"),
        ("age", "三十日內申請"),
        ("share", "三千元"),
        ("clock", "三千元"),
        ("decibels", "三十元"),
    ],
)
def test_what_does_not(kind: str, text: str) -> None:
    assert not names_quantity(text, kind)
