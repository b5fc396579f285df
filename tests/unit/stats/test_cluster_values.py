"""From item scores to cluster values: nothing left out, nothing twice, and no order but the seed's."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.stats import paired_clusters, single_clusters

SCORES = st.one_of(st.none(), st.floats(0, 1))
ROWS = st.lists(st.tuples(SCORES, SCORES, st.integers(0, 5)), min_size=1, max_size=25)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 9))
def test_values_do_not_depend_on_the_order_in_which_answers_came(
    rows: list[tuple[float | None, float | None, int]], seed: int
) -> None:
    items = [(f"i{index}", one, other, f"c{cluster}") for index, (one, other, cluster) in enumerate(rows)]
    shuffled = random.Random(seed).sample(items, len(items))

    def values(order: list[tuple[str, float | None, float | None, str]]) -> object:
        one = {item: score for item, score, _, _ in order}
        other = {item: score for item, _, score, _ in order}
        clusters = {item: cluster for item, _, _, cluster in order}
        return paired_clusters(one, other, clusters, 7), single_clusters(one, clusters, 7)

    assert values(items) == values(shuffled)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_the_ends_hold_whatever_the_missing_scores_were(
    rows: list[tuple[float | None, float | None, int]],
) -> None:
    one = {f"i{index}": row[0] for index, row in enumerate(rows)}
    other = {f"i{index}": row[1] for index, row in enumerate(rows)}
    clusters = {f"i{index}": f"c{row[2]}" for index, row in enumerate(rows)}
    filled = random.Random(3)
    known_one = {item: filled.random() if score is None else score for item, score in one.items()}
    known_other = {item: filled.random() if score is None else score for item, score in other.items()}
    bounds = {value.cluster: value for value in paired_clusters(one, other, clusters, 1)}
    assert sum(value.items for value in bounds.values()) == len(rows)
    for value in paired_clusters(known_one, known_other, clusters, 1):
        assert value.complete
        bound = bounds[value.cluster]
        assert -1 <= bound.low <= value.low + 1e-12
        assert value.high - 1e-12 <= bound.high <= 1


def test_another_seed_is_another_order_and_each_cluster_comes_once() -> None:
    scores = {f"i{index}": 1.0 for index in range(60)}
    clusters = {f"i{index}": f"c{index // 3}" for index in range(60)}
    orders = [[value.cluster for value in single_clusters(scores, clusters, seed)] for seed in range(4)]
    assert all(sorted(order) == sorted(set(clusters.values())) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == [value.cluster for value in single_clusters(scores, clusters, 0)]


def test_what_was_asked_is_not_left_out() -> None:
    clusters = {"a": "x", "b": "x"}
    with pytest.raises(ValueError, match="different items, b first"):
        single_clusters({"a": 1.0}, clusters, 0)
    with pytest.raises(ValueError, match="different items, c first"):
        paired_clusters({"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0, "c": 1.0}, clusters, 0)
    with pytest.raises(ValueError, match="no cluster"):
        single_clusters({}, {}, 0)
    for score in (float("nan"), 1.5, -0.1):
        with pytest.raises(ValueError, match="item b scored"):
            single_clusters({"a": 1.0, "b": score}, clusters, 0)
