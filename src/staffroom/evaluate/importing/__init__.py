"""Turning questions that others wrote into exam packs: tables, JSON lines, and tasks of lm-eval.

Files come from strangers: sizes, depths and times are bounded, no code in them is run and no tag obeyed.
"""

from staffroom.evaluate.importing.imported import Imported, Left, pack_name
from staffroom.evaluate.importing.lm_eval import import_lm_eval_task
from staffroom.evaluate.importing.make_pack import make_pack
from staffroom.evaluate.importing.questions import import_questions, pattern_of, whitespace_of

__all__ = [
    "Imported",
    "Left",
    "import_lm_eval_task",
    "import_questions",
    "make_pack",
    "pack_name",
    "pattern_of",
    "whitespace_of",
]
