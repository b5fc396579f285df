"""What a gate decides on an evaluation, in words and numbers, and the release that a promotion allows."""

from staffroom.release.gate import (
    FacetPlan,
    GatePlan,
    clusters_to_pass,
    decide,
    draw_items,
    judge_facets,
    lost_facets,
    plan_gate,
    uses_in_all,
)
from staffroom.release.manifest import build_release, differences
from staffroom.release.reasons import decision_reason, explain, facet_reason, more_items

__all__ = [
    "FacetPlan",
    "GatePlan",
    "build_release",
    "clusters_to_pass",
    "decide",
    "decision_reason",
    "differences",
    "draw_items",
    "explain",
    "facet_reason",
    "judge_facets",
    "lost_facets",
    "more_items",
    "plan_gate",
    "uses_in_all",
]
