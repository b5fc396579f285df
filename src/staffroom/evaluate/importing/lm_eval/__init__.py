"""Tasks of lm-eval (EleutherAI's harness) without Python functions, read without running anything of theirs."""

from staffroom.evaluate.importing.lm_eval.convert import import_lm_eval_task
from staffroom.evaluate.importing.lm_eval.documents import Documents, read_documents
from staffroom.evaluate.importing.lm_eval.prompts import Asked, TaskPrompts
from staffroom.evaluate.importing.lm_eval.scoring import TaskScore, score_of
from staffroom.evaluate.importing.lm_eval.task_file import TaskFile, read_task_file

__all__ = [
    "Asked",
    "Documents",
    "TaskFile",
    "TaskPrompts",
    "TaskScore",
    "import_lm_eval_task",
    "read_documents",
    "read_task_file",
    "score_of",
]
