"""A plain model through the gateway: what the engine is asked, what the client gets, what is counted and recorded."""

import asyncio
import json
from pathlib import Path
from typing import Any

from plain_desk import PIECES, PlainPlace, at_plain_place, plain_model

from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope
from staffroom.serve import commitment


async def _lines(response: Any) -> list[str]:
    text = (await response.read()).decode()
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


def _text(lines: list[str]) -> str:
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])


def test_a_plain_answer_is_the_engine_s_under_our_name(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        response = await place.ask(temperature=0.5, user="me", n_predict=99, id_slot=3, lora=[{"id": 0}])
        answer = await response.json()
        assert response.status == 200
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("plain", "Hello")
        assert response.headers["x-staffroom-release"] == place.served.release
        (body,) = place.engine.bodies
        assert body == {
            "model": "weights-7b",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0.5,
            "max_tokens": 512,
        }
        assert place.engine.headers[0]["Authorization"] == "Bearer engine-key"
        assert place.token not in str(place.engine.headers)
        (line,) = place.duty()
        assert (line["outcome"], line["tokens_in"], line["tokens_out"]) == ("answered", 7, 5)
        (words,) = place.duty("texts")
        assert (words["key"], words["user"], words["question"]) == (place.key, "me", "hello")
        assert place.key not in json.dumps(line)
        assert line["who"] == commitment(bytes.fromhex(words["who_salt"]), f"{place.key}\nme")
        assert (line["counted"], line["cost"], line["currency"]) == ("engine", "0.00022", "TWD")

    at_plain_place(work, tmp_path)


def test_a_stream_is_passed_through_and_its_tokens_are_counted(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        for wish in ("hello", "split"):
            lines = await _lines(await place.ask(wish, stream=True))
            assert _text(lines) == "".join(PIECES)
            assert lines[-1] == "[DONE]"
            assert all('"usage":{' not in line for line in lines), "the client did not ask for it"
            assert all('"model":"plain"' in line for line in lines[:-1])
        lines = await _lines(await place.ask(stream=True, stream_options={"include_usage": True}))
        assert json.loads(lines[-2])["usage"]["total_tokens"] == 12
        assert [line["tokens_out"] for line in place.duty()] == [5, 5, 5]

    at_plain_place(work, tmp_path)


def test_what_the_engine_refuses_is_said_and_what_is_wrong_with_it_is_not(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        refused = await place.ask("422")
        error = (await refused.json())["error"]
        assert (refused.status, error["code"], error["message"]) == (422, "odd", "the engine says 422")
        busy = await place.ask("429", stream=True)
        assert (busy.status, busy.headers["retry-after"]) == (429, "7")
        for wish in ("500", "401", "302"):
            lost = await place.ask(wish)
            assert lost.status == 502
            assert wish not in await lost.text()
        assert [line["tokens_in"] for line in place.duty()] == [0] * 5

    at_plain_place(work, tmp_path)


def test_a_fault_in_the_request_is_named(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 9}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"stop": 4}, "stop"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
    ]

    async def work(place: PlainPlace) -> None:
        for body, param in wrong:
            response = await place.ask(**body)
            error = (await response.json())["error"]
            assert response.status == 400, (body, error)
            assert str(error["param"]).startswith(param), (body, error)
        for path, body in (("/v1/completions", {}), ("/v1/embeddings", {"input": []})):
            assert (await place.ask(path=path, **body)).status == 400
        kept = {"input": "x", "previous_response_id": "resp_0"}
        assert (await place.ask(path="/v1/responses", **kept)).status == 400
        assert not place.engine.bodies

    at_plain_place(work, tmp_path)


def test_images_go_only_to_a_model_that_sees_and_only_within_the_request(tmp_path: Path) -> None:
    def content(url: str) -> list[dict[str, Any]]:
        parts = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": url}}]
        return [{"role": "user", "content": parts}]

    async def blind(place: PlainPlace) -> None:
        refused = await place.ask(messages=content("data:image/png;base64,AAAA"))
        error = (await refused.json())["error"]
        assert (refused.status, error["param"]) == (400, "messages[0].content[1]")

    async def seeing(place: PlainPlace) -> None:
        assert (await place.ask(messages=content("data:image/png;base64,AAAA"))).status == 200
        elsewhere = await place.ask(messages=content("http://169.254.169.254/latest"))
        assert elsewhere.status == 400
        assert len(place.engine.bodies) == 1

    at_plain_place(blind, tmp_path / "blind")
    at_plain_place(seeing, tmp_path / "seeing", model=plain_model(images=True))


def test_budgets_are_reserved_settled_and_refused(tmp_path: Path) -> None:
    cap = Cap(CapScope.WORKER, "plain", TOKENS, CapPeriod.TOTAL, 1300)
    money = Cap(CapScope.SPONSOR, "Lin", "TWD", CapPeriod.TOTAL, 10**9)

    async def work(place: PlainPlace) -> None:
        assert (await place.ask()).status == 200
        assert (await place.ask(stream=True)).status == 200
        rows = {row["scope"]: row for row in place.budgets.report()}
        assert (rows["worker"]["spent"], rows["worker"]["reserved"]) == (24, 0)
        assert rows["sponsor"]["spent"] == 2 * (7 * 10_000 + 5 * 30_000)
        slow = asyncio.create_task(place.ask("slow", max_tokens=200))
        while not place.engine.tries >= 3:
            await asyncio.sleep(0.01)
        passing = await place.ask(max_tokens=512)
        assert (passing.status, passing.headers["retry-after-ms"]) == (429, "1000")
        assert (await passing.json())["error"]["code"] == "budget_reserved"
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        while place.budgets.report()[0]["reserved"]:
            await asyncio.sleep(0.01)
        assert (await place.ask("nousage", max_tokens=10)).status == 200
        spent = place.budgets.report()[0]["spent"]
        assert isinstance(spent, int)
        assert spent > 24 + 200 + 10, "unknown usage counts in full"
        final = await place.ask(max_tokens=500)
        assert (final.status, final.headers["x-should-retry"]) == (429, "false")
        assert (await final.json())["error"]["type"] == "insufficient_quota"

    at_plain_place(work, tmp_path, caps=lambda: [cap, money])


def test_the_same_idempotency_key_is_answered_once(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        async def post(name: str, text: str = "hello", **body: Any) -> Any:
            value = {"model": "plain", "messages": [{"role": "user", "content": text}], **body}
            url = place.url + "/v1/chat/completions"
            return await place.client.post(url, json=value, headers={"idempotency-key": name})

        first, again = await post("a"), await post("a")
        assert await first.read() == await again.read()
        assert again.headers["x-staffroom-replayed"] == "true"
        assert first.headers["x-staffroom-audit"] == again.headers["x-staffroom-audit"]
        assert (await post("a", "other")).status == 400
        stream, replay = await post("s", stream=True), await post("s", stream=True)
        assert await stream.read() == await replay.read()
        assert len(place.engine.bodies) == 2
        assert (await post("f", "503")).status == 502
        assert (await post("f", "503")).status == 502, "a failure is not kept"
        slow = asyncio.create_task(post("w", "slow"))
        await asyncio.sleep(0.1)
        waiting = await post("w", "slow")
        assert (waiting.status, waiting.headers["retry-after"]) == (409, "1")
        slow.cancel()
        place.permits.revoke("plain")
        assert (await post("a")).status == 503, "a kept answer stops with the worker"

    at_plain_place(work, tmp_path)


def test_embeddings_completions_and_responses_pass_through(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        vectors = await (await place.ask(path="/v1/embeddings", input=["a", "b"])).json()
        assert vectors["data"][0]["embedding"] == [0.5, -1.0]
        text = await (await place.ask(path="/v1/completions", prompt="x", max_tokens=3)).json()
        assert text["choices"][0]["text"] == "Hello"
        whole = await (await place.ask(path="/v1/responses", input="x", store=True)).json()
        assert whole["output"][0]["content"][0]["text"] == "Hello"
        assert place.engine.bodies[-1]["store"] is False
        stream = await (await place.ask(path="/v1/responses", input="x", stream=True)).text()
        assert stream.count("event: ") == 4
        assert "weights-7b" not in stream
        assert stream.rstrip().endswith("}")
        assert [line["tokens_in"] for line in place.duty()] == [3, 7, 7, 7]
        assert [line["tokens_out"] for line in place.duty()] == [0, 5, 5, 5]

    at_plain_place(work, tmp_path)


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        listing = await (await place.client.get(place.url + "/v1/models")).json()
        (model,) = listing["data"]
        assert (model["id"], model["staffroom"]["examined"]) == ("plain", False)
        missing = await place.ask(path="/v1/embeddings", input="x")
        assert (missing.status, (await missing.json())["error"]["code"]) == (404, "endpoint_not_supported")

    at_plain_place(work, tmp_path, model=plain_model(endpoints=("chat",)))
