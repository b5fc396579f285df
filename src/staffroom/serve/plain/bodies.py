"""What a plain model may be asked: the bodies of the four routes, checked once and rebuilt before they are passed on.

The body that goes to the engine is made from what was checked here, so a field that is not named below never
reaches it: neither what steers an engine's inside (slots, adapters, caches) nor what would make it write more than
was reserved for. The same types make the OpenAPI description. Format: OpenAI's API reference.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from staffroom.serve.wire import WireError

__all__ = ["BodyReader", "Endpoint"]

_STRICT = ConfigDict(strict=True, extra="ignore")
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Unit = Annotated[float, Field(ge=0, le=1)]
_Penalty = Annotated[float, Field(ge=-2, le=2)]
_Heat = Annotated[float, Field(ge=0, le=2)]


def _whole(value: Any) -> Any:
    # In JSON Schema 3.0 is an integer, and some clients write it so.
    return int(value) if value.__class__ is float and value.is_integer() else value


_WHOLE = BeforeValidator(_whole)
_Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), _WHOLE]
_Count = Annotated[int, Field(ge=1, le=2**31 - 1), _WHOLE]
_Many = Annotated[int, Field(ge=1, le=8), _WHOLE]
_Token = Annotated[int, Field(ge=0, le=2**31 - 1), _WHOLE]
# Within the request only: an engine that fetched an address would go wherever a client says.
_ImageData = Annotated[str, Field(pattern=r"^data:image/")]
_Stop = str | Annotated[list[str], Field(max_length=16)] | None
_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
_MAX_MESSAGES = 1000
_MAX_INPUTS = 2048


class Endpoint(StrEnum):
    """The routes that a plain model can have."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


@with_config(_STRICT)
class _TextPart(TypedDict):
    type: Literal["text"]
    text: str


@with_config(_STRICT)
class _ImageUrl(TypedDict):
    url: _ImageData
    detail: NotRequired[Literal["auto", "low", "high"] | None]


@with_config(_STRICT)
class _ImagePart(TypedDict):
    type: Literal["image_url"]
    image_url: _ImageUrl


_Part = Annotated[_TextPart | _ImagePart, Field(discriminator="type")]
_Text = str | Annotated[list[_TextPart], Field(min_length=1, max_length=_MAX_INPUTS)]


@with_config(_STRICT)
class _SystemMessage(TypedDict):
    role: Literal["system", "developer"]
    content: _Text
    name: NotRequired[str | None]


@with_config(_STRICT)
class _UserMessage(TypedDict):
    role: Literal["user"]
    content: str | Annotated[list[_Part], Field(min_length=1, max_length=_MAX_INPUTS)]
    name: NotRequired[str | None]


@with_config(_STRICT)
class _CalledFunction(TypedDict):
    name: str
    arguments: str


@with_config(_STRICT)
class _ToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: _CalledFunction


@with_config(_STRICT)
class _AssistantMessage(TypedDict):
    role: Literal["assistant"]
    content: NotRequired[_Text | None]
    name: NotRequired[str | None]
    refusal: NotRequired[str | None]
    tool_calls: NotRequired[Annotated[list[_ToolCall], Field(max_length=128)] | None]


@with_config(_STRICT)
class _ToolMessage(TypedDict):
    role: Literal["tool"]
    content: _Text
    tool_call_id: str


_Message = Annotated[
    _SystemMessage | _UserMessage | _AssistantMessage | _ToolMessage, Field(discriminator="role")
]


