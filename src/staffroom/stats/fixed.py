"""Tests that look once, at the number of clusters fixed beforehand (`method: fixed`).

Looking earlier, or adding clusters after an undecided look, breaks their promise: that is what the sequential tests
are for. They cost hardly more where the number of clusters is planned (design/statistics.md has the figures).
"""

import math
import random
from collections.abc import Sequence
from fractions import Fraction

from staffroom.stats.binomial import lower_tail, upper_tail_p_value
from staffroom.stats.clusters import ClusterValue
from staffroom.stats.sequential import Claim, Evidence, Method, Outcome, SequentialTest

__all__ = ["fixed_test", "loss_bound_p_value", "mcnemar_p_value", "sign_flip_p_value"]

_FLIPS = 9_999
_FINEST = 840
_CELLS = 400_000


def fixed_test(claim: Claim, values: Sequence[ClusterValue], alpha: float) -> Evidence:
    """Return the evidence for and against a claim after all planned clusters.

    A mean score against a threshold or limit: exact binomial test. Superiority without a margin: exact McNemar test.
    Both take whole values, so one item per cluster. Any other claim has no exact test of this kind that is not
    weaker than betting; it gets the betting evidence for this number of clusters, and `method` says so.
    Raises ValueError for fractions: choosing another test because of what was scored would be looking first.
    """
    if not 0 < alpha < 1:
        raise ValueError("alpha lies strictly between 0 and 1")
    if not values:
        raise ValueError("a test takes at least one cluster")
    single = (claim.least, claim.greatest) == (0.0, 1.0)
    if not single and claim.scaled_border != 0.5:
        test = SequentialTest(claim, alpha, len(values))
        for value in values:
            test.add(value.low, value.high)
        return test.evidence
    # Scores on the claim's scale, as they speak least for it and as they speak least against it.
    pro = [min(claim.scaled(value.low), claim.scaled(value.high)) for value in values]
    contra = [max(claim.scaled(value.low), claim.scaled(value.high)) for value in values]
    whole = {0.0, 1.0} if single else {0.0, 0.5, 1.0}
    for value, ends in zip(values, zip(pro, contra, strict=True), strict=True):
        if not whole.issuperset(ends):
            raise ValueError(
                f"cluster {value.cluster} has a fraction: an exact test takes one item per cluster"
            )
    count = len(values)
    if single:
        p_value = upper_tail_p_value(pro.count(1.0), count, claim.scaled_border)
        p_against = lower_tail(contra.count(1.0), count, claim.scaled_border)
    else:
        p_value = mcnemar_p_value(pro.count(1.0), pro.count(0.0))
        p_against = mcnemar_p_value(contra.count(0.0), contra.count(1.0))
    outcome = Outcome.OPEN
    if p_value <= alpha:
        outcome = Outcome.SHOWN
    elif p_against <= alpha:
        outcome = Outcome.REFUTED
    return Evidence(
        claim=claim,
        method=Method.FIXED,
        outcome=outcome,
        alpha=alpha,
        clusters=count,
        planned=count,
        decided_at=None if outcome is Outcome.OPEN else count,
        mean_low=sum(value.low for value in values) / count,
        mean_high=sum(value.high for value in values) / count,
        p_value=p_value,
        p_against=p_against,
    )


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Return the one-sided exact p-value of "the first is no better" from discordant pairs (McNemar 1947).

    Under it a discordant pair favours the first with probability at most 1/2: P(X >= wins), X ~ Binomial(wins +
    losses, 1/2). Valid for independent clusters of one item each.
    """
    return upper_tail_p_value(wins, wins + losses, 0.5)


def loss_bound_p_value(losses: int, clusters: int, margin: float) -> float:
    """Return the exact p-value of "worse by the margin or more" from the clusters that were lost at all.

    A mean difference of -margin needs a share of at least `margin` of clusters with a negative difference, whatever
    their sizes, so P(X <= losses), X ~ Binomial(clusters, margin), is valid. It ignores gains: the strongest test
    where two agents hardly ever disagree, and hopeless where they often do.
    """
    if not 0 < margin < 1:
        raise ValueError("a margin of non-inferiority lies strictly between 0 and 1")
    return lower_tail(losses, clusters, margin)


def sign_flip_p_value(differences: Sequence[float], seed: int | str = 0) -> float:
    """Return the one-sided p-value of the sign-flip (paired permutation) test on cluster differences.

    The share of all 2^n sign patterns whose sum is at least the one seen (Fisher 1935): counted exactly where the
    differences are fractions with small denominators, else from 9,999 patterns drawn by the seed, the seen one
    included. It tests that the two agents are exchangeable within each cluster, not that their means are equal: with
    many small gains and a rare great loss the mean is 0 and this test errs in most exams. So no verdict of ours
    rests on it; it is for reports that are compared with others'.
    """
    if not all(math.isfinite(value) for value in differences):
        raise ValueError("differences are finite numbers")
    sizes = [abs(value) for value in differences if value != 0]
    if not sizes:
        return 1.0
    exact = [Fraction(size).limit_denominator(_FINEST) for size in sizes]
    scale = math.lcm(*(size.denominator for size in exact))
    wholes = [int(size * scale) for size in exact]
    close = all(
        size > 0 and abs(float(size) - value) <= 1e-9 for size, value in zip(exact, sizes, strict=True)
    )
    signs = [value > 0 for value in differences if value != 0]
    if close and len(wholes) * sum(wholes) <= _CELLS * math.gcd(*wholes):
        return _counted(wholes, signs)
    chance = random.Random(f"sign-flip|{seed}")
    seen = sum(differences)
    slack = 1e-9 * sum(sizes)
    hits = 1
    for _ in range(_FLIPS):
        bits = chance.getrandbits(len(sizes))
        total = sum(size if bits >> index & 1 else -size for index, size in enumerate(sizes))
        hits += total >= seen - slack
    return hits / (_FLIPS + 1)


def _counted(wholes: Sequence[int], signs: Sequence[bool]) -> float:
    """Share of sign patterns whose positive part is at least the one seen, by adding one cluster at a time."""
    unit = math.gcd(*wholes)
    steps = [whole // unit for whole in wholes]
    total = sum(steps)
    chances = [1.0] + [0.0] * total
    reached = 0
    for step in steps:
        reached += step
        for index in range(reached, -1, -1):
            up = chances[index - step] if index >= step else 0.0
            chances[index] = (chances[index] + up) / 2
    least = sum(step for step, positive in zip(steps, signs, strict=True) if positive)
    return min(1.0, sum(chances[least:]))
