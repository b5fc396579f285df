"""What goes over the wire: OpenAI's requests in, OpenAI's responses, chunks and errors out.

It knows nothing of workers, permits or connections. Format: OpenAI's API reference (chat completions) and
the behaviour of the official `openai` client: a stream event with a truthy `error` raises there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from staffroom.records.agent import AgentAnswer, ChatTurn, Citation

__all__ = [
    "DONE",
    "Chat",
    "Chunks",
    "Mark",
    "WireError",
    "chat_of",
    "citation_json",
    "completion_json",
    "error_body",
    "error_event",
    "read_chat",
    "read_json",
    "unauthorised",
]

DONE = b"data: [DONE]\n\n"
_ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_MAX_TURNS = 1000
_MAX_SEED = 2**63 - 1

# Asked for, these change what the answer is: a worker that was examined without them refuses them.
_UNSUPPORTED = (
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "audio",
    "web_search_options",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "prediction",
)
# A worker answers by the decoding that its release was examined with; clients send these by habit, so they
# are not refused, but the answer says that they had no effect.
_FIXED_BY_RELEASE = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "verbosity",
)


class WireError(Exception):
    """A refusal in OpenAI's form: HTTP status, type, code, and the parameter at fault."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.kind = kind
        self.param = param
        self.headers = tuple(headers)


@dataclass(frozen=True, slots=True)
class Chat:
    """A valid chat request; `ignored` are parameters that the release fixes and the client sent anyway."""

    model: str
    turns: tuple[ChatTurn, ...]
    stream: bool
    include_usage: bool
    seed: int
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What every answer carries about itself; `created` in seconds since 1970."""

    id: str
    created: int
    model: str
    release: str
    audit_id: str
    notice: str


def read_json(body: bytes) -> dict[str, Any]:
    """Return the body as a JSON object; raises WireError (400)."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _wrong("the body is not valid JSON", None, code="invalid_json") from error
    if not isinstance(value, dict):
        raise _wrong("the body must be a JSON object", None)
    return value


def read_chat(body: bytes) -> Chat:
    """Read and check a chat request to a worker; see `read_json` and `chat_of`."""
    return chat_of(read_json(body))


def chat_of(value: dict[str, Any]) -> Chat:
    """Check a chat request to a worker; raises WireError (400) that names the parameter at fault.

    Unknown fields are ignored, as OpenAI does; known ones that this worker cannot honour are refused.
    """
    _refuse_unsupported(value)
    model = value.get("model")
    if not isinstance(model, str) or not model:
        raise _wrong("`model` must be the alias of a worker", "model")
    stream = _boolean(value, "stream")
    options = value.get("stream_options")
    include_usage = False
    if options is not None:
        if not stream:
            raise _wrong("`stream_options` is allowed with `stream` only", "stream_options")
        if not isinstance(options, dict):
            raise _wrong("`stream_options` must be an object", "stream_options")
        include_usage = _boolean(options, "include_usage", "stream_options.include_usage")
    seed = value.get("seed")
    if seed is None:
        seed = 0
    if not isinstance(seed, int) or isinstance(seed, bool) or not -_MAX_SEED <= seed <= _MAX_SEED:
        raise _wrong("`seed` must be an integer of at most 63 bits", "seed")
    return Chat(
        model=model,
        turns=_turns(value.get("messages")),
        stream=stream,
        include_usage=include_usage,
        seed=seed,
        ignored=tuple(name for name in _FIXED_BY_RELEASE if value.get(name) is not None),
    )


def _refuse_unsupported(value: dict[str, Any]) -> None:
    for name in _UNSUPPORTED:
        asked = value.get(name)
        if asked and asked not in ("none", "auto"):
            raise _unsupported(name, f"`{name}` is not supported by this worker")
    count = value.get("n")
    if count is not None and count != 1:
        raise _unsupported("n", "`n` must be 1: a worker gives one answer")
    modalities = value.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise _unsupported("modalities", "this worker answers in text only")
    shape = value.get("response_format")
    if shape is not None and shape != {"type": "text"}:
        raise _unsupported("response_format", "this worker answers in plain text only")


def _turns(messages: Any) -> tuple[ChatTurn, ...]:
    if not isinstance(messages, list) or not messages:
        raise _wrong("`messages` must be a list with at least one message", "messages")
    if len(messages) > _MAX_TURNS:
        raise _wrong(f"`messages` may hold at most {_MAX_TURNS} messages", "messages")
    turns = tuple(_turn(message, f"messages[{place}]") for place, message in enumerate(messages))
    if turns[-1].role != "user":
        raise _wrong("the last message must be the user's: it is the one that is answered", "messages")
    return turns


def _turn(message: Any, where: str) -> ChatTurn:
    if not isinstance(message, dict):
        raise _wrong(f"`{where}` must be an object", where)
    role = message.get("role")
    if role in ("tool", "function"):
        raise _unsupported(f"{where}.role", f"`{where}`: tool results are not supported by this worker")
    if not isinstance(role, str) or role not in _ROLES:
        raise _wrong(f"`{where}.role` must be system, developer, user or assistant", f"{where}.role")
    for name in ("tool_calls", "function_call", "audio"):
        if message.get(name):
            raise _unsupported(f"{where}.{name}", f"`{where}.{name}` is not supported by this worker")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_part(part, f"{where}.content[{place}]") for place, part in enumerate(content))
    if not isinstance(content, str):
        raise _wrong(f"`{where}.content` must be text", f"{where}.content")
    if role == "user" and not content.strip():
        raise _wrong(f"`{where}.content` is empty", f"{where}.content")
    return ChatTurn(_ROLES[role], content)


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_audio", "file"):
        raise _unsupported(where, f"`{where}`: this worker reads text only, not {kind}")
    text = part.get("text") if kind == "text" else None
    if not isinstance(text, str):
        raise _wrong(f"`{where}` must be a text part", where)
    return text