@with_config(_STRICT)
class _Function(TypedDict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


@with_config(_STRICT)
class _Tool(TypedDict):
    type: Literal["function"]
    function: _Function


@with_config(_STRICT)
class _Named(TypedDict):
    name: _Name


@with_config(_STRICT)
class _ToolChoice(TypedDict):
    type: Literal["function"]
    function: _Named


@with_config(_STRICT)
class _Schema(TypedDict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    schema: NotRequired[dict[str, Any]]
    description: NotRequired[str | None]
    strict: NotRequired[bool | None]


@with_config(_STRICT)
class _PlainFormat(TypedDict):
    type: Literal["text", "json_object"]


@with_config(_STRICT)
class _SchemaFormat(TypedDict):
    type: Literal["json_schema"]
    json_schema: _Schema


@with_config(_STRICT)
class _StreamOptions(TypedDict):
    include_usage: NotRequired[bool | None]
    include_obfuscation: NotRequired[bool | None]


@with_config(_STRICT)
class _Sampling(TypedDict, total=False):
    """Fields that several routes share."""

    model: Required[_Name]
    stream: bool | None
    temperature: _Heat | None
    top_p: _Unit | None
    user: str | None
    metadata: dict[str, str] | None


@with_config(_STRICT)
class _ChatBody(_Sampling, total=False):
    messages: Required[Annotated[list[_Message], Field(min_length=1, max_length=_MAX_MESSAGES)]]
    stream_options: _StreamOptions | None
    max_tokens: _Count | None
    max_completion_tokens: _Count | None
    n: _Many | None
    seed: _Seed | None
    stop: _Stop
    presence_penalty: _Penalty | None
    frequency_penalty: _Penalty | None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None
    logprobs: bool | None
    top_logprobs: Annotated[int, Field(ge=0, le=20), _WHOLE] | None
    tools: Annotated[list[_Tool], Field(max_length=128)] | None
    tool_choice: Literal["none", "auto", "required"] | _ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: Annotated[_PlainFormat | _SchemaFormat, Field(discriminator="type")] | None
    reasoning_effort: _Effort
    verbosity: Literal["low", "medium", "high"] | None
    top_k: Annotated[int, Field(ge=-1, le=100_000), _WHOLE] | None
    min_p: _Unit | None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None
    chat_template_kwargs: dict[str, bool | int | str] | None
    modalities: list[Literal["text"]] | None
    service_tier: str | None
    store: bool | None
    prompt_cache_key: str | None
    safety_identifier: str | None
    audio: None
    functions: None
    function_call: None
    prediction: None
    web_search_options: None


@with_config(_STRICT)
class _CompletionBody(_Sampling, total=False):
    prompt: Required[
        str
        | Annotated[list[str], Field(min_length=1, max_length=64)]
        | Annotated[list[_Token], Field(min_length=1)]
        | Annotated[list[Annotated[list[_Token], Field(min_length=1)]], Field(min_length=1, max_length=64)]
    ]
    suffix: str | None
    stream_options: _StreamOptions | None
    max_tokens: _Count | None
    n: _Many | None
    best_of: Annotated[int, Field(ge=1, le=1), _WHOLE] | None
    echo: bool | None
    seed: _Seed | None
    stop: _Stop
    presence_penalty: _Penalty | None
    frequency_penalty: _Penalty | None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None
    logprobs: Annotated[int, Field(ge=0, le=5), _WHOLE] | None
    top_k: Annotated[int, Field(ge=-1, le=100_000), _WHOLE] | None
    min_p: _Unit | None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None


@with_config(_STRICT)
class _EmbeddingBody(TypedDict, total=False):
    model: Required[_Name]
    input: Required[
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=_MAX_INPUTS)]
        | Annotated[list[_Token], Field(min_length=1)]
        | Annotated[
            list[Annotated[list[_Token], Field(min_length=1)]], Field(min_length=1, max_length=_MAX_INPUTS)
        ]
    ]
    encoding_format: Literal["float", "base64"] | None
    dimensions: Annotated[int, Field(ge=1, le=65_536), _WHOLE] | None
    user: str | None


@with_config(_STRICT)
class _ResponseTool(TypedDict):
    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


@with_config(_STRICT)
class _ResponseToolChoice(TypedDict):
    type: Literal["function"]
    name: _Name


@with_config(_STRICT)
class _InputText(TypedDict):
    type: Literal["input_text", "output_text"]
    text: str
    annotations: NotRequired[list[dict[str, Any]]]


@with_config(_STRICT)
class _InputImage(TypedDict):
    type: Literal["input_image"]
    image_url: _ImageData
    detail: NotRequired[Literal["auto", "low", "high"] | None]


@with_config(_STRICT)
class _InputMessage(TypedDict):
    type: NotRequired[Literal["message"]]
    role: Literal["user", "assistant", "system", "developer"]
    content: (
        str
        | Annotated[
            list[Annotated[_InputText | _InputImage, Field(discriminator="type")]],
            Field(min_length=1, max_length=_MAX_INPUTS),
        ]
    )


