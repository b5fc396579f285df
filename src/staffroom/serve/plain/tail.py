"""What the end of an engine's answer says: tokens, text, and whether it was an end at all.

Everything here works on the bytes as they came. Inside JSON a quote within a string is escaped, so `"usage":{`
cannot be part of somebody's text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

__all__ = [
    "Tokens",
    "answer_text",
    "before_error",
    "last_tokens",
    "stream_text",
    "tokens_of",
    "without_usage",
]

_CONTENT = re.compile(rb'"content":\s?"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens read and written, by the engine's own count."""

    read: int
    written: int


def tokens_of(event: Any) -> Tokens | None:
    """Return the tokens that an answer or a stream's event tells of: `usage`, or llama.cpp's `timings`."""
    if not isinstance(event, dict):
        return None
    inner = event.get("response")
    usage = event.get("usage") or (inner.get("usage") if isinstance(inner, dict) else None)
    if isinstance(usage, dict):
        read = usage.get("prompt_tokens", usage.get("input_tokens"))
        written = usage.get("completion_tokens", usage.get("output_tokens", 0))
        if _is_count(read) and _is_count(written):
            return Tokens(read, written)
    timings = event.get("timings")
    if isinstance(timings, dict):
        counts = [timings.get(name, 0) for name in ("cache_n", "prompt_n", "predicted_n")]
        if all(map(_is_count, counts)):
            return Tokens(counts[0] + counts[1], counts[2])
    return None


def last_tokens(data: bytes) -> Tokens | None:
    """Return what the last event of a stream that tells of tokens says."""
    for line in reversed(data.split(b"\n")):
        if line.startswith(b"data:") and (b'"usage"' in line or b'"timings"' in line):
            try:
                found = tokens_of(orjson.loads(line[5:]))
            except orjson.JSONDecodeError:
                continue
            if found is not None:
                return found
    return None


def stream_text(pieces: Sequence[bytes]) -> str:
    """Return the text of a streamed answer."""
    data = b"".join(pieces)
    found = _CONTENT.findall(data)
    if found and b'"tool_calls":[' not in data:
        try:
            return str(orjson.loads(b'"' + b"".join(found) + b'"'))
        except orjson.JSONDecodeError:
            pass
    return "".join(_event_text(line) for line in data.split(b"\n") if line.startswith(b"data: {"))


def answer_text(answer: Any) -> str:
    """Return the text of a plain answer; of several choices, one after the other."""
    if not isinstance(answer, dict):
        return ""
    texts: list[str] = []
    for choice in answer.get("choices") or ():
        if isinstance(choice, dict):
            message = choice.get("message")
            texts.append(_said(message) if isinstance(message, dict) else str(choice.get("text") or ""))
    for item in answer.get("output") or ():
        for part in (item.get("content") or ()) if isinstance(item, dict) else ():
            if isinstance(part, dict):
                texts.append(str(part.get("text") or ""))
    return "\n".join(texts)


def before_error(data: bytes) -> tuple[bytes, bytes]:
    """Cut at the first event by which the engine reports an error; the second part is that event, if there is one."""
    start = 0
    for event in data.split(b"\n\n"):
        if event.startswith((b'data: {"error"', b'data:{"error"', b"error:", b"event: error")):
            return data[:start], event
        start += len(event) + 2
    return data, b""


def without_usage(data: bytes) -> bytes:
    """Drop the events that hold usage only: the client did not ask for them."""
    events = data.split(b"\n\n")
    return b"\n\n".join(each for each in events if not (b'"choices":[]' in each and b'"usage":{' in each))


def _said(message: dict[str, Any]) -> str:
    text = str(message.get("content") or "")
    calls = message.get("tool_calls")
    return text + (orjson.dumps(calls).decode() if calls else "")


def _event_text(line: bytes) -> str:
    try:
        event = orjson.loads(line[6:])
    except orjson.JSONDecodeError:
        return ""
    if event.get("type") == "response.output_text.delta":
        return str(event.get("delta") or "")
    texts = []
    for choice in event.get("choices") or ():
        delta = choice.get("delta")
        texts.append(_said(delta) if isinstance(delta, dict) else str(choice.get("text") or ""))
    return "".join(texts)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
