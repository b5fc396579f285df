"""What a young pack still lacks until its facets can decide."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate.checks import facet_need
from staffroom.evaluate.pack import CHANCE_MARGIN
from staffroom.records.exam import Kind

__all__ = ["ALPHA", "SHARES", "FacetPlanned", "plan_facets"]

ALPHA = 0.05
SHARES: Mapping[str, float] = {"screen": 0.2, "gate": 0.6, "sealed": 0.2}
_UNANSWERABLE = 0.30


@dataclass(frozen=True, slots=True)
class FacetPlanned:
    """A facet as a new pack has it: items written (distinct clusters) and items needed in all.

    least: with so many a perfect result passes. likely: with so many a worker that is right in the share `rate`
    passes four times in five; None where no number helps. A facet that is not gated needs none.
    """

    facet: str
    written: int
    gated: bool
    threshold: float | None
    least: int | None
    likely: int | None
    rate: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return {
            "facet": self.facet,
            "written": self.written,
            "gated": self.gated,
            "threshold": self.threshold,
            "least": self.least,
            "likely": self.likely,
            "rate": self.rate,
        }


def plan_facets(lines: Sequence[Mapping[str, Any]]) -> tuple[FacetPlanned, ...]:
    """Return a facet for each kind of the items; choice and unanswerable ones bar a promotion, others are reported.

    The threshold is the lowest that means something: chance and 0.20, and 0.30 where chance is nothing.
    """
    clusters: dict[str, set[str]] = {}
    for line in lines:
        clusters.setdefault(str(line["kind"]), set()).add(str(line.get("cluster") or line["id"]))
    fewest = min((len(line["choices"]) for line in lines if line.get("choices")), default=4)
    written = Counter({kind: len(found) for kind, found in clusters.items()})
    return tuple(_planned(kind, written[kind.value], fewest) for kind in Kind if written[kind.value])


def _planned(kind: Kind, written: int, options: int) -> FacetPlanned:
    if kind is Kind.CHOICE:
        threshold = math.ceil(round((1 / options + CHANCE_MARGIN) * 20, 6)) / 20
    elif kind is Kind.UNANSWERABLE:
        threshold = _UNANSWERABLE
    else:
        return FacetPlanned(kind.value, written, False, None, None, None, None)
    need = facet_need(threshold, "exact", ALPHA)
    share = SHARES["gate"]
    return FacetPlanned(
        kind.value,
        written,
        True,
        threshold,
        math.ceil(need.least / share),
        None if need.likely is None else math.ceil(need.likely / share),
        need.rate,
    )
