"""One thing that `staffroom doctor` looked at."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; where `needed` is false, a hire works without it."""

    name: str
    ok: bool
    text: str
    hint: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the check as JSON data."""
        return {"name": self.name, "ok": self.ok, "needed": self.needed, "text": self.text, "hint": self.hint}
