"""Which of a job's tasks a worker can do, from scores of items that stand for them: shares, errors and costs.

Procedure:
1. A task's items are those of a pack that its selector names (facets, tags, clusters).
2. Its share of right answers has the cluster-robust 95 % interval of `stats.cluster_interval`; the task is reached
   where the lower end is at least what the job needs, short where the upper end is below it.
3. Too few: even if all were right, the lower end would be below what is needed. Then, and while it is open, the
   planner says how many more sources would decide.
4. The cost of an accepted answer is the mean cost of an answer divided by the share of right ones.

It reports and decides nothing; it reads no file and knows no agent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus
from staffroom.records.job_description import Price
from staffroom.records.tasks import Task, TaskItems
from staffroom.stats import Interval, can_ever_decide, cluster_interval, items_needed

__all__ = ["Coverage", "TaskResult", "TaskVerdict", "items_of_task", "measure_task"]

_LEVEL = 0.95
_ONE_SIDED = (1 - _LEVEL) / 2
_POWER = 0.8
_LEAST_SHOWN = 3
_SEARCH_LIMIT = 3000
_MILLION = Decimal(1_000_000)
_HOUR_SECONDS = Decimal(3600)


class TaskVerdict(StrEnum):
    """What is shown of a task, at 95 % confidence for each task by itself."""

    REACHED = "reached"
    SHORT = "short"
    OPEN = "open"
    TOO_FEW = "too few items"
    NOT_EXAMINED = "not examined"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task's measured share of right answers, what it costs, and what the sponsor said of it.

    interval: None where nothing was examined, or where there are fewer than three sources: single answers of the
    gate are not shown.  more: further sources that would probably decide (probability 0.8) if the true share is
    `assumed`; None where 3,000 would not.  cost_per_answer, machine_cost_per_answer: by tokens and by machine time,
    in the declared currency, None where no price is declared.  cost_basis: `answers`, or `choices` where the task has
    only choice items, which are read once for each option order and answered with one token.
    """

    task: Task
    exam: str
    items: int
    clusters: int
    unscored: int
    interval: Interval | None
    verdict: TaskVerdict
    reached_together: bool = False
    more: int | None = None
    assumed: float | None = None
    cost_per_answer: Decimal | None = None
    machine_cost_per_answer: Decimal | None = None
    seconds_per_answer: float | None = None
    cost_basis: str = ""
    currency: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the task's row; shares are fractions, money is text, errors are cases a month."""
        task, found = self.task, self.interval
        return {
            "task": task.id,
            "name": task.name,
            "exam": self.exam,
            "items": self.items,
            "clusters": self.clusters,
            "unscored": self.unscored,
            "score": None if found is None else found.mean,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "needed": task.accuracy,
            "verdict": self.verdict.value,
            "reached_together": self.reached_together,
            "more": self.more,
            "assumed_share": self.assumed,
            "minutes": task.minutes,
            "cases": task.cases,
            "wrong_cases": None if found is None else _wrong_cases(task.cases, found),
            "cost_per_answer": _text(self.cost_per_answer),
            "cost_per_accepted": _text(_per_accepted(self.cost_per_answer, found)),
            "machine_cost_per_answer": _text(self.machine_cost_per_answer),
            "machine_cost_per_accepted": _text(_per_accepted(self.machine_cost_per_answer, found)),
            "seconds_per_answer": self.seconds_per_answer,
            "cost_basis": self.cost_basis,
            "currency": self.currency,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """All tasks of a job, and the share of them that is reached, by count and by cases."""

    tasks: tuple[TaskResult, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the rows with their sums; `share_of_cases` is None where the tasks have no cases."""
        reached = [row for row in self.tasks if row.verdict is TaskVerdict.REACHED]
        together = [row for row in self.tasks if row.reached_together]
        cases, covered = (sum(row.task.cases for row in rows) for rows in (self.tasks, reached))
        return {
            "tasks": [row.as_json() for row in self.tasks],
            "reached": len(reached),
            "of": len(self.tasks),
            "share_of_tasks": len(reached) / len(self.tasks) if self.tasks else None,
            "reached_together": len(together),
            "cases": cases,
            "cases_reached": covered,
            "share_of_cases": covered / cases if cases else None,
            "person_hours": _hours(self.tasks),
            "person_hours_reached": _hours(reached),
            "confidence": _LEVEL,
        }


def items_of_task(selector: TaskItems, items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items that a task's selector names: every field that it gives must fit, by one of its values.

    Survey items have no right answer and stand for no task.
    """
    return tuple(
        item
        for item in items
        if item.kind is not Kind.SURVEY
        and (not selector.facets or item.facet in selector.facets)
        and (not selector.tags or set(selector.tags) & set(item.tags))
        and (
            not selector.clusters or any(fnmatchcase(item.cluster, pattern) for pattern in selector.clusters)
        )
    )


def measure_task(
    task: Task,
    exam: str,
    items: Sequence[Item],
    scores: Mapping[str, Score],
    responses: Mapping[str, Response],
    price: Price,
    *,
    tasks: int,
) -> TaskResult:
    """Return what the answers to a task's items show; no items: not examined.

    items: those of the task that were asked.  scores, responses: by item id.  price: the candidate's declared price.
    tasks: how many tasks the job has; `reached_together` uses intervals of level 1 - 0.05/tasks, so that all tasks
    so marked are reached at once with probability 0.95 (Bonferroni).
    """
    rows = [scores[item.id] for item in items]
    clusters = len({row.cluster for row in rows})
    unscored = sum(row.status is ScoreStatus.UNSCORED for row in rows)
    if not rows:
        wanted, guess = _more_for_a_start(task.accuracy, 0)
        return TaskResult(task, exam, 0, 0, 0, None, TaskVerdict.NOT_EXAMINED, more=wanted, assumed=guess)
    values, groups = [row.value for row in rows], [row.cluster for row in rows]
    found = cluster_interval(values, groups, _LEVEL)
    joint = cluster_interval(values, groups, 1 - (1 - _LEVEL) / max(1, tasks))
    # Missing evidence decides nothing: an unscored item counts as wrong towards reaching, as right towards falling short.
    at_best = [1.0 if row.status is ScoreStatus.UNSCORED else row.value for row in rows]
    verdict = _verdict(task.accuracy, found, cluster_interval(at_best, groups, _LEVEL).high)
    more, assumed = _more(task.accuracy, found, verdict)
    cost = _cost([responses[item.id] for item in items], items, price)
    return TaskResult(
        task=task,
        exam=exam,
        items=len(rows),
        clusters=clusters,
        unscored=unscored,
        interval=found if clusters >= _LEAST_SHOWN else None,
        verdict=verdict,
        reached_together=joint.low >= task.accuracy,
        more=more,
        assumed=assumed,
        **cost,
    )


def _verdict(needed: float, found: Interval, high: float) -> TaskVerdict:
    if found.low >= needed:
        return TaskVerdict.REACHED
    if high < needed:
        return TaskVerdict.SHORT
    if can_ever_decide(found.clusters, needed, _ONE_SIDED):
        return TaskVerdict.OPEN
    return TaskVerdict.TOO_FEW


def _more(needed: float, found: Interval, verdict: TaskVerdict) -> tuple[int | None, float | None]:
    """Return how many more sources would probably decide, and the true share for which that holds."""
    if verdict in (TaskVerdict.REACHED, TaskVerdict.SHORT):
        return 0, None
    if verdict is TaskVerdict.TOO_FEW:
        return _more_for_a_start(needed, found.clusters)
    # A share seen of 0 or 1 is no guess at the truth: one right and one wrong answer are added (Laplace).
    assumed = (found.mean * found.effective + 1) / (found.effective + 2)
    wanted = items_needed(needed, _ONE_SIDED, assumed, _POWER, _SEARCH_LIMIT)
    if wanted is None:
        return None, assumed
    # One source may be worth more or less than one independent item.
    return max(1, math.ceil(wanted * found.clusters / found.effective) - found.clusters), assumed


def _more_for_a_start(needed: float, clusters: int) -> tuple[int | None, float]:
    assumed = (1 + needed) / 2
    wanted = items_needed(needed, _ONE_SIDED, assumed, _POWER, _SEARCH_LIMIT)
    return (None if wanted is None else max(1, wanted - clusters)), assumed


def _cost(responses: Sequence[Response], items: Sequence[Item], price: Price) -> dict[str, Any]:
    pairs = list(zip(responses, items, strict=True))
    opened = [response for response, item in pairs if not item.kind.has_options]
    asked = [response for response in opened or responses if not response.error]
    if not asked:
        return {}
    count = Decimal(len(asked))
    seconds = math.fsum(response.seconds for response in asked)
    tokens = (
        price.per_million_tokens_in * sum(response.tokens_in for response in asked)
        + price.per_million_tokens_out * sum(response.tokens_out for response in asked)
    ) / _MILLION
    priced = price.per_million_tokens_in or price.per_million_tokens_out
    hour = price.per_machine_hour
    machine = None if hour is None else hour * Decimal(str(round(seconds, 6))) / _HOUR_SECONDS
    return {
        "cost_per_answer": tokens / count if priced else None,
        "machine_cost_per_answer": None if machine is None else machine / count,
        "seconds_per_answer": seconds / len(asked),
        "cost_basis": "answers" if opened else "choices",
        "currency": price.currency,
    }


def _per_accepted(cost: Decimal | None, found: Interval | None) -> Decimal | None:
    if cost is None or found is None or found.mean <= 0:
        return None
    return cost / Decimal(str(round(found.mean, 9)))


def _wrong_cases(cases: int, found: Interval) -> list[float]:
    """Return how many cases a month would be answered wrongly: at most, likeliest, at least."""
    return [round(cases * (1 - share), 1) for share in (found.low, found.mean, found.high)]


def _hours(rows: Iterable[TaskResult]) -> float:
    return round(math.fsum(row.task.minutes * row.task.cases for row in rows) / 60, 1)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.6f}"
