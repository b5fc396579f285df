"""The small interfaces by which sibling packages meet; they are wired together in `pipeline`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Retrieved
from staffroom.records.exam import Response

__all__ = [
    "Agent",
    "DocumentReader",
    "FeedbackSink",
    "Progress",
    "ResponseSink",
    "Retriever",
    "TextListener",
]

TextListener = Callable[[str], None]


class Agent(Protocol):
    """An assembled agent: examined and served through the same two methods."""

    @property
    def spec(self) -> AgentSpec:
        """What the agent is made of."""
        ...

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        """Answer the last user turn; `on_text` gets the served text piece by piece as it is released."""
        ...

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        """Return option probabilities averaged over the cyclic orders of the options."""
        ...


@runtime_checkable
class DocumentReader(Protocol):
    """An agent that can be given excerpts to find, beside those of its documents."""

    def reading(self, excerpts: Sequence[Retrieved]) -> Agent:
        """Return the same agent, which finds these excerpts first whatever it is asked."""
        ...


class Retriever(Protocol):
    """Finds chunks for a question."""

    @property
    def digest(self) -> str:
        """Digest of the index that answers."""
        ...

    def search(self, question: str, limit: int) -> list[Retrieved]:
        """Return at most `limit` chunks, best first."""
        ...

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of the question with each text."""
        ...


class FeedbackSink(Protocol):
    """Takes what people say of answers; nothing that it takes changes a worker by itself."""

    def take(self, row: Mapping[str, str], *, key: str, opens: Callable[[str], bool]) -> str:
        """Put one word on a recorded answer into quarantine and return its id.

        row: `audit_id` and what is said of that answer.  key: id of the API key that says it, or "".  opens: whether that key is for
        a worker.  Raises WrongUse for an answer that is not recorded or not the key's, and for what cannot be read.
        """
        ...


class ResponseSink(Protocol):
    """Keeps responses as they come, so that an interrupted run goes on where it stopped."""

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        """Return the stored response of this agent to this item, if there is one."""
        ...

    def put(self, item_digest: str, response: Response) -> None:
        """Store a response durably; the next item may be asked meanwhile."""
        ...


class Progress(Protocol):
    """Told how far long work has come; it draws a bar on a terminal and lines elsewhere."""

    def stage(self, name: str, total: float) -> None:
        """A stage of `total` units begins."""
        ...

    def advance(self, units: float = 1.0, note: str = "") -> None:
        """`units` more are done."""
        ...

    def say(self, text: str) -> None:
        """A line that a person should see."""
        ...
