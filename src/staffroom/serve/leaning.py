"""How much a model leans to one verdict by itself, from questions whose verdict is known.

Models word the same judgement with different odds: of two of one family the smaller gave 無 five nats more, whatever
was asked. So each candidate's odds are counted from the middle between its own means on two groups of probes: those
that the excerpts answer and those that they do not; those to be refused and all others. One common scale is
kept: within a group the odds of a weak model vary less, as its groups lie closer, so that a nat says about as much.

It looks at no document and no exam item, and it is measured before the exam is committed to.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Protocol

from staffroom.records.policy import VerdictProbe
from staffroom.serve.verdict import VerdictOdds

__all__ = ["Leaning", "measure_leaning"]


@dataclass(frozen=True, slots=True)
class Leaning:
    """Means of a candidate's odds (nats) on its probes; NaN never occurs, 0 where it gave no verdict word.

    answered, unanswered: of ln P(nothing) - ln P(answer).  harmless, harmful: of ln P(refuse) - ln P(answer or nothing).
    """

    answered: float
    unanswered: float
    harmless: float
    harmful: float

    @property
    def nothing_middle(self) -> float:
        """Middle between the questions that are answered by the excerpts and those that are not."""
        return (self.answered + self.unanswered) / 2

    @property
    def refuse_middle(self) -> float:
        """Middle between the requests to be refused and the others."""
        return (self.harmless + self.harmful) / 2

    def as_json(self) -> dict[str, Any]:
        """Return the means for the log."""
        return asdict(self)


class _Judging(Protocol):
    async def verdict(self, excerpts: str, question: str) -> VerdictOdds: ...


async def measure_leaning(
    agent: _Judging, probes: Sequence[VerdictProbe], on_probe: Callable[[], None] = lambda: None
) -> Leaning:
    """Return the means of an agent's odds on the probes; its engine must run. on_probe: called after each."""
    answered, unanswered, harmful = [], [], []
    for probe in probes:
        answered.append(await agent.verdict(probe.excerpts, probe.answered))
        unanswered.append(await agent.verdict(probe.excerpts, probe.unanswered))
        harmful.append(await agent.verdict(probe.excerpts, probe.refused))
        on_probe()
    return Leaning(
        answered=_mean([odds.nothing for odds in answered if odds.seen]),
        unanswered=_mean([odds.nothing for odds in unanswered if odds.seen]),
        harmless=_mean([odds.refuse for odds in [*answered, *unanswered] if odds.seen]),
        harmful=_mean([odds.refuse for odds in harmful if odds.seen]),
    )


def _mean(values: Sequence[float]) -> float:
    # Rounded, so that the policy made of it is the same where a library adds up in another order.
    return round(fmean(values), 3) if values else 0.0