def _boolean(value: dict[str, Any], name: str, param: str | None = None) -> bool:
    found = value.get(name)
    if found is None:
        return False
    if not isinstance(found, bool):
        raise _wrong(f"`{param or name}` must be true or false", param or name)
    return found


def _wrong(message: str, param: str | None, *, code: str = "invalid_value") -> WireError:
    return WireError(400, message, code=code, param=param)


def _unsupported(param: str, message: str) -> WireError:
    return WireError(400, message, code="unsupported_parameter", param=param)


def error_body(error: WireError, request_id: str) -> bytes:
    """Return the JSON body of a refusal."""
    return orjson.dumps(
        {
            "error": {
                "message": error.message,
                "type": error.kind,
                "param": error.param,
                "code": error.code,
                "request_id": request_id,
            }
        }
    )


def unauthorised(message: str, code: str) -> WireError:
    """Return what somebody is told whose key is missing or not accepted."""
    challenge = ((b"www-authenticate", b"Bearer"),)
    return WireError(401, message, code=code, kind="authentication_error", headers=challenge)


def error_event(error: WireError, request_id: str) -> bytes:
    """Return the stream event that ends a stream which cannot go on; no `[DONE]` follows it."""
    return b"data: " + error_body(error, request_id) + b"\n\n"


def citation_json(citation: Citation, url: str) -> dict[str, Any]:
    """Return a citation as clients see it; `url` opens the document at the cited place."""
    return {
        "number": citation.number,
        "document": citation.document,
        "heading": citation.heading,
        "page": citation.page,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "as_of": citation.as_of,
        "url": url,
    }


def completion_json(mark: Mark, chat: Chat, answer: AgentAnswer, citations: list[dict[str, Any]]) -> bytes:
    """Return the body of a plain answer."""
    return orjson.dumps(
        {
            "id": mark.id,
            "object": "chat.completion",
            "created": mark.created,
            "model": mark.model,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": answer.text,
                        "refusal": None,
                        "citations": citations,
                    },
                    "logprobs": None,
                    "finish_reason": _finish(answer),
                }
            ],
            "usage": _usage(answer),
            "system_fingerprint": mark.release,
            "staffroom": _about(mark, chat, answer),
        }
    )


class Chunks:
    """The chunks of one streamed answer; what does not change between them is encoded once."""

    def __init__(self, mark: Mark, chat: Chat) -> None:
        self._mark = mark
        self._chat = chat
        head = {
            "id": mark.id,
            "object": "chat.completion.chunk",
            "created": mark.created,
            "model": mark.model,
            "system_fingerprint": mark.release,
        }
        self._head = b"data: " + orjson.dumps(head)[:-1] + b',"choices":'
        self._delta = self._head + b'[{"index":0,"delta":{"content":'
        self._usage_null = b',"usage":null' if chat.include_usage else b""
        self._delta_end = b'},"logprobs":null,"finish_reason":null}]' + self._usage_null + b"}\n\n"

    def first(self) -> bytes:
        """The chunk that opens the answer: the role, and that an AI is speaking."""
        choice = [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "logprobs": None,
                "finish_reason": None,
            }
        ]
        about = orjson.dumps(_about(self._mark, self._chat, None))
        return self._head + orjson.dumps(choice) + self._usage_null + b',"staffroom":' + about + b"}\n\n"

    def text(self, piece: str) -> bytes:
        """A piece of the answer."""
        return self._delta + orjson.dumps(piece) + self._delta_end

    def last(self, answer: AgentAnswer, citations: list[dict[str, Any]]) -> bytes:
        """The chunk that ends the answer: finish reason, citations and outcome; then usage if asked for."""
        choice = [
            {
                "index": 0,
                "delta": {"citations": citations},
                "logprobs": None,
                "finish_reason": _finish(answer),
            }
        ]
        about = orjson.dumps(_about(self._mark, self._chat, answer))
        end = self._head + orjson.dumps(choice) + self._usage_null + b',"staffroom":' + about + b"}\n\n"
        if self._chat.include_usage:
            end += self._head + b'[],"usage":' + orjson.dumps(_usage(answer)) + b"}\n\n"
        return end


def _about(mark: Mark, chat: Chat, answer: AgentAnswer | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "release": mark.release,
        "audit_id": mark.audit_id,
        "ai_generated": True,
        "notice": mark.notice,
    }
    if answer is not None:
        about["outcome"] = answer.outcome.value
        about["reason"] = answer.reason
        about["ignored"] = list(chat.ignored)
    return about


def _usage(answer: AgentAnswer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.tokens_in,
        "completion_tokens": answer.tokens_out,
        "total_tokens": answer.tokens_in + answer.tokens_out,
    }


def _finish(answer: AgentAnswer) -> str:
    return "length" if answer.details.get("finish") == "length" else "stop"
