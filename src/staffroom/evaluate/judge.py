"""Judge models: a question about an answer that a model decides in one token, and when that may count.

A judge is named by its weights and its wording. Its word counts in a gate only with a calibration record of this very
judge in the pack's language: a pack that gates a judged facet without one does not load. Then the bar is raised by what
the judge may err (`judged_threshold`), and the rate that is shown is the corrected one (`judged_rate`).

Judging happens after an exam, on kept answers. Each costs one token, and the same answers get the same word.
It does not make a judge wise: a judge that errs otherwise on these answers than on those it was calibrated with misleads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from staffroom.engine.protocols import Engine, Prompt
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Item, Response
from staffroom.stats import (
    Interval,
    JudgeCalibration,
    cluster_interval,
    corrected_rate,
    lower_bound,
    upper_bound,
)

__all__ = [
    "JudgeCalibrationEntry",
    "JudgeEntry",
    "JudgeSilent",
    "Judgement",
    "judge_answer",
    "judged_rate",
    "judged_threshold",
]

_PROTOCOL = "one-token/1"
_BOUND_ALPHA = 0.025
_LEAST_SETTLED = 30
_MAX_SHOWN = 4000
_MIN_SEEN = 0.01


class JudgeSilent(StaffroomError):
    """A judge said neither of its two words about an answer."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JudgeCalibrationEntry(_Strict):
    """How often this judge erred on answers that people had settled."""

    judge: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the judge (`exam check` prints it)."
    )
    language: str = Field(pattern=r"^[a-z]{2,3}$", description="Language of the settled answers.")
    positives: int = Field(ge=1, description="Answers that people called a yes.")
    missed: int = Field(ge=0, description="Of these, how many the judge called a no.")
    negatives: int = Field(ge=1, description="Answers that people called a no.")
    false_alarms: int = Field(ge=0, description="Of these, how many the judge called a yes.")
    answers: str = Field(min_length=1, description="Digest of the settled answers, or where they are.")
    source: str = Field(min_length=1, description="Who wrote and who settled them.")
    measured: date

    @model_validator(mode="after")
    def _possible(self) -> "JudgeCalibrationEntry":
        if self.missed > self.positives or self.false_alarms > self.negatives:
            raise ValueError("more errors than answers")
        return self

    @property
    def errors(self) -> JudgeCalibration:
        """The counts as `stats` takes them."""
        return JudgeCalibration(
            true_positives=self.positives - self.missed,
            false_negatives=self.missed,
            true_negatives=self.negatives - self.false_alarms,
            false_positives=self.false_alarms,
        )


class JudgeEntry(_Strict):
    """A judge of one facet: which weights, asked what."""

    weights: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the judge's model file.")
    question: str = Field(
        min_length=10,
        max_length=4000,
        description="What the judge is asked; holds {question} and {answer}, and can be said yes or no to.",
    )
    yes: str = Field("Yes", min_length=1, max_length=20, description="The word that gives the point.")
    no: str = Field("No", min_length=1, max_length=20, description="The word that gives none.")
    calibration: JudgeCalibrationEntry | None = Field(
        None, description="Without it the facet is reported, never gated."
    )

    @model_validator(mode="after")
    def _asks(self) -> "JudgeEntry":
        for name in ("{question}", "{answer}"):
            if self.question.count(name) != 1:
                raise ValueError(f"question must hold {name} once")
        if self.yes[0].casefold() == self.no[0].casefold():
            raise ValueError("yes and no must begin with different letters: one token decides")
        return self

    @property
    def digest(self) -> str:
        """Digest by which a calibration names this judge."""
        return digest_value(
            {
                "protocol": _PROTOCOL,
                "weights": self.weights,
                "question": self.question,
                "yes": self.yes,
                "no": self.no,
            }
        )

    def unfit_for_gate(self, locale: str) -> str:
        """Return why this judge's word is no gate evidence in a locale, or an empty string."""
        record = self.calibration
        if record is None:
            return "a judge without a calibration record is no gate evidence"
        if record.judge != self.digest:
            return (
                f"its calibration is of another judge ({record.judge[:19]}…, this one is {self.digest[:19]}…)"
            )
        if record.language != locale.split("-")[0].lower():
            return f"its calibration is in the language {record.language}, the pack in {locale}"
        if min(record.positives, record.negatives) < _LEAST_SETTLED:
            return f"its calibration has fewer than {_LEAST_SETTLED} settled answers of a class"
        if not record.errors.informative:
            return "its calibration shows a judge no better than chance"
        return ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's word on one answer; `probability` is that of yes among yes and no."""

    item_id: str
    yes: bool
    probability: float
    judge: str

    def as_json(self) -> dict[str, Any]:
        """Return the judgement as a JSON object."""
        return {"item": self.item_id, "yes": self.yes, "probability": self.probability, "judge": self.judge}


async def judge_answer(engine: Engine, entry: JudgeEntry, item: Item, response: Response) -> Judgement:
    """Ask the judge about one kept answer.

    The answer is shown between marks that it cannot close, cut at 4,000 characters. Raises StaffroomError where the
    engine runs other weights than the entry names, JudgeSilent where neither word is among the likeliest tokens.
    """
    if engine.identity.model != entry.weights:
        raise StaffroomError(
            f"the judge's weights are {entry.weights}, this engine runs {engine.identity.model}",
            hint="start the engine with the model that the pack names",
        )
    shown = response.text[:_MAX_SHOWN].replace("<<<", "< < <").replace(">>>", "> > >")
    asked = entry.question.replace("{question}", item.input).replace("{answer}", f"<<<\n{shown}\n>>>", 1)
    text = await engine.render([ChatTurn("user", f"{asked}\n{entry.yes} / {entry.no}?")])
    seen = await engine.next_token(Prompt("", text))
    mass = {word: _mass(seen.log_probabilities, word) for word in (entry.yes, entry.no)}
    total = sum(mass.values())
    if not math.isfinite(total) or total < _MIN_SEEN:
        raise JudgeSilent(
            f"item {item.id}: the judge says neither {entry.yes} nor {entry.no}",
            hint="word the judge's question so that one of the two must follow",
        )
    probability = mass[entry.yes] / total
    return Judgement(item.id, probability > 0.5, probability, entry.digest)


def judged_rate(judged: Sequence[bool], clusters: Sequence[str], errors: JudgeCalibration) -> Interval:
    """Return the corrected share of yes with its guaranteed 95 % interval; clusters as in `cluster_interval`."""
    seen = cluster_interval([float(word) for word in judged], clusters)
    answers = max(seen.effective, 1.0)
    return corrected_rate(seen.mean * answers, answers, errors, guaranteed=True)


def judged_threshold(threshold: float, errors: JudgeCalibration) -> float:
    """Return the bar that the judged share must exceed so that the true one exceeds `threshold`.

    The judged share of a true share t is t q1 + (1 - t)(1 - q0). Taken at the upper 97.5 % bound of q1 and the lower
    one of q0 (Clopper and Pearson), no true share up to t gives more, save with probability 0.05 over the calibration.
    Never below the threshold itself, though a judge that misses much would allow it.
    """
    q1 = upper_bound(errors.true_positives, errors.positives, _BOUND_ALPHA)
    q0 = lower_bound(errors.true_negatives, errors.negatives, _BOUND_ALPHA)
    return max(threshold, threshold * q1 + (1 - threshold) * (1 - q0))


def _mass(log_probabilities: Any, word: str) -> float:
    total = 0.0
    for token, value in log_probabilities.items():
        text = token.strip().casefold()
        if text and word.casefold().startswith(text) and not math.isnan(value):
            total += math.exp(min(0.0, value))
    return total
