"""False decisions over 10,000 exams exactly at the border, looked at after every cluster.

A test at level alpha may be wrong in alpha of them; the tests allow three standard errors more.
"""

import math

import numpy as np
import pytest
from border_exams import NULLS, Floats, adversary, mixture_peaks, planned_peaks
from scipy.special import betainc, betaln

from staffroom.stats import (
    Claim,
    SequentialTest,
    above_threshold,
    alpha_for_use,
    below_limit,
    discordant_log_e_value,
    non_inferior,
    sign_flip_p_value,
    superior,
)

ALPHA = alpha_for_use(1)
EXAMS = 10_000
ALLOWED = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / EXAMS)
CLAIMS = {
    "not worse by 5 points": (non_inferior(0.05), 75),
    "not worse by 10 points": (non_inferior(0.1), 120),
    "better": (superior(), 60),
    "above 0.9": (above_threshold(0.9), 50),
    "below 0.05": (below_limit(0.05), 80),
}


def wrong_rate(peaks: Floats) -> float:
    return float(np.mean(peaks >= -math.log(ALPHA) - 1e-12))


@pytest.mark.parametrize("name", CLAIMS)
def test_the_second_writing_is_the_product(name: str) -> None:
    claim, rounds = CLAIMS[name]
    chance = np.random.default_rng(1)
    for draw in NULLS.values():
        scores = draw(chance, 3, rounds, claim.scaled_border)
        peaks = planned_peaks(scores, claim.scaled_border, ALPHA, claim.scaled_calm)
        for row, peak in zip(scores, peaks, strict=True):
            test = SequentialTest(claim, ALPHA, rounds)
            for share in row if claim.above else 1 - row:
                test.add(claim.least + float(share) * (claim.greatest - claim.least))
            assert -math.log(test.evidence.p_value) == pytest.approx(peak, abs=1e-6)


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("name", CLAIMS)
def test_false_promotions_and_false_rejections(name: str, null: str) -> None:
    claim, rounds = CLAIMS[name]
    chance = np.random.default_rng(hash_of(name, null))
    scores = NULLS[null](chance, EXAMS, rounds, claim.scaled_border)
    assert scores.mean() == pytest.approx(claim.scaled_border, abs=0.004)
    assert wrong_rate(planned_peaks(scores, claim.scaled_border, ALPHA, claim.scaled_calm)) <= ALLOWED
    against: Claim = claim.negated
    assert wrong_rate(planned_peaks(1 - scores, against.scaled_border, ALPHA, against.scaled_calm)) <= ALLOWED


@pytest.mark.parametrize("name", CLAIMS)
def test_someone_who_sees_the_fortune_cannot_make_it_grow(name: str) -> None:
    claim, rounds = CLAIMS[name]
    peaks = adversary(np.random.default_rng(7), EXAMS, rounds, claim.scaled_border, ALPHA, claim.scaled_calm)
    assert 0.2 * ALPHA <= wrong_rate(peaks) <= ALLOWED


@pytest.mark.parametrize("null", ["two ends", "small gains, rare ruin", "clusters of several items"])
def test_false_decisions_of_the_mixture_without_a_plan(null: str) -> None:
    chance = np.random.default_rng(hash_of("mixture", null))
    for border in (0.475, 0.5):
        scores = NULLS[null](chance, EXAMS, 80, border)
        assert wrong_rate(mixture_peaks(scores, border)) <= ALLOWED


def test_false_winners_of_the_beta_mixture() -> None:
    """Closed form on counts, by scipy: two equal agents that disagree often, looked at 100 times."""
    wins = np.cumsum(np.random.default_rng(3).random((EXAMS, 100)) < 0.5, axis=1)
    losses = np.arange(1, 101) - wins
    a, b = wins + 0.5, losses + 0.5
    logs = (wins + losses) * math.log(2) + betaln(a, b) + np.log(betainc(b, a, 0.5)) - math.log(math.pi / 2)
    assert logs[0, 59] == pytest.approx(discordant_log_e_value(int(wins[0, 59]), int(losses[0, 59])))
    assert wrong_rate(logs.max(axis=1)) <= ALLOWED


def test_the_permutation_test_errs_where_betting_does_not() -> None:
    """Mean 0 from nine small gains in ten and a rare great loss: why no verdict rests on sign flips."""
    chance = np.random.default_rng(11)
    differences = np.where(chance.random((300, 12)) < 0.95, 0.05, -0.95)
    flips = np.mean([sign_flip_p_value(row.tolist()) <= ALPHA for row in differences])
    assert flips > 0.4
    scores = (1 + np.where(chance.random((EXAMS, 60)) < 0.95, 0.05, -0.95)) / 2
    assert wrong_rate(planned_peaks(scores, 0.5, ALPHA, 1.0)) <= ALLOWED


def test_an_order_chosen_after_seeing_is_not_covered() -> None:
    """The one promise the caller must keep: with wins put first, equal agents are promoted nearly always."""
    scores = np.sort(NULLS["two ends"](np.random.default_rng(5), 500, 60, 0.5), axis=1)[:, ::-1]
    assert wrong_rate(planned_peaks(scores, 0.5, ALPHA, 1.0)) > 0.9


def hash_of(*words: str) -> int:
    return sum(ord(letter) * (index + 1) for index, letter in enumerate("|".join(words)))
