"""The faults that `exam check` looks for, one file for each kind of fault."""

from staffroom.evaluate.checks.decidable import FacetNeed, facet_need, find_undecidable_facets
from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.checks.giveaways import find_giveaways
from staffroom.evaluate.checks.leaks import (
    find_leaks_from_documents,
    find_repeated_questions,
    find_shared_passages,
)
from staffroom.evaluate.checks.likeness import Likeness, alike_pairs
from staffroom.evaluate.checks.pairs import find_unlike_pairs
from staffroom.evaluate.checks.pattern_faults import (
    find_own_answer_faults,
    find_slow_patterns,
    find_weak_patterns,
)
from staffroom.evaluate.checks.sources import find_missing_sources

__all__ = [
    "FacetNeed",
    "Finding",
    "Likeness",
    "Severity",
    "alike_pairs",
    "facet_need",
    "find_giveaways",
    "find_leaks_from_documents",
    "find_missing_sources",
    "find_own_answer_faults",
    "find_repeated_questions",
    "find_shared_passages",
    "find_slow_patterns",
    "find_undecidable_facets",
    "find_unlike_pairs",
    "find_weak_patterns",
]
