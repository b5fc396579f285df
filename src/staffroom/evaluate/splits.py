"""Which cluster goes to which split: whole clusters, strata in proportion, decided by the seed alone."""

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from staffroom.records.exam import Item, Split

__all__ = ["assign_splits"]


def assign_splits(
    items: Sequence[Item], shares: Mapping[Split, float], *, seed: str, by: str = "kind"
) -> dict[str, Split]:
    """Return the split of each item id; `by` is the stratum, `kind` or `facet`.

    1. Clusters in order: those that hold a rare stratum first, larger before smaller (they are hardest to place), then
       by sha256(seed | cluster).
    2. Each goes to the split whose strata are furthest below their share (iterative stratification,
       Sechidis et al. 2011, for whole clusters).

    The same items, shares and seed give the same splits whatever the order of the file.
    """
    strata = {item.id: _stratum(item, by) for item in items}
    totals = Counter(strata.values())
    clusters: dict[str, list[Item]] = {}
    for item in items:
        clusters.setdefault(item.cluster, []).append(item)
    used = [split for split in Split if shares.get(split, 0) > 0]
    missing = {(split, stratum): shares[split] * count for split in used for stratum, count in totals.items()}

    def rank(cluster: str) -> tuple[int, int, str]:
        rarest = min(totals[strata[item.id]] for item in clusters[cluster])
        return rarest, -len(clusters[cluster]), hashlib.sha256(f"{seed}|{cluster}".encode()).hexdigest()

    result: dict[str, Split] = {}
    for cluster in sorted(clusters, key=rank):
        counts = Counter(strata[item.id] for item in clusters[cluster])
        best = max(used, key=lambda split: (_gain(counts, missing, split, shares[split]), shares[split]))
        for stratum, count in counts.items():
            missing[best, stratum] -= count
        for item in clusters[cluster]:
            result[item.id] = best
    return result


def _gain(
    counts: Mapping[Hashable, int],
    missing: Mapping[tuple[Split, Hashable], float],
    split: Split,
    share: float,
) -> float:
    # What placing the cluster here takes off the sum of squared distances from the targets, each relative to
    # its share: without that, all large clusters would go to the largest split.
    # fsum, because a plain sum of fractions depends on the order of the file, and would break ties by it.
    return (
        math.fsum(count * (2 * missing[split, stratum] - count) for stratum, count in counts.items()) / share
    )


def _stratum(item: Item, by: str) -> Hashable:
    return item.facet if by == "facet" else item.kind.value
