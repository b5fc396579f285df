"""Parts of the way to a plain model: tokens and text from its bytes, the breaker."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.serve.plain import Breaker
from staffroom.serve.plain.tail import Tokens, answer_text, last_tokens, stream_text


def event(text: str | None, **more: object) -> bytes:
    delta = {} if text is None else {"content": text}
    value = {"id": "x", "choices": [{"index": 0, "delta": delta}], **more}
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


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
