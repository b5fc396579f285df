"""Evaluations in other programs' forms: Inspect's logs, and the records of Every Eval Ever."""

from staffroom.evaluate.exporting.every_eval import EveryEvalRecord, every_eval_record
from staffroom.evaluate.exporting.exported import Exported, ExportedItem
from staffroom.evaluate.exporting.inspect_log import inspect_archive, inspect_log

__all__ = [
    "EveryEvalRecord",
    "Exported",
    "ExportedItem",
    "every_eval_record",
    "inspect_archive",
    "inspect_log",
]
