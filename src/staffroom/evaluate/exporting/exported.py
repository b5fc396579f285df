"""What is exported of an evaluation, before it takes another program's form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from staffroom.evaluate.kinds import LETTERS
from staffroom.records.exam import Item, Response

__all__ = ["Exported", "ExportedItem", "answer_of", "asked_of", "target_of"]


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """One item with its answer and its score as it was kept (a JSON object)."""

    item: Item
    response: Response
    score: Mapping[str, Any]

    @property
    def scored(self) -> bool:
        """Whether the answer could be scored."""
        return str(self.score.get("status")) == "scored"


@dataclass(frozen=True, slots=True)
class Exported:
    """One evaluation: sums always, items only where their answers may be shown.

    evaluation, agent, pack: digests.  model: what the agent is called.  facets: rows with score, low, high and n.
    """

    evaluation: str
    agent: str
    pack: str
    pack_name: str
    locale: str
    split: str
    seed: int
    model: str
    created: datetime
    exported: datetime
    organisation: str
    version: str
    tokens_in: int
    tokens_out: int
    facets: Sequence[Mapping[str, Any]]
    items: Sequence[ExportedItem] = field(default_factory=tuple)


def asked_of(item: Item) -> str:
    """Return what the agent was asked: the question, and its options by their letters."""
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, item.choices, strict=False)]
    return "\n".join([item.input, *lines])


def target_of(item: Item) -> list[str]:
    """Return what is right: letters, targets, or the model answer; patterns are no answers."""
    if not item.kind.has_patterns:
        return list(item.accept)
    return [item.answer] if item.answer else []


def answer_of(row: ExportedItem) -> str:
    """Return the answer as served; for options the letter of the likeliest."""
    return row.response.text
