"""From item scores to one value per cluster, in an order that only the seed decides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ClusterValue", "paired_clusters", "single_clusters"]


@dataclass(frozen=True, slots=True)
class ClusterValue:
    """The mean over one cluster's items; low and high differ by what its unscored items might have been."""

    cluster: str
    items: int
    low: float
    high: float

    @property
    def complete(self) -> bool:
        """Whether every item was scored."""
        return self.low == self.high


def single_clusters(
    scores: Mapping[str, float | None], clusters: Mapping[str, str], seed: int | str
) -> tuple[ClusterValue, ...]:
    """Return cluster means of one agent's scores in [0, 1], None for an unscored item.

    clusters: cluster of each item. Raises ValueError where the items of both differ (an item that was asked is never
    left out), there is none, or a score is outside the range or NaN.
    """
    _check(scores, clusters)
    return _by_cluster({item: _ends(score) for item, score in scores.items()}, clusters, seed)


def paired_clusters(
    candidate: Mapping[str, float | None],
    incumbent: Mapping[str, float | None],
    clusters: Mapping[str, str],
    seed: int | str,
) -> tuple[ClusterValue, ...]:
    """Return cluster means of candidate less incumbent on the same items, in [-1, 1].

    Arguments and errors as in `single_clusters`, for both agents.
    """
    _check(candidate, clusters)
    _check(incumbent, clusters)
    ends = {}
    for item, score in candidate.items():
        low, high = _ends(score)
        other_low, other_high = _ends(incumbent[item])
        ends[item] = low - other_high, high - other_low
    return _by_cluster(ends, clusters, seed)


def _check(scores: Mapping[str, float | None], clusters: Mapping[str, str]) -> None:
    if not clusters:
        raise ValueError("no cluster has an item")
    if scores.keys() != clusters.keys():
        odd = sorted(scores.keys() ^ clusters.keys())
        raise ValueError(f"scores and clusters name different items, {odd[0]} first")
    for item, score in scores.items():
        if score is not None and not 0 <= score <= 1:
            raise ValueError(f"item {item} scored {score:g}: scores lie between 0 and 1")


def _ends(score: float | None) -> tuple[float, float]:
    return (0.0, 1.0) if score is None else (score, score)


def _by_cluster(
    ends: Mapping[str, tuple[float, float]], clusters: Mapping[str, str], seed: int | str
) -> tuple[ClusterValue, ...]:
    groups: dict[str, list[tuple[float, float]]] = {}
    # Sorted, because the sum of floats depends on their order and a verifier must find the same one.
    for item in sorted(ends):
        groups.setdefault(clusters[item], []).append(ends[item])

    def rank(cluster: str) -> str:
        return hashlib.sha256(f"{seed}|{cluster}".encode()).hexdigest()

    return tuple(
        ClusterValue(
            cluster,
            len(groups[cluster]),
            sum(low for low, _ in groups[cluster]) / len(groups[cluster]),
            sum(high for _, high in groups[cluster]) / len(groups[cluster]),
        )
        for cluster in sorted(groups, key=rank)
    )
