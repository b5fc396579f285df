"""Which items of a large set are asked when not all are: by a fixed rule, the same on every machine."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from staffroom.evaluate.pack import ItemLine

__all__ = ["first_by_rule"]


def first_by_rule(items: Sequence[ItemLine], name: str, limit: int | None) -> list[ItemLine]:
    """Return `limit` items in the file's order, each facet in proportion; all where limit is None or as large.

    1. Within a facet, items are ranked by sha256(name | id).
    2. The item of rank r (from 0) in a facet of n items gets the place (r + 0.5) / n; the first places are taken, ties by
       the hash.

    So a smaller sample is a part of every larger one, and a facet's share is off by less than one item.
    """
    if limit is None or limit >= len(items):
        return list(items)
    facets: dict[str, list[tuple[str, ItemLine]]] = defaultdict(list)
    for item in items:
        facets[item.facet].append((hashlib.sha256(f"{name}|{item.id}".encode()).hexdigest(), item))
    places: list[tuple[float, str, str]] = []
    for ranked in facets.values():
        ranked.sort(key=lambda pair: pair[0])
        places += (
            ((rank + 0.5) / len(ranked), digest, item.id) for rank, (digest, item) in enumerate(ranked)
        )
    taken = {item_id for _, _, item_id in sorted(places)[:limit]}
    return [item for item in items if item.id in taken]
