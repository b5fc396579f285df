"""Intervals of a mean score and of a paired difference whose items come in clusters (several items from one page).

They are for reading. A decision rests on the tests, whose error probability holds however few the clusters are.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from staffroom.stats.beta import student_t_quantile
from staffroom.stats.binomial import clopper_pearson

__all__ = ["Interval", "cluster_interval", "difference_interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean or difference with its interval; `effective` is how many independent items it is worth."""

    mean: float
    low: float
    high: float
    clusters: int
    effective: float


def cluster_interval(values: Sequence[float], clusters: Sequence[Hashable], level: float = 0.95) -> Interval:
    """Return the mean of scores in [0, 1] with an interval that respects clusters.

    1. Cluster-robust variance of the mean (Liang and Zeger 1986, with the factor G / (G - 1)).
    2. Effective number of items: mean * (1 - mean) / variance, at most the number of items; where all
       scores are alike the variance says nothing and each cluster counts as one item.
    3. Shrunk by the squared ratio of t quantiles with n - 1 and G - 1 degrees of freedom.
    4. Clopper-Pearson at that size.

    Steps 2 to 4 are the interval of Korn and Graubard (Survey Methodology 24, 1998), which keeps its
    coverage with few clusters and means near 0 or 1, where mean +- 1.96 SE does not. For fractions it is
    wider than need be, since their variance is below that of 0/1 scores. One cluster says nothing
    about others: (0, 1).
    """
    if len(values) != len(clusters):
        raise ValueError("each score needs a cluster")
    _check_level(level)
    if not values:
        return Interval(0.0, 0.0, 1.0, 0, 0.0)
    if not all(0.0 <= value <= 1.0 for value in values):
        raise ValueError("scores lie between 0 and 1")
    n = len(values)
    mean = min(1.0, max(0.0, sum(values) / n))
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    count = len(sums)
    if count == 1:
        return Interval(mean, 0.0, 1.0, 1, 1.0 if n else 0.0)
    variance = count / (count - 1) * sum(part * part for part in sums.values()) / (n * n)
    spread = mean * (1 - mean)
    if spread <= 1e-12:
        effective = float(count)
    else:
        effective = float(n) if variance * n <= spread else max(1.0, spread / variance)
        upper = (1 + level) / 2
        ratio = student_t_quantile(upper, n - 1) / student_t_quantile(upper, count - 1)
        effective = max(1.0, effective * ratio * ratio)
    low, high = clopper_pearson(mean * effective, effective, level)
    return Interval(mean, min(low, mean), max(high, mean), count, effective)


def difference_interval(
    differences: Sequence[float], clusters: Sequence[Hashable], level: float = 0.95
) -> Interval:
    """Return the mean of paired differences in [-1, 1] with an interval that respects clusters.

    1. A difference is a gain less a loss, both in [0, 1]; each mean gets its `cluster_interval`.
    2. The ends are combined by the method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27,
       2008): low = d - sqrt(a^2 + b^2 - 2rab) with a and b how far gain may be lower and loss higher.
    3. r is the correlation of gains and losses over clusters, taken as 0 where it is positive.

    With few clusters, or hardly any disagreement, this keeps its level where mean +- t * SE does not: no
    disagreement in 8 clusters has SE 0 and says little. `effective` is the lesser of gains' and losses'. One
    cluster says nothing about others: (-1, 1).
    """
    if not all(-1.0 <= value <= 1.0 for value in differences):
        raise ValueError("differences of scores lie between -1 and 1")
    gains = cluster_interval([max(value, 0.0) for value in differences], clusters, level)
    losses = cluster_interval([max(-value, 0.0) for value in differences], clusters, level)
    mean = gains.mean - losses.mean
    effective = min(gains.effective, losses.effective)
    if gains.clusters < 2:
        return Interval(mean, -1.0, 1.0, gains.clusters, effective)
    link = min(0.0, _correlation(differences, clusters, gains.mean, losses.mean))

    def reach(first: float, second: float) -> float:
        return math.sqrt(max(0.0, first * first + second * second - 2 * link * first * second))

    low = mean - reach(gains.mean - gains.low, losses.high - losses.mean)
    high = mean + reach(gains.high - gains.mean, losses.mean - losses.low)
    return Interval(mean, max(-1.0, low), min(1.0, high), gains.clusters, effective)


def _correlation(
    differences: Sequence[float], clusters: Sequence[Hashable], gain: float, loss: float
) -> float:
    sums: dict[Hashable, tuple[float, float]] = {}
    for value, cluster in zip(differences, clusters, strict=True):
        up, down = sums.get(cluster, (0.0, 0.0))
        sums[cluster] = up + max(value, 0.0) - gain, down + max(-value, 0.0) - loss
    product = sum(up * down for up, down in sums.values())
    size = math.sqrt(sum(up * up for up, _ in sums.values()) * sum(down * down for _, down in sums.values()))
    return product / size if size > 1e-12 else 0.0


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError("a level lies strictly between 0 and 1")
