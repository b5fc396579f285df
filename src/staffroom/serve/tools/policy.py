"""Whether a tool call may be carried out, must wait for a person, or neither: one table, without state.

| autonomy | the person is | read | send | change | final |
|---|---|---|---|---|---|
| 1 | operator | waits | waits | waits | waits |
| 2 | collaborator | runs | waits | waits | waits |
| 3 | consultant | runs | runs | waits | waits |
| 4 | approver | runs | runs | runs | waits |
| 5 | observer | runs | runs | runs | runs |

Whatever the level: with untrusted text in the context, what is not `read` waits. The level is the job's, but never above
the ceiling that the sponsor set. Source of the levels: arXiv 2506.12469.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from staffroom.records.tools import Risk

__all__ = ["Allowance", "CallVerdict", "Source", "allowance"]


class Source(StrEnum):
    """Where a text of the context comes from; what others wrote is untrusted, whoever put it there."""

    CHARTER = "charter"
    QUESTION = "question"
    DOCUMENT = "document"
    UPLOAD = "upload"
    TOOL_RESULT = "tool_result"

    @property
    def trusted(self) -> bool:
        """Whether what it says may move a worker to act."""
        return self in (Source.CHARTER, Source.QUESTION)


class CallVerdict(StrEnum):
    """What becomes of a call."""

    RUN = "run"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A verdict with its reason, in a sentence that an approver reads."""

    verdict: CallVerdict
    reason: str


_FREE: Mapping[int, tuple[Risk, ...]] = MappingProxyType(
    {
        1: (),
        2: (Risk.READ,),
        3: (Risk.READ, Risk.SEND),
        4: (Risk.READ, Risk.SEND, Risk.CHANGE),
        5: (Risk.READ, Risk.SEND, Risk.CHANGE, Risk.FINAL),
    }
)


def allowance(risk: Risk, autonomy: int, ceiling: int, sources: frozenset[Source]) -> Allowance:
    """Return what becomes of a call of a risk; `sources` are those of all texts that the context ever had."""
    untrusted = sorted(source.value for source in sources if not source.trusted)
    if risk.risky and untrusted:
        return Allowance(CallVerdict.WAIT, f"untrusted text in the context ({', '.join(untrusted)})")
    level = min(autonomy, ceiling)
    if risk not in _FREE.get(level, ()):
        return Allowance(CallVerdict.WAIT, f"`{risk.value}` needs a person at autonomy {level}")
    return Allowance(CallVerdict.RUN, f"`{risk.value}` is free at autonomy {level}")