@with_config(_STRICT)
class _InputCall(TypedDict):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


@with_config(_STRICT)
class _InputResult(TypedDict):
    type: Literal["function_call_output"]
    call_id: str
    output: str


@with_config(_STRICT)
class _ResponseSchema(TypedDict):
    type: Literal["json_schema"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    schema: dict[str, Any]
    description: NotRequired[str | None]
    strict: NotRequired[bool | None]


@with_config(_STRICT)
class _ResponseText(TypedDict, total=False):
    format: Annotated[_PlainFormat | _ResponseSchema, Field(discriminator="type")] | None
    verbosity: Literal["low", "medium", "high"] | None


@with_config(_STRICT)
class _Reasoning(TypedDict, total=False):
    effort: _Effort
    summary: None


@with_config(_STRICT)
class _ResponseBody(_Sampling, total=False):
    input: Required[
        str
        | Annotated[
            list[_InputMessage | _InputCall | _InputResult], Field(min_length=1, max_length=_MAX_MESSAGES)
        ]
    ]
    instructions: str | None
    max_output_tokens: _Count | None
    tools: Annotated[list[_ResponseTool], Field(max_length=128)] | None
    tool_choice: Literal["none", "auto", "required"] | _ResponseToolChoice | None
    parallel_tool_calls: bool | None
    text: _ResponseText | None
    reasoning: _Reasoning | None
    truncation: Literal["disabled"] | None
    include: Annotated[list[str], Field(max_length=0)] | None
    store: bool | None
    service_tier: str | None
    prompt_cache_key: str | None
    safety_identifier: str | None
    previous_response_id: None
    conversation: None
    background: Literal[False] | None


_BODIES: Mapping[Endpoint, Any] = {
    Endpoint.CHAT: _ChatBody,
    Endpoint.COMPLETIONS: _CompletionBody,
    Endpoint.EMBEDDINGS: _EmbeddingBody,
    Endpoint.RESPONSES: _ResponseBody,
}
_NOT_SUPPORTED = frozenset({"literal_error", "union_tag_invalid"})


class BodyReader:
    """Checks bodies; built once, because compiling the types takes tens of milliseconds."""

    def __init__(self) -> None:
        self._adapters = {endpoint: TypeAdapter(kind) for endpoint, kind in _BODIES.items()}

    def check(self, endpoint: Endpoint, value: Any) -> dict[str, Any]:
        """Return the known fields of a body that are not null; raises WireError (400) naming the first fault."""
        if not isinstance(value, dict):
            raise WireError(400, "the body must be a JSON object", code="invalid_value")
        try:
            found: dict[str, Any] = self._adapters[endpoint].validate_python(value)
        except ValidationError as error:
            raise _fault(error, value) from error
        return {name: each for name, each in found.items() if each is not None}

    def schema(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return the JSON Schema of a route's body, with its definitions in `$defs`."""
        return self._adapters[endpoint].json_schema()


def _fault(error: ValidationError, body: Any) -> WireError:
    # Of a union's many complaints the one that got furthest into the body is the one that helps.
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    fault = max(faults, key=lambda each: len(_param(each["loc"], body)))
    param = _param(fault["loc"], body)
    if fault["type"] == "none_required":
        return WireError(400, f"`{param}` is not supported here", code="unsupported_parameter", param=param)
    code = "unsupported_value" if fault["type"] in _NOT_SUPPORTED else "invalid_value"
    return WireError(400, f"`{param or 'body'}`: {fault['msg']}", code=code, param=param or None)


def _param(steps: tuple[int | str, ...], body: Any) -> str:
    """Return the place of a fault as clients write it; names of types that were tried on the way are left out."""
    param, here = "", body
    for number, step in enumerate(steps):
        if isinstance(step, int):
            if isinstance(here, list) and step < len(here):
                param, here = f"{param}[{step}]", here[step]
        elif isinstance(here, dict) and (step in here or number == len(steps) - 1):
            param, here = f"{param}.{step}" if param else step, here.get(step)
    return param[:200]
