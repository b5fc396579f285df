"""What an import makes: items and the rules they are asked and scored by, before they are a pack on disk."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from staffroom.evaluate.matching import MatchRule

__all__ = ["Imported", "Left", "pack_name"]

_OUTSIDE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Left:
    """A row that was not imported: the line it stands on and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Items as lines of items.jsonl, each facet's name, and what a reader of the pack must know.

    questions: what each item asks, without what all prompts share.
    notes: sentences for SOURCES.md on what was read, taken and left out.
    """

    name: str
    locale: str
    items: tuple[Mapping[str, Any], ...]
    questions: tuple[str, ...]
    facets: tuple[str, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...]
    source: str
    rule: MatchRule | None = None
    asking: str = "worker"
    delimiter: str = ""
    max_tokens: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of the items, each once."""
        return tuple(dict.fromkeys(str(item["kind"]) for item in self.items))


def pack_name(text: str) -> str:
    """Return a short name for a pack: small letters, digits and hyphens, at most 63."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _OUTSIDE.sub("-", plain).strip("-")[:63].strip("-") or "imported"
