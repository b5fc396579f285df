"""Sums of scores: per facet and per kind, with intervals that respect clusters."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from staffroom.records.exam import FacetSummary, Kind, Score, ScoreStatus
from staffroom.stats import cluster_interval

__all__ = ["against_candidate", "declined_share", "summarize_facets", "summarize_kinds"]


def summarize_facets(scores: Iterable[Score]) -> tuple[FacetSummary, ...]:
    """Return one summary per facet, in alphabetical order; unscored items enter as 0."""
    return _summarize(scores, lambda score: score.facet)


def summarize_kinds(scores: Iterable[Score]) -> tuple[FacetSummary, ...]:
    """Return one summary per kind, in the order of `Kind`; its `facet` field holds the kind's name.

    Scores of several splits may be given together, as long as no item occurs twice.
    """
    rows = {row.facet: row for row in _summarize(scores, lambda score: score.kind.value)}
    return tuple(rows[kind.value] for kind in Kind if kind.value in rows)


def against_candidate(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Return the scores with every unstable item counted as wrong: the sensitivity check beside a result."""
    return tuple(
        replace(score, value=0.0, reason=f"{score.reason} (margin too small, counted as wrong)")
        if score.unstable and score.value > 0
        else score
        for score in scores
    )


def declined_share(scores: Iterable[Score], kind: Kind) -> tuple[int, int]:
    """Return how many items of a kind were declined, and how many were scored."""
    scored = [score for score in scores if score.kind is kind and score.status is ScoreStatus.SCORED]
    return sum(score.declined for score in scored), len(scored)


def _summarize(scores: Iterable[Score], group: Callable[[Score], str]) -> tuple[FacetSummary, ...]:
    groups: dict[str, list[Score]] = {}
    seen: set[str] = set()
    for score in scores:
        if score.item_id in seen:
            raise ValueError(f"item {score.item_id} is scored twice")
        seen.add(score.item_id)
        groups.setdefault(group(score), []).append(score)
    return tuple(_row(name, rows) for name, rows in sorted(groups.items()))


def _row(name: str, rows: Sequence[Score]) -> FacetSummary:
    interval = cluster_interval([row.value for row in rows], [row.cluster for row in rows])
    return FacetSummary(
        facet=name,
        n=len(rows),
        clusters=interval.clusters,
        score=interval.mean,
        low=interval.low,
        high=interval.high,
        unscored=sum(row.status is ScoreStatus.UNSCORED for row in rows),
    )
