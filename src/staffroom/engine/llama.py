"""A GGUF model behind llama.cpp in a child process: the driver object.

One slot, greedy or seeded sampling, no cache but pinned prefixes (see `llama_pins`), the full adapter list on
every request. A crash of the child costs the request that ran; the next one starts it again, after a pause
that doubles, and not for ever.

It does not protect the child's socket from other processes of the same user beyond a random key and a folder
that only this user can open.
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import machine
from typing import Any

import aiohttp

from staffroom.engine.errors import ContextExceeded, EngineError, EngineLost, EngineStartError
from staffroom.engine.llama_pins import COLD, PIN_PROTOCOL, Resident, Send, Tokens, plan
from staffroom.engine.llama_process import LlamaProcess, physical_cores, start_llama_process
from staffroom.engine.llama_trace import TracedToken, traced
from staffroom.engine.metering import meter_here
from staffroom.engine.protocols import Decoding, EngineIdentity, Generation, NextToken, Piece, Prompt
from staffroom.gguf import check_adapter_binding, read_header
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_bytes, digest_value

__all__ = ["LlamaAdapter", "LlamaEngine"]

_CRASHES_ALLOWED = 5
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_STALL_SECONDS = 900.0
_READ_BYTES = 4 << 20
_ROOTS_KEPT = 64
_STATES_KEPT = 4
_TEXTS_KEPT = 256
_FIELDS = ("content", "completion_probabilities", "timings", "tokens_predicted", "stop_type", "stop")


@dataclass(frozen=True, slots=True)
class LlamaAdapter:
    """A LoRA adapter as a GGUF file, by digest, and the scale at which it is applied."""

    path: Path
    digest: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What must be known to cut a prompt into separately tokenised parts."""

    bos: int | None
    lead: Tokens
    spare: tuple[int, int]


