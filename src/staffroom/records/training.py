"""What a model is trained on: one conversation and the answer it should give, named by its content."""

from dataclasses import dataclass
from typing import Any

from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value

__all__ = ["Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as the model is shown it, ending with the user's turn, and the answer that is to be learnt.

    origin: where it came from (`documents`, `corrections`, a file's name). chunks: ids of the document chunks it rests on.
    case: what must stay on one side of a split (an article, a person's case), empty where the example stands alone.
    """

    turns: tuple[ChatTurn, ...]
    answer: str
    origin: str
    chunks: tuple[str, ...] = ()
    case: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the example as canonical JSON data."""
        return {
            "turns": [{"role": turn.role, "content": turn.content} for turn in self.turns],
            "answer": self.answer,
            "origin": self.origin,
            "chunks": list(self.chunks),
            "case": self.case,
        }

    @property
    def digest(self) -> str:
        """The example's name in manifests and reports."""
        return digest_value(self.as_json())
