"""The corrected rate of a judge: inverts what the judge does, covers the truth, refuses what says nothing."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from staffroom.stats import JudgeCalibration, cluster_interval, corrected_rate

COUNTS = st.tuples(st.integers(0, 300), st.integers(1, 300)).map(lambda pair: (min(pair), max(pair)))
CALIBRATIONS = st.builds(
    JudgeCalibration, st.integers(1, 200), st.integers(0, 200), st.integers(1, 200), st.integers(0, 200)
)


@settings(max_examples=60, deadline=None)
@given(COUNTS, CALIBRATIONS, st.booleans())
def test_the_interval_holds_the_estimate(
    counts: tuple[int, int], calibration: JudgeCalibration, guaranteed: bool
) -> None:
    assume(calibration.informative)
    result = corrected_rate(*counts, calibration, guaranteed=guaranteed)
    assert 0 <= result.low <= result.mean <= result.high <= 1
    assert 0 <= result.effective <= counts[1]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), CALIBRATIONS)
def test_the_correction_undoes_the_judge(rate: float, calibration: JudgeCalibration) -> None:
    assume(calibration.sensitivity + calibration.specificity > 1.01)
    judged = rate * calibration.sensitivity + (1 - rate) * (1 - calibration.specificity)
    assert corrected_rate(judged * 500, 500, calibration).mean == pytest.approx(rate, abs=1e-9)


def test_the_published_example() -> None:
    """p 0.4 of 1,000, specificity 0.7 and sensitivity 0.9 on 200 each; ends by an independent numpy computation."""
    result = corrected_rate(400, 1000, JudgeCalibration(180, 20, 140, 60))
    assert result.mean == pytest.approx(1 / 6)
    assert (result.low, result.high) == pytest.approx((0.0563507248, 0.2627330258), abs=1e-9)


def test_a_nearly_perfect_judge_changes_little_and_a_small_calibration_says_so() -> None:
    values = [1.0] * 90 + [0.0] * 10
    plain = cluster_interval(values, range(100))
    good = corrected_rate(90, 100, JudgeCalibration(5000, 0, 5000, 0))
    small = corrected_rate(90, 100, JudgeCalibration(20, 0, 20, 0))
    assert (good.low, good.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    assert good.effective > 95
    assert small.high - small.low > good.high - good.low
    assert small.effective < good.effective


@pytest.mark.parametrize(("rate", "q0", "q1"), [(0.02, 0.95, 0.9), (0.5, 0.7, 0.8), (0.95, 0.99, 0.85)])
def test_coverage(rate: float, q0: float, q1: float) -> None:
    """Whole experiments redrawn: exam of 150 answers, 60 settled answers of each class."""
    chance = np.random.default_rng(20)
    runs = 800
    near = sure = 0
    for run in range(runs):
        right = chance.binomial(60, q1)
        wrong = chance.binomial(60, q0)
        calibration = JudgeCalibration(int(right), int(60 - right), int(wrong), int(60 - wrong))
        judged = int(chance.binomial(150, rate * q1 + (1 - rate) * (1 - q0)))
        interval = corrected_rate(judged, 150, calibration)
        near += interval.low <= rate <= interval.high
        if run < 100:
            interval = corrected_rate(judged, 150, calibration, guaranteed=True)
            sure += interval.low <= rate <= interval.high
    assert near / runs >= 0.93
    assert sure >= 99


def test_what_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        JudgeCalibration(10, 2, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        JudgeCalibration(10, -2, 5, 5)
    with pytest.raises(ValueError, match="no better than chance"):
        corrected_rate(5, 10, JudgeCalibration(5, 5, 5, 5))
    good = JudgeCalibration(9, 1, 9, 1)
    for judged, answers in ((11, 10), (-1, 10), (0, 0), (float("nan"), 10), (1, float("inf"))):
        with pytest.raises(ValueError, match="cannot be"):
            corrected_rate(judged, answers, good)
    with pytest.raises(ValueError, match="level"):
        corrected_rate(1, 10, good, level=1.0)


def test_a_calibration_too_small_to_show_skill_leaves_everything_open() -> None:
    """Better than chance as counted, not after smoothing: the honest interval is the whole range."""
    result = corrected_rate(50, 100, JudgeCalibration(1, 0, 25, 475))
    assert (result.low, result.high, result.effective) == (0.0, 1.0, 0.0)
