"""The forgetting check: the interval of a relative drop, and when it fails."""

import random

import pytest

from staffroom.train import check_forgetting


def scores(n: int, before: float, lost: float, won: float, seed: int) -> tuple[list[float], list[float]]:
    draw = random.Random(seed)
    old = [float(draw.random() < before) for _ in range(n)]
    new = [float(draw.random() >= lost) if value else float(draw.random() < won) for value in old]
    return old, new


def test_nothing_changed_holds_with_an_interval_around_zero() -> None:
    old = [1.0, 0.0] * 500
    found = check_forgetting(old, old)
    assert found.holds and found.drop == 0
    assert found.low < 0 < found.high < 0.02
    assert "within the margin of 2%" in found.reason


def test_a_clear_drop_fails_and_a_small_one_on_few_items_does_not() -> None:
    old = [1.0] * 1000
    assert not check_forgetting(old, [0.0] * 80 + [1.0] * 920).holds
    assert check_forgetting(old, [0.0] * 10 + [1.0] * 990).holds
    few = check_forgetting([1.0] * 20, [0.0] * 2 + [1.0] * 18)
    assert few.holds and few.high > 0.1


def test_a_gain_is_a_negative_drop() -> None:
    found = check_forgetting([0.0] * 100 + [1.0] * 100, [1.0] * 60 + [0.0] * 40 + [1.0] * 100)
    assert found.drop == pytest.approx(-0.6)
    assert found.holds and found.low < -0.6 < found.high < 0


def test_the_interval_covers_the_true_drop() -> None:
    """300 items, true drop 1 - (0.6 * 0.95 + 0.4 * 0.03) / 0.6 = 3 %: covered in at least 13 of 15 draws."""
    truth = 1 - (0.6 * 0.95 + 0.4 * 0.03) / 0.6
    hits = 0
    for seed in range(15):
        found = check_forgetting(*scores(300, 0.6, 0.05, 0.03, seed))
        hits += found.low <= truth <= found.high
    assert hits >= 13


def test_clusters_widen_the_interval() -> None:
    old, new = scores(200, 0.7, 0.1, 0.0, 1)
    old, new = [value for value in old for _ in range(3)], [value for value in new for _ in range(3)]
    alone = check_forgetting(old, new)
    together = check_forgetting(old, new, [place // 3 for place in range(600)])
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], []), ([0.0, 0.0], [1.0, 0.0])])
def test_scores_that_say_nothing_are_an_error(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError):
        check_forgetting(before, after)
