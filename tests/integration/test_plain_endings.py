"""Answers of a plain model that end badly: whose fault it was, what the client is told, what is billed, what stops."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain_desk import PlainPlace, at_plain_place, plain_model

from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.route_guardrails import RouteGuardrails, route_plan
from staffroom.serve import GatewaySettings
from staffroom.serve.plain import Breaker

CAP = Cap(CapScope.WORKER, "plain", TOKENS, CapPeriod.TOTAL, 10_000)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    deadline = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < deadline, "did not happen in time"
        await asyncio.sleep(0.002)
    return time.perf_counter()


async def _events(response: Any) -> list[str]:
    return [line for line in (await response.read()).decode().split("\n\n") if line]


def test_a_client_that_leaves_stops_the_engine_and_is_billed(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        for stream in (True, False):
            before = len(place.engine.closed)
            if stream:
                response = await place.ask("slow", stream=True)
                await response.content.readany()
                left = time.perf_counter()
                response.close()
            else:
                asking = asyncio.create_task(place.ask("slow", max_tokens=100))
                tries = place.engine.tries
                await until(lambda tries=tries: place.engine.tries > tries)
                await asyncio.sleep(0.05)
                left = time.perf_counter()
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await until(lambda before=before: len(place.engine.closed) > before)
            # The goal is 50 ms on a machine of one's own; a busy one may be slower to notice.
            assert place.engine.closed[-1] - left < 1.0
        await until(lambda: len(place.duty()) == 2)
        first, second = place.duty()
        assert first["outcome"] == second["outcome"] == "client_gone"
        assert 0 < first["tokens_out"] <= place.engine.sent, "llama.cpp tells of its tokens in each event"
        (row,) = place.budgets.report()
        assert isinstance(row["spent"], int)
        assert row["spent"] > first["tokens_in"] + first["tokens_out"] + 100, "unknown: in full"
        assert row["reserved"] == 0

    at_plain_place(work, tmp_path, model=plain_model(engine="llama"), caps=lambda: [CAP])


@pytest.mark.parametrize("wish", ["die", "partial", "error", "noend"])
def test_an_engine_that_goes_ends_the_stream_with_an_error_and_no_done(tmp_path: Path, wish: str) -> None:
    async def work(place: PlainPlace) -> None:
        response = await place.ask(wish, stream=True)
        assert response.status == 200
        events = await _events(response)
        assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "engine_lost"
        for event in events[:-1]:
            json.loads(event.removeprefix("data: "))
        assert "[DONE]" not in "".join(events)
        (line,) = place.duty()
        assert line["outcome"] == "engine_lost"
        assert len(place.engine.bodies) == 1, "nothing is tried again after the first byte"

    at_plain_place(work, tmp_path)


def test_a_second_try_comes_only_before_the_first_byte_and_only_once(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        place.engine.fails_first = 1
        assert (await place.ask()).status == 200
        assert place.engine.tries == 2
        place.engine.fails_first = 2
        assert (await place.ask()).status == 502
        assert place.engine.tries == 4

    at_plain_place(work, tmp_path)


def test_a_breaker_opens_and_closes(tmp_path: Path) -> None:
    now = [0.0]

    async def work(place: PlainPlace) -> None:
        for _ in range(3):
            assert (await place.ask("500")).status == 502
        tries = place.engine.tries
        refused = await place.ask()
        assert (refused.status, (await refused.json())["error"]["code"]) == (503, "engine_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert place.engine.tries == tries
        now[0] += 1.5
        assert (await place.ask("500")).status == 502, "one may try"
        assert (await place.ask()).status == 503
        now[0] += 2.5
        assert (await place.ask()).status == 200
        assert (await place.ask()).status == 200

    at_plain_place(work, tmp_path, breaker=Breaker(failures=3, clock=lambda: now[0]))


def test_an_engine_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        response = await place.ask("stall", stream=True)
        events = await _events(response)
        assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "engine_stalled"
        await until(lambda: len(place.engine.closed) == 1)

    at_plain_place(work, tmp_path, settings=GatewaySettings(stall_seconds=0.3))


def test_a_stop_ends_streams_and_the_queue(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        streams = [await place.ask("slow", stream=True) for _ in range(2)]
        waiting = asyncio.create_task(place.ask("hello"))
        await until(lambda: place.served.queue.waiting == 1)
        for stream in streams:
            await stream.content.readany()
        stopped = time.perf_counter()
        place.permits.revoke("plain")
        for stream in streams:
            events = await _events(stream)
            assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "worker_suspended"
        assert (await waiting).status == 503
        assert time.perf_counter() - stopped < 2.0
        assert (await place.ask()).headers["x-should-retry"] == "false"
        assert {line["outcome"] for line in place.duty()} == {"worker_suspended"}

    at_plain_place(work, tmp_path, model=plain_model(slots=2))


def test_a_full_queue_says_how_long_to_wait(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        first = await place.ask("slow", stream=True)
        second = asyncio.create_task(place.ask("hello"))
        await until(lambda: place.served.queue.waiting == 1)
        full = await place.ask("hello")
        assert (full.status, (await full.json())["error"]["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) >= 1
        first.close()
        assert (await second).status == 200

    at_plain_place(work, tmp_path, model=plain_model(slots=1, waiting=1))


def test_a_slow_reader_holds_the_engine_back_and_is_given_up(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {place.token}\r\n"
            "content-type: application/json\r\n"
        )
        asked = {"messages": [{"role": "user", "content": "flood"}], "model": "plain", "stream": True}
        body = json.dumps(asked)
        reading = socket.socket()
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reading.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(reading, (place.server.address.host, place.server.address.port))
        await loop.sock_sendall(reading, f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        await until(lambda: len(place.duty()) == 1)
        assert place.duty()[0]["outcome"] == "client_gone"
        assert place.engine.sent < 20_000, "the engine was not held back"
        assert (await place.ask()).status == 200, "others are not held up"
        reading.close()

    at_plain_place(work, tmp_path, settings=GatewaySettings(reader_seconds=0.5))


def test_an_end_of_the_gateway_lets_streams_come_to_theirs(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        response = await place.ask("say 好", stream=True)
        place.server.stop()
        assert (await _events(response))[-1] == "data: [DONE]"
        assert [line["outcome"] for line in place.duty()] == ["answered"]

    at_plain_place(work, tmp_path)


NUMBER = "A123456789"
MASK = "〔身分證字號已遮蔽〕"


def _guardrails(**fields: Any) -> GuardrailPlan:
    plan = route_plan(RouteGuardrails.model_validate(fields))
    assert plan is not None
    return plan


def test_guardrails_mask_what_goes_in_and_out_and_leave_their_verdicts(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        plain = await (await place.ask(f"say 我是{NUMBER}。")).json()
        assert place.engine.bodies[-1]["messages"][0]["content"] == f"say 我是{MASK}。"
        assert plain["choices"][0]["message"]["content"] == f"say 我是{MASK}。"
        tool = {"type": "function", "function": {"name": "f", "description": f"of {NUMBER}"}}
        assert (await place.ask("hello", tools=[tool])).status == 200
        assert place.engine.bodies[-1]["tools"][0]["function"]["description"] == f"of {MASK}"
        for wish in ("hello", "split", "say " + "word " * 100):
            events = await _events(await place.ask(wish, stream=True))
            assert events[-1] == "data: [DONE]"
            texts = [json.loads(e[6:])["choices"] for e in events[:-1]]
            said = "".join(c["delta"].get("content") or "" for choices in texts for c in choices)
            assert said == (wish if wish.startswith("say ") else 'Hello "you"。\nbye')
        found = [[(each["stage"], each["verdict"]) for each in line["guardrails"]] for line in place.duty()]
        assert found == [[("input", "mask")], [("input", "mask")], [], [], []]

    at_plain_place(work, tmp_path, guardrails=_guardrails())


@pytest.mark.parametrize("wish", ["number", "split number"])
def test_a_number_that_comes_in_parts_never_leaves(tmp_path: Path, wish: str) -> None:
    async def work(place: PlainPlace) -> None:
        response = await place.ask(wish, stream=True)
        data = await response.read()
        assert data.endswith(b"data: [DONE]\n\n")
        texts = [json.loads(e[6:])["choices"] for e in data.decode().split("\n\n")[:-2]]
        said = "".join(c["delta"].get("content") or "" for choices in texts for c in choices)
        assert said == f"申請人🙂，{MASK}。再見"
        (line,) = place.duty()
        assert [(each["stage"], each["verdict"], each["reason"]) for each in line["guardrails"]] == [
            ("output", "mask", "national_id")
        ]
        (words,) = place.duty("texts")
        assert words["answer"] == said, "what was served, not what was said"

    at_plain_place(work, tmp_path, guardrails=_guardrails())


def test_what_is_blocked_is_told_and_on_record(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        refused = await place.ask("which party is best?")
        assert (refused.status, (await refused.json())["error"]["code"]) == (400, "guardrail_blocked")
        assert not place.engine.bodies
        refused = await place.client.post(
            f"{place.url}/v1/completions", json={"model": "plain", "prompt": [1, 2, 3]}
        )
        assert (await refused.json())["error"]["param"] == "prompt"
        events = await _events(await place.ask("topic", stream=True))
        error = json.loads(events[-1].removeprefix("data: "))["error"]
        assert error["code"] == "guardrail_blocked"
        said = "".join(json.loads(e[6:])["choices"][0]["delta"].get("content", "") for e in events[:-1])
        assert said == "這裡是區公所，"
        await until(lambda: len(place.duty()) == 2)
        lines = place.duty()
        assert [line["outcome"] for line in lines] == ["guardrail_blocked"] * 2
        assert [(each["stage"], each["reason"]) for line in lines for each in line["guardrails"]] == [
            ("input", "elections"),
            ("output", "elections"),
        ]

    topics = [{"name": "elections", "words": ["which party", "投票給誰"]}]
    at_plain_place(work, tmp_path, guardrails=_guardrails(topics=topics))


def test_a_response_is_masked_in_every_event_that_tells_it(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        for stream in (True, False):
            asked = {"model": "plain", "input": "number", "stream": stream}
            response = await place.client.post(f"{place.url}/v1/responses", json=asked)
            text = (await response.read()).decode()
            assert response.status == 200
            assert NUMBER not in text
            assert MASK in text
        assert [line["guardrails"][0]["count"] for line in place.duty()] == [1, 1]

    at_plain_place(work, tmp_path, guardrails=_guardrails())
