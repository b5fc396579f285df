"""Any OpenAI-compatible server as an engine: endpoint-bound, because its weights cannot be named by digest.

A server takes turns, not rendered text, so `render` writes the turns as JSON and each request reads them back;
nothing can be pinned. One-token probabilities come from `top_logprobs` where the server has them, otherwise one
greedy token is generated and counts as certain. What the server does between, Staffroom cannot see.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from staffroom.engine.errors import ContextExceeded, EngineError, EngineLost, EngineStartError
from staffroom.engine.protocols import Decoding, EngineIdentity, Generation, NextToken, Piece, Prompt
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse

__all__ = ["OpenAIEngine"]

_TOP_LOGPROBS = 20
_CONNECT_SECONDS = 10.0
_END = "\x1e"


class OpenAIEngine:
    """A model behind an OpenAI-compatible server.

    url: base address that ends before `/chat/completions` (for example `http://gpu-box:8000/v1`). model: the
    name the server knows. key: sent as a bearer token where not empty, and never part of the identity.
    seconds: the longest silence that is waited for. Raises EngineStartError when the model is not served there.
    """

    def __init__(
        self, url: str, model: str, *, key: str = "", n_ctx: int = 8192, seconds: float = 300.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise WrongUse(
                f"`{url}` is not an http(s) address without credentials",
                hint="give the key apart from the URL",
            )
        self._url = url.rstrip("/")
        self._model = model
        self._key = key
        self._n_ctx = n_ctx
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None
        self._turn = asyncio.Lock()
        self._has_logprobs = True

    @property
    def identity(self) -> EngineIdentity:
        """What is asked; `endpoint:` instead of a digest says that the weights are not bound."""
        return EngineIdentity(
            driver="openai",
            build="chat-completions-1",
            model=f"endpoint:{self._url}#{self._model}",
            template=digest_value({"template": "the server's"}),
            settings={"n_ctx": self._n_ctx},
        )

    @property
    def context(self) -> int:
        """Context length in tokens, as the caller declared it."""
        return self._n_ctx

    async def start(self) -> None:
        """Open the connection and check that the server knows the model."""
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=self._seconds
            )
            self._session = aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=False)
        try:
            async with self._request("GET", "/models", None) as response:
                served = [str(item.get("id")) for item in (await response.json())["data"]]
        except (EngineError, KeyError, TypeError, ValueError) as error:
            await self.close()
            raise EngineStartError(
                f"the server does not list its models ({error})",
                where=self._url,
                hint="check the address and the key with: staffroom models check",
            ) from error
        if self._model not in served:
            await self.close()
            raise EngineStartError(
                f"the server does not serve `{self._model}`; it serves: {', '.join(served[:8]) or 'nothing'}",
                where=self._url,
            )

    async def close(self) -> None:
        """Close the connection; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the turns as JSON lines between separators; the server applies its own template."""
        marks = [json.dumps([turn.role, turn.content], ensure_ascii=False) + _END for turn in turns]
        return "".join(marks) + opening

    async def count(self, text: str) -> int:
        """Return an upper estimate of the tokens: one for each CJK character, one for three others."""
        wide = sum(1 for character in text if ord(character) >= 0x2E80)
        return wide + -(-(len(text) - wide) // 3)

    async def pin(self, prefix: str) -> None:
        """Do nothing: a server's cache is its own."""

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        """Continue the conversation; cancelling the task closes the request."""
        async with aclosing(self._stream(prompt, decoding)) as values:
            async for value in values:
                if isinstance(value, Generation):
                    return value
        raise EngineLost("the server's answer had no end", where=self._url)

    def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        """Continue the conversation piece by piece; the last value is the Generation."""
        return self._stream(prompt, decoding)

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        """Return log-probabilities of at most 20 next tokens, or the one generated token as certain."""
        async with self._turn:
            body = self._body(prompt, Decoding(max_tokens=1))
            if self._has_logprobs:
                try:
                    wanted = {"logprobs": True, "top_logprobs": min(candidates, _TOP_LOGPROBS)}
                    return _next_token(await self._post(body | wanted))
                except _Unsupported:
                    self._has_logprobs = False
            answer = await self._post(body | {"max_tokens": 8})
            text = str(answer["choices"][0]["message"].get("content") or "").strip()
            return NextToken({text[:1]: 0.0} if text else {}, _tokens(answer, "prompt_tokens"))

    async def _stream(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        begun = time.monotonic()
        async with self._turn:
            body = self._body(prompt, decoding) | {"stream": True, "stream_options": {"include_usage": True}}
            text: list[str] = []
            usage: Mapping[str, Any] = {}
            finish = ""
            async with self._request("POST", "/chat/completions", body) as response:
                async for line in response.content:
                    event = _event(line, self._url)
                    usage = event.get("usage") or usage
                    for choice in event.get("choices") or []:
                        piece = str((choice.get("delta") or {}).get("content") or "")
                        finish = str(choice.get("finish_reason") or finish)
                        if piece:
                            text.append(piece)
                            yield Piece(piece)
            if not finish:
                raise EngineLost("the server's answer broke off", where=self._url)
            whole = "".join(text)
            yield Generation(
                text=whole,
                tokens_in=int(usage.get("prompt_tokens", 0)) or await self.count(prompt.pinned + prompt.rest),
                tokens_out=int(usage.get("completion_tokens", 0)) or await self.count(whole),
                finish="length" if finish == "length" else "stop",
                seconds=time.monotonic() - begun,
            )

    def _body(self, prompt: Prompt, decoding: Decoding) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": _messages(prompt),
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
            "seed": decoding.seed,
        }
        if decoding.stop:
            body["stop"] = list(decoding.stop)
        if decoding.grammar:
            raise EngineError("a server cannot be given a grammar", where=self._url)
        return body

    async def _post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._request("POST", "/chat/completions", body) as response:
            answer: dict[str, Any] = await response.json()
            if not answer.get("choices"):
                raise EngineError("the server answered without a choice", where=self._url)
            return answer

    @asynccontextmanager
    async def _request(
        self, method: str, route: str, body: Mapping[str, Any] | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise EngineError("the engine has not been started, or was closed", where=self._url)
        try:
            async with self._session.request(
                method, self._url + route, json=body, allow_redirects=False
            ) as response:
                if response.status != 200:
                    _refuse(response.status, (await response.text())[:500], body or {}, self._url)
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise EngineLost(
                f"the server was lost ({type(error).__name__})",
                where=self._url,
                hint="send the request again",
            ) from error


class _Unsupported(EngineError):
    """The server has no log-probabilities."""


def _refuse(status: int, text: str, body: Mapping[str, Any], url: str) -> None:
    if status in (400, 422, 501) and "logprobs" in body and "logprob" in text.lower():
        raise _Unsupported(text, where=url)
    if status == 400 and "context" in text.lower():
        raise ContextExceeded(f"the server refused the prompt: {text}", where=url)
    raise EngineError(f"the server refused the request ({status}): {text}", where=url)


def _event(line: bytes, url: str) -> dict[str, Any]:
    data = line.removeprefix(b"data:").strip()
    if not line.startswith(b"data:") or not data or data == b"[DONE]":
        return {}
    try:
        event = json.loads(data)
    except ValueError as error:
        raise EngineError("the server streamed something that is not JSON", where=url) from error
    if not isinstance(event, dict):
        raise EngineError("the server streamed something that is not an object", where=url)
    if event.get("error"):
        raise EngineError(f"the server reported: {str(event['error'])[:300]}", where=url)
    return event


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    """Read the turns back; text after the last turn opens the assistant's answer."""
    *lines, opening = (prompt.pinned + prompt.rest).split(_END)
    messages = []
    for line in lines:
        role, content = json.loads(line)
        messages.append({"role": str(role), "content": str(content)})
    if opening.strip():
        role = "assistant" if messages else "user"
        messages.append({"role": role, "content": opening})
    return messages


def _next_token(answer: Mapping[str, Any]) -> NextToken:
    entries = ((answer["choices"][0].get("logprobs") or {}).get("content")) or []
    if not entries or not entries[0].get("top_logprobs"):
        raise _Unsupported("the answer has no log-probabilities")
    best: dict[str, float] = {}
    for entry in entries[0]["top_logprobs"]:
        best.setdefault(str(entry["token"]), float(entry["logprob"]))
    return NextToken(best, _tokens(answer, "prompt_tokens"))


def _tokens(answer: Mapping[str, Any], name: str) -> int:
    return int((answer.get("usage") or {}).get(name, 0))
