"""A plain model in service, and what a checked request to it becomes: the engine's body and the most it can use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from staffroom.records.budgets import CapScope, TokenPrice
from staffroom.records.guardrails import Ruling
from staffroom.records.plain_model import PlainModel
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain.bodies import Endpoint
from staffroom.serve.plain.guarding import MaskedRequest
from staffroom.serve.plain.upstream import Upstream
from staffroom.serve.queue import EngineQueue
from staffroom.serve.wire import WireError

__all__ = ["Order", "ServedPlain", "order_of", "require_text"]

_PATHS: Mapping[Endpoint, str] = {
    Endpoint.CHAT: "/chat/completions",
    Endpoint.COMPLETIONS: "/completions",
    Endpoint.EMBEDDINGS: "/embeddings",
    Endpoint.RESPONSES: "/responses",
}
# What says who asks, or would make the engine keep something: it stays here.
_NOT_PASSED_ON = frozenset(
    ["user", "metadata", "store", "service_tier", "prompt_cache_key", "safety_identifier", "stream_options"]
)
# Above what a chat template adds around a request of this many bytes.
_TEMPLATE_TOKENS = 256


@dataclass(frozen=True, slots=True)
class ServedPlain:
    """A plain model in service under its alias; models on one engine share its queue and upstream.

    upstream_model: the name that the engine knows.  guard: its guardrails, if any.  price: what budgets in money count.
    """

    model: PlainModel
    release: str
    upstream: Upstream
    upstream_model: str
    queue: EngineQueue
    sponsor: str = ""
    guard: TextGuard | None = None
    price: TokenPrice | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "price", self.model.price)

    @property
    def alias(self) -> str:
        """What clients ask for."""
        return self.model.alias

    @property
    def subjects(self) -> tuple[tuple[CapScope, str], ...]:
        """Whose budgets a request falls under, beside its key's."""
        return ((CapScope.WORKER, self.model.alias), (CapScope.SPONSOR, self.sponsor))


@dataclass(frozen=True, slots=True)
class Order:
    """A request as it goes to the engine, and what must be known of it here.

    read_most, written_most: tokens that it cannot exceed.  usage_asked: whether the client wants the usage event.
    question: the last thing the person said, as it was said.  json_content: the answer's content is to be JSON.
    texts, rulings: where there are guardrails, the texts of the request as they came, and what was found in them.
    """

    endpoint: Endpoint
    path: str
    body: bytes
    stream: bool
    usage_asked: bool
    read_most: int
    written_most: int
    question: str
    json_content: bool
    texts: tuple[str, ...]
    rulings: tuple[Ruling, ...]


def order_of(
    served: ServedPlain, endpoint: Endpoint, asked: dict[str, Any], masked: MaskedRequest | None, size: int
) -> Order:
    """Return what goes to the engine for a body that was checked and, where there are guardrails, masked.

    size: that of the request in bytes.  Raises WireError for what this model does not take.
    """
    model, body = served.model, asked if masked is None else masked.body
    if endpoint.value not in model.endpoints:
        raise WireError(
            404,
            f"`{model.alias}` is not served at /v1{_PATHS[endpoint]}",
            code="endpoint_not_supported",
            param="model",
        )
    images = _images(endpoint, body)
    if images and not model.images:
        raise WireError(
            400, f"`{model.alias}` cannot see images", code="unsupported_parameter", param=images[0]
        )
    out = {name: each for name, each in body.items() if name not in _NOT_PASSED_ON}
    out["model"] = served.upstream_model
    stream = bool(body.get("stream"))
    count, name = 1, "max_tokens"
    if endpoint is Endpoint.EMBEDDINGS:
        most = 0
    else:
        name = "max_output_tokens" if endpoint is Endpoint.RESPONSES else "max_tokens"
        wanted = out.pop("max_completion_tokens", None) or out.get(name) or model.max_output
        most = out[name] = min(wanted, model.max_output)
        count = int(body.get("n", 1)) * _prompts(endpoint, body)
    if stream and endpoint in (Endpoint.CHAT, Endpoint.COMPLETIONS):
        options = out["stream_options"] = {"include_usage": True}
        if model.engine == "vllm":
            options["continuous_usage_stats"] = True
        elif model.engine == "llama":
            out["timings_per_token"] = True
    if endpoint is Endpoint.RESPONSES:
        out["store"] = False
    inputs = (
        len(body["input"]) if endpoint is Endpoint.EMBEDDINGS and isinstance(body["input"], list) else count
    )
    if masked is not None and stream and count > 1:
        raise WireError(
            400,
            "`n` must be 1 in a stream of this model: its guardrails read one answer at a time",
            code="unsupported_value",
            param="n",
        )
    try:
        passed_on = orjson.dumps(out)
    except TypeError as error:
        # orjson writes fewer levels than it reads.
        raise WireError(400, "the body is nested too deeply", code="invalid_value") from error
    # A mask may be longer than what it hides.
    size = size if masked is None else max(size, len(passed_on))
    read = model.context if images else min(size + _TEMPLATE_TOKENS, model.context * inputs)
    options_asked = body.get("stream_options") or {}
    form = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    return Order(
        endpoint=endpoint,
        path=_PATHS[endpoint],
        body=passed_on,
        stream=stream,
        usage_asked=bool(options_asked.get("include_usage")),
        read_most=read,
        written_most=most * count,
        question=_question(endpoint, asked),
        json_content=form.get("type", "text") != "text",
        texts=() if masked is None else masked.texts,
        rulings=() if masked is None else masked.rulings,
    )


def require_text(endpoint: Endpoint, body: dict[str, Any]) -> None:
    """Raise WireError for a prompt of token numbers, which guardrails cannot read."""
    name = {Endpoint.COMPLETIONS: "prompt", Endpoint.EMBEDDINGS: "input"}.get(endpoint, "")
    value = body.get(name)
    if isinstance(value, list) and not isinstance(value[0], str):
        raise WireError(
            400,
            f"`{name}` must be text: the guardrails of this model do not read token numbers",
            code="unsupported_value",
            param=name,
        )


def _prompts(endpoint: Endpoint, body: dict[str, Any]) -> int:
    prompt = body.get("prompt") if endpoint is Endpoint.COMPLETIONS else None
    return len(prompt) if isinstance(prompt, list) and not isinstance(prompt[0], int) else 1


def _images(endpoint: Endpoint, body: dict[str, Any]) -> list[str]:
    found: list[str] = []
    if endpoint is Endpoint.CHAT:
        for place, message in enumerate(body["messages"]):
            content = message.get("content")
            if isinstance(content, list):
                found += [
                    f"messages[{place}].content[{part}]"
                    for part, each in enumerate(content)
                    if each["type"] == "image_url"
                ]
    elif endpoint is Endpoint.RESPONSES and isinstance(body["input"], list):
        for place, item in enumerate(body["input"]):
            content = item.get("content")
            if isinstance(content, list):
                found += [
                    f"input[{place}].content[{part}]"
                    for part, each in enumerate(content)
                    if each["type"] == "input_image"
                ]
    return found


def _question(endpoint: Endpoint, body: dict[str, Any]) -> str:
    if endpoint is Endpoint.CHAT:
        return _text_of(body["messages"][-1].get("content"))
    asked = body.get("prompt" if endpoint is Endpoint.COMPLETIONS else "input")
    if isinstance(asked, list) and endpoint is Endpoint.RESPONSES:
        last = asked[-1]
        return _text_of(last.get("content", last.get("output")))
    return asked if isinstance(asked, str) else orjson.dumps(asked).decode()


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content if isinstance(content, str) else ""
