"""The ladder: what may be changed of a worker, cheapest first, and what a rung is told and gives.

A rung looks at accepted corrections and proposes agents; it asks no model and decides nothing. The proposals compete on the
screen split, and one of them goes to the gate. A rung that makes more than these parts adds a field to `Parts`
and a member to `Rung`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from staffroom.records.agent import Retrieved
from staffroom.records.feedback import Correction
from staffroom.records.policy import AgentPolicy, ExampleBook, PromptBook

__all__ = ["Expected", "Parts", "Proposal", "Rung", "Workshop"]


class Rung(StrEnum):
    """The rungs in the order of what they cost: a change of index or excerpts, of the prompt, worked examples, an adapter."""

    INDEX = "index"
    PROMPT = "prompt"
    EXAMPLES = "examples"
    LORA = "lora"


class Expected(StrEnum):
    """Which verdict a corrected answer stands for."""

    ANSWER = "answer"
    NOTHING = "nothing"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a proposal may change of an agent; index, adapter: digests of an index and of an adapter of the home."""

    index: str
    book: PromptBook
    policy: AgentPolicy
    examples: ExampleBook | None = None
    adapter: str = ""

    def key(self) -> tuple[Any, ...]:
        """Return what two equal agents have in common; the candidate's own middles are learnt later."""
        policy = {**self.policy.as_json(), "nothing_middle": 0.0, "refuse_middle": 0.0}
        examples = None if self.examples is None else self.examples.digest
        return self.index, self.book.digest, tuple(sorted(policy.items())), examples, self.adapter


@dataclass(frozen=True, slots=True)
class Proposal:
    """One candidate of a rung: its name in the race, its parts, why it is proposed, and what was left out of it."""

    rung: Rung
    name: str
    parts: Parts
    reason: str
    left_out: tuple[str, ...] = ()


class Workshop(Protocol):
    """What a rung is told of the worker, and what it may look up."""

    @property
    def incumbent(self) -> Parts:
        """The worker in service."""
        ...

    @property
    def released(self) -> Parts:
        """The worker as the job of its release words it, before any improvement."""
        ...

    @property
    def current(self) -> Parts:
        """The worker as its job and its documents are now, before any improvement."""
        ...

    @property
    def corrections(self) -> Sequence[Correction]:
        """The accepted corrections that may train, in the order of their digests."""
        ...

    @property
    def examples_shown(self) -> int:
        """How many worked examples a question may be shown."""
        ...

    def find(self, index: str, question: str, limit: int) -> Sequence[Retrieved]:
        """Return the chunks of an index for a question, best first."""
        ...

    def show(self, found: Sequence[Retrieved], parts: Parts, characters: int) -> str:
        """Return chunks as the model would be shown them, cut to so many characters each."""
        ...

    def expected(self, correction: Correction) -> Expected:
        """Return which verdict a corrected answer stands for."""
        ...

    def objection(self, correction: Correction, found: Sequence[Retrieved], characters: int) -> str:
        """Return why a corrected answer does not rest on what is shown of these chunks, or an empty text."""
        ...

    def exam_item_like(self, text: str) -> str:
        """Return the id of an exam item that asks much the same, or an empty text."""
        ...
