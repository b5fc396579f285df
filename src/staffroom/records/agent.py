"""Values of the assembled agent: what it is made of, what it is asked, what it answers."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value
from staffroom.records.guardrails import Ruling

__all__ = [
    "AgentAnswer",
    "AgentSpec",
    "ChatTurn",
    "ChoiceAnswer",
    "Citation",
    "Outcome",
    "Retrieved",
]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """Everything that is examined and later served, by digest.

    base: digest of the model file, or `endpoint:<url>#<model>` for an endpoint-bound candidate.
    adapter: digest of a LoRA adapter or "".  engine: driver, build and template digest.
    index: digest of the document index.  prompt, policy, guardrails: digests of their canonical JSON.
    examples: digest of the book of worked examples of which each question is shown the nearest, or "".
    """

    name: str
    base: str
    engine: str
    index: str
    prompt: str
    policy: str
    guardrails: str
    locale: str
    adapter: str = ""
    candidate: str = ""
    examples: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the manifest: a JSON object of digests and names; without examples none are named in it."""
        value = {
            "name": self.name,
            "base": self.base,
            "adapter": self.adapter,
            "engine": self.engine,
            "index": self.index,
            "prompt": self.prompt,
            "policy": self.policy,
            "guardrails": self.guardrails,
            "locale": self.locale,
            "candidate": self.candidate,
        }
        return {**value, "examples": self.examples} if self.examples else value

    @property
    def digest(self) -> str:
        """The agent's name wherever evidence is kept."""
        return digest_value(self.as_json())


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document that an answer rests on; it opens at `start`..`end` of the extracted text.

    `start` and `end` are character offsets, `page` counts from 1 where the format has pages.
    """

    number: int
    chunk_id: str
    document: str
    document_digest: str
    heading: str
    page: int | None
    start: int
    end: int
    quote: str = ""
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A chunk found for a question, best first; `score` orders within one query and means nothing else.

    focus: offset in `text` of the passage that is closest to the question.
    """

    chunk_id: str
    document_digest: str
    document_name: str
    heading_path: tuple[str, ...]
    text: str
    page: int | None
    start: int
    end: int
    as_of: str | None
    score: float
    focus: int = 0
    lexical_rank: int | None = None
    dense_rank: int | None = None


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One turn of a conversation; role is `user`, `assistant` or `system`."""

    role: str
    content: str


class Outcome(StrEnum):
    """How an answer came about: from the documents, declined for want of them, or refused by the charter."""

    ANSWERED = "answered"
    DECLINED = "declined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An answer as served, with the raw text beside it and the reason of every automatic choice.

    rulings: what the guardrails did, from the request to the served text.
    """

    text: str
    raw_text: str
    outcome: Outcome
    reason: str
    citations: tuple[Citation, ...] = ()
    retrieved: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    details: dict[str, Any] = field(default_factory=dict, compare=False)
    rulings: tuple[Ruling, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """Probabilities of the options in the order given, averaged over the cyclic option orders.

    `orders[k][i]` is option i's probability when the options were rotated by k; rows sum to 1.
    """

    probabilities: tuple[float, ...]
    orders: tuple[tuple[float, ...], ...]
    retrieved: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
