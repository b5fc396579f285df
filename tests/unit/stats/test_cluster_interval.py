"""The interval of a clustered mean: bounds, special cases, and coverage by simulation."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.stats import clopper_pearson, cluster_interval, difference_interval


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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 6)), max_size=40))
def test_an_interval_of_differences_holds_the_mean_and_mirrors(rows: list[tuple[float, int]]) -> None:
    names = [cluster for _, cluster in rows]
    result = difference_interval([value for value, _ in rows], names)
    assert -1 <= result.low <= result.mean + 1e-12
    assert result.mean - 1e-12 <= result.high <= 1
    mirror = difference_interval([-value for value, _ in rows], names)
    assert (mirror.low, mirror.high) == pytest.approx((-result.high, -result.low), abs=1e-9)


def test_no_disagreement_says_as_much_as_there_are_clusters() -> None:
    few, many = difference_interval([0.0] * 8, range(8)), difference_interval([0.0] * 80, range(80))
    assert few.high == pytest.approx(clopper_pearson(0, 8)[1])
    assert (few.low, few.mean) == (-few.high, 0.0)
    assert many.high < 0.05
    assert (difference_interval([0.5, 0.5], "aa").low, difference_interval([0.5], "a").high) == (-1.0, 1.0)
    assert (difference_interval([], []).low, difference_interval([], []).high) == (-1.0, 1.0)


def test_gains_alone_are_the_interval_of_a_mean() -> None:
    values = [1.0, 0.0, 0.0, 1.0, 0.5] * 6
    names = [index // 3 for index in range(30)]
    plain, paired = cluster_interval(values, names), difference_interval(values, names)
    assert (paired.mean, paired.high) == pytest.approx((plain.mean, plain.high))
    assert paired.low <= plain.low


@pytest.mark.parametrize(("clusters", "gain", "loss"), [(8, 0.1, 0.05), (15, 0.3, 0.2), (30, 0.1, 0.05)])
def test_coverage_of_differences_with_few_clusters(clusters: int, gain: float, loss: float) -> None:
    """Clusters of 1, 1 and 6 items; where mean +- t * SE covers 0.81, 0.92 and 0.95 (design/statistics.md)."""
    chance = random.Random(f"{clusters}-{gain}")
    runs, covered = 120, 0
    for _ in range(runs):
        values, names = [], []
        for cluster in range(clusters):
            shares = [chance.gammavariate(7 / 3 * share, 1) for share in (gain, loss, 1 - gain - loss)]
            size = (1, 1, 6)[cluster % 3]
            values += chance.choices((1.0, -1.0, 0.0), shares, k=size)
            names += [cluster] * size
        result = difference_interval(values, names)
        covered += result.low <= gain - loss <= result.high
    assert covered / runs >= 0.92


def test_intervals_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        difference_interval([float("nan")], "a")
    with pytest.raises(ValueError, match="needs a cluster"):
        difference_interval([0.5], "ab")
    with pytest.raises(ValueError, match="level"):
        cluster_interval([0.5], "a", level=1.0)
