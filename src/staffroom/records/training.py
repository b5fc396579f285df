"""What a model is trained on: one conversation and the answer it should give, named by its content."""

from dataclasses import dataclass
from typing import Any

from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value

__all__ = ["Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """Turns that end with a user's, and the answer to learn.

    origin: where it comes from (`documents`, `corrections`, a file's name).  chunks: ids of the excerpts that are shown, in
    their order. Whoever trains writes them into the turns first, as the worker's own prompt does: `train` takes turns as
    they are.  case: what must stay on one side of a split (an article, a person's case), empty where the example stands alone.
    """

    turns: tuple[ChatTurn, ...]
    answer: str
    origin: str
    chunks: tuple[str, ...] = ()
    case: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the example as a JSON object."""
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
