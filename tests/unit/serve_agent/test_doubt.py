"""What speaks against an answer before it is written: arms that disagree, quantities that no excerpt names."""

import math
from dataclasses import replace

import pytest
from scripted_engine import Shelf

from staffroom.serve.doubt import disagreement, missing_quantity, possible_answers

FIRST, SECOND = Shelf(["甲", "乙"]).search("", 2)


def test_arms_that_agree_on_one_excerpt_have_no_doubt() -> None:
    assert disagreement([SECOND, FIRST]) == 0.0
    assert disagreement([replace(FIRST, lexical_rank=1, dense_rank=20)]) == pytest.approx(math.log(20))


def test_a_chunk_that_an_arm_did_not_find_counts_as_its_last() -> None:
    assert disagreement([replace(FIRST, dense_rank=None)]) == pytest.approx(math.log(100))
    assert disagreement([]) == pytest.approx(2 * math.log(100))


def test_the_first_quantity_that_is_not_shown_is_named() -> None:
    assert missing_quantity("罰多少錢，幾天內繳？", "十日內繳納。") == "money"
    assert missing_quantity("罰多少錢，幾天內繳？", "處三千元罰鍰，十日內繳納。") == ""
    assert missing_quantity("誰決定？", "") == ""


def test_only_sentences_that_name_the_quantity_could_be_the_answer() -> None:
    found = Shelf(["逾期者，處六百元罰鍰。應於三十日內繳納。", "由主管機關定之。"]).search("", 2)
    assert possible_answers("會罰多少錢？", found, 180) == ["第1條 逾期者，處六百元罰鍰。"]
    assert possible_answers("幾公里？", found, 180) == []
    assert len(possible_answers("誰決定？", found, 180)) == 3
    assert possible_answers("誰決定？", found, 11) == [
        "第1條 逾期者，處六百元罰鍰。",
        "第2條 由主管機關定之。",
    ]
