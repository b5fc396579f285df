"""What an agent is told and how it decides: prompt book and policy, plain data that `onboard` fills and `serve` obeys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from staffroom.records.digests import digest_value

__all__ = [
    "AgentPolicy",
    "Demonstration",
    "ExampleBook",
    "PromptBook",
    "RequestGuardModel",
    "VerdictProbe",
]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One worked example that every prompt begins with: excerpts, question, the verdict word and the answer."""

    excerpts: str
    question: str
    verdict: str
    answer: str


@dataclass(frozen=True, slots=True)
class VerdictProbe:
    """Excerpts with one question that they answer, one that they do not, and one request to be refused."""

    excerpts: str
    answered: str
    unanswered: str
    refused: str


@dataclass(frozen=True, slots=True)
class PromptBook:
    """All wording that reaches the model, for one locale.

    system: the system prompt.  answer_word, nothing_word, refuse_word: the one-token verdicts with which an
    answer begins.  excerpt: how a chunk is shown, with {number}, {heading} and {text}.  question: the user's
    turn, with {excerpts} and {question}.  choice: the exam's turn, with {excerpts} and {question}; the lettered
    options and `choice_end` follow it.
    """

    locale: str
    system: str
    answer_word: str
    nothing_word: str
    refuse_word: str
    excerpt: str
    question: str
    choice: str
    choice_end: str
    demonstrations: tuple[Demonstration, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the book as JSON data."""
        return dict(_jsonable(asdict(self)))

    @property
    def digest(self) -> str:
        """Digest by which the agent's spec names its prompt."""
        return digest_value(self.as_json())


@dataclass(frozen=True, slots=True)
class ExampleBook:
    """Worked examples of which each question is shown the nearest ones, after those that every prompt begins with.

    shown: how many a question is shown.  sources: digests of the corrections that they were made of.
    """

    shown: int
    examples: tuple[Demonstration, ...]
    sources: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the book as JSON data."""
        return dict(_jsonable(asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ExampleBook":
        """Return the book that `as_json` gave."""
        return cls(
            data["shown"], tuple(Demonstration(**item) for item in data["examples"]), tuple(data["sources"])
        )

    @property
    def digest(self) -> str:
        """Digest by which the agent's spec names its examples."""
        return digest_value(self.as_json())


@dataclass(frozen=True, slots=True)
class AgentPolicy:
    """How an agent decides; every number is fixed before the exam and part of the release.

    excerpts: chunks shown to the model.  excerpt_characters: characters of each that are shown at most.
    choice_excerpts: chunks shown with an exam's choice item; 0 for as many as with a question.
    nothing_middle, refuse_middle: where the candidate's own odds of the verdict words, ln P(nothing) - ln P(answer)
    and ln P(refuse) - ln P(answer or nothing), lie between questions whose verdict is known (see `serve.leaning`);
    what an odd is above its middle counts.
    disagreement_weight, support_weight, support_cosine: the doubt that the excerpts answer is the first odds above
    their middle, plus the first times the disagreement of the retrieval's arms, plus the second
    times how far the closest sentence that could be the answer falls short of the third (see `serve.doubt`).
    decline_log_odds: the agent declines where the doubt is above it.
    doubt_log_odds: above it an answer that fails a check (see `serve.grounding`) is declined; below, it is quoted.
    refuse_log_odds: it refuses where the request guard's log-odds and the second odds above their middle add up to
    more.  request_threshold: the guard alone refuses above this probability.
    max_tokens: length of an answer.
    """

    locale: str
    turn_to: str
    ai_notice: str
    declined_text: str
    refused_text: str
    excerpts: int
    excerpt_characters: int
    disagreement_weight: float
    support_weight: float
    support_cosine: float
    decline_log_odds: float
    doubt_log_odds: float
    refuse_log_odds: float
    request_threshold: float
    max_tokens: int
    repair_locale: bool
    nothing_middle: float = 0.0
    refuse_middle: float = 0.0
    choice_excerpts: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the policy as JSON data; a release from before `choice_excerpts` has the digest it had."""
        value = asdict(self)
        if not self.choice_excerpts:
            del value["choice_excerpts"]
        return value

    @property
    def digest(self) -> str:
        """Digest by which the agent's spec names its policy."""
        return digest_value(asdict(self))


@dataclass(frozen=True, slots=True)
class RequestGuardModel:
    """A logistic model over request embeddings: P(refuse) = 1 / (1 + exp(-(weights . embedding + bias))).

    embedder and prototypes are the digests of what it was fitted with.
    """

    embedder: str
    prototypes: str
    weights: tuple[float, ...]
    bias: float

    def as_json(self) -> dict[str, Any]:
        """Return the model as JSON data."""
        return dict(_jsonable(asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RequestGuardModel":
        """Return the model that `as_json` gave."""
        return cls(**{**data, "weights": tuple(data["weights"])})

    @property
    def digest(self) -> str:
        """Digest by which the agent's spec names this guardrail."""
        return digest_value(self.as_json())


def _jsonable(value: Any) -> Any:
    """Turn tuples into lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value
