"""Many exams at once with numpy: the planned bets as the product makes them, and ways to be exactly at a border.

Scores here are on the scale of a claim, 0 to 1, 1 speaking most for it.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["NULLS", "Floats", "adversary", "mixture_peaks", "planned_peaks"]

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int, float], Floats]


class PlannedBets:
    """`TargetBets` for many exams side by side, written a second time."""

    def __init__(self, exams: int, rounds: int, border: float, alpha: float, calm: float) -> None:
        self.rounds, self.border, self.calm = rounds, border, calm
        self.target = -math.log(alpha) + 1e-9
        self.logs, self.peaks = np.zeros(exams), np.zeros(exams)
        self.squares, self.seen = np.full(exams, 0.75), 3.0
        self.all_calm = np.ones(exams, dtype=bool)

    def stakes(self) -> Floats:
        left = self.rounds - (self.seen - 3.0)
        lacking = np.maximum(self.target - self.logs, 0.0)
        shares = self.border * np.sqrt(2 * lacking * self.seen / (left * self.squares))
        enough = np.expm1(np.minimum(lacking / left, 50.0)) / (self.calm / self.border - 1)
        shares = np.where(self.all_calm & (enough <= 1), np.maximum(shares, enough), shares)
        return np.minimum(shares, 1.0)

    def settle(self, scores: Floats) -> None:
        with np.errstate(divide="ignore"):
            self.logs = self.logs + np.log(np.maximum(1 + self.stakes() * (scores / self.border - 1), 0.0))
        self.squares = self.squares + (scores - self.border) ** 2
        self.seen += 1
        self.all_calm = self.all_calm & (scores >= self.calm - 1e-12)
        self.peaks = np.maximum(self.peaks, self.logs)


def planned_peaks(scores: Floats, border: float, alpha: float, calm: float) -> Floats:
    """Greatest log fortune of each exam (a row of cluster scores), looked at after each cluster."""
    bets = PlannedBets(scores.shape[0], scores.shape[1], border, alpha, calm)
    for column in scores.T:
        bets.settle(column)
    return bets.peaks


def mixture_peaks(scores: Floats, border: float, nodes: int = 32) -> Floats:
    """The same for the mixture of constant bets."""
    stakes = np.sin((np.arange(nodes) + 0.5) / nodes * np.pi / 2)
    fortunes = np.ones((scores.shape[0], nodes))
    peaks = np.zeros(scores.shape[0])
    for column in scores.T:
        fortunes = fortunes * (1 + np.outer(column / border - 1, stakes))
        peaks = np.maximum(peaks, np.log(np.maximum(fortunes.mean(axis=1), 1e-300)))
    return peaks


def adversary(
    chance: np.random.Generator, exams: int, rounds: int, border: float, alpha: float, calm: float
) -> Floats:
    """Peaks where each next cluster is drawn by someone who sees the fortune and wants it to reach the bar.

    The mean is at the border every time; within that he picks the bet that crosses at once if one can, else a long
    shot when the fortune is low, else a near-certain small gain.
    """
    bets = PlannedBets(exams, rounds, border, alpha, calm)
    for _ in range(rounds):
        stakes = bets.stakes()
        lacking = np.maximum(bets.target - bets.logs, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = border * (1 + np.expm1(np.minimum(lacking, 50.0)) / stakes)
        steady = np.full(exams, min(1.0, border * 1.1))
        long_shot = np.where(bets.logs < -1, 1.0, steady)
        high = np.where(crossing <= 1, np.minimum(1.0, crossing + 1e-9), long_shot)
        bets.settle(np.where(chance.random(exams) < border / high, high, 0.0))
    return bets.peaks


def _two_ends(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    return (chance.random((exams, rounds)) < border).astype(float)


def _ties_and_losses(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    """Half a point or nothing (a tie or a loss), or half and one: the fewest disagreements a border allows."""
    if border < 0.5:
        return np.where(chance.random((exams, rounds)) < 2 * border, 0.5, 0.0)
    return np.where(chance.random((exams, rounds)) < 2 * border - 1, 1.0, 0.5)


def _wins_ties_losses(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    middle = min(border, 1 - border)
    draws = chance.random((exams, rounds))
    top = border - middle / 2
    return np.where(draws < top, 1.0, np.where(draws < top + middle, 0.5, 0.0))


def _small_gains_rare_ruin(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    high = min(1.0, border * 1.03)
    return np.where(chance.random((exams, rounds)) < border / high, high, 0.0)


def _shared_pages(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    """Means of one to six 0/1 items whose rate varies between clusters (beta, intraclass correlation 1/2)."""
    rates = chance.beta(border, 1 - border, (exams, rounds))
    sizes = 1 + np.arange(rounds) % 6
    return chance.binomial(sizes, rates) / sizes


def _fractions(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    return chance.beta(4 * border, 4 * (1 - border), (exams, rounds))


def _by_turns(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    """Independent, not alike: certain clusters and hazardous ones by turns, each with its mean at the border."""
    scores = _two_ends(chance, exams, rounds, border)
    scores[:, ::3] = border
    return scores


def _drawn_without_return(chance: np.random.Generator, exams: int, rounds: int, border: float) -> Floats:
    """A finite exam at the border, its clusters in an order the seed decides."""
    ones = math.floor(rounds * border)
    exam = np.zeros(rounds)
    exam[:ones] = 1.0
    if ones < rounds:
        exam[ones] = rounds * border - ones
    return chance.permuted(np.tile(exam, (exams, 1)), axis=1)


NULLS: dict[str, Draw] = {
    "two ends": _two_ends,
    "ties and losses": _ties_and_losses,
    "wins, ties, losses": _wins_ties_losses,
    "small gains, rare ruin": _small_gains_rare_ruin,
    "clusters of several items": _shared_pages,
    "fractions": _fractions,
    "by turns": _by_turns,
    "drawn without return": _drawn_without_return,
}
