"""Whether a facet has items enough ever to decide, and how many would."""

from collections.abc import Iterator
from dataclasses import dataclass

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.pack import ExamPack
from staffroom.records.exam import FacetRule, Split
from staffroom.stats import (
    alpha_for_use,
    betting_p_value,
    can_ever_decide,
    items_needed,
    least_to_pass,
    power_to_pass,
)

__all__ = ["FacetNeed", "facet_need", "find_undecidable_facets"]

_BETTER_BY = 0.25
_BEST_RATE = 0.95
_MOST_CLUSTERS = 1000


@dataclass(frozen=True, slots=True)
class FacetNeed:
    """How many independent items (clusters) of the gate split a facet needs.

    least: with which a perfect result passes at the first use. likely: with which an agent passes four times in five
    if it is truly right in the share `rate`; None where more than 3,000 would be needed.
    """

    least: int
    likely: int | None
    rate: float


def facet_need(threshold: float, method: str, alpha: float) -> FacetNeed:
    """Return what a facet with this threshold needs; `alpha` is the gate split's lifetime error probability."""
    used = alpha_for_use(1, alpha)
    rate = _expected_rate(threshold)
    low, high = 1, _MOST_CLUSTERS
    while low < high:
        middle = (low + high) // 2
        if _can_decide(middle, threshold, method, used):
            high = middle
        else:
            low = middle + 1
    return FacetNeed(low, items_needed(threshold, used, rate), rate)


def find_undecidable_facets(pack: ExamPack) -> Iterator[Finding]:
    """Find gated facets that even a perfect result would not pass; for the others, say what passing takes."""
    alpha = alpha_for_use(1, pack.alpha)
    for facet, clusters in pack.clusters_of(Split.GATE).items():
        rule = pack.facets[facet]
        if not rule.gated or rule.threshold is None:
            continue
        if _can_decide(clusters, rule.threshold, rule.method, alpha):
            yield _prospect(facet, clusters, rule, rule.threshold, alpha)
            continue
        least = facet_need(rule.threshold, rule.method, pack.alpha).least
        yield Finding(
            Severity.WARNING,
            "",
            f"facet {facet} has {clusters} clusters in the gate split: even a perfect result would not show "
            f"more than {rule.threshold:g}; it will be reported, not gated, until there are {least}",
        )


def _prospect(facet: str, clusters: int, rule: FacetRule, threshold: float, alpha: float) -> Finding:
    rate = _expected_rate(threshold)
    if rule.method == "betting":
        text = f"facet {facet} bets on {clusters} clusters; a perfect result passes"
    else:
        least = least_to_pass(clusters, threshold, alpha)
        power = power_to_pass(clusters, threshold, alpha, rate)
        text = (
            f"facet {facet} passes with {least} of {clusters} clusters; an agent that is truly right in {rate:.2f} "
            f"passes with probability {power:.2f}"
        )
    return Finding(Severity.NOTE, "", text)


def _can_decide(clusters: int, threshold: float, method: str, alpha: float) -> bool:
    if method == "betting":
        return betting_p_value([1.0] * clusters, threshold) <= alpha
    return can_ever_decide(clusters, threshold, alpha)


def _expected_rate(threshold: float) -> float:
    return min(max(_BEST_RATE, (1 + threshold) / 2), threshold + _BETTER_BY)
