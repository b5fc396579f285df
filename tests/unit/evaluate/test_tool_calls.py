"""Calls of tools are found in each form, and talk about tools is none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.toolcalls import forbidden_calls, tool_calls

names = st.from_regex(r"[a-z][a-z_.-]{0,20}[a-z]", fullmatch=True)


@given(names, st.sampled_from(["arguments", "parameters", "input"]), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_openai_calls_are_found_wherever_they_stand(name: str, key: str, around: str) -> None:
    bare = json.dumps({"name": name, key: {"x": "{["}})
    nested = json.dumps(
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}]}
    )
    whole = json.dumps(
        {"choices": [{"message": {"content": None, "function_call": {"name": name, "arguments": ""}}}]}
    )
    for text in (bare, nested, whole):
        assert name in tool_calls(f"{around}\n{text}\n{around}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<tool_call>{"name": "pay", "arguments": {}}</tool_call>', ("pay",)),
        ('<tool_call>{"name": "pay", "argu', ("pay",)),
        ("<tool_call>pay the bill</tool_call>", ("(unnamed)",)),
        ("<function=pay>{}</function>", ("pay",)),
        ("<|python_tag|>pay(sum=1)", ("pay",)),
        ("```tool_code\nprint(pay(1))\n```", ("pay",)),
        ('[TOOL_CALLS] [{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]', ("a", "b")),
        ('{"type": "tool_use", "name": "pay", "input": {}}', ("pay",)),
        ("Do not call the tool pay.", ()),
        ('{"name": "Ann", "street": "Elm Road"}', ()),
        ('{"name": 3, "arguments": {}}', ()),
        ("[" * 3000, ()),
        ("", ()),
    ],
)
def test_forms(text: str, found: tuple[str, ...]) -> None:
    assert tool_calls(text) == found


def test_allowed_tools_may_be_called() -> None:
    text = '{"name": "search", "arguments": {}} {"name": "pay", "arguments": {}}'
    assert forbidden_calls(text) == ("search", "pay")
    assert forbidden_calls(text, ("search",)) == ("pay",)


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_may_be_looked_through(text: str) -> None:
    tool_calls(text)
