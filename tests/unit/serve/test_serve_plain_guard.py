"""Guardrails on plain models: requests and answers masked, streams held back by a window, other bytes left alone."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.guardrails import Ruling, Stage, Verdict
from staffroom.records.route_guardrails import RouteGuardrails, route_plan
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain.bodies import Endpoint
from staffroom.serve.plain.guarding import Blocked, HeldEvents, mask_answer, mask_request
from staffroom.serve.plain.served import require_text
from staffroom.serve.plain.tail import stream_text
from staffroom.serve.wire import WireError

NUMBER = "A123456789"
CARD = "4111111111111111"
MASK = "〔身分證字號已遮蔽〕"
CARD_MASK = "〔信用卡號已遮蔽〕"
PARTS = st.sampled_from(
    [
        *(
            NUMBER,
            f"身分證字號{NUMBER}，",
            CARD,
            "0912-345-678",
            "臺北市中正區中山路1號",
            "🙂👩‍🚀",
            "字",
            "é",
        ),
        *("\ud83d", '"', "\\n", "\n", "plain words, and more. ", "一段普通的中文文字沒有任何號碼", "12", " "),
        *("password: abcd1234!x", "-----BEGIN PRIVATE KEY-----"),
    ]
)
TEXTS = st.lists(PARTS, max_size=14).map("".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=60)


def guard_of(**fields: Any) -> TextGuard:
    plan = route_plan(RouteGuardrails.model_validate(fields))
    assert plan is not None
    return TextGuard(plan)


GUARD = guard_of()
BLOCKING = guard_of(topics=[{"name": "elections", "words": ["投票給誰", "which party"]}])


def event(text: str | None, field: str = "content", *, ascii_only: bool = True, **more: Any) -> bytes:
    delta = {} if text is None else {field: text}
    value = {"id": "x", "choices": [{"index": 0, "delta": delta, **more}]}
    return b"data: " + json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode() + b"\n\n"


def pieces_of(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


def passed(held: HeldEvents, events: Sequence[bytes]) -> bytes:
    left = b""
    for each in events:
        left += held.feed(each)
        if held.blocked:
            return left
    return left + held.rest()


def text_of(data: bytes, field: str = "content") -> str:
    found = []
    for line in data.split(b"\n\n"):
        if line:
            found += [str(c["delta"].get(field) or "") for c in json.loads(line[6:])["choices"]]
    return "".join(found)


def expected(guard: TextGuard, text: str) -> tuple[str, tuple[Ruling, ...]]:
    stream = guard.stream(Stage.OUTPUT, guard.contacts())
    return stream.feed(text) + stream.finish(), stream.rulings


def halves_apart(text: str) -> str:
    """Return a text as engines send it that cut between the halves of a surrogate pair."""
    return "".join(
        chr(0xD800 + ((ord(c) - 0x10000) >> 10)) + chr(0xDC00 + ((ord(c) - 0x10000) & 0x3FF))
        if ord(c) > 0xFFFF
        else c
        for c in text
    )


@given(TEXTS, CUTS)
@settings(max_examples=120, deadline=None)
def test_what_leaves_does_not_depend_on_the_chunks(text: str, cuts: list[int]) -> None:
    served, rulings = expected(GUARD, text)
    held = HeldEvents(GUARD, ())
    left = passed(
        held, [event(piece) for piece in pieces_of(text, cuts)] + [event(None, finish_reason="stop")]
    )
    assert text_of(left) == served
    assert held.rulings == rulings


@given(TEXTS, CUTS)
@settings(max_examples=60, deadline=None)
def test_the_topic_ends_the_answer_at_the_same_place(text: str, cuts: list[int]) -> None:
    text = f"{text}。請告訴我要投票給誰，{text}"
    served, rulings = expected(BLOCKING, text)
    held = HeldEvents(BLOCKING, ())
    left = passed(held, [event(piece) for piece in pieces_of(text, cuts)])
    assert held.blocked == "forbidden_topics: elections"
    assert text_of(left) == served
    assert "投票給誰" not in served
    assert held.rulings == rulings
    assert held.feed(event("more")) == b""


@given(
    st.lists(st.sampled_from(["字", "🙂", "word ", "，", "é", '"', "\\", "\n"]), max_size=60).map("".join),
    CUTS,
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_bytes_in_which_nothing_is_found_leave_as_they_came(text: str, cuts: list[int], apart: bool) -> None:
    text = halves_apart(text) if apart else text
    events = [event(piece, ascii_only=apart) for piece in pieces_of(text, cuts)] + [b": ping\n\n"]
    assert passed(HeldEvents(GUARD, ()), events) == b"".join(events)


def test_only_a_window_is_held_back() -> None:
    held, most, sent = HeldEvents(GUARD, ()), 0, 0
    for number in range(400):
        piece = "今天天氣很好我們出去散步看花呢"[number % 15]
        sent += len(text_of(held.feed(event(piece))))
        most = max(most, number + 1 - sent)
    assert most <= 40
    held, sent = HeldEvents(GUARD, ()), 0
    for number in range(3000):
        sent += len(text_of(held.feed(event("1"))))
        assert number + 1 - sent <= 540, "also where a text has no place to cut it"


def test_several_fields_and_events_in_one_chunk() -> None:
    data = (
        event("想", "reasoning_content")
        + event(f"我看到{NUMBER[:4]}", "reasoning_content")
        + event("是")
        + event(NUMBER)
    )
    data += event(f"{NUMBER[4:]}。", "reasoning_content") + event("。")
    left = passed(HeldEvents(GUARD, ()), [data])
    assert text_of(left, "reasoning_content") == f"想我看到{MASK}。"
    assert text_of(left) == f"是{MASK}。"


def test_arguments_of_calls_stay_json() -> None:
    whole = json.dumps({"id": NUMBER, "card": int(CARD), "note": f"card: {CARD}", "n": 3}, ensure_ascii=False)
    for size in (1, 3, 7, 200):
        events = [
            event(None, tool_calls=[{"index": 0, "function": {"arguments": whole[i : i + size]}}])
            for i in range(0, len(whole), size)
        ]
        left = passed(HeldEvents(GUARD, ()), events)
        said = "".join(
            json.loads(line[6:])["choices"][0]["tool_calls"][0]["function"]["arguments"]
            for line in left.split(b"\n\n")
            if line
        )
        assert json.loads(said) == {"id": MASK, "card": CARD_MASK, "note": f"card: {CARD_MASK}", "n": 3}
    answer = {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": whole}}]}}]}
    assert mask_answer(GUARD, answer, (), json_content=False)[0]
    assert (
        json.loads(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])["card"]
        == CARD_MASK
    )


def test_content_that_was_asked_to_be_json_stays_json() -> None:
    whole = json.dumps({"card": int(CARD), "ok": True})
    left = passed(HeldEvents(GUARD, (), json_content=True), [event(piece) for piece in whole])
    assert json.loads(text_of(left)) == {"card": CARD_MASK, "ok": True}


def test_tokens_of_what_was_masked_are_not_told_beside_it() -> None:
    told = {"content": [{"token": NUMBER, "logprob": -0.1, "bytes": [65], "top_logprobs": []}]}
    left = passed(
        HeldEvents(GUARD, ()), [event(f"身分證{NUMBER}", logprobs=told), event("。", logprobs=None)]
    )
    assert NUMBER.encode() not in left
    answer = {"choices": [{"message": {"content": f"身分證{NUMBER}"}, "logprobs": told}]}
    changed, rulings = mask_answer(GUARD, answer, (), json_content=False)
    assert changed
    assert NUMBER not in json.dumps(answer)
    assert [(each.stage, each.verdict, each.reason) for each in rulings] == [
        (Stage.OUTPUT, Verdict.MASK, "national_id")
    ]


def response_events(text: str, size: int) -> list[bytes]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "content": [part]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"output": [], "instructions": "x"}}
    ]
    events += [
        {"type": "response.output_text.delta", "delta": text[i : i + size], "logprobs": []}
        for i in range(0, len(text), size)
    ]
    events += [
        {"type": "response.output_text.done", "text": text},
        {"type": "response.content_part.done", "part": part},
    ]
    events += [
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"output": [item]}},
    ]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events]


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_a_stream_of_a_response_repeats_is_masked_alike_and_counted_once(size: int) -> None:
    text = f"申請人{NUMBER}，電話0912-345-678，密碼是abcd1234!，請查收。"
    events = response_events(text, size)
    held = HeldEvents(GUARD, (), repeats=True)
    left = held.feed(b"".join(events)) + held.rest()
    served, rulings = expected(GUARD, text)
    values = [json.loads(line.partition(b"data: ")[2]) for line in left.split(b"\n\n") if line]
    assert "".join(each["delta"] for each in values if each["type"].endswith("delta")) == served
    assert values[-1]["response"]["output"][0]["content"][0]["text"] == served
    assert next(each["text"] for each in values if each["type"].endswith("text.done")) == served
    assert held.rulings == rulings
    plain = response_events("一段普通的文字。", size)
    held = HeldEvents(GUARD, (), repeats=True)
    assert held.feed(b"".join(plain)) + held.rest() == b"".join(plain)


def test_contacts_are_flagged_and_those_of_the_request_are_no_finding() -> None:
    events = [event("請撥0912-345-678或0987-654-321。")]
    held = HeldEvents(GUARD, ("我的電話是0912345678",))
    assert passed(held, events) == b"".join(events)
    assert [(each.guardrail, each.verdict, each.count) for each in held.rulings] == [
        ("contacts", Verdict.FLAG, 1)
    ]


def test_a_request_is_masked_wherever_it_has_text_and_nowhere_else() -> None:
    picture = f"data:image/png;base64,{CARD}"
    body = {
        "model": NUMBER,
        "metadata": {"who": NUMBER},
        "messages": [
            {"role": "system", "content": f"客戶{NUMBER}。", "name": NUMBER},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": NUMBER},
                    {"type": "image_url", "image_url": {"url": picture}},
                ],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "function": {"name": "f", "arguments": '{"card":4111111111111111}'}}
                ],
            },
            {"role": "tool", "tool_call_id": NUMBER, "content": NUMBER},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": NUMBER, "parameters": {"pattern": CARD}},
            }
        ],
    }
    masked = mask_request(GUARD, body)
    assert masked.body == {
        "model": NUMBER,
        "metadata": {"who": NUMBER},
        "messages": [
            {"role": "system", "content": f"客戶{MASK}。", "name": MASK},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": MASK},
                    {"type": "image_url", "image_url": {"url": picture}},
                ],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "function": {"name": "f", "arguments": f'{{"card":"{CARD_MASK}"}}'}}
                ],
            },
            {"role": "tool", "tool_call_id": NUMBER, "content": MASK},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": MASK, "parameters": {"pattern": CARD}},
            }
        ],
    }
    assert body["messages"][0]["content"] == f"客戶{NUMBER}。"  # type: ignore[index]
    assert sum(each.count for each in masked.rulings) == 6
    assert not any(NUMBER in str(each.as_json()) for each in masked.rulings)


def test_the_texts_that_are_remembered_are_the_last_and_bounded() -> None:
    texts = ["early", "x" * 70_000, "late"]
    asked = mask_request(GUARD, {"messages": [{"role": "user", "content": text} for text in texts]})
    assert asked.texts[-1] == "late"
    assert "early" not in asked.texts
    assert sum(map(len, asked.texts)) == 65_536


def test_a_forbidden_topic_cannot_be_cut_in_two_between_parts() -> None:
    for content in (
        "which party?",
        [{"type": "text", "text": "which pa"}, {"type": "text", "text": "rty is it"}],
    ):
        with pytest.raises(Blocked, match="forbidden_topics: elections") as blocked:
            mask_request(BLOCKING, {"messages": [{"role": "user", "content": content}]})
        assert blocked.value.rulings[0].verdict is Verdict.BLOCK


def test_numbers_of_tokens_cannot_be_read_and_are_refused() -> None:
    for endpoint, body in (
        (Endpoint.COMPLETIONS, {"prompt": [1, 2]}),
        (Endpoint.COMPLETIONS, {"prompt": [[1], [2]]}),
        (Endpoint.EMBEDDINGS, {"input": [7]}),
    ):
        with pytest.raises(WireError, match="must be text"):
            require_text(endpoint, body)
    require_text(Endpoint.COMPLETIONS, {"prompt": ["a", "b"]})
    require_text(Endpoint.CHAT, {"messages": []})


def test_a_file_that_allows_everything_is_no_guard() -> None:
    nothing = {"input": "allow", "output": "allow"}
    settings_of = RouteGuardrails.model_validate(
        {"identifiers": nothing, "contacts": nothing, "secrets": nothing}
    )
    assert route_plan(settings_of) is None


def test_the_text_of_what_left_is_what_is_recorded() -> None:
    left = passed(HeldEvents(GUARD, ()), [event(f"號碼是{NUMBER}，"), event("完。")])
    assert stream_text([left]) == f"號碼是{MASK}，完。"
