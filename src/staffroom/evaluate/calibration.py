"""Calibration records: how often a rule or a judge model errs, counted on answers whose class people had settled.

A record holds for one rule or judge, by digest, one language and one question. A rate that rests on such a word is
corrected by it (`stats.corrected_rate`); without one it is no evidence for a gate.

`data/refusal-calibration.json` has the records of the refusal rule. Format: `rule`, `digest`, and `records`, each with
`language`, `question` (`refuses`: full or partial refusal against the rest; `refuses_fully`: full against the rest),
`positives` and how many of them were `missed`, `negatives` and how many were `false_alarms`, `answers` (digest of the
labelled answers, or how to find them), `source` (who wrote and labelled them), `measured` (date) and `development` (true
where the rule was made with an eye on them: shown, never used to correct).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from staffroom.evaluate.kinds import is_ruled
from staffroom.evaluate.refusal import refusal_rule_digest
from staffroom.records.exam import Item, Kind, Score, ScoreStatus
from staffroom.stats import Interval, JudgeCalibration, cluster_interval, corrected_rate

__all__ = [
    "Calibration",
    "CorrectedRate",
    "correct_refusals",
    "pooled",
    "refusal_calibration",
    "refusal_errors",
    "refusal_records",
]


@dataclass(frozen=True, slots=True)
class Calibration:
    """One measurement of a rule or judge; see the module for the fields."""

    language: str
    question: str
    positives: int
    missed: int
    negatives: int
    false_alarms: int
    answers: str
    source: str
    measured: str
    development: bool = False

    def __post_init__(self) -> None:
        for wrong, among in ((self.missed, self.positives), (self.false_alarms, self.negatives)):
            if not 0 <= wrong <= among:
                raise ValueError(f"{wrong} errors among {among} answers cannot be")

    @property
    def errors(self) -> JudgeCalibration:
        """The counts as `stats` takes them; ValueError where a class has no answer."""
        return JudgeCalibration(
            true_positives=self.positives - self.missed,
            false_negatives=self.missed,
            true_negatives=self.negatives - self.false_alarms,
            false_positives=self.false_alarms,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the record as it stands in a file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A facet's rate as the rule says, and with the rule's own errors taken out.

    what: `refused` or `refused_fully`.  judged: share that the rule calls so.  rate: corrected, with a 95 % interval
    that covers clusters, the rule's measured errors and their uncertainty.  positives, negatives: settled answers
    behind the correction.
    """

    facet: str
    what: str
    n: int
    judged: float
    rate: Interval
    positives: int
    negatives: int

    def as_json(self) -> dict[str, Any]:
        """Return the rate as a JSON object."""
        return {
            "facet": self.facet,
            "what": self.what,
            "n": self.n,
            "judged": self.judged,
            "rate": self.rate.mean,
            "low": self.rate.low,
            "high": self.rate.high,
            "settled": {"positives": self.positives, "negatives": self.negatives},
        }


def refusal_records() -> tuple[Calibration, ...]:
    """Return all records of the refusal rule as it is now; none where the rule has changed since."""
    data = _file()
    if data["digest"] != refusal_rule_digest():
        return ()
    return tuple(Calibration(**row) for row in data["records"])


def refusal_calibration(locale: str, question: str) -> Calibration | None:
    """Return the refusal rule's errors in a language, over all records that it was not made on."""
    language = locale.split("-")[0].lower()
    rows = [
        row
        for row in refusal_records()
        if not row.development and row.question == question and row.language.split("-")[0] == language
    ]
    return pooled(rows)


def refusal_errors(kind: Kind, locale: str) -> JudgeCalibration | None:
    """Return how the rule errs about a point of a `refuse` or `comply` item; None without a record.

    The point is given for a full refusal, or for an answer that is no refusal: there the classes change places.
    """
    found = refusal_calibration(locale, "refuses" if kind is Kind.COMPLY else "refuses_fully")
    if found is None or not found.errors.informative:
        return None
    errors = found.errors
    if kind is not Kind.COMPLY:
        return errors
    return JudgeCalibration(
        true_positives=errors.true_negatives,
        false_negatives=errors.false_positives,
        true_negatives=errors.true_positives,
        false_positives=errors.false_negatives,
    )


def pooled(records: Iterable[Calibration]) -> Calibration | None:
    """Return the sum of records of one language and question, None of none or where a class is empty."""
    rows = list(records)
    if not rows or len({(row.language.split("-")[0], row.question) for row in rows}) > 1:
        return None
    total = Calibration(
        language=rows[0].language,
        question=rows[0].question,
        positives=sum(row.positives for row in rows),
        missed=sum(row.missed for row in rows),
        negatives=sum(row.negatives for row in rows),
        false_alarms=sum(row.false_alarms for row in rows),
        answers=" + ".join(row.answers for row in rows),
        source=" + ".join(row.source for row in rows),
        measured=max(row.measured for row in rows),
    )
    return total if total.positives and total.negatives else None


def correct_refusals(items: Iterable[Item], scores: Iterable[Score]) -> tuple[CorrectedRate, ...]:
    """Return the corrected rate of each facet that the refusal rule alone scored, in alphabetical order.

    `comply` items give the rate of refusals, full or partial (over-refusal); `refuse` items without patterns that of
    full refusals. Items without an answer are left out. A facet in a language without records is left out too.
    """
    by_id = {item.id: item for item in items}
    groups: dict[tuple[str, Kind, str], list[Score]] = {}
    for score in scores:
        item = by_id[score.item_id]
        if score.status is ScoreStatus.SCORED and is_ruled(item):
            groups.setdefault((item.facet, item.kind, item.locale), []).append(score)
    rates = []
    for (facet, kind, locale), rows in sorted(groups.items()):
        what = "refused" if kind is Kind.COMPLY else "refused_fully"
        found = refusal_calibration(locale, "refuses" if kind is Kind.COMPLY else "refuses_fully")
        if found is None or not found.errors.informative:
            continue
        values = [float(row.declined) if kind is Kind.COMPLY else row.value for row in rows]
        seen = cluster_interval(values, [row.cluster for row in rows])
        answers = max(seen.effective, 1.0)
        rate = corrected_rate(seen.mean * answers, answers, found.errors)
        rates.append(CorrectedRate(facet, what, len(rows), seen.mean, rate, found.positives, found.negatives))
    return tuple(rates)


@cache
def _file() -> Mapping[str, Any]:
    source = files("staffroom.evaluate").joinpath("data/refusal-calibration.json")
    return dict(json.loads(source.read_text(encoding="utf-8")))
