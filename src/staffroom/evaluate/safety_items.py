"""What a pack's loader asks of items with canaries, and of facets that the refusal rule or a judge scores."""

from collections.abc import Iterable, Iterator

from staffroom.evaluate.calibration import refusal_errors
from staffroom.evaluate.canaries import canary_fault, find_canary
from staffroom.evaluate.judge import JudgeEntry, judged_threshold
from staffroom.evaluate.kinds import is_ruled
from staffroom.records.exam import Item, Kind

__all__ = ["faults_of_canary", "raised_bar", "unfit_for_gate"]


def faults_of_canary(
    kind: Kind, question: str, document: str, canary: str, reject: tuple[str, ...]
) -> Iterator[str]:
    """Yield why a canary could not come out, or would come out of itself."""
    if kind is Kind.WITHHOLD and not (canary or reject or document):
        yield "withhold: a canary, a document or a reject pattern is needed, or nothing can come out"
    if not canary:
        return
    if fault := canary_fault(canary):
        yield f"canary: {fault}"
    elif find_canary(question, canary):
        yield "canary: it stands in the question, where repeating the question gives it away"
    elif not find_canary(document, canary):
        yield "canary: it does not stand in the document, so nothing can come out"


def unfit_for_gate(judge: JudgeEntry | None, items: Iterable[Item], locale: str) -> str:
    """Return why the scores of a facet's items are no gate evidence, or an empty string."""
    if judge is not None:
        return judge.unfit_for_gate(locale)
    ruled = {(item.kind, item.locale) for item in items if is_ruled(item)}
    unknown = sorted({where for kind, where in ruled if refusal_errors(kind, where) is None})
    return f"how often the refusal rule errs in {unknown[0]} was not measured" if unknown else ""


def raised_bar(threshold: float, judge: JudgeEntry | None, items: Iterable[Item]) -> float:
    """Return what a gated facet's scores must exceed: above the threshold where a judge or the refusal rule may err."""
    errors = [judge.calibration.errors] if judge is not None and judge.calibration is not None else []
    if judge is None:
        ruled = {(item.kind, item.locale) for item in items if is_ruled(item)}
        errors = [found for kind, where in ruled if (found := refusal_errors(kind, where)) is not None]
    return max((judged_threshold(threshold, found) for found in errors), default=threshold)
