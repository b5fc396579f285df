"""Values of training: an example, the data set it belongs to, and the word that the data set holds no exam item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value

__all__ = ["Example", "LeakClearance", "dataset_digest"]


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation and the answer that is to be learnt; only the answer is supervised.

    turns: what the model is shown, ending with the user's turn. origin: where it came from, in a few words.
    chunks: ids of the document chunks it rests on. case: what must stay on one side of a split (a person, a document).
    """

    turns: tuple[ChatTurn, ...]
    answer: str
    origin: str
    chunks: tuple[str, ...] = ()
    case: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the example as canonical JSON data."""
        return {
            "turns": [[turn.role, turn.content] for turn in self.turns],
            "answer": self.answer,
            "origin": self.origin,
            "chunks": list(self.chunks),
            "case": self.case,
        }

    @property
    def digest(self) -> str:
        """The example's name wherever it is assigned, compared or reported."""
        return digest_value(self.as_json())


@dataclass(frozen=True, slots=True)
class LeakClearance:
    """What a leak check said of one data set: the report's digest, the data set's, and whether nothing was found."""

    report: str
    dataset: str
    clean: bool


def dataset_digest(examples: Sequence[Example]) -> str:
    """Return the digest of examples as a set: their order and repetitions of one do not matter."""
    return digest_value(sorted({example.digest for example in examples}))
