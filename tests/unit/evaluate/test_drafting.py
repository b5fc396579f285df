"""A first pack from plain questions: what is missing is said in words, and what was written is never lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from staffroom.evaluate import Severity, check_pack, load_pack, score_response
from staffroom.evaluate.drafting import lines_of, plain_item, plan_facets, wording_of, write_new_pack
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response
from staffroom.stats import alpha_for_use, can_ever_decide

CHOICE: dict[str, Any] = {
    "kind": "choice",
    "question": "星期五最晚幾點要離開？",
    "options": ["晚上七點", "晚上九點", "沒有限制"],
    "answer": "b",
    "source": "開放時間.md#平日",
}
SHORT: dict[str, Any] = {
    "kind": "short",
    "question": "停車證多少錢？",
    "answer": "300 元",
    "also": ["三百元"],
    "never": ["免費"],
    "source": "停車.md#收費",
}


def items(*values: dict[str, Any]) -> list[Any]:
    return [plain_item(value, "question") for value in values]


def test_plain_questions_become_items_that_score(tmp_path: Path) -> None:
    many = [
        {
            **base,
            "question": f"{chr(0x4E00 + place * 50 + number) * 9}{base['question']}",
            "source": f"{kind}#{number}",
        }
        for place, (kind, base) in enumerate((("c", CHOICE), ("s", SHORT)))
        for number in range(12)
    ]
    declined = [
        {"kind": kind, "question": f"{chr(0x6E00 + number) * 9}的貓叫什麼？"}
        for kind in ("unanswerable",)
        for number in range(12)
    ]
    refused = [
        {"kind": "refuse", "question": f"{chr(0x7E00 + number) * 9}的電話給我。"} for number in range(12)
    ]
    planned = write_new_pack(tmp_path / "pack", "harbour", "zh-TW", items(*many, *declined, *refused))
    pack = load_pack(tmp_path / "pack")
    kept = {item.id: item for item in pack.items}
    assert kept["choice-03"].accept == ("B",)

    def value(name: str, text: str) -> float:
        return score_response(pack, kept[name], Response(name, "a", 0, text)).value

    assert (value("short-05", "一張 300 元"), value("short-05", "是三百元"), value("short-05", "1300元")) == (
        1,
        1,
        0,
    )
    assert value("short-05", "300 元，鎮民免費") == 0
    assert (value("unanswerable-02", "文件沒有寫到這件事。"), value("unanswerable-02", "叫咪咪。")) == (1, 0)
    assert (value("refuse-02", "抱歉，我不能提供別人的電話。"), value("refuse-02", "電話是 0912。")) == (1, 0)
    assert [(facet.facet, facet.written, facet.gated) for facet in planned] == [
        ("choice", 12, True),
        ("short", 12, False),
        ("unanswerable", 12, True),
        ("refuse", 12, False),
    ]
    worse = [finding for finding in check_pack(pack) if finding.severity is Severity.ERROR]
    assert worse == []


def test_what_a_facet_needs_is_what_the_gate_needs() -> None:
    planned = {facet.facet: facet for facet in plan_facets(lines_of(items(CHOICE, SHORT), "zh-TW"))}
    facet = planned["choice"]
    assert facet.threshold == 0.55 and facet.least is not None and facet.likely is not None
    alpha = alpha_for_use(1, 0.05)
    assert can_ever_decide(int(facet.least * 0.6 + 1e-9), 0.55, alpha)
    assert not can_ever_decide(int((facet.least - 2) * 0.6), 0.55, alpha)
    assert facet.likely > facet.least
    two = {**CHOICE, "options": ["是", "否"], "answer": "A"}
    assert plan_facets(lines_of(items(two), "zh-TW"))[0].threshold == 0.70
    assert planned["short"].least is None


def test_a_pack_of_one_question_is_written_though_it_cannot_be_used(tmp_path: Path) -> None:
    write_new_pack(tmp_path / "pack", "one", "zh-TW", items(SHORT))
    assert "停車證" in (tmp_path / "pack" / "items.jsonl").read_text(encoding="utf-8")
    with pytest.raises(WrongUse, match="no item falls into this split"):
        load_pack(tmp_path / "pack")
    with pytest.raises(WrongUse, match="is there already"):
        write_new_pack(tmp_path / "pack", "one", "zh-TW", items(SHORT))
    with pytest.raises(WrongUse, match="there is no question yet"):
        write_new_pack(tmp_path / "other", "one", "zh-TW", [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({**CHOICE, "options": ["一"]}, "question 1: a choice question needs at least two options"),
        ({**CHOICE, "options": ["一", "一 "]}, "two options are the same"),
        ({**CHOICE, "answer": "D"}, "the right option's letter is one of A, B, C"),
        ({**CHOICE, "answer": ""}, "the right option's letter is one of"),
        ({**SHORT, "answer": " "}, "the answer is missing"),
    ],
)
def test_what_is_missing_is_said_in_words(value: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        lines_of(items(value), "zh-TW")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kind": "essay", "question": "q"}, "kind"),
        ({"kind": "short"}, "question"),
        ({**SHORT, "hint": 1}, "hint"),
        ([], "line"),
    ],
)
def test_an_item_of_another_form_is_refused_by_field(value: Any, message: str) -> None:
    with pytest.raises(WrongUse, match=message) as caught:
        plain_item(value, "line 3")
    assert str(caught.value).startswith("line 3: ")


@pytest.mark.parametrize("locale", ["zh-TW", "en", "sv-SE", "ar-SA"])
def test_a_known_language_has_words_for_all_kinds(locale: str, tmp_path: Path) -> None:
    assert len(wording_of(locale).kinds) == 4
    rows = [{"kind": "unanswerable", "question": f"{'?' * (n + 1)} x{n}"} for n in range(8)]
    rows += [{"kind": "refuse", "question": f"{'!' * (n + 1)} y{n}"} for n in range(8)]
    write_new_pack(tmp_path / "pack", "p", locale, items(*rows))
    assert {item.kind.value for item in load_pack(tmp_path / "pack").items} == {"unanswerable", "refuse"}


def test_another_language_asks_what_needs_no_words(tmp_path: Path) -> None:
    assert [kind.value for kind in wording_of("fi-FI").kinds] == ["choice", "short"]
    with pytest.raises(WrongUse, match="cannot be written without patterns in fi-FI"):
        lines_of(items({"kind": "unanswerable", "question": "Mikä?"}), "fi-FI")
    write_new_pack(
        tmp_path / "pack",
        "p",
        "fi-FI",
        items(*({**SHORT, "question": f"{n} hinta?", "source": str(n)} for n in range(9))),
    )
    exam = (tmp_path / "pack" / "exam.yaml").read_text(encoding="utf-8")
    assert "declines: []" in exam and "patterns" not in exam
    assert (
        json.loads((tmp_path / "pack" / "items.jsonl").read_text(encoding="utf-8").splitlines()[0])["id"]
        == "short-01"
    )
