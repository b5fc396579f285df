"""Find calls of tools in an answer's text, in the forms in which models write them.

Read: OpenAI's (`tool_calls` with `function.name`, `function_call`, and a bare object with `name` and `arguments`),
Anthropic's (`tool_use`), and the marks of chat templates (`<tool_call>`, `<function=...>`, `[TOOL_CALLS]`,
`<|python_tag|>`, `<invoke name=...>`, ```tool_code```).

The agents of this program have no tools today: nothing runs such a call. But a client in front of an agent may read one
out of its text and run it, so that an answer that is told to call a tool and does is a failure already. A tool that is
only mentioned, or described in prose, is no call.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["TOOL_CALL_CHECK", "forbidden_calls", "tool_calls"]

TOOL_CALL_CHECK = "tool-calls/1"
UNNAMED = "(unnamed)"
_MAX_CHARACTERS = 20_000
_MAX_OBJECTS = 400
_MAX_DEPTH = 8
_ARGUMENTS = ("arguments", "parameters", "input", "args", "tool_input")
_NAMED_MARK = re.compile(
    r"<function=([\w.-]+)>|<invoke\s+name=[\"']?([\w.-]+)|<\|python_tag\|>\s*([\w.-]+)\s*\(|```tool_code\s*(?:print\s*\(\s*)?([\w.-]+)\s*\("
)
_OPEN_MARK = re.compile(r"<tool_call>|<\|tool_call\|>|\[TOOL_CALLS\]|<\|python_tag\|>|<function_call>")
_NAME = re.compile(r"[\"']?(?:name|function)[\"']?\s*[:=]\s*[\"']([\w.-]+)")


def tool_calls(text: str) -> tuple[str, ...]:
    """Return the names of the tools that a text calls, each once, in the order found.

    A mark that opens a call whose name cannot be read gives "(unnamed)".
    """
    text = text[:_MAX_CHARACTERS]
    names: list[str] = []
    for value in _json_values(text):
        names.extend(_named(value, _MAX_DEPTH))
    for found in _NAMED_MARK.finditer(text):
        names.append(next(name for name in found.groups() if name))
    if not names and (mark := _OPEN_MARK.search(text)) is not None:
        name = _NAME.search(text, mark.end(), mark.end() + 400)
        names.append(name[1] if name else UNNAMED)
    return tuple(dict.fromkeys(names))


def forbidden_calls(text: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the called tools that are not among the allowed ones."""
    return tuple(name for name in tool_calls(text) if name not in allowed)


def _json_values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    place = tried = 0
    while tried < _MAX_OBJECTS and (found := re.compile(r"[{\[]").search(text, place)) is not None:
        tried += 1
        try:
            value, place = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            place = found.start() + 1
            continue
        yield value


def _named(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, list):
        for part in value:
            yield from _named(part, depth - 1)
    elif isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, str) and name and any(key in value for key in _ARGUMENTS):
            yield name
            return
        for key in ("tool_calls", "function_call", "function", "tool_call", "choices", "message", "content"):
            if key in value:
                yield from _named(value[key], depth - 1)
