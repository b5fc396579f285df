"""Tests of one claim about a mean over clusters, valid whenever one looks.

What makes them valid, and what they cannot see:
- Clusters (articles, pages) are a random sample of what the exam stands for, in an order that nobody chose after
  seeing a score: `clusters.paired_clusters` orders them by the seed.
- One value per cluster, all of whose items were asked: no look in the middle of a cluster.
- A look changes nothing; leaving clusters out because of what they showed would.
A null hypothesis covers every distribution with such a mean; nothing is assumed about its shape.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from staffroom.stats.betting import StakeMixture
from staffroom.stats.pairwise import discordant_log_e_value
from staffroom.stats.target import TargetBets

__all__ = [
    "Claim",
    "Evidence",
    "Method",
    "Outcome",
    "SequentialTest",
    "above_threshold",
    "below_limit",
    "non_inferior",
    "superior",
]

_NODES = 32
_ROUNDING = 1e-12


class Outcome(StrEnum):
    """What the evidence says of a claim."""

    SHOWN = "shown"
    REFUTED = "refuted"
    OPEN = "open"


class Method(StrEnum):
    """How the p-values came about: valid at any stopping time, or at the planned number of clusters only."""

    ANYTIME = "anytime"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Claim:
    """That the mean over clusters of a quantity in [least, greatest] is above `border` (below it if not `above`).

    calm: what a cluster shows when nothing speaks against the claim; its best value if left out. Raises ValueError for a border outside the open range: nothing can be shown beyond its ends.
    """

    border: float
    least: float = 0.0
    greatest: float = 1.0
    above: bool = True
    calm: float | None = None

    def __post_init__(self) -> None:
        if not self.least < self.border < self.greatest:
            raise ValueError(f"a border lies strictly between {self.least:g} and {self.greatest:g}")
        if not self.scaled_border < self.scaled_calm <= 1:
            raise ValueError("a calm cluster speaks for the claim")

    @property
    def negated(self) -> "Claim":
        """The opposite claim about the same quantity."""
        return Claim(self.border, self.least, self.greatest, not self.above)

    @property
    def scaled_border(self) -> float:
        """The border on a scale where 0 speaks most against the claim and 1 most for it."""
        return self.scaled(self.border)

    @property
    def scaled_calm(self) -> float:
        """What a calm cluster shows, on that scale."""
        return 1.0 if self.calm is None else self.scaled(self.calm)

    def scaled(self, value: float) -> float:
        """Return a value on that scale; raises ValueError outside the range (and for NaN)."""
        if not self.least <= value <= self.greatest:
            raise ValueError(f"values of this claim lie between {self.least:g} and {self.greatest:g}")
        share = (value - self.least) / (self.greatest - self.least)
        return share if self.above else 1 - share


def above_threshold(threshold: float) -> Claim:
    """Return the claim that a mean score in [0, 1] is above a threshold."""
    return Claim(threshold)


def below_limit(limit: float) -> Claim:
    """Return the claim that a rate in [0, 1] (of violations, of refusals) is below a limit."""
    return Claim(limit, above=False)


def superior(margin: float = 0.0, *, lower_is_better: bool = False) -> Claim:
    """Return the claim that candidate less incumbent is better than 0, or than a margin in [0, 1)."""
    if not 0 <= margin < 1:
        raise ValueError("a margin of superiority is at least 0 and below 1")
    return Claim(0.0 - margin if lower_is_better else margin, -1.0, 1.0, above=not lower_is_better)


def non_inferior(margin: float, *, lower_is_better: bool = False) -> Claim:
    """Return the claim that candidate less incumbent is worse by less than a margin in (0, 1)."""
    if not 0 < margin < 1:
        raise ValueError("a margin of non-inferiority lies strictly between 0 and 1")
    return Claim(margin if lower_is_better else -margin, -1.0, 1.0, above=not lower_is_better, calm=0.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a claim at the moment of looking, and what it decides at level alpha.

    mean_low, mean_high: the mean over clusters, with unscored items at their least and at their greatest.
    p_value: of "the claim is false"; p_against: of "the claim is true". decided_at: the number of clusters after
    which the outcome fell; it stays, whatever follows. planned: clusters the plan has, None without one.
    """

    claim: Claim
    method: Method
    outcome: Outcome
    alpha: float
    clusters: int
    planned: int | None
    decided_at: int | None
    mean_low: float
    mean_high: float
    p_value: float
    p_against: float


