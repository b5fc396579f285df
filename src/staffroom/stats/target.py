"""Betting towards a target within a number of rounds that was fixed beforehand.

A mixture of constant bets must pay for not knowing how long the exam is. A gate knows: its split has so many clusters.
So the bet is worked out anew before each cluster, from the fortune that is still lacking and the clusters that are
still to come (Voracek and Orabona, "STaR-Bets", arXiv 2505.22422). Every bet uses the past only, so the fortune
stays a fair game and may be looked at after each cluster; only its power is aimed at the planned end.
"""

import math

__all__ = ["TargetBets"]

# Three clusters of the widest spread possible, before any is seen: it keeps a calm start from betting everything.
_PRIOR_CLUSTERS = 3.0
_PRIOR_MOMENT = 0.25
_AIM = 1e-9
_SLACK = 1e-6
_STEEP = 50.0


class TargetBets:
    """The fortune of one gambler against `mean <= threshold` who wants 1/alpha within `rounds` bets.

    Before each bet, with L the logarithm still lacking, r rounds left and v the mean squared distance of the scores
    from the threshold so far:
    1. The stake that is best for a mean this far away: sqrt(2 L / (r v)), as a bet on score - threshold.
    2. As long as every score was at least `calm`, at least the stake that would just reach the target if all the
       rest were `calm`, where there is such a stake. Without it the very first bets, made before the spread is
       known, would cost the shortest exams their decision.
    3. At most everything, and nothing once the target is reached.
    """

    def __init__(self, threshold: float, log_target: float, rounds: int, calm: float = 1.0) -> None:
        if not 0 < threshold < 1:
            raise ValueError("a threshold lies strictly between 0 and 1")
        if not 0 < log_target < math.inf or rounds < 1:
            raise ValueError("a target is above 1 and takes at least one round")
        if not threshold < calm <= 1:
            raise ValueError("a calm score lies above the threshold")
        self._threshold, self._target = threshold, log_target + _AIM
        self._left = rounds
        self._calm, self._all_calm = calm, True
        self._log = 0.0
        self._moment, self._count = _PRIOR_CLUSTERS * _PRIOR_MOMENT, _PRIOR_CLUSTERS

    @property
    def log_value(self) -> float:
        """Natural logarithm of the fortune now, -inf when it is lost."""
        return self._log

    @property
    def left(self) -> int:
        """Bets left until the planned end."""
        return self._left

    @property
    def stake(self) -> float:
        """The share of the fortune at risk in the next bet, in [0, 1]."""
        lacking = self._target - self._log
        if lacking <= 0:
            return 0.0
        share = self._threshold * math.sqrt(2 * lacking * self._count / (self._left * self._moment))
        each = lacking / self._left
        if self._all_calm and each < _STEEP:
            enough = math.expm1(each) / (self._calm / self._threshold - 1)
            # A little more than everything is what rounding, and the aim beyond the target, ask where all is needed.
            if enough <= 1 + _SLACK:
                share = max(share, enough)
        return min(1.0, share)

    def settle(self, score: float) -> None:
        """Settle the next bet; raises ValueError when none is left (`extend` first)."""
        if self._left < 1:
            raise ValueError("all planned clusters are in: extend the plan before the next one")
        if self._log > -math.inf:
            change = self.stake * (score / self._threshold - 1)
            self._log += math.log1p(change) if change > -1 else -math.inf
        self._left -= 1
        self._count += 1
        self._moment += (score - self._threshold) ** 2
        self._all_calm = self._all_calm and score >= self._calm - 1e-12

    def extend(self, rounds: int) -> None:
        """Plan `rounds` more bets; a fortune that is lost stays lost."""
        if rounds < 1:
            raise ValueError("an extension adds at least one round")
        self._left += rounds
