"""Answers that must equal a target: steps and comparison, against numpy as lm-eval's exact_match uses it."""

import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exam_folder import EXAM, rows, write_pack
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from staffroom.evaluate import load_pack, score_response
from staffroom.evaluate.matching import Matcher, MatchRule, MatchStep
from staffroom.evaluate.patterns import PatternTimeout
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response, ScoreStatus

TEXT = st.text(alphabet="aAéÉİ 1.,$!?\0\nßﬁ", max_size=8)


def reference(prediction: str, targets: list[str], rule: MatchRule) -> bool:
    """The comparison as lm_eval.api.metrics.exact_match_hf_evaluate computes it, in our words."""
    left: Any = np.asarray([prediction] * len(targets))
    right: Any = np.asarray(targets)
    for pattern in rule.ignore_patterns:
        left = np.array([re.sub(pattern, "", text) for text in left])
        right = np.array([re.sub(pattern, "", text) for text in right])
    if rule.ignore_case:
        left, right = np.char.lower(left), np.char.lower(right)
    for wanted, signs in ((rule.ignore_punctuation, string.punctuation), (rule.ignore_digits, string.digits)):
        if wanted:
            table = str.maketrans("", "", signs)
            left, right = np.char.translate(left, table), np.char.translate(right, table)
    return bool(np.mean(left == right) > 0)


@settings(max_examples=300, deadline=None)
@given(
    TEXT,
    st.lists(TEXT, min_size=1, max_size=3),
    st.lists(st.sampled_from([",", r"\$", "(?s).*1", r"\b(?:a |A )"]), max_size=2, unique=True),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_comparing_is_what_numpy_makes_of_it(
    prediction: str, targets: list[str], ignored: list[str], case: bool, signs: bool, digits: bool
) -> None:
    rule = MatchRule(
        ignore_patterns=tuple(ignored), ignore_case=case, ignore_punctuation=signs, ignore_digits=digits
    )
    assert Matcher(rule).is_right(prediction, targets) == reference(prediction, targets, rule)


@pytest.mark.parametrize(
    ("steps", "response", "answer"),
    [
        ([], " as it is ", " as it is "),
        ([{"step": "strip"}], " blanks ", "blanks"),
        ([{"step": "lower"}], "İA", "i̇a"),
        ([{"step": "upper"}], "ß", "SS"),
        ([{"step": "search", "pattern": "[0-9]+"}], "7 and 12", "7"),
        ([{"step": "search", "pattern": "[0-9]+", "select": -1}], "7 and 12", "12"),
        ([{"step": "search", "pattern": "[0-9]+", "select": 5}], "7 and 12", "[invalid]"),
        ([{"step": "search", "pattern": "(x)|( 1.)"}], "a 12", "12"),
        ([{"step": "search", "pattern": "(x?)(y?)"}], "ab", "[invalid]"),
        ([{"step": "search", "pattern": "z", "fallback": " none "}], "ab", " none "),
        ([{"step": "search", "pattern": "(z?)()", "fallback": " none "}], "ab", "none"),
        ([{"step": "table", "table": {"ja": "yes"}, "otherwise": "no"}], "ja", "yes"),
        ([{"step": "table", "table": {"ja": "yes"}, "otherwise": "no"}], "Ja", "no"),
        ([{"step": "lower"}, {"step": "search", "pattern": "ja|nej"}], "Nej, JA", "nej"),
    ],
)
def test_steps_take_the_answer_out(steps: list[dict[str, Any]], response: str, answer: str) -> None:
    rule = MatchRule(steps=tuple(MatchStep.model_validate(step) for step in steps))
    assert Matcher(rule).answer_in(response) == answer


@settings(max_examples=80, deadline=None)
@given(st.text("ab\n.", max_size=12), st.lists(st.text("ab\n.", max_size=3), max_size=3))
def test_a_response_ends_before_the_first_of_its_ends(text: str, ends: list[str]) -> None:
    answer = Matcher(MatchRule(until=tuple(ends))).answer_in(text)
    assert text.startswith(answer) and not any(end in answer for end in ends if end)
    assert answer == text or any(text[len(answer) :].startswith(end) for end in ends if end)


@pytest.mark.parametrize(
    "step",
    [
        {"step": "search"},
        {"step": "strip", "pattern": "x"},
        {"step": "lower", "table": {"a": "b"}},
        {"step": "guess"},
        {"step": "strip", "more": 1},
        {"step": "search", "pattern": "x", "select": 1000},
    ],
)
def test_a_step_that_means_nothing_is_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MatchStep.model_validate(step)


MATCH = EXAM.replace("scorers: {", "scorers: {match: 1, ").replace(
    "facets:\n", "facets:\n  match: {gated: false}\n"
)


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"m-{number}", "kind": "match", "input": f"第{number}題", "accept": [str(number)], **fields}


def test_a_pack_scores_by_its_rule_and_keeps_targets_that_look_like_patterns(tmp_path: Path) -> None:
    exam = MATCH + "match: {steps: [{step: search, pattern: '[0-9]+', select: -1}], ignore_case: true}\n"
    pack = load_pack(
        write_pack(
            tmp_path, [*rows(), *(item(n) for n in range(12)), item(99, accept=["(", "(?&fee)"])], exam
        )
    )
    kept = {one.id: one for one in pack.items}
    assert kept["m-99"].accept == ("(", "(?&fee)")

    def score(text: str) -> tuple[float, str]:
        found = score_response(pack, kept["m-7"], Response("m-7", "a", 0, text))
        assert found.status is ScoreStatus.SCORED and found.scorer == "match/1"
        return found.value, found.reason

    assert score("先算 3，再得 7。") == (1.0, "the answer equals a target")
    assert score("先算 7，再得 3。") == (0.0, "the answer '3' equals no target")
    assert score("") == (0.0, "the answer '[invalid]' equals no target")
    failed = Response("m-7", "a", 0, "", error="gone")
    assert score_response(pack, kept["m-7"], failed).status is ScoreStatus.UNSCORED


def test_a_search_that_takes_too_long_leaves_the_item_unscored(tmp_path: Path) -> None:
    exam = MATCH + "match: {steps: [{step: search, pattern: '(?:1|11)+x'}]}\n"
    pack = load_pack(write_pack(tmp_path, [*rows(), *(item(n) for n in range(12))], exam))
    slow = "1" * 60 + "y x"
    one = next(one for one in pack.items if one.id == "m-7")
    score = score_response(pack, one, Response("m-7", "a", 0, slow))
    assert score.status is ScoreStatus.UNSCORED and "took longer" in score.reason
    with pytest.raises(PatternTimeout):
        pack.matcher.answer_in(slow)


@pytest.mark.parametrize(
    ("extra", "row", "message"),
    [
        ("match: {steps: [{step: search, pattern: '('}]}\n", {}, "match: not a regular expression"),
        ("match: {step: 1}\n", {}, "match.step: unknown field; did you mean `steps`?"),
        ("delimiter: ' '\n", {}, "delimiter: only prompts for a bare model have one"),
        ("", {"reject": ["x"]}, "reject: match items have none"),
        ("", {"accept": []}, "accept: at least one pattern is needed"),
        ("", {"choices": ["a", "b"]}, "choices: only choice items have them"),
    ],
)
def test_a_faulty_rule_or_item_is_named(
    tmp_path: Path, extra: str, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(WrongUse) as caught:
        load_pack(
            write_pack(tmp_path, [*rows(), *(item(n) for n in range(12)), item(99, **row)], MATCH + extra)
        )
    assert message in str(caught.value)
