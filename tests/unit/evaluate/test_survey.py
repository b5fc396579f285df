"""Survey items: a distance that is reported and never gated."""

import math
from pathlib import Path
from typing import Any

import pytest
from exam_folder import write_pack
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import load_pack, score_response
from staffroom.evaluate.survey import read_survey, shares_of, total_variation
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response

EXAM = """\
name: survey
version: 1
locale: en
declines: []
facets:
  survey: {gated: false}
splits: {screen: 0.3, gate: 0.4, sealed: 0.3, seed: "s"}
scorers: {survey: 1}
"""


def question(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "kind": "survey",
        "input": f"How much do you trust office {number}?",
        "choices": ["much", "some", "none"],
        "accept": ["0.2", "0.5", "0.3"],
        "reference": "survey.csv",
        **fields,
    }


@st.composite
def distributions(draw: st.DrawFn) -> tuple[list[float], list[float], list[float]]:
    size = draw(st.integers(2, 6))
    found = []
    for _ in range(3):
        raw = draw(st.lists(st.floats(0.001, 1), min_size=size, max_size=size))
        found.append([value / math.fsum(raw) for value in raw])
    return found[0], found[1], found[2]


@given(distributions())
@settings(max_examples=60, deadline=None)
def test_total_variation_is_a_metric_and_the_largest_difference_of_an_event(
    three: tuple[list[float], list[float], list[float]],
) -> None:
    first, second, third = three
    distance = total_variation(first, second)
    assert 0 <= distance <= 1 and total_variation(first, first) == 0
    assert distance == pytest.approx(total_variation(second, first))
    assert distance <= total_variation(first, third) + total_variation(third, second) + 1e-9
    events = range(1 << len(first))
    largest = max(
        abs(
            sum((a - b) for index, (a, b) in enumerate(zip(first, second, strict=True)) if event >> index & 1)
        )
        for event in events
    )
    assert distance == pytest.approx(largest, abs=1e-9)


def test_the_score_is_one_minus_the_distance(tmp_path: Path) -> None:
    pack = load_pack(write_pack(tmp_path, [question(number) for number in range(8)], EXAM))
    item = pack.items[0]
    response = Response(item.id, "a", 1, "B", option_probabilities=(0.0, 1.0, 0.0), margin_nats=9.0)
    score = score_response(pack, item, response)
    assert score.value == pytest.approx(0.5)
    assert score.reason == "distance 0.50 from the survey; an even spread has 0.17"
    assert score.scorer == "survey/1"


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        (["0.5", "0.5"], "3 shares are expected, one an option, not 2"),
        (["0.5", "0.5", "half"], "a share is a number"),
        (["0.5", "0.7", "-0.2"], "a share is a number between 0 and 1"),
        (["nan", "0.5", "0.5"], "a share is a number between 0 and 1"),
        (["0.5", "0.3", "0.1"], "the shares sum to 0.9, not to 1"),
    ],
)
def test_shares_that_are_none_are_refused(tmp_path: Path, accept: list[str], text: str) -> None:
    rows = [*(question(number) for number in range(8)), question(9, accept=accept)]
    with pytest.raises(WrongUse, match=text):
        load_pack(write_pack(tmp_path, rows, EXAM))


def test_a_pack_that_holds_a_survey_gates_nothing(tmp_path: Path) -> None:
    short = [
        {"id": f"s{n}", "kind": "short", "input": f"What is {n}?", "accept": ["x"], "answer": "x"}
        for n in range(8)
    ]
    exam = EXAM.replace("facets:", "facets:\n  short: {threshold: 0.5, gated: true}").replace(
        "{survey: 1}", "{survey: 1, short: 1}"
    )
    with pytest.raises(
        WrongUse, match=r"exam.yaml:6: facets.short.gated: a pack with survey items gates nothing"
    ):
        load_pack(write_pack(tmp_path, [*short, *(question(number) for number in range(8))], exam))
    with pytest.raises(WrongUse, match="gates nothing"):
        gated = EXAM.replace("{gated: false}", "{threshold: 0.8, gated: true}")
        load_pack(write_pack(tmp_path / "b", [question(number) for number in range(8)], gated))


def test_a_survey_is_read_in_per_cent_and_in_fractions(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text(
        'Question,Option,Share,Note\n"Is it, say, fair?",yes,61%,\n"Is it, say, fair?",no,39,x\n\nTrust?,much,0.25,\nTrust?,little,"0,75",\n',
        encoding="utf-8-sig",
    )
    fair, trust = read_survey(path)
    assert (fair.question, fair.options, fair.shares) == ("Is it, say, fair?", ("yes", "no"), (0.61, 0.39))
    assert trust.shares == (0.25, 0.75)
    line = fair.line("survey.csv: 1")
    assert shares_of(line["accept"]) == pytest.approx((0.61, 0.39))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("question,option\n", ":1", "no column `share`"),
        ("question,option,share\n", "", "no line"),
        ("question,option,share\nA?,x,\n", ":2", "not a number"),
        ("question,option,share\nA?,x,0.5\nA?,x,0.5\n", ":3", "stands there twice"),
        ("question,option,share\nA?,x,0.5\nA?,y,0.1\n", ":2", "sum to 0.6"),
        ("question,option,share\nA?,x,1\n", ":2", "1 options; 2 to 10"),
        ("question,option,share\n,x,1\n", ":2", "are needed"),
        ("question,option,share\nA?,x,nan\n", ":2", "is no share"),
        ("", ":1", "no column"),
    ],
)
def test_a_survey_that_is_none_is_refused(tmp_path: Path, text: str, where: str, what: str) -> None:
    path = tmp_path / "survey.csv"
    path.write_text(text)
    with pytest.raises(WrongUse, match=what) as caught:
        read_survey(path)
    assert caught.value.where == f"{path}{where}"


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_no_text_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("s") / "survey.csv"
    path.write_bytes(("question,option,share\n" + text).encode("utf-8", "surrogatepass"))
    try:
        found = read_survey(path)
    except WrongUse:
        return
    assert all(math.isclose(math.fsum(item.shares), 1) for item in found)
