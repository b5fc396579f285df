"""Exam packs, the examination of an agent, and its scores; it only measures, it never decides."""

from staffroom.evaluate.calibration import Calibration, CorrectedRate, correct_refusals
from staffroom.evaluate.canaries import find_canary
from staffroom.evaluate.check import Finding, Severity, check_pack
from staffroom.evaluate.commitment import (
    Commitment,
    ItemMarks,
    cluster_marks,
    commit_to,
    mark_items,
    question_mark,
    sealed_commitment,
    source_mark,
    split_digest,
)
from staffroom.evaluate.examine import Judge, count_wrong_language, examine, response_digest, sum_up
from staffroom.evaluate.judge import JudgeEntry, Judgement, judge_answer, judged_rate, judged_threshold
from staffroom.evaluate.judging import (
    correct_judged,
    judge_responses,
    judged_digest,
    kept_judgements,
    score_kept,
)
from staffroom.evaluate.kinds import LETTERS, SCORER_VERSIONS, scorer_name, scorer_of
from staffroom.evaluate.later import later_rules
from staffroom.evaluate.pack import CHANCE_MARGIN, ExamFile, ExamPack, ItemLine, load_pack
from staffroom.evaluate.patterns import Patterns, PatternTimeout, Whitespace, compile_pattern
from staffroom.evaluate.refusal import Stance, stance_of
from staffroom.evaluate.scorers import UNSTABLE_NATS, score_response, score_responses
from staffroom.evaluate.splits import assign_splits
from staffroom.evaluate.summary import (
    against_candidate,
    declined_share,
    summarize_facets,
    summarize_kinds,
)
from staffroom.evaluate.toolcalls import tool_calls

__all__ = [
    "CHANCE_MARGIN",
    "LETTERS",
    "SCORER_VERSIONS",
    "UNSTABLE_NATS",
    "Calibration",
    "Commitment",
    "CorrectedRate",
    "ExamFile",
    "ExamPack",
    "Finding",
    "ItemLine",
    "ItemMarks",
    "Judge",
    "JudgeEntry",
    "Judgement",
    "PatternTimeout",
    "Patterns",
    "Severity",
    "Stance",
    "Whitespace",
    "against_candidate",
    "assign_splits",
    "check_pack",
    "cluster_marks",
    "commit_to",
    "compile_pattern",
    "correct_judged",
    "correct_refusals",
    "count_wrong_language",
    "declined_share",
    "examine",
    "find_canary",
    "judge_answer",
    "judge_responses",
    "judged_digest",
    "judged_rate",
    "judged_threshold",
    "kept_judgements",
    "later_rules",
    "load_pack",
    "mark_items",
    "question_mark",
    "response_digest",
    "score_kept",
    "score_response",
    "score_responses",
    "scorer_name",
    "scorer_of",
    "sealed_commitment",
    "source_mark",
    "split_digest",
    "stance_of",
    "sum_up",
    "summarize_facets",
    "summarize_kinds",
    "tool_calls",
]
