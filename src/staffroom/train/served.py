"""What training needs of the engine that serves: its template, its tokeniser, and what it says with an adapter."""

from collections.abc import Callable, Sequence
from typing import Protocol

from staffroom.engine import EngineIdentity, LlamaAdapter, TracedToken
from staffroom.records.agent import ChatTurn

__all__ = ["OpenEngine", "ServedEngine"]


class ServedEngine(Protocol):
    """The engine as it serves; `staffroom.engine.LlamaEngine` is one."""

    @property
    def identity(self) -> EngineIdentity:
        """What answers."""
        ...

    @property
    def context(self) -> int:
        """Context length in tokens."""
        ...

    async def start(self) -> None:
        """Load the model."""
        ...

    async def close(self) -> None:
        """Stop; idempotent."""
        ...

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the chat template applied to the turns."""
        ...

    async def tokens(self, text: str) -> tuple[int, ...]:
        """Return token ids as a prompt begins with them."""
        ...

    async def trace(self, tokens: Sequence[int], count: int, candidates: int = 8) -> tuple[TracedToken, ...]:
        """Return a greedy continuation with log-probabilities by token id."""
        ...


OpenEngine = Callable[[Sequence[LlamaAdapter]], ServedEngine]
"""Returns the served engine of the base, not started, with these adapters at their scales."""
