"""An engine that says what a test wrote down, and the parts of an agent around it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from staffroom.engine.protocols import Decoding, EngineIdentity, Generation, NextToken, Piece, Prompt
from staffroom.onboard.guardrails import guardrail_plan
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.records.agent import AgentSpec, ChatTurn, Retrieved
from staffroom.records.digests import digest_bytes
from staffroom.records.job_description import JobDescription
from staffroom.serve.agent import DocumentAgent
from staffroom.serve.guardrails import GuardModel

ANSWER = {"zh-TW": "答", "en": "ANSWER"}
NOTHING = {"zh-TW": "無", "en": "NONE"}
REFUSE = {"zh-TW": "拒", "en": "REFUSE"}


@dataclass
class ScriptedEngine:
    """`verdict` are the next token's log-probabilities, `pieces` the continuation; `prompts` what was asked."""

    verdict: Mapping[str, float]
    pieces: Sequence[str] = ()
    finish: str = "stop"
    context: int = 8192
    pause: float = 0.0
    prompts: list[str] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)
    closed: int = 0
    streaming: int = 0

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("scripted", "1", "m", "t")

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        return "".join(f"<{turn.role}>{turn.content}</>" for turn in turns) + "<assistant>" + opening

    async def count(self, text: str) -> int:
        return len(text)

    async def pin(self, prefix: str) -> None:
        self.pinned.append(prefix)

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        raise AssertionError("the agent streams")

    def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        return self._stream(prompt)

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        self.prompts.append(prompt.pinned + prompt.rest)
        await asyncio.sleep(0)
        return NextToken(self.verdict, 100)

    async def _stream(self, prompt: Prompt) -> AsyncGenerator[Piece | Generation, None]:
        self.prompts.append(prompt.pinned + prompt.rest)
        self.streaming += 1
        try:
            for piece in self.pieces:
                await asyncio.sleep(self.pause)
                yield Piece(piece)
            yield Generation("".join(self.pieces), 100, len(self.pieces), self.finish)
        finally:
            self.streaming -= 1
            self.closed += 1


class Shelf:
    """A retriever that always finds the same texts; `asked` are the questions."""

    digest = "sha256:shelf"
    cosine = 0.9

    def __init__(self, texts: Sequence[str]) -> None:
        self.document = "\n".join(texts)
        self.texts = tuple(texts)
        self.asked: list[str] = []

    def search(self, question: str, limit: int) -> list[Retrieved]:
        self.asked.append(question)
        found, start = [], 0
        for number, text in enumerate(self.texts):
            found.append(
                Retrieved(
                    chunk_id=f"c{number}",
                    document_digest=digest_bytes(self.document.encode()),
                    document_name="rules.md",
                    heading_path=("規則", f"第{number + 1}條"),
                    text=text,
                    page=None,
                    start=start,
                    end=start + len(text),
                    as_of="2026-03-01",
                    score=1.0 / (number + 1),
                    lexical_rank=number + 1,
                    dense_rank=number + 1,
                )
            )
            start += len(text) + 1
        return found[:limit]

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        return [self.cosine] * len(texts)


@dataclass
class Guard:
    """A request guard with one opinion."""

    probability: float = 0.01
    digest: str = "sha256:guard"

    def refuse_probability(self, request: str) -> float:
        return self.probability


def job(locale: str = "zh-TW", guardrails: Mapping[str, Any] | None = None, **charter: Any) -> JobDescription:
    return JobDescription.model_validate(
        {
            "name": "w",
            "title": "T",
            "sponsor": "Office",
            "locale": locale,
            "charter": {"turn_to": "服務台 {room} 分機 12", "ai_notice": "這是 AI。", **charter},
            "documents": [{"path": "d"}],
            "candidates": ["c"],
            "exam": "e",
            "alias": "w",
            "policy": {"guardrails": dict(guardrails or {})},
        }
    )


def agent(
    engine: ScriptedEngine,
    texts: Sequence[str],
    guard: Guard | None = None,
    locale: str = "zh-TW",
    guardrails: Mapping[str, Any] | None = None,
    guard_model: GuardModel | None = None,
    **charter: Any,
) -> DocumentAgent:
    asked = job(locale, guardrails, **charter)
    return DocumentAgent(
        spec=AgentSpec("w", "b", "e", "i", "p", "q", "g", locale),
        engine=engine,
        retriever=Shelf(texts),
        book=prompt_book(asked),
        policy=agent_policy(asked),
        guard=guard or Guard(),
        plan=guardrail_plan(asked),
        guard_model=guard_model,
    )


def sure(word: str) -> dict[str, float]:
    """Log-probabilities of a model that is sure of one verdict word."""
    return {word: -0.0001, "其他": -9.5}