class LlamaEngine:
    """One GGUF model served by llama.cpp; see `Engine` for what each method promises.

    n_ctx: context in tokens. threads: physical cores when None. log_path: where the child's log goes (a file
    that is removed with it when None). on_lost: told the reason each time the child is lost; `lost` counts them.
    """

    def __init__(
        self,
        model_path: Path,
        model_digest: str,
        *,
        n_ctx: int,
        threads: int | None = None,
        adapters: Sequence[LlamaAdapter] = (),
        log_path: Path | None = None,
        n_batch: int = 256,
        flash_attention: bool = True,
        gpu_layers: int = 0,
        start_seconds: float = 300.0,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        self._path = model_path
        self._digest = model_digest
        self._adapters = tuple(adapters)
        self._log_path = log_path
        self._start_seconds = start_seconds
        self._on_lost = on_lost
        self._settings: dict[str, Any] = {
            "model": str(model_path),
            "n_ctx": n_ctx,
            "n_batch": n_batch,
            "n_ubatch": n_batch,
            "threads": threads if threads is not None else physical_cores(),
            "flash_attention": flash_attention,
            "gpu_layers": gpu_layers,
            "adapters": [str(adapter.path) for adapter in self._adapters],
        }
        self.lost = 0
        self._crashes = 0
        self._identity: EngineIdentity | None = None
        self._child: LlamaProcess | None = None
        self._session: aiohttp.ClientSession | None = None
        self._vocabulary: _Vocabulary | None = None
        self._turn = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._open = False
        self._resident = COLD
        self._roots: dict[str, None] = {}
        self._states: dict[Tokens, tuple[str, int]] = {}
        self._tokens: dict[tuple[str, bool], Tokens] = {}
        self._harmless: dict[str, None] = {}

    @property
    def identity(self) -> EngineIdentity:
        """What answers; known before the model is loaded."""
        if self._identity is None:
            template = read_header(self._path).chat_template or ""
            settings: dict[str, int | str] = {
                name: int(self._settings[name])
                for name in ("n_ctx", "n_batch", "n_ubatch", "threads", "flash_attention", "gpu_layers")
            }
            settings["protocol"] = PIN_PROTOCOL
            settings["kv_type"] = "f16"
            settings["weights"] = "as-in-file"
            if self._adapters:
                settings["adapters"] = digest_value([[item.digest, item.scale] for item in self._adapters])
            self._identity = EngineIdentity(
                driver="llama",
                build=f"xllamacpp {version('xllamacpp')} {machine()}",
                model=self._digest,
                template=digest_bytes(template.encode()),
                settings=settings,
            )
        return self._identity

    @property
    def context(self) -> int:
        """Context length in tokens."""
        return int(self._settings["n_ctx"])

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None while there is none."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def folder(self) -> Path | None:
        """The private folder of the child, with its socket and what it keeps of pinned beginnings; None without a child."""
        return self._child.folder if self._child is not None else None

    @property
    def facts(self) -> Mapping[str, str]:
        """What the running build says of itself: version, build, instruction sets."""
        return self._child.facts if self._child is not None else {}

    async def start(self) -> None:
        """Load the model; raises EngineStartError with the end of the log when it cannot."""
        self._open = True
        await self._ensure()

    async def close(self) -> None:
        """Stop the child; idempotent. A request that runs fails with EngineLost."""
        self._open = False
        async with self._starting:
            await self._drop()

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        """Return the chat template applied to the turns, plus `opening`; marks of the template that occur
        inside a turn's text are broken up, so that no text can pose as another role."""
        await self._ensure()
        messages = [{"role": turn.role, "content": await self._disarmed(turn.content)} for turn in turns]
        body = {"messages": messages, "chat_template_kwargs": {"enable_thinking": False}}
        return str((await self._post("/apply-template", body))["prompt"]) + opening

    async def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        await self._ensure()
        return len(await self._tokenize(text, special=True))

    async def tokens(self, text: str) -> Tokens:
        """Return the token ids of a text as a prompt begins with it: marks read as marks, one BOS where there is one."""
        await self._ensure()
        return await self._part(text, first=True, keep=False)

    async def trace(self, tokens: Sequence[int], count: int, candidates: int = 8) -> tuple[TracedToken, ...]:
        """Continue token ids greedily by at most `count` and return each token with its log-probabilities by id.

        It ends early where the model ends its turn. The whole prompt is computed anew, at the adapters' scales.
        """
        async with self._turn:
            await self._ensure()
            self._resident = COLD
            send = Send(tuple(tokens), 0, COLD, COLD, last=True)
            extra = {"n_probs": candidates, "post_sampling_probs": False, "return_tokens": True}
            fields = {"response_fields": [*_FIELDS, "tokens"]}
            answer = await self._post("/completion", self._body(send, count) | extra | fields)
            self._check(send, answer)
        return traced(answer)

    async def pin(self, prefix: str) -> None:
        """Make `prefix` a level of its own for all prompts that begin with it, and compute it now."""
        self._roots.pop(prefix, None)
        self._roots[prefix] = None
        while len(self._roots) > _ROOTS_KEPT:
            del self._roots[next(iter(self._roots))]
        async with self._turn:
            await self._ensure()
            levels, rest = await self._cut(Prompt(prefix, "."))
            await self._return_to(levels[0] if levels else rest)
            if self._resident.levels[: len(levels)] != tuple(levels):
                for send in plan(self._resident, levels, rest, self._known().spare)[:-1]:
                    await self._evaluate(send)
                    if send.reuse == 0:
                        await self._keep(levels[0])

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        """Continue a prompt; cancelling the task closes the request, and the engine stops."""
        async with aclosing(self.stream(prompt, decoding)) as values:
            async for value in values:
                if isinstance(value, Generation):
                    return value
        raise EngineLost("the engine's answer had no end", hint="send the request again")

    async def stream(self, prompt: Prompt, decoding: Decoding) -> AsyncGenerator[Piece | Generation, None]:
        """Continue a prompt piece by piece; the last value is the Generation with all text and counts."""
        begun = time.monotonic()
        async with self._turn:
            send = await self._ready(prompt)
            room = self.context - len(send.tokens)
            body = self._body(send, min(decoding.max_tokens, room)) | {
                "stream": True,
                "temperature": decoding.temperature,
                "seed": decoding.seed,
                "stop": list(decoding.stop),
            }
            if decoding.grammar:
                body["grammar"] = decoding.grammar
            text: list[str] = []
            self._resident = send.during
            if (meter := meter_here()) is not None:
                meter.begin()
            async with aclosing(self._events("/completion", body)) as events:
                async for event in events:
                    if meter is not None:
                        meter.came_to(len(send.tokens), int(event.get("tokens_predicted") or len(text) + 1))
                    piece = str(event.get("content", ""))
                    if piece:
                        text.append(piece)
                        yield Piece(piece)
                    if event.get("stop"):
                        self._check(send, event)
                        yield Generation(
                            text="".join(text),
                            tokens_in=len(send.tokens),
                            tokens_out=int(event["tokens_predicted"]),
                            finish="length" if event.get("stop_type") == "limit" else "stop",
                            seconds=time.monotonic() - begun,
                        )

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        """Return log-probabilities of the `candidates` likeliest next tokens, before any sampling.

        Tokens whose text is the same are added up. Empty where the likeliest token is half a character.
        """
        async with self._turn:
            send = await self._ready(prompt)
            if (meter := meter_here()) is not None:
                meter.begin()
            answer = await self._evaluate(send, {"n_probs": candidates, "post_sampling_probs": False})
            if meter is not None:
                meter.came_to(len(send.tokens), 1)
        found: dict[str, float] = {}
        # A likeliest token that is half a character has no text, and llama.cpp then sends no probabilities.
        first = (answer.get("completion_probabilities") or [{"top_logprobs": []}])[0]
        for entry in first["top_logprobs"]:
            text, value = str(entry["token"]), entry["logprob"]
            if value is not None and math.isfinite(value):
                found[text] = _log_add(found[text], value) if text in found else float(value)
        return NextToken(found, tokens_in=len(send.tokens))

    async def _ready(self, prompt: Prompt) -> Send:
        """Bring the cache to the prompt's levels and return the request that reads the rest."""
        await self._ensure()
        levels, rest = await self._cut(prompt)
        length = sum(map(len, levels)) + len(rest)
        if length >= self.context:
            raise ContextExceeded(
                f"the prompt has {length} tokens, the context holds {self.context}",
                hint="raise requirements.context in the job description, or retrieve less",
            )
        await self._return_to(levels[0] if levels else rest)
        for attempt in (1, 2):
            *before, last = plan(self._resident, levels, rest, self._known().spare)
            try:
                for send in before:
                    await self._evaluate(send)
            except _OffPlan:
                self._resident = COLD
                self._states.clear()
                if attempt == 2:
                    raise
            else:
                break
        return last

    async def _keep(self, root: Tokens) -> None:
        """Write the cache of a pinned beginning, which it holds and nothing else, beside the socket."""
        while len(self._states) >= _STATES_KEPT:
            del self._states[next(iter(self._states))]
        taken = {name for name, _ in self._states.values()}
        name = next(name for name in map("root-{}.bin".format, range(_STATES_KEPT)) if name not in taken)
        try:
            saved = await self._post("/slots/0?action=save", {"filename": name})
        except _Refused:
            return  # No room, or a model whose cache cannot be written: it is computed again instead.
        if saved["n_saved"] == len(root) and 0 < self._size(name) == saved["n_written"]:
            self._states[root] = name, saved["n_written"]

    async def _return_to(self, root: Tokens) -> None:
        """Read the cache of a pinned beginning back where the engine holds another one."""
        if root not in self._states or self._resident.levels[:1] == (root,):
            return
        # A file that is too short would end the engine, so its size is looked at first.
        name, size = self._states.pop(root)
        if self._size(name) != size:
            return
        self._resident = COLD
        with contextlib.suppress(_Refused):
            if (await self._post("/slots/0?action=restore", {"filename": name}))["n_restored"] == len(root):
                self._resident = Resident((root,))
                self._states[root] = name, size

    def _size(self, name: str) -> int:
        try:
            return (self.folder / name).stat().st_size if self.folder is not None else 0
        except OSError:
            return 0

    async def _cut(self, prompt: Prompt) -> tuple[list[Tokens], Tokens]:
        root = max((text for text in self._roots if prompt.pinned.startswith(text)), key=len, default="")
        levels: list[Tokens] = []
        for part in (root, prompt.pinned[len(root) :]):
            if part:
                levels.append(await self._part(part, first=not levels, keep=True))
        return levels, await self._part(prompt.rest, first=not levels, keep=False)

    async def _part(self, text: str, *, first: bool, keep: bool) -> Tokens:
        if not text:
            return ()
        if (text, first) in self._tokens:
            return self._tokens[text, first]
        known = self._known()
        if first:
            tokens = await self._tokenize(text, special=True)
            if known.bos is not None and tokens[:1] != (known.bos,):
                tokens = (known.bos, *tokens)
        else:
            # Tokenisers that put a blank before a text would put it in the middle of the prompt.
            tokens = await self._tokenize("\n" * bool(known.lead) + text, special=True)
            if known.lead and tokens[: len(known.lead)] == known.lead:
                tokens = tokens[len(known.lead) :]
            elif known.lead:
                tokens = await self._tokenize(text, special=True)
        if keep:
            while len(self._tokens) >= _TEXTS_KEPT:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[text, first] = tokens
        return tokens

    async def _tokenize(self, text: str, *, special: bool, add: bool = False) -> Tokens:
        body = {"content": text, "add_special": add, "parse_special": special}
        return tuple((await self._post("/tokenize", body))["tokens"])

    async def _disarmed(self, text: str) -> str:
        if text in self._harmless:
            return text
        for _ in range(8):
            body = {"content": text, "add_special": False, "parse_special": True, "with_pieces": True}
            parsed = (await self._post("/tokenize", body))["tokens"]
            plain = await self._tokenize(text, special=False)
            if tuple(item["id"] for item in parsed) == plain:
                # The system prompt and its examples are rendered again and again: they are looked at once.
                while len(self._harmless) >= _TEXTS_KEPT:
                    del self._harmless[next(iter(self._harmless))]
                self._harmless[text] = None
                return text
            marks = {
                str(item["piece"])
                for item in parsed
                if item["id"] not in plain and isinstance(item["piece"], str) and len(item["piece"]) > 1
            }
            for mark in sorted(marks, key=len, reverse=True):
                text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        raise EngineError("the text holds marks of the chat template that cannot be broken up")

    def _body(self, send: Send, most: int) -> dict[str, Any]:
        return {
            "prompt": list(send.tokens),
            "n_predict": most,
            "cache_prompt": send.reuse > 0,
            "id_slot": 0,
            "temperature": 0.0,
            "seed": 0,
            "lora": [{"id": number, "scale": item.scale} for number, item in enumerate(self._adapters)],
            "response_fields": _FIELDS,
        }

    async def _evaluate(self, send: Send, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._resident = send.during
        answer = await self._post("/completion", self._body(send, 1 if send.last else 0) | dict(extra or {}))
        self._check(send, answer)
        self._resident = send.done
        return answer

    def _check(self, send: Send, answer: Mapping[str, Any]) -> None:
        """Refuse numbers that rest on another reuse than planned."""
        reused = int(answer["timings"]["cache_n"])
        if reused != send.reuse:
            self._resident = COLD
            raise _OffPlan(f"the engine reused {reused} tokens where {send.reuse} were planned")

    def _known(self) -> _Vocabulary:
        if self._vocabulary is None:
            raise EngineError("the engine has not been started")
        return self._vocabulary

    async def _ensure(self) -> None:
        if self._running():
            return
        async with self._starting:
            if self._running():
                return
            if not self._open:
                raise EngineError("the engine has not been started, or was closed")
            if self._child is not None:
                # It ended between two requests: no request was lost, but it is a crash all the same.
                self._note_loss(f"the engine process ended (status {self._child.process.returncode})")
            await self._drop()
            await self._pause()
            for item in self._adapters:
                check_adapter_binding(item.path, self._digest, self.identity.template)
            self._child = await start_llama_process(
                self._settings, self._log_path, seconds=self._start_seconds
            )
            self._session = aiohttp.ClientSession(
                "http://engine",
                # The server closes idle and streamed connections as it likes: a connection for each request.
                connector=aiohttp.UnixConnector(path=str(self._child.socket), limit=0, force_close=True),
                headers={"Authorization": f"Bearer {self._child.key}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_STALL_SECONDS),
                read_bufsize=_READ_BYTES,
                trust_env=False,
            )
            self._resident = COLD
            self._states.clear()
            self._tokens.clear()
            self._vocabulary = await self._learn_vocabulary()

    def _running(self) -> bool:
        return self._child is not None and self._child.alive and self._vocabulary is not None

    async def _learn_vocabulary(self) -> _Vocabulary:
        plain = await self._tokenize("a", special=False)
        added = await self._tokenize("a", special=False, add=True)
        bos = added[0] if len(added) > len(plain) and added[-len(plain) :] == plain else None
        if bos is None and len(added) > len(plain) and added[1 : 1 + len(plain)] == plain:
            bos = added[0]
        body = {"content": "a", "add_special": False, "with_pieces": True}
        pieces = [item["piece"] for item in (await self._post("/tokenize", body))["tokens"]]
        blank_before = isinstance(pieces[0], str) and pieces[0].startswith(" ")
        lead = await self._tokenize("\n", special=False) if blank_before else ()
        spare = sorted({*await self._tokenize(".", special=False), *await self._tokenize(",", special=False)})
        return _Vocabulary(bos, lead, (spare[0], spare[-1]))

    async def _pause(self) -> None:
        if self._crashes > _CRASHES_ALLOWED:
            raise EngineStartError(
                f"the engine was lost {self._crashes} times in a row and is not started again",
                hint="read the engine's log, then: staffroom doctor",
            )
        if self._crashes:
            pause = _FIRST_PAUSE_SECONDS * 2.0 ** (self._crashes - 1)
            await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, pause))

    async def _drop(self) -> None:
        session, child = self._session, self._child
        self._session = self._child = self._vocabulary = None
        self._resident = COLD
        if session is not None:
            await session.close()
        if child is not None:
            await child.stop()

    def _note_loss(self, reason: str) -> None:
        self.lost += 1
        self._crashes += 1
        if self._on_lost is not None:
            self._on_lost(reason)

    async def _post(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._request(route, body) as response:
            value: dict[str, Any] = await response.json()
        self._crashes = 0
        return value

    async def _events(self, route: str, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async with self._request(route, body) as response:
            async for line in response.content:
                if not line.startswith((b"data: {", b"error: {")):
                    continue
                event: dict[str, Any] = json.loads(line[line.index(b"{") :])
                if line.startswith(b"error") or event.get("error"):
                    raise EngineError(f"the engine reported: {event.get('error') or event}")
                yield event
        self._crashes = 0

    @asynccontextmanager
    async def _request(self, route: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        session, child = self._session, self._child
        if session is None or child is None:
            raise EngineLost("the engine was closed")
        try:
            async with session.post(route, json=body) as response:
                if response.status != 200:
                    text = (await response.text())[:500]
                    raise _Refused(f"the engine refused the request ({response.status}): {text}")
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            await self._lose(child, error)
            raise EngineLost(
                "the engine process was lost while it worked on this request", hint="send the request again"
            ) from error

    async def _lose(self, child: LlamaProcess, error: BaseException) -> None:
        await child.ended(1.0)
        if self._child is not child:
            return
        status = "did not answer" if child.alive else f"ended with status {child.process.returncode}"
        self._note_loss(f"the engine process {status} ({type(error).__name__})")
        await self._drop()


class _Refused(EngineError):
    """The engine process answered a request with an error, and goes on."""


class _OffPlan(EngineError):
    """The cache held something else than the plan assumed."""


def _log_add(left: float, right: float) -> float:
    high, low = max(left, right), min(left, right)
    return high + math.log1p(math.exp(low - high))
