"""An engine that says what a function makes of the prompt, and a retriever that finds by shared words: for tests."""

from collections.abc import AsyncIterator, Callable, Sequence

from staffroom.engine import Decoding, EngineIdentity, Generation, NextToken, Piece, Prompt
from staffroom.records.agent import ChatTurn, Retrieved
from staffroom.records.documents import Chunk
from staffroom.text import ngram_terms

Says = Callable[[str, Decoding], str]


class ScriptedEngine:
    """Every continuation is `says(prompt, decoding)`; `asked` keeps the prompts."""

    context = 4096

    def __init__(self, says: Says, name: str = "scripted") -> None:
        self._says = says
        self.asked: list[str] = []
        self.identity = EngineIdentity("scripted", "1", name, "none")

    async def start(self) -> None:
        """Be ready."""

    async def close(self) -> None:
        """Stop."""

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        return "\n".join(turn.content for turn in turns) + opening

    async def count(self, text: str) -> int:
        return len(text)

    async def pin(self, prefix: str) -> None:
        """Keep nothing."""

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        text = prompt.pinned + prompt.rest
        self.asked.append(text)
        said = self._says(text, decoding)
        return Generation(said, len(text), len(said), "stop")

    def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncIterator[Piece | Generation]:
        raise AssertionError("nothing is streamed")

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        raise AssertionError("no probabilities are asked for")


class WordRetriever:
    """Finds the chunks that share most terms with the question."""

    digest = "sha256:" + "1" * 64

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks

    def search(self, question: str, limit: int) -> list[Retrieved]:
        asked = set(ngram_terms(question))
        ranked = sorted(self._chunks, key=lambda chunk: -len(asked & set(ngram_terms(chunk.text))))
        return [
            Retrieved(
                chunk.id,
                chunk.document_digest,
                chunk.document_name,
                chunk.heading_path,
                chunk.text,
                None,
                0,
                len(chunk.text),
                None,
                1.0 / place,
            )
            for place, chunk in enumerate(ranked[:limit], 1)
        ]

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        raise AssertionError("no closeness is asked for")
