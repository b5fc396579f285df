"""What every engine driver offers: rendering, generation with cancellation, and one-token probabilities.

An engine knows prompts and tokens; it knows nothing of documents, exams or workers.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value

__all__ = [
    "Decoding",
    "Engine",
    "EngineIdentity",
    "Generation",
    "NextToken",
    "Piece",
    "Prompt",
    "ServerAddress",
]


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What a re-run must match: driver, build, weights, template, and the settings that change numbers."""

    driver: str
    build: str
    model: str
    template: str
    settings: Mapping[str, int | str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the identity as JSON data."""
        return {
            "driver": self.driver,
            "build": self.build,
            "model": self.model,
            "template": self.template,
            "settings": dict(sorted(self.settings.items())),
        }

    @property
    def digest(self) -> str:
        """Digest by which evidence names this engine."""
        return digest_value(self.as_json())


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt whose first part is pinned.

    `pinned` is rendered text that is computed once and kept (the system prompt, and within one item
    everything before its options); `rest` follows it. The tokens are those of `pinned + rest`.
    """

    pinned: str
    rest: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to continue: at most `max_tokens`, `temperature` 0 is greedy, `stop` strings end it."""

    max_tokens: int = 256
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    grammar: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of streamed text."""

    text: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished continuation; token counts are the engine's own, `finish` is `stop` or `length`."""

    text: str
    tokens_in: int
    tokens_out: int
    finish: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NextToken:
    """Natural-log probabilities of the likeliest next tokens, by token text, and the tokens read."""

    log_probabilities: Mapping[str, float]
    tokens_in: int


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where an OpenAI-compatible server listens: a base that ends before `/chat/completions`, a Unix socket or "", a
    key or ""."""

    base: str
    socket: str = ""
    key: str = ""


class Engine(Protocol):
    """One loaded model behind a driver; safe to share among asyncio tasks, served one request at a time
    in exam mode (one slot, fixed seed, no prompt-cache reuse except the pinned prefix)."""

    @property
    def identity(self) -> EngineIdentity:
        """What answers."""
        ...

    @property
    def context(self) -> int:
        """Context length in tokens."""
        ...

    async def start(self) -> None:
        """Load the model; raises EngineError with a reason when it cannot."""
        ...

    async def close(self) -> None:
        """Stop; idempotent."""
        ...

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the chat template applied to the turns, ending where the assistant begins, plus `opening`."""
        ...

    async def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        ...

    async def pin(self, prefix: str) -> None:
        """Compute a prefix so that following prompts that begin with it reuse it, bit for bit the same way."""
        ...

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        """Continue a prompt; cancelling the task stops the engine."""
        ...

    def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncIterator[Piece | Generation]:
        """Continue a prompt piece by piece; the last value is the Generation with all text and counts."""
        ...

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        """Return log-probabilities of the `candidates` likeliest next tokens (before sampling)."""
        ...
