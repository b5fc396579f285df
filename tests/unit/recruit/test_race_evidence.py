"""The race's e-values against their definition, and its error rates in thousands of worlds without a best candidate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.recruit.race import Entrant, ItemScore, Race
from staffroom.recruit.race_evidence import race_stakes
from staffroom.stats import StakeMixture

ALPHA = 0.05
BATCH = 8


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20_000), st.floats(0.01, 0.2))
def test_stakes_lie_between_the_least_that_can_decide_and_everything(clusters: int, alpha: float) -> None:
    log_bar = math.log(2 / alpha)
    stakes = race_stakes(clusters, log_bar)
    least = math.sqrt(2 * log_bar / clusters)
    assert all(min(least, 0.5) < stake < 1 for stake in stakes)
    steps = np.diff(np.log(stakes))
    assert np.allclose(steps, steps[0])
    assert stakes == tuple(sorted(stakes, reverse=True))


def test_wrong_stakes_are_refused() -> None:
    with pytest.raises(ValueError, match="clusters"):
        race_stakes(0, 3.0)
    with pytest.raises(ValueError, match="bar"):
        race_stakes(10, 0.0)


@pytest.mark.parametrize("values", [(-1.0, 1.0), (-1.0, 0.0, 1.0), (-0.5, -0.25, 0.75), (-0.2, 0.1, 0.1)])
def test_a_fair_game_gains_nothing(values: tuple[float, ...]) -> None:
    """Over all sequences of a fair game the mean fortune is exactly 1: the definition of an e-value."""
    assert math.isclose(sum(values), 0.0, abs_tol=1e-12)
    stakes, rounds = race_stakes(50, math.log(40)), 6
    total = 0.0
    for sequence in itertools.product(values, repeat=rounds):
        fortune = StakeMixture(stakes)
        for value in sequence:
            fortune.settle(value)
        total += math.exp(fortune.log_value)
    assert total / len(values) ** rounds == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-0.99, 1.5), max_size=40), st.integers(1, 500))
def test_a_fortune_is_the_mean_over_stakes_of_products(values: list[float], clusters: int) -> None:
    stakes = race_stakes(clusters, math.log(40))
    fortune = StakeMixture(stakes)
    for value in values:
        fortune.settle(value)
    products = np.prod(1 + np.outer(np.array(stakes), np.array(values)), axis=1)
    assert fortune.log_value == pytest.approx(math.log(products.mean()), abs=1e-9)


def doubts(scores: np.ndarray, stakes: np.ndarray) -> np.ndarray:
    """Return the log e-value against each candidate after each batch; scores: races x clusters x candidates.

    Written anew from the definition: bet on the highest total before (the first by name of equals), the second
    where the candidate itself is ahead. Nobody leaves.
    """
    before = np.cumsum(scores, axis=1) - scores
    order = np.argsort(-np.round(before, 9), axis=2, kind="stable")
    races, clusters, count = scores.shape
    result = np.empty((races, clusters // BATCH, count))
    for one in range(count):
        rival = np.where(order[:, :, 0] == one, order[:, :, 1], order[:, :, 0])
        difference = np.take_along_axis(scores, rival[:, :, None], axis=2)[:, :, 0] - scores[:, :, one]
        logs = np.zeros((races, clusters // BATCH, len(stakes)))
        for place, stake in enumerate(stakes):
            logs[:, :, place] = np.cumsum(np.log1p(stake * difference), axis=1)[:, BATCH - 1 :: BATCH]
        result[:, :, one] = np.logaddexp.reduce(logs, axis=2) - math.log(len(stakes))
    return result


def test_the_race_does_what_the_definition_says() -> None:
    """The first elimination comes in the same batch, and takes the same candidates, as in the arrays."""
    chance = np.random.default_rng(7)
    clusters, names = 160, ["a", "b", "c", "d"]
    stakes = np.array(race_stakes(clusters, math.log(2 / ALPHA)))
    for seed in range(25):
        table = (chance.random((clusters, 4)) < [0.8, 0.7, 0.6, 0.5]) * chance.choice(
            [0.5, 1.0], (clusters, 1)
        )
        race = Race([Entrant(n) for n in names], {str(i): str(i) for i in range(clusters)}, seed=seed)
        order: list[int] = []
        while (batch := race.next_batch()) is not None and not race.eliminations:
            order += [int(item) for item in batch.items]
            race.feed(
                ItemScore(n, i, float(table[int(i), names.index(n)])) for n in names for i in batch.items
            )
        passed = doubts(table[order][None], stakes)[0] >= math.log(2 / ALPHA)
        means = np.cumsum(table[order], axis=0)[BATCH - 1 :: BATCH]
        passed &= means < means.max(axis=1, keepdims=True)
        if race.eliminations:
            assert not passed[:-1].any()
            assert {row.candidate for row in race.eliminations} == {
                names[i] for i in np.flatnonzero(passed[-1])
            }
        else:
            assert not passed.any()


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("parts", [1, 3])
def test_no_winner_is_named_among_equals(count: int, parts: int) -> None:
    """Equal candidates on items of unequal difficulty, looked at after each batch: at most alpha of the races name one.

    A winner is named when all but one have left; leaving is counted without the rule that somebody else must be
    ahead, and without the end by a tie, so that the true rate is lower still.
    """
    chance = np.random.default_rng(count * 10 + parts)
    races, clusters = 2000, 240
    hard = chance.beta(2, 3, (races, clusters, 1))
    scores = chance.binomial(parts, np.broadcast_to(hard, (races, clusters, count))) / parts
    left = doubts(scores, np.array(race_stakes(clusters, math.log(2 / ALPHA)))).max(axis=1) >= math.log(
        2 / ALPHA
    )
    named = (left.sum(axis=1) >= count - 1).mean()
    assert named <= ALPHA
    assert left[:, 0].mean() <= ALPHA / 2 + 3 * math.sqrt(ALPHA / 2 / races)


def test_the_same_finite_exam_in_any_order_names_no_winner_among_equals() -> None:
    """Drawn without replacement from one exam on which both have the same mean: no more false winners."""
    chance = np.random.default_rng(1)
    races, clusters = 2000, 240
    ones = np.repeat([1.0, 0.0, 1.0, 0.0], [60, 60, 60, 60])
    others = np.repeat([0.0, 1.0, 1.0, 0.0], [60, 60, 60, 60])
    exam = np.stack([ones, others], axis=1)
    scores = np.stack([exam[chance.permutation(clusters)] for _ in range(races)])
    left = doubts(scores, np.array(race_stakes(clusters, math.log(2 / ALPHA)))).max(axis=1) >= math.log(
        2 / ALPHA
    )
    assert left.any(axis=1).mean() <= ALPHA
