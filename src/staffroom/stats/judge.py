"""The true rate behind the word of an imperfect judge (rules or a model) whose error rates were measured.

It corrects a rate, never a single answer, and rests on one thing that no formula can check: that the judge errs on
these answers as often as on those it was calibrated with. So calibrate per language and per kind of question, and
never compare two agents through a judge that errs differently on them.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from staffroom.stats.binomial import clopper_pearson
from staffroom.stats.intervals import Interval

__all__ = ["JudgeCalibration", "corrected_rate"]


@dataclass(frozen=True, slots=True)
class JudgeCalibration:
    """What a judge said of answers whose class people had settled, one answer per cluster.

    "Positive" is what the rate counts (right, refused, leaked, ...). Raises ValueError for negative counts and for
    a class without a single answer: an error rate that was never measured is not 0.
    """

    true_positives: int
    false_negatives: int
    true_negatives: int
    false_positives: int

    def __post_init__(self) -> None:
        counts = (self.true_positives, self.false_negatives, self.true_negatives, self.false_positives)
        if min(counts) < 0:
            raise ValueError("counts are not negative")
        if not self.positives or not self.negatives:
            raise ValueError("a calibration needs settled answers of both classes")

    @property
    def positives(self) -> int:
        """Answers that people called positive."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> int:
        """Answers that people called negative."""
        return self.true_negatives + self.false_positives

    @property
    def sensitivity(self) -> float:
        """Share of the positive answers that the judge calls positive (q1)."""
        return self.true_positives / self.positives

    @property
    def specificity(self) -> float:
        """Share of the negative answers that the judge calls negative (q0)."""
        return self.true_negatives / self.negatives

    @property
    def informative(self) -> bool:
        """Whether the judge did better than chance (q0 + q1 > 1), without which nothing can be corrected."""
        return self.sensitivity + self.specificity > 1


def corrected_rate(
    judged: float,
    answers: float,
    calibration: JudgeCalibration,
    level: float = 0.95,
    *,
    guaranteed: bool = False,
) -> Interval:
    """Return the true rate of positives behind `judged` positives among `answers`, with its interval.

    theta = (p + q0 - 1) / (q0 + q1 - 1) (Rogan and Gladen, Am. J. Epidemiology 107, 1978), cut to [0, 1].

    The interval is that of Lee et al. (arXiv 2511.21140): the uncertainty of p, q0 and q1 together, each count
    smoothed first, shifted for what smoothing does. Its two-sided coverage is near `level`; a single end may miss
    nearly twice as often as its half when one class has few settled answers. `guaranteed` takes the
    Clopper-Pearson interval of each of the three at a third of 1 - level, and the worst that they allow together:
    never short of `level`, about twice as wide. A gate that turns on one end should use it.

    Answers in clusters: give `cluster_interval`'s effective number as `answers` and mean times that as `judged`;
    both may be fractions. `effective` of the result says how many answers settled by people it is worth; its
    `clusters` are the answers rounded down. Raises ValueError for impossible counts and for a judge no better
    than chance.
    """
    if not 0 <= judged <= answers or not 0 < answers < math.inf:
        raise ValueError(f"{judged} positives among {answers} answers cannot be")
    if not 0 < level < 1:
        raise ValueError("a level lies strictly between 0 and 1")
    if not calibration.informative:
        raise ValueError("a judge no better than chance tells nothing about the rate")
    mean = _invert(judged / answers, calibration.specificity, calibration.sensitivity)
    smoothed = _smoothed(judged, answers, calibration, level)
    low, high = _guaranteed(judged, answers, calibration, level) if guaranteed else (smoothed[0], smoothed[1])
    return Interval(mean, min(low, mean), max(high, mean), math.floor(answers), smoothed[2])


def _invert(p: float, q0: float, q1: float) -> float:
    return _cut((p + q0 - 1) / (q0 + q1 - 1))


def _smoothed(
    judged: float, answers: float, calibration: JudgeCalibration, level: float
) -> tuple[float, float, float]:
    """Low end, high end and effective number of answers."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    n, m0, m1 = answers + z * z, calibration.negatives + 2, calibration.positives + 2
    p = (judged + z * z / 2) / n
    q0, q1 = (calibration.true_negatives + 1) / m0, (calibration.true_positives + 1) / m1
    gain = q0 + q1 - 1
    if gain <= 0:
        return 0.0, 1.0, 0.0
    theta = (p + q0 - 1) / gain
    miss0, miss1 = q0 * (1 - q0) / m0, q1 * (1 - q1) / m1
    shift = 2 * z * z * (theta * miss1 - (1 - theta) * miss0)
    error = math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * miss0 + theta**2 * miss1) / gain
    spread = max(p * (1 - p), _cut(theta) * (1 - _cut(theta)))
    low, high = _cut(theta + shift - z * error), _cut(theta + shift + z * error)
    return low, high, min(answers, spread / error**2)


def _guaranteed(
    judged: float, answers: float, calibration: JudgeCalibration, level: float
) -> tuple[float, float]:
    each = 1 - (1 - level) / 3
    p = clopper_pearson(judged, answers, each)
    q0 = clopper_pearson(calibration.true_negatives, calibration.negatives, each)
    q1 = clopper_pearson(calibration.true_positives, calibration.positives, each)
    # theta rises with p and with q0 (as long as p <= q1) and falls with q1 (as long as p >= 1 - q0); where these
    # orders break, theta is beyond 1 or 0 and cut.
    low = _invert(p[0], q0[0], q1[1]) if q0[0] + q1[1] > 1 else 0.0
    high = _invert(p[1], q0[1], q1[0]) if q0[1] + q1[0] > 1 else 1.0
    return low, high


def _cut(value: float) -> float:
    return min(1.0, max(0.0, value))
