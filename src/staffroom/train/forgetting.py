"""Whether a trained worker forgot: its scores on things it was not trained for, against those of before.

Only scores come in, paired by item. Which items (a general set in the job's language and in English, refusals,
values) is the caller's choice.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.stats import difference_interval

__all__ = ["Forgetting", "check_forgetting"]

_HALVINGS = 14
_LEAST_DROP = -4.0


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The relative drop `1 - after / before` of the mean score with its interval; negative is a gain.

    holds: False where the whole interval lies above the margin. reason: one sentence with the figures.
    """

    items: int
    before: float
    after: float
    drop: float
    low: float
    high: float
    margin: float
    holds: bool
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "items": self.items,
            "before": self.before,
            "after": self.after,
            "drop": self.drop,
            "low": self.low,
            "high": self.high,
            "margin": self.margin,
            "holds": self.holds,
        }


def check_forgetting(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    margin: float = 0.02,
    level: float = 0.95,
) -> Forgetting:
    """Return the relative drop of the mean score and whether it is within the margin.

    before, after: scores in [0, 1] of the same items in the same order. clusters: what each item comes from, each its
    own where None. The interval holds the drops m for which `(1 - m) * before - after` may have the mean 0 (the
    test turned round, as Fieller did for ratios), so it keeps its level where few items changed.
    It is wider than need be (by a third or so), because `difference_interval` takes fractions for zeros and ones.
    Raises ValueError where the sequences differ in length, are empty, or the mean before is 0.
    """
    if not before or len(before) != len(after):
        raise ValueError("scores before and after come in pairs, at least one")
    groups: Sequence[Hashable] = clusters if clusters is not None else range(len(before))
    first, second = sum(before) / len(before), sum(after) / len(after)
    if first <= 0:
        raise ValueError("there is nothing to forget where the mean score before is 0")
    drop = 1 - second / first

    def possible(tried: float) -> bool:
        scale = 1 + abs(tried)
        values = [((1 - tried) * old - new) / scale for old, new in zip(before, after, strict=True)]
        found = difference_interval(values, groups, level)
        return found.low <= 0 <= found.high

    low, high = _border(drop, _LEAST_DROP, possible), _border(drop, 1.0, possible)
    holds = low <= margin
    said = "within" if holds else "above"
    reason = (
        f"the mean score of {len(before)} items went from {first:.3f} to {second:.3f}: a relative drop of {drop:.1%} "
        f"({low:.1%} to {high:.1%}), {said} the margin of {margin:.0%}"
    )
    return Forgetting(len(before), first, second, drop, low, high, margin, holds, reason)


def _border(inside: float, outside: float, possible: Callable[[float], bool]) -> float:
    """Return where drops stop being possible on the way from the estimate outwards, by halving."""
    if possible(outside):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if possible(middle):
            inside = middle
        else:
            outside = middle
    return outside
