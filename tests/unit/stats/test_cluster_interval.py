"""The interval of a clustered mean: bounds, special cases, and coverage by simulation."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.stats import clopper_pearson, cluster_interval


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6)), max_size=40))
def test_the_interval_holds_the_mean_and_stays_in_range(rows: list[tuple[float, int]]) -> None:
    result = cluster_interval([value for value, _ in rows], [cluster for _, cluster in rows])
    assert 0 <= result.low <= result.mean <= result.high <= 1
    assert result.effective <= len(rows) or result.effective == 1.0


def test_independent_items_give_the_exact_binomial_interval() -> None:
    values = [1.0] * 30 + [0.0] * 10
    result = cluster_interval(values, range(40))
    low, high = clopper_pearson(30, 40)
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.01)


def test_copies_of_one_item_are_worth_one_item() -> None:
    values = [1.0] * 30 + [0.0] * 10
    copied = cluster_interval([v for v in values for _ in range(5)], [c for c in range(40) for _ in range(5)])
    plain = cluster_interval(values, range(40))
    assert copied.effective == pytest.approx(plain.effective, rel=0.05)
    assert copied.high - copied.low == pytest.approx(plain.high - plain.low, rel=0.05)


def test_a_perfect_score_counts_clusters_and_one_cluster_says_nothing() -> None:
    perfect = cluster_interval([1.0] * 20, [index // 4 for index in range(20)])
    assert perfect.low == pytest.approx(clopper_pearson(5, 5)[0])
    assert perfect.high == 1.0
    single = cluster_interval([1.0, 0.0, 1.0], ["a"] * 3)
    assert (single.low, single.high) == (0.0, 1.0)
    assert cluster_interval([], []).clusters == 0


@pytest.mark.parametrize(("clusters", "size", "rate"), [(8, 3, 0.75), (15, 2, 0.9), (30, 3, 0.5)])
def test_coverage_with_few_clusters(clusters: int, size: int, rate: float) -> None:
    """Cluster rates vary between 0 and 1 (beta, intraclass correlation 1/3), so items are far from independent."""
    chance = random.Random(f"{clusters}-{size}-{rate}")
    runs, covered = 150, 0
    for _ in range(runs):
        values, names = [], []
        for cluster in range(clusters):
            p = chance.betavariate(2 * rate, 2 * (1 - rate))
            for _ in range(size):
                values.append(float(chance.random() < p))
                names.append(cluster)
        result = cluster_interval(values, names)
        covered += result.low <= rate <= result.high
    assert covered / runs >= 0.92
