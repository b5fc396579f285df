"""A deterministic engine without a model, by simple honest rules: for dry runs, tutorials and tests.

It answers from the prompt alone. A continuation is the sentence of the prompt that shares most character
bigrams with the question (the prompt's last non-empty line before the assistant's turn). One-token
probabilities go over the letters or numbers of the options found in the prompt, by the overlap of each
option's text with the rest of the prompt. Nothing is learned, nothing is random; scores of this engine say
nothing about any model.
"""

import asyncio
import math
import re
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from staffroom.engine.errors import ContextExceeded, EngineError
from staffroom.engine.protocols import Decoding, EngineIdentity, Generation, NextToken, Piece, Prompt
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value

__all__ = ["FakeEngine"]

_VERSION = "1"
_OPENS = "<|"
_TURN = re.compile(r"<\|(system|user|assistant)\|>\n?")
_SENTENCE = re.compile(r"[^。！？!?\n.]*(?:[。！？!?]|\.(?=\s|$)|\.(?=\D)|\n|$)")
_OPTION = re.compile(r"^[ \t]*[(（]?([A-Z]|[1-9])[)）.、．:：][ \t]*(\S.*)$", re.MULTILINE)
_TOKEN = re.compile(r"[A-Za-z0-9]+|\s+|.", re.DOTALL)
_WORD = re.compile(r"\w+")
_SHARPNESS = 8.0


class FakeEngine:
    """An engine of rules; `delay` seconds pass before each piece, `prompt_delay` before the first.

    name: part of the identity, so that two fake candidates differ. always: a text that is answered whatever
    is asked, for tests of refusals and of wrong languages.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        n_ctx: int = 8192,
        delay: float = 0.0,
        prompt_delay: float = 0.0,
        always: str = "",
    ) -> None:
        self._n_ctx = n_ctx
        self._delay = delay
        self._prompt_delay = prompt_delay
        self._always = always
        self._turn = asyncio.Lock()
        self._started = False
        self.pieces_made = 0
        self._identity = EngineIdentity(
            driver="fake",
            build=_VERSION,
            model=digest_value({"fake": name, "always": always}),
            template=digest_value({"fake-template": 1}),
            settings={"n_ctx": n_ctx},
        )

    @property
    def identity(self) -> EngineIdentity:
        """What answers: the rules' version and the name."""
        return self._identity

    @property
    def context(self) -> int:
        """Context length in tokens."""
        return self._n_ctx

    async def start(self) -> None:
        """Be ready; nothing is loaded."""
        self._started = True

    async def close(self) -> None:
        """Stop; idempotent."""
        self._started = False

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the turns in the fake's own marks; such marks inside a turn's text are broken up."""
        body = "".join(f"<|{turn.role}|>\n{turn.content.replace(_OPENS, '< |').strip()}\n" for turn in turns)
        return f"{body}<|assistant|>\n{opening}"

    async def count(self, text: str) -> int:
        """Return the number of tokens: words of Latin letters or digits, runs of blanks, other characters."""
        return sum(1 for _ in _TOKEN.finditer(text))

    async def pin(self, prefix: str) -> None:
        """Do nothing: there is nothing to compute."""
        self._check_started()

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        """Continue a prompt by the rules."""
        async with aclosing(self._produce(prompt, decoding)) as values:
            async for value in values:
                if isinstance(value, Generation):
                    return value
        raise EngineError("the continuation had no end")

    def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        """Continue a prompt piece by piece; the last value is the Generation."""
        return self._produce(prompt, decoding)

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        """Return log-probabilities of the option marks in the prompt, or of the continuation's first token."""
        async with self._turn:
            tokens_in = await self._admit(prompt)
            text = prompt.pinned + prompt.rest
            shares = _option_shares(text)
            if not shares:
                first = _TOKEN.match(self._always or _extract(text))
                shares = {first.group() if first else "。": 1.0}
            best = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:candidates]
            return NextToken({mark: math.log(share) for mark, share in best}, tokens_in)

    async def _produce(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        begun = time.monotonic()
        async with self._turn:
            tokens_in = await self._admit(prompt)
            answer = self._always or _extract(prompt.pinned + prompt.rest)
            for mark in decoding.stop:
                answer = answer.split(mark, 1)[0] if mark else answer
            pieces = _TOKEN.findall(answer)
            room = min(decoding.max_tokens, self._n_ctx - tokens_in)
            for piece in pieces[:room]:
                if self._delay:
                    await asyncio.sleep(self._delay)
                self.pieces_made += 1
                yield Piece(piece)
            yield Generation(
                text="".join(pieces[:room]),
                tokens_in=tokens_in,
                tokens_out=min(len(pieces), room),
                finish="stop" if len(pieces) <= room else "length",
                seconds=time.monotonic() - begun,
            )

    async def _admit(self, prompt: Prompt) -> int:
        self._check_started()
        tokens_in = await self.count(prompt.pinned + prompt.rest)
        if tokens_in >= self._n_ctx:
            raise ContextExceeded(f"the prompt has {tokens_in} tokens, the context holds {self._n_ctx}")
        if self._prompt_delay:
            await asyncio.sleep(self._prompt_delay)
        return tokens_in

    def _check_started(self) -> None:
        if not self._started:
            raise EngineError("the engine has not been started, or was closed")


def _extract(text: str) -> str:
    """Return the sentence of the prompt that shares most character bigrams with the question."""
    turns = [part for part in _TURN.split(text)[2::2] if part.strip()] or [text]
    question = [line for line in turns[-1].splitlines() if line.strip()][-1] if turns[-1].strip() else ""
    asked = _bigrams(question)
    best, best_share = "", 0.0
    for turn in turns:
        for match in _SENTENCE.finditer(turn):
            sentence = match.group().strip()
            if not sentence or sentence == question.strip() or _OPTION.match(sentence):
                continue
            found = _bigrams(sentence)
            # Divided by the root of the length, so that neither long nor short sentences win by length alone.
            share = len(asked & found) / math.sqrt(len(found) + 1)
            if share > best_share:
                best, best_share = sentence, share
    return best or "…"


def _option_shares(text: str) -> dict[str, float]:
    """Return a probability for each option mark, by the overlap of its text with the prompt's other text."""
    turns = _TURN.split(text)
    last = next((part for part in reversed(turns) if _OPTION.search(part)), "")
    options = {match.group(1): match.group(2) for match in _OPTION.finditer(last)}
    if len(options) < 2:
        return {}
    known = _bigrams(_OPTION.sub("\n", text))
    overlaps = {
        mark: len(_bigrams(option) & known) / max(1, len(_bigrams(option)))
        for mark, option in options.items()
    }
    return _softmax(overlaps.items())


def _softmax(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    weights = {mark: math.exp(_SHARPNESS * value) for mark, value in values}
    total = sum(weights.values())
    return {mark: weight / total for mark, weight in weights.items()}


def _bigrams(text: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(text.lower()):
        found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
    return found
