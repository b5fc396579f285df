"""What a planned sequential test can show, said before the first item is asked.

Whether it can ever decide is arithmetic. How likely it is to decide is found by running the test itself on exams drawn
from what is expected; the draws depend on the seed alone, so a plan can be recomputed.
"""

import bisect
import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from staffroom.stats.sequential import Claim, Outcome, SequentialTest
from staffroom.stats.target import TargetBets

__all__ = [
    "Outlook",
    "Plan",
    "Power",
    "clusters_needed",
    "least_clusters",
    "more_clusters",
    "plan_test",
    "sequential_power",
]

_LIMIT = 3000
_RUNS = 400
_SEARCH_RUNS = 1000
_LEAST_RUNS = 60
_BUDGET = 150_000
_SEARCH_STEPS = 4
_STRIDE = 1.7


@dataclass(frozen=True, slots=True)
class Outlook:
    """What cluster values are expected: each of `values` with its share of the clusters.

    Raises ValueError for shares that are negative or do not sum to 1.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.shares) or not self.values:
            raise ValueError("each expected value needs a share")
        if min(self.shares) < 0 or not math.isclose(sum(self.shares), 1, abs_tol=1e-9):
            raise ValueError("the shares of expected values are not negative and sum to 1")

    @property
    def mean(self) -> float:
        """The expected mean over clusters."""
        return sum(value * share for value, share in zip(self.values, self.shares, strict=True))

    @classmethod
    def of_rate(cls, rate: float) -> "Outlook":
        """Expect one item per cluster, right (1) in this share of them."""
        return cls((0.0, 1.0), (1 - rate, rate))

    @classmethod
    def of_pairs(cls, gains: float, losses: float, size: float = 1.0) -> "Outlook":
        """Expect the candidate better by `size` in a share `gains` of clusters, worse in `losses`, else equal.

        size: 1 with one item per cluster; with k items a change of one of them is 1/k.
        """
        return cls((-size, 0.0, size), (losses, 1 - gains - losses, gains))

    @classmethod
    def of_seen(cls, values: Sequence[float], claim: Claim) -> "Outlook":
        """Expect what was seen, and one more cluster, half at either end of the claim's range.

        The last keeps what was not seen yet from being planned as impossible.
        """
        total = len(values) + 1
        counts = {claim.least: 0.5, claim.greatest: 0.5}
        for value in values:
            counts[value] = counts.get(value, 0.0) + 1
        found = tuple(sorted(counts))
        return cls(found, tuple(counts[value] / total for value in found))


@dataclass(frozen=True, slots=True)
class Power:
    """How often exams drawn from an outlook ended how, over `runs`, and after how many clusters on average."""

    shown: float
    refuted: float
    mean_clusters: float
    runs: int

    @property
    def error(self) -> float:
        """Standard error of `shown`."""
        return math.sqrt(max(self.shown * (1 - self.shown), 1 / self.runs) / self.runs)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one facet's exam can do.

    least: clusters that suffice when nothing at all speaks against the claim. decidable: whether there are as many;
    with fewer, non-inferiority can only be shown by being better. power: how likely the claim is shown if things are
    as expected. needed: the clusters that make it `goal` likely, None where 3,000 do not. Both None without an
    outlook.
    """

    claim: Claim
    alpha: float
    clusters: int
    least: int
    decidable: bool
    power: Power | None
    needed: int | None
    goal: float


def plan_test(
    claim: Claim,
    alpha: float,
    clusters: int,
    outlook: Outlook | None = None,
    *,
    goal: float = 0.8,
    seed: int | str = 0,
) -> Plan:
    """Return what `SequentialTest(claim, alpha, clusters)` can show, for the log before the run."""
    least = least_clusters(claim, alpha)
    decidable = clusters >= least
    power = needed = None
    if outlook is not None:
        power = sequential_power(claim, alpha, clusters, outlook, seed=seed) if clusters else None
        needed = clusters_needed(claim, alpha, outlook, goal, seed=seed)
    return Plan(claim, alpha, clusters, least, decidable, power, needed, goal)


def least_clusters(claim: Claim, alpha: float) -> int:
    """Return the fewest clusters that can show a claim when none speaks against it.

    That is, all calm: no disagreement for non-inferiority, all right for a threshold, all clean for a limit, all won
    for superiority. It is ln(1/alpha) over the logarithm of what one such cluster can multiply the fortune by, calm /
    border on the claim's scale. No valid test can do with fewer: an agent at the border that is calm with probability
    border / calm and else as bad as can be would show the same with probability (border / calm)^n > alpha.
    """
    if not 0 < alpha < 1:
        raise ValueError("alpha lies strictly between 0 and 1")
    return math.ceil(-math.log(alpha) / math.log(claim.scaled_calm / claim.scaled_border) - 1e-9)


