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
from staffroom.release.paired import PairedPlan, PairedTest, Sat, decide_paired, paired_values, plan_paired
from staffroom.release.reasons import decision_reason, explain, facet_reason, more_items

__all__ = [
    "FacetPlan",
    "GatePlan",
    "PairedPlan",
    "PairedTest",
    "Sat",
    "build_release",
    "clusters_to_pass",
    "decide",
    "decide_paired",
    "decision_reason",
    "differences",
    "draw_items",
    "explain",
    "facet_reason",
    "judge_facets",
    "lost_facets",
    "more_items",
    "paired_values",
    "plan_gate",
    "plan_paired",
    "uses_in_all",
]
