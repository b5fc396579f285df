"""Citations and excerpts: what is cited was retrieved and says so, and what is masked keeps its place."""

from dataclasses import replace

import pytest
from plans import plan

from staffroom.records.agent import Retrieved
from staffroom.records.guardrails import Verdict
from staffroom.serve.guardrails import CitationCheck, guard_excerpts


def chunk(number: int, text: str) -> Retrieved:
    return Retrieved(
        f"c{number}", "sha256:d", "rules.md", (f"第{number}條",), text, None, 0, len(text), None, 1.0
    )


FOUND = (
    chunk(1, "停車費每小時三十元，每日最高一百八十元。"),
    chunk(2, "身心障礙者免費停車四小時，逾時照收費標準計算。"),
)


@pytest.mark.parametrize(
    ("sentence", "guardrails", "ends"),
    [
        ("每小時30元[1]。", (), False),
        ("每日最高１８０元【1】。", (), False),
        ("每小時30元[2]。", ("cited_numbers",), False),
        ("免費四小時，每小時三十元[1][2]。", (), False),
        ("每小時三十元[3]。", ("cited_chunks",), False),
        ("規定是「逾時照收費標準計算」[2]。", (), False),
        ("規定是「逾時，照收費標準　計算」[2]。", (), False),
        ("規定是「逾時照收費標準計算」[1]。", ("cited_quotations",), True),
        ("規定是「逾時一律加倍收費處理」。", ("cited_quotations",), True),
        ("規定是「身心障礙者免費停車」。", (), False),
        ("所謂「免費」是四小時[2]。", (), False),
        ("第1條說每小時三十元[1]。", (), False),
        ("您問的「停車十小時多少錢呢」沒有規定。", (), False),
    ],
)
def test_what_stands_beside_a_citation(sentence: str, guardrails: tuple[str, ...], ends: bool) -> None:
    check = CitationCheck(plan(), "停車十小時多少錢呢？", FOUND)
    assert bool(check.objection(sentence)) is ends
    assert tuple(ruling.guardrail for ruling in check.rulings) == guardrails


def test_the_job_may_make_a_strange_number_end_the_answer() -> None:
    check = CitationCheck(plan(citations={"numbers": "block", "quotations": "flag"}), "", FOUND)
    assert check.objection("每小時30元[2]。") and not check.objection("規定是「逾時一律加倍收費處理」。")
    assert {(each.guardrail, each.verdict) for each in check.rulings} == {
        ("cited_numbers", Verdict.BLOCK),
        ("cited_quotations", Verdict.FLAG),
    }
    off = CitationCheck(plan(citations={"numbers": "allow", "quotations": "allow"}), "", FOUND)
    assert not off.objection("「逾時一律加倍收費處理」30元[2]。") and off.rulings == ()


def test_identifiers_in_excerpts_are_masked_in_place() -> None:
    text = "承辦人王小明（A123456789），電話(02)2345-6789。\n密碼是abcd1234!"
    kept, rulings = guard_excerpts(plan(), [chunk(1, text), FOUND[0]])
    assert kept[0].text == "承辦人王小明（●●●●●●●●●●），電話(02)2345-6789。\n密碼是●●●●●●●●!" and len(
        kept[0].text
    ) == len(text)
    assert kept[1] is FOUND[0] and kept[0] == replace(chunk(1, text), text=kept[0].text)
    assert [(each.guardrail, each.reason) for each in rulings] == [
        ("identifiers", "national_id"),
        ("secrets", "password"),
    ]
    blocked, _ = guard_excerpts(plan(identifiers={"retrieval": "block"}), [chunk(1, text), FOUND[0]])
    assert blocked == (FOUND[0],)
