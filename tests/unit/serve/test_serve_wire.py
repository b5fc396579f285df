import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.agent import AgentAnswer, ChatTurn, Citation, Outcome
from staffroom.serve.wire import Chunks, Mark, WireError, citation_json, completion_json, read_chat

USER = {"role": "user", "content": "規費多少？"}
MARK = Mark("chatcmpl-1", 1_700_000_000, "clerk", "sha256:r", "audit_1", "notice")


def read(**body: object) -> object:
    return read_chat(json.dumps({"model": "clerk", "messages": [USER], **body}).encode())


def test_a_request_is_read() -> None:
    chat = read_chat(
        json.dumps(
            {
                "model": "clerk",
                "messages": [
                    {"role": "developer", "content": "short"},
                    {"role": "assistant", "content": "hello", "refusal": None},
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                    },
                ],
                "stream": True,
                "stream_options": {"include_usage": True},
                "seed": 5,
                "max_tokens": 9,
                "temperature": 0,
                "unknown": {"deep": [1]},
                "tools": [],
                "n": 1,
                "modalities": ["text"],
                "response_format": {"type": "text"},
                "tool_choice": "none",
            }
        ).encode()
    )
    assert chat.turns == (
        ChatTurn("system", "short"),
        ChatTurn("assistant", "hello"),
        ChatTurn("user", "ab"),
    )
    assert (chat.stream, chat.include_usage, chat.seed) == (True, True, 5)
    assert chat.ignored == ("temperature", "max_tokens")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [USER, {"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}, USER]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [1]}, USER]}, "messages[0].tool_calls"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"messages": [USER] * 1001}, "messages"),
    ],
)
def test_what_cannot_be_honoured_is_named(body: dict[str, object], param: str) -> None:
    with pytest.raises(WireError) as caught:
        read(**body)
    assert caught.value.status == 400
    assert caught.value.param == param


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["model", "messages", "stream", "stream_options", "n", "seed", "tools", "stop", "modalities", "audio"]
)
message = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "tool"]) | json_values,
        "content": st.text(max_size=8)
        | st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image_url"]) | json_values}, optional={"text": json_values}
            ),
            max_size=2,
        )
        | json_values,
        "tool_calls": json_values,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    body=st.fixed_dictionaries(
        {"model": st.just("clerk"), "messages": st.lists(message, max_size=3) | json_values}
    ),
    more=st.dictionaries(fields, json_values, max_size=4),
)
def test_any_json_is_read_or_refused_in_openai_form(body: dict[str, object], more: dict[str, object]) -> None:
    _read_or_refuse(json.dumps({**body, **more}, ensure_ascii=True).encode())


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    _read_or_refuse(body)


def test_deep_nesting_is_refused() -> None:
    _read_or_refuse(b"[" * 500_000)
    _read_or_refuse(b'{"model":' * 200_000)


def _read_or_refuse(body: bytes) -> None:
    try:
        chat = read_chat(body)
    except WireError as error:
        assert error.status == 400
        assert error.message
    else:
        assert chat.turns[-1].role == "user"
        assert chat.turns[-1].content.strip()


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=5))
def test_chunks_join_to_the_text(pieces: list[str]) -> None:
    chat = read_chat(json.dumps({"model": "clerk", "messages": [USER], "stream": True}).encode())
    chunks = Chunks(MARK, chat)
    answer = AgentAnswer("".join(pieces), "", Outcome.DECLINED, "nothing found", tokens_in=3, tokens_out=4)
    raw = chunks.first() + b"".join(chunks.text(piece) for piece in pieces) + chunks.last(answer, [])
    parsed = [json.loads(event.removeprefix(b"data: ")) for event in raw.split(b"\n\n") if event]
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in parsed) == answer.text
    assert {(each["id"], each["model"], each["created"]) for each in parsed} == {
        ("chatcmpl-1", "clerk", 1_700_000_000)
    }
    assert [each["choices"][0]["finish_reason"] for each in parsed] == [None] * (len(pieces) + 1) + ["stop"]
    assert parsed[-1]["staffroom"]["outcome"] == "declined"
    assert all("usage" not in each for each in parsed)


def test_a_length_limit_is_told() -> None:
    chat = read_chat(json.dumps({"model": "clerk", "messages": [USER]}).encode())
    citation = Citation(1, "c", "d.odt", "sha256:d", "h", None, 0, 3)
    answer = AgentAnswer("x", "x", Outcome.ANSWERED, "r", (citation,), details={"finish": "length"})
    body = json.loads(completion_json(MARK, chat, answer, [citation_json(citation, "u")]))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["citations"][0]["url"] == "u"
