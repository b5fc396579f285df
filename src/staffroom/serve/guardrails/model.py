"""The slot for a guard model: an optional judge beside the rules, never instead of them.

What it says can only add: a request or sentence that the rules let through may be flagged or blocked by it. Where it fails, the
request fails; it is never skipped in silence.
"""

from typing import Protocol

from staffroom.records.guardrails import Stage, Verdict

__all__ = ["GuardModel"]


class GuardModel(Protocol):
    """A model that judges texts."""

    @property
    def digest(self) -> str:
        """Digest of the model and of how it is asked; part of the release."""
        ...

    async def judge(self, stage: Stage, text: str) -> tuple[Verdict, str]:
        """Return allow, flag or block for a request (input) or a sentence of an answer (output), with a short code."""
        ...
