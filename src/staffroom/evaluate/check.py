"""Faults that a valid pack may still have: leaks, giveaways, weak patterns, facets that cannot decide.

It reports and never changes a pack. Errors make results worthless, warnings make them doubtful, notes say what to
expect. It cannot tell whether the questions are the right ones.
"""

from collections.abc import Iterable

from staffroom.evaluate.checks import (
    Finding,
    Severity,
    find_giveaways,
    find_leaks_from_documents,
    find_missing_sources,
    find_own_answer_faults,
    find_repeated_questions,
    find_shared_passages,
    find_slow_patterns,
    find_undecidable_facets,
    find_unlike_pairs,
    find_weak_patterns,
)
from staffroom.evaluate.pack import ExamPack

__all__ = ["Finding", "Severity", "check_pack"]


def check_pack(pack: ExamPack, chunks: Iterable[str] = ()) -> list[Finding]:
    """Return all findings, errors first.

    chunks: texts that an agent may retrieve; each is looked at once, so a generator will do.
    """
    findings = [
        *find_leaks_from_documents(pack, chunks),
        *find_repeated_questions(pack),
        *find_shared_passages(pack),
        *find_unlike_pairs(pack),
        *find_giveaways(pack),
        *find_own_answer_faults(pack),
        *find_weak_patterns(pack),
        *find_slow_patterns(pack),
        *find_missing_sources(pack),
        *find_undecidable_facets(pack),
    ]
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))
