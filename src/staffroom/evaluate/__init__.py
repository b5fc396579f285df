"""Exam packs, the examination of an agent, and its scores; it only measures, it never decides."""

from staffroom.evaluate.check import Finding, Severity, check_pack
from staffroom.evaluate.commitment import Commitment, commit_to
from staffroom.evaluate.examine import count_wrong_language, examine, response_digest
from staffroom.evaluate.kinds import LETTERS, SCORER_VERSIONS, scorer_name
from staffroom.evaluate.pack import CHANCE_MARGIN, ExamFile, ExamPack, ItemLine, load_pack
from staffroom.evaluate.patterns import Patterns, PatternTimeout, Whitespace, compile_pattern
from staffroom.evaluate.scorers import UNSTABLE_NATS, score_response
from staffroom.evaluate.splits import assign_splits
from staffroom.evaluate.summary import (
    against_candidate,
    declined_share,
    summarize_facets,
    summarize_kinds,
)

__all__ = [
    "CHANCE_MARGIN",
    "LETTERS",
    "SCORER_VERSIONS",
    "UNSTABLE_NATS",
    "Commitment",
    "ExamFile",
    "ExamPack",
    "Finding",
    "ItemLine",
    "PatternTimeout",
    "Patterns",
    "Severity",
    "Whitespace",
    "against_candidate",
    "assign_splits",
    "check_pack",
    "commit_to",
    "compile_pattern",
    "count_wrong_language",
    "declined_share",
    "examine",
    "load_pack",
    "response_digest",
    "score_response",
    "scorer_name",
    "summarize_facets",
    "summarize_kinds",
]