class SequentialTest:
    """The running evidence for and against one claim, from cluster values in the seed's order.

    For and against are two e-processes (Ville 1939: a fair fortune reaches 1/alpha with probability at most alpha);
    the first to reach it decides, and the decision stays.

    planned: how many clusters the exam has, fixed before the first one is seen. With it, the bets for the claim aim
    at that end (`TargetBets`), and its power there is close to that of the best test that may look only then.
    Without it the bets are a fixed mixture, which needs a quarter to two thirds more clusters but no plan; on 0/1 scores
    with one item per cluster (`whole`) superiority is then the beta mixture on discordant pairs in closed form.
    """

    def __init__(
        self, claim: Claim, alpha: float, planned: int | None = None, *, whole: bool = False
    ) -> None:
        """Start without evidence.

        Raises ValueError for alpha outside (0, 1), for a plan without clusters, and for `whole` where the claim
        is not superiority without a margin.
        """
        if not 0 < alpha < 1:
            raise ValueError("alpha lies strictly between 0 and 1")
        if whole and claim.border != (claim.least + claim.greatest) / 2:
            raise ValueError("whole differences are a special case of superiority without a margin")
        self._claim, self._alpha, self._planned = claim, alpha, planned
        self._bar = -math.log(alpha)
        self._whole = whole
        self._pro = self._bets(claim)
        self._contra = self._bets(claim.negated)
        self._best_pro = self._best_contra = 0.0
        self._count = 0
        self._low = self._high = 0.0
        self._outcome = Outcome.OPEN
        self._decided_at: int | None = None

    def add(self, low: float, high: float | None = None) -> Outcome:
        """Take the next cluster's value and return the outcome so far.

        low, high: where its value may lie when some of its items are unscored; equal (or `high` left out) when none
        is. The claim is tested on what speaks least for it and refuted on what speaks least against it, so missing
        answers never decide. Raises ValueError outside the claim's range, for NaN, and beyond the planned clusters.
        """
        high = low if high is None else high
        if low > high:
            raise ValueError("the low end of a cluster's value is above its high end")
        ends = sorted((self._claim.scaled(low), self._claim.scaled(high)))
        if self._whole and any(end not in (0.0, 0.5, 1.0) for end in ends):
            raise ValueError("a test of whole differences takes -1, 0 and 1")
        self._pro.settle(ends[0])
        self._contra.settle(1 - ends[1])
        self._count += 1
        self._low += low
        self._high += high
        self._best_pro = max(self._best_pro, self._pro.log_value)
        self._best_contra = max(self._best_contra, self._contra.log_value)
        if self._outcome is Outcome.OPEN:
            if self._best_pro >= self._bar * (1 - _ROUNDING):
                self._outcome, self._decided_at = Outcome.SHOWN, self._count
            elif self._best_contra >= self._bar * (1 - _ROUNDING):
                self._outcome, self._decided_at = Outcome.REFUTED, self._count
        return self._outcome

    def extend(self, clusters: int) -> None:
        """Plan more clusters, new ones, before those planned are used up; nothing is charged for it.

        Later it is no use: near the planned end the bets are all or nothing, and an open claim ends with nothing.
        Raises ValueError for a test that was never planned.
        """
        if self._planned is None:
            raise ValueError("a test without a plan needs no extension")
        for bets in (self._pro, self._contra):
            if isinstance(bets, TargetBets):
                bets.extend(clusters)
        self._planned += clusters

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the fortune for the claim now."""
        return self._pro.log_value

    @property
    def evidence(self) -> Evidence:
        """Everything seen so far; before the first cluster both means span the range."""
        claim, count = self._claim, self._count
        return Evidence(
            claim=claim,
            method=Method.ANYTIME,
            outcome=self._outcome,
            alpha=self._alpha,
            clusters=count,
            planned=self._planned,
            decided_at=self._decided_at,
            mean_low=self._low / count if count else claim.least,
            mean_high=self._high / count if count else claim.greatest,
            p_value=math.exp(-self._best_pro),
            p_against=math.exp(-self._best_contra),
        )

    def _bets(self, claim: Claim) -> "TargetBets | _MixtureBets | _DiscordantBets":
        if self._planned is not None:
            return TargetBets(claim.scaled_border, self._bar, self._planned, claim.scaled_calm)
        return _DiscordantBets() if self._whole else _MixtureBets(claim.scaled_border)


class _MixtureBets:
    """Constant stakes mixed by the arcsine prior on its upper half, as the beta mixture on whole pairs is."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._mixture = StakeMixture(
            [math.sin((index + 0.5) / _NODES * math.pi / 2) for index in range(_NODES)]
        )

    def settle(self, score: float) -> None:
        self._mixture.settle(score / self._threshold - 1)

    @property
    def log_value(self) -> float:
        return self._mixture.log_value


class _DiscordantBets:
    """The beta mixture on discordant pairs: 1 a win, 0 a loss, 1/2 no bet."""

    def __init__(self) -> None:
        self._wins = self._losses = 0

    def settle(self, score: float) -> None:
        self._wins += score == 1.0
        self._losses += score == 0.0

    @property
    def log_value(self) -> float:
        return discordant_log_e_value(self._wins, self._losses)