def sequential_power(
    claim: Claim,
    alpha: float,
    clusters: int,
    outlook: Outlook,
    *,
    seed: int | str = 0,
    runs: int | None = None,
) -> Power:
    """Return how often `SequentialTest(claim, alpha, clusters)` ends how, over exams drawn from the outlook.

    runs: how many exams; 400 if left out, fewer for exams of more than some hundred clusters.
    """
    if clusters < 1 or (runs is not None and runs < 1):
        raise ValueError("power needs at least one cluster and one run")
    runs = runs or max(_LEAST_RUNS, min(_RUNS, _BUDGET // clusters))
    draw = _Draw(outlook)
    shown = refuted = asked = 0
    for run in range(runs):
        chance = random.Random(f"{seed}|{run}")
        test = SequentialTest(claim, alpha, clusters)
        outcome, count = Outcome.OPEN, 0
        while outcome is Outcome.OPEN and count < clusters:
            outcome = test.add(draw(chance))
            count += 1
        shown += outcome is Outcome.SHOWN
        refuted += outcome is Outcome.REFUTED
        asked += count
    return Power(shown / runs, refuted / runs, asked / runs, runs)


def clusters_needed(
    claim: Claim,
    alpha: float,
    outlook: Outlook,
    goal: float = 0.8,
    *,
    seed: int | str = 0,
) -> int | None:
    """Return about how many clusters show a claim with probability `goal` if things are as expected.

    None where the expected mean does not bear the claim out, or 3,000 clusters are not enough. Found by running
    the planned bets for the claim on drawn exams; some per cent of uncertainty are left.
    """
    if not 0 < goal < 1:
        raise ValueError("a goal is a probability strictly between 0 and 1")
    least = least_clusters(claim, alpha)
    guess = _fixed_size(claim, alpha, outlook, goal)
    if guess is None or max(guess, least) > _LIMIT:
        return None

    def reached(clusters: int) -> float:
        return _reached(claim, alpha, clusters, outlook, seed)

    return _search(reached, least, max(guess, least), alpha, goal)


def more_clusters(
    claim: Claim, next_alpha: float, values: Sequence[float], goal: float = 0.8, *, seed: int | str = 0
) -> int | None:
    """Return about how many new clusters would show a claim that was left open, at the alpha of the next use.

    values: of the clusters seen, as they speak least for the claim; new ones are expected to come out alike
    (`Outlook.of_seen`). They make a new test of their own. The old one cannot go on: bets towards a planned end are
    all or nothing near it, so its fortune is spent. And old and new clusters together under a plan whose length was
    chosen because of the old would not be a fair game. None where the claim is not borne out by what was seen, or
    3,000 clusters are not enough.
    """
    if not values:
        raise ValueError("nothing was seen yet: plan a first test")
    return clusters_needed(claim, next_alpha, Outlook.of_seen(values, claim), goal, seed=seed)


class _Draw:
    """Cluster values drawn from an outlook."""

    def __init__(self, outlook: Outlook) -> None:
        self._values = outlook.values
        self._bounds = list(itertools.accumulate(outlook.shares))
        self._bounds[-1] = math.inf

    def __call__(self, chance: random.Random) -> float:
        return self._values[bisect.bisect_right(self._bounds, chance.random())]


def _fixed_size(claim: Claim, alpha: float, outlook: Outlook, goal: float) -> int | None:
    """Size of a fixed test by the normal approximation: where the search starts."""
    scaled = Outlook(tuple(claim.scaled(value) for value in outlook.values), outlook.shares)
    gap = scaled.mean - claim.scaled_border
    if gap <= 1e-9:
        return None
    rows = zip(scaled.values, scaled.shares, strict=True)
    variance = sum(share * (value - scaled.mean) ** 2 for value, share in rows)
    reach = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(goal)
    return max(1, math.ceil(max(reach, 0.1) ** 2 * variance / gap**2))


def _reached(claim: Claim, alpha: float, clusters: int, outlook: Outlook, seed: int | str) -> float:
    """Share of drawn exams in which the bets for the claim reach the bar."""
    bar = -math.log(alpha)
    runs = max(_LEAST_RUNS, min(_SEARCH_RUNS, _BUDGET // clusters))
    draw = _Draw(Outlook(tuple(claim.scaled(value) for value in outlook.values), outlook.shares))
    hits = 0
    for run in range(runs):
        chance = random.Random(f"{seed}|{run}")
        bets = TargetBets(claim.scaled_border, bar, clusters, claim.scaled_calm)
        for _ in range(clusters):
            bets.settle(draw(chance))
            if bets.log_value >= bar:
                hits += 1
                break
    return hits / runs


def _search(reached: Callable[[int], float], least: int, guess: int, alpha: float, goal: float) -> int | None:
    """Size that reaches the goal, or None beyond the limit.

    On the scale of normal quantiles power is nearly a straight line in the square root of the size: the first step
    takes the line that starts at alpha, later ones the line through the last two sizes. The draws leave some per
    cent of uncertainty, which more steps would not remove.
    """
    normal = NormalDist()
    aim = normal.inv_cdf(goal)
    size = max(least, guess)
    last = 0.0, normal.inv_cdf(alpha)
    for _ in range(_SEARCH_STEPS):
        if size > _LIMIT:
            return None
        here = math.sqrt(size), normal.inv_cdf(min(0.995, max(0.005, reached(size))))
        rise = (here[1] - last[1]) / (here[0] - last[0])
        root = here[0] + (aim - here[1]) / rise if rise > 0 else 2 * here[0]
        root = min(_STRIDE * here[0], max(here[0] / _STRIDE, root, math.sqrt(least)))
        size, last = max(least, math.ceil(root * root)), here
        if abs(root - here[0]) <= 0.015 * here[0]:
            break
    return size if size <= _LIMIT else None
