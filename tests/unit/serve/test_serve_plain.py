"""Parts of the way to a plain model: guardrails that hold a stream back, tokens and text from its bytes, the breaker."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.serve.plain import Breaker, TextVerdict
from staffroom.serve.plain.guarding import Blocked, HeldStream
from staffroom.serve.plain.tail import Tokens, answer_text, last_tokens, stream_text

SECRET = "token-" + "7" * 40


class NoSecret:
    """Forbids one long word."""

    id, version, stages = "no-secret", "1", ("output",)

    def check(self, text: str) -> TextVerdict:
        return TextVerdict(SECRET not in text, "a secret was withheld")


def event(text: str | None, **more: object) -> bytes:
    delta = {} if text is None else {"content": text}
    value = {"id": "x", "choices": [{"index": 0, "delta": delta}], **more}
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


@given(st.text(max_size=400), st.lists(st.integers(0, 10_000), max_size=60))
@settings(max_examples=60, deadline=None)
def test_an_allowed_stream_leaves_whole_and_in_order(text: str, cuts: list[int]) -> None:
    text = text.encode("utf-8", "replace").decode()
    events = [event(piece) for piece in pieces_of(text, cuts)]
    held = HeldStream((NoSecret(),))
    left = b"".join(held.feed(each) for each in events) + held.rest()
    assert left == b"".join(events)


@given(st.integers(0, 300), st.integers(0, 300), st.lists(st.integers(0, 10_000), max_size=200))
@settings(max_examples=80, deadline=None)
def test_nothing_of_what_is_forbidden_leaves(before: int, after: int, cuts: list[int]) -> None:
    text = "x" * before + SECRET + "y" * after
    held, left = HeldStream((NoSecret(),)), b""
    with pytest.raises(Blocked) as blocked:
        for piece in pieces_of(text, cuts):
            left += held.feed(event(piece))
        left += held.rest()
    assert blocked.value.guardrail == "no-secret@1"
    assert "token-" not in stream_text([left])
    assert "7" not in stream_text([left])


def test_arguments_of_tools_are_looked_at_too() -> None:
    call = {"index": 0, "function": {"arguments": json.dumps({"a": SECRET})}}
    value = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    with pytest.raises(Blocked):
        HeldStream((NoSecret(),)).feed(
            b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
        )


@given(st.lists(st.text(max_size=20), max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_text_of_a_stream_is_what_its_events_say(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    assert stream_text([event(text) for text in texts]) == "".join(texts)


def test_tokens_are_read_from_the_last_event_that_tells_of_them() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    timings = {"cache_n": 1, "prompt_n": 2, "predicted_n": 9}
    told = event('say "usage":{"prompt_tokens":1}', timings=timings)
    assert last_tokens(event("a", usage=usage) + b"data: [DONE]\n\n") == Tokens(3, 4)
    assert last_tokens(event("a", usage=usage) + told) == Tokens(3, 9)
    assert last_tokens(event("a", usage=None)) is None
    assert last_tokens(event("a", usage={"prompt_tokens": -1, "completion_tokens": 4})) is None
    assert last_tokens(b"data: {broken\n\n") is None
    assert last_tokens(b'data: {"response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n') == Tokens(
        1, 2
    )


def test_the_text_of_an_answer_of_any_shape() -> None:
    assert answer_text({"choices": [{"message": {"content": "a"}}, {"text": "b"}]}) == "a\nb"
    assert answer_text({"output": [{"content": [{"text": "c"}]}, {"type": "reasoning"}]}) == "c"
    assert answer_text([1]) == ""
    assert answer_text({"choices": None}) == ""


def test_a_breaker_lets_one_through_after_a_pause_that_doubles() -> None:
    now = [0.0]
    breaker = Breaker(failures=2, clock=lambda: now[0])
    breaker.failed()
    assert breaker.admit() == 0
    breaker.failed()
    assert breaker.open
    assert breaker.admit() == 1.0
    now[0] = 1.0
    assert breaker.admit() == 0
    assert breaker.admit() > 0, "one at a time"
    breaker.failed()
    now[0] = 2.5
    assert breaker.admit() > 0, "the pause has doubled"
    now[0] = 3.1
    assert breaker.admit() == 0
    breaker.left()
    assert breaker.admit() == 0
    breaker.worked()
    assert not breaker.open
