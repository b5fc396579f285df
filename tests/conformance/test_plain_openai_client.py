"""The official `openai` client against plain models: each endpoint, as people use it."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from plain_desk import PlainPlace, plain_model, plain_place

from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope

ASK: Any = [{"role": "user", "content": "hello"}]
TOOLS: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
SMALL = Cap(CapScope.WORKER, "plain", TOKENS, CapPeriod.TOTAL, 10_000_000)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainPlace]:
    """A gateway and its engine in a thread of their own."""
    ready, end, made = threading.Event(), threading.Event(), list[PlainPlace]()

    async def main() -> None:
        path = tmp_path_factory.mktemp("home")
        async with plain_place(path, model=plain_model(images=True), caps=lambda: [SMALL]) as there:
            made.append(there)
            ready.set()
            while not end.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield made[0]
    end.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def client(place: PlainPlace) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.token, max_retries=0) as made:
        yield made


def test_models(client: openai.OpenAI) -> None:
    (model,) = list(client.models.list())
    assert (model.id, model.object) == ("plain", "model")
    assert client.models.retrieve("plain").owned_by == "staffroom"


def test_chat_with_every_parameter(client: openai.OpenAI, place: PlainPlace) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="plain",
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "system", "content": [{"type": "text", "text": "really"}]},
            {
                "role": "user",
                "name": "lin",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "forty"},
        ],
        frequency_penalty=-2,
        logit_bias={"12": -5},
        logprobs=True,
        max_completion_tokens=64,
        metadata={"a": "b"},
        modalities=["text"],
        n=2,
        parallel_tool_calls=True,
        presence_penalty=1,
        prompt_cache_key="k",
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        safety_identifier="s",
        seed=-7,
        service_tier="auto",
        stop=["a", "b"],
        store=True,
        temperature=1,
        tool_choice={"type": "function", "function": {"name": "f"}},
        top_logprobs=3,
        top_p=1,
        user="u",
        verbosity="low",
    )
    answer = raw.parse()
    assert len(answer.choices) == 2
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12
    assert answer.model == "plain"
    assert answer._request_id == raw.headers["x-request-id"]
    sent = place.engine.bodies[-1]
    assert (sent["max_tokens"], sent["n"], sent["seed"], sent["stop"]) == (64, 2, -7, ["a", "b"])
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert not {"user", "metadata", "store", "max_completion_tokens"} & set(sent)


def test_chat_streams_with_and_without_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="plain", messages=ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == 'Hello "you"。\nbye'
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    chunks = list(
        client.chat.completions.create(
            model="plain", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    assert chunks[-1].choices == []


def test_tools_plain_and_streamed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="plain", messages=ASK, tools=TOOLS)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("f", {"x": 1})
    with client.chat.completions.stream(model="plain", messages=ASK, tools=TOOLS) as stream:
        for _ in stream:
            pass
        snapshot = stream.current_completion_snapshot
    calls = snapshot.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.arguments == 'Hello "you"。\nbye'


def test_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="plain", prompt=["a", "b"], echo=False, logprobs=2, n=1, best_of=1, suffix="x", stop="."
    )
    assert answer.choices[0].text == "Hello"
    chunks = list(client.completions.create(model="plain", prompt="a", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks).startswith("Hel")
    assert client.completions.create(model="plain", prompt=[1, 2, 3]).usage


def test_embeddings(client: openai.OpenAI) -> None:
    for asked in ("a", ["a", "b"], [1, 2], [[1], [2]]):
        answer = client.embeddings.create(model="plain", input=asked)
        assert answer.data[0].embedding == [0.5, -1.0]
        assert answer.usage.prompt_tokens == 3


def test_responses(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    asked: Any = [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    answer = client.responses.create(model="plain", input=asked, instructions="brief", tools=[tool])
    assert answer.output_text == "Hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12
    events = list(client.responses.create(model="plain", input="hi", stream=True))
    assert [event.type for event in events][-1] == "response.completed"
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(texts) == "Hello"
    with pytest.raises(openai.BadRequestError) as state:
        client.responses.create(model="plain", input="hi", previous_response_id="resp_1")
    assert state.value.param == "previous_response_id"


def test_errors_are_the_clients_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="plain", messages=ASK, temperature=9)
    assert (wrong.value.code, wrong.value.param) == ("invalid_value", "temperature")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-5", messages=ASK)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.APIError) as lost:
        list(
            client.chat.completions.create(
                model="plain", messages=[{"role": "user", "content": "die"}], stream=True
            )
        )
    assert lost.value.code == "engine_lost"
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "422"}])


def test_the_client_waits_as_it_is_told_and_asks_again(place: PlainPlace) -> None:
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.token, max_retries=2) as client:
        tries = place.engine.tries
        started = time.perf_counter()
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(
                model="plain", messages=[{"role": "user", "content": "429"}], timeout=60, extra_headers={}
            )
        assert place.engine.tries - tries == 3
        assert time.perf_counter() - started > 10, "retry-after: 7, twice"
        answer = client.chat.completions.create(
            model="plain", messages=ASK, extra_headers={"Idempotency-Key": "once"}
        )
        again = client.chat.completions.with_raw_response.create(
            model="plain", messages=ASK, extra_headers={"Idempotency-Key": "once"}
        )
        assert again.headers["x-staffroom-replayed"] == "true"
        assert again.parse().id == answer.id
