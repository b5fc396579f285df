"""Coverage of tasks: which items count, what is reached, how many more would decide, and what a right answer costs."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.coverage import Coverage, TaskVerdict, items_of_task, measure_task
from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus
from staffroom.records.job_description import Price
from staffroom.records.tasks import Task, TaskItems
from staffroom.stats import cluster_interval, power_to_pass

PRICE = Price(currency="TWD", per_million_tokens_in=Decimal(2), per_million_tokens_out=Decimal(8))


def task(**fields: Any) -> Task:
    return Task.model_validate(
        {
            "id": "t",
            "name": "T",
            "items": {"facets": ["short"]},
            "minutes": 3,
            "cases": 100,
            "accuracy": 0.7,
            **fields,
        }
    )


def item(number: int, kind: Kind = Kind.SHORT, **fields: Any) -> Item:
    values = {"facet": kind.value, "cluster": f"waste#{number}", **fields}
    return Item(id=f"i{number}", locale="en", kind=kind, input=f"q{number}", **values)


def measured(
    values: list[float], *, tasks: int = 1, price: Price = PRICE, kind: Kind = Kind.SHORT, **fields: Any
) -> Any:
    items = [item(number, kind) for number in range(len(values))]
    scores = {
        row.id: Score(row.id, row.cluster, row.facet, kind, value, ScoreStatus.SCORED, "s", "r")
        for row, value in zip(items, values, strict=True)
    }
    answers = {
        row.id: Response(row.id, "a", 1, "x", tokens_in=500, tokens_out=50, seconds=2.0) for row in items
    }
    return measure_task(task(**fields), "exam", items, scores, answers, price, tasks=tasks)


def test_a_selector_names_items_by_facet_tag_and_cluster() -> None:
    items = (
        item(1, tags=("fees", "car")),
        item(2, tags=("fees",), cluster="parking#1"),
        item(3, Kind.CHOICE),
        item(4, Kind.SURVEY),
    )

    def named(**fields: Any) -> list[str]:
        return [found.id for found in items_of_task(TaskItems(**fields), items)]

    assert named(facets=("short",)) == ["i1", "i2"]
    assert named(tags=("car", "boat")) == ["i1"]
    assert named(clusters=("waste#*",)) == ["i1", "i3"]
    assert named(facets=("short", "choice"), clusters=("waste#*",)) == ["i1", "i3"]
    assert named(tags=("fees",), clusters=("parking#*",)) == ["i2"]
    assert named(facets=("survey",)) == []


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_verdict_follows_from_the_interval(values: list[float], needed: float) -> None:
    found = measured(values, accuracy=needed)
    interval = cluster_interval(values, list(range(len(values))))
    if interval.low >= needed:
        assert found.verdict is TaskVerdict.REACHED
    elif interval.high < needed:
        assert found.verdict is TaskVerdict.SHORT
    else:
        assert found.verdict is (TaskVerdict.TOO_FEW if needed ** len(values) > 0.025 else TaskVerdict.OPEN)
    assert (found.interval is None) == (len(values) < 3)
    assert not found.reached_together or found.verdict is TaskVerdict.REACHED


def test_too_few_and_open_tasks_say_how_many_more() -> None:
    few = measured([1.0] * 5, accuracy=0.8)
    assert (few.verdict, few.assumed) == (TaskVerdict.TOO_FEW, 0.9)
    assert few.more is not None and power_to_pass(few.more + 5, 0.8, 0.025, 0.9) >= 0.8
    open_ = measured([1.0] * 24 + [0.0] * 6, accuracy=0.7)
    assert open_.verdict is TaskVerdict.OPEN and open_.assumed == pytest.approx(25 / 32, abs=0.01)
    assert open_.more is not None and power_to_pass(open_.more + 30, 0.7, 0.025, open_.assumed) >= 0.8
    near = measured([1.0] * 700 + [0.0] * 300, accuracy=0.7)
    assert (near.verdict, near.more) == (TaskVerdict.OPEN, None)
    below = measured([1.0] * 11 + [0.0] * 19, accuracy=0.5)
    assert (
        below.verdict is TaskVerdict.OPEN
        and below.assumed is not None
        and below.assumed < 0.5 < 1 < (below.more or 0)
    )


def test_answers_that_never_came_decide_nothing() -> None:
    items = [item(number) for number in range(40)]
    scores = {
        row.id: Score(row.id, row.cluster, row.facet, row.kind, 0.0, ScoreStatus.UNSCORED, "s", "lost")
        for row in items
    }
    answers = {row.id: Response(row.id, "a", 1, "", error="lost") for row in items}
    found = measure_task(task(), "exam", items, scores, answers, PRICE, tasks=1)
    assert (found.verdict, found.unscored, found.cost_per_answer) == (TaskVerdict.OPEN, 40, None)


def test_a_right_answer_costs_what_the_wrong_ones_cost_too() -> None:
    found = measured(
        [1.0, 0.0] * 20, price=PRICE.model_copy(update={"per_machine_hour": Decimal(18)})
    ).as_json()
    assert found["cost_per_answer"] == "0.001400"
    assert found["cost_per_accepted"] == "0.002800"
    assert found["machine_cost_per_answer"] == "0.010000"
    assert found["machine_cost_per_accepted"] == "0.020000"
    assert (found["cost_basis"], found["currency"], found["seconds_per_answer"]) == ("answers", "TWD", 2.0)
    assert found["wrong_cases"][1] == 50.0 and found["wrong_cases"][0] > 50 > found["wrong_cases"][2]
    nothing = measured([0.0] * 20, price=Price()).as_json()
    assert (nothing["cost_per_answer"], nothing["cost_per_accepted"]) == (None, None)
    assert measured([0.0] * 20).as_json()["cost_per_accepted"] is None
    assert measured([1.0] * 9, kind=Kind.CHOICE).as_json()["cost_basis"] == "choices"


def test_open_answers_alone_say_what_an_answer_costs() -> None:
    items = [item(1), item(2, Kind.CHOICE)]
    scores = {
        row.id: Score(row.id, row.cluster, row.facet, row.kind, 1.0, ScoreStatus.SCORED, "s", "r")
        for row in items
    }
    answers = {
        "i1": Response("i1", "a", 1, "x", tokens_in=100, tokens_out=0),
        "i2": Response("i2", "a", 1, "A", tokens_in=900, tokens_out=4),
    }
    found = measure_task(task(), "exam", items, scores, answers, PRICE, tasks=1)
    assert (found.cost_per_answer, found.cost_basis) == (Decimal("0.0002"), "answers")


def test_sums_by_count_and_by_cases_and_all_at_once() -> None:
    reached = measured([1.0] * 12, accuracy=0.7, cases=300, tasks=3)
    assert (reached.verdict, reached.reached_together) == (TaskVerdict.REACHED, False)
    surely = measured([1.0] * 40, accuracy=0.7, cases=100, tasks=3)
    short = measured([0.0] * 40, accuracy=0.7, cases=600, tasks=3)
    found = Coverage((reached, surely, short)).as_json()
    assert (found["reached"], found["of"], found["reached_together"]) == (2, 3, 1)
    assert (found["share_of_tasks"], found["share_of_cases"]) == (pytest.approx(2 / 3), 0.4)
    assert (found["person_hours"], found["person_hours_reached"]) == (50.0, 20.0)
    assert Coverage((measured([1.0] * 40, cases=0),)).as_json()["share_of_cases"] is None


def test_the_joint_claim_holds_for_all_tasks_at_once() -> None:
    size, tasks, needed, truth = 30, 10, 0.7, 0.7
    rows = [measured([1.0] * k + [0.0] * (size - k), accuracy=needed, tasks=tasks) for k in range(size + 1)]

    def false_claim(claimed: list[bool]) -> float:
        """Probability that at least one of ten tasks, all truly at their bar, is said to be reached."""
        one = sum(
            math.comb(size, k) * truth**k * (1 - truth) ** (size - k)
            for k, said in enumerate(claimed)
            if said
        )
        return 1 - (1 - one) ** tasks

    assert false_claim([row.reached_together for row in rows]) <= 0.05
    assert false_claim([row.verdict is TaskVerdict.REACHED for row in rows]) > 0.05
