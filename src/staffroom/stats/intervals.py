"""Interval of a mean score whose items come in clusters (several items from one article or page)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from staffroom.stats.beta import student_t_quantile
from staffroom.stats.binomial import clopper_pearson

__all__ = ["Interval", "cluster_interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its interval within [0, 1]; `effective` is how many independent items it is worth."""

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
