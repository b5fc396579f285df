"""Feedback, corrections and the ladder of proposals; it asks no model, examines nobody and moves nothing."""

from staffroom.improve.book import Decided, Entry, FeedbackBook
from staffroom.improve.importing import FEEDBACK_FIELDS, feedback_of, read_feedback_file
from staffroom.improve.ladder import Expected, Parts, Proposal, Rung, Workshop
from staffroom.improve.personal import personal_data_in
from staffroom.improve.rungs import propose_examples, propose_index, propose_prompt
from staffroom.improve.sides import TRAIN_SHARE, SideOfCase, assign_side, cases_of

__all__ = [
    "FEEDBACK_FIELDS",
    "TRAIN_SHARE",
    "Decided",
    "Entry",
    "Expected",
    "FeedbackBook",
    "Parts",
    "Proposal",
    "Rung",
    "SideOfCase",
    "Workshop",
    "assign_side",
    "cases_of",
    "feedback_of",
    "personal_data_in",
    "propose_examples",
    "propose_index",
    "propose_prompt",
    "read_feedback_file",
]
