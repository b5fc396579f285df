"""What the gateway answers and records over real HTTP: plain, streamed, cited, failed."""

import asyncio
import errno
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from gateway_desk import DOCUMENT, QUESTION, RELEASE, Desk, PacedAgent, at_desk, events, until

from staffroom.engine.errors import ContextExceeded, EngineLost
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import DutyLog, DutyRecord, GatewaySettings, commitment
from staffroom.serve.counters import Ended
from staffroom.serve.spans import SpanExporter

NOBODY_S = DutyRecord(
    "audit_1", datetime(2026, 5, 1, tzinfo=UTC), "clerk", RELEASE, "", "answered", (), 1, 1, None, 0.1, "", ""
)


def test_a_plain_answer_carries_release_audit_notice_and_citations(tmp_path: Path) -> None:
    agent = PacedAgent()

    async def work(place: Desk) -> None:
        async with await place.ask(seed=7, temperature=0.9, unheard_of=1) as response:
            body = await response.json()
        assert response.status == 200
        assert response.headers["x-staffroom-release"] == RELEASE
        assert response.headers["x-staffroom-ai-generated"] == "true"
        assert response.headers["x-request-id"].startswith("req_")
        message = body["choices"][0]["message"]
        assert message["content"] == "規費三十元。"
        assert body["model"] == "clerk"
        assert body["usage"] == {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
        about = body["staffroom"]
        assert about["audit_id"] == response.headers["x-staffroom-audit"]
        assert (about["release"], about["outcome"], about["ai_generated"]) == (RELEASE, "answered", True)
        assert about["notice"] == "您正在與人工智慧對話。"
        assert about["ignored"] == ["temperature"]
        (cited,) = message["citations"]
        assert (cited["number"], cited["document"], cited["page"]) == (1, "規費.odt", 2)
        assert (cited["start"], cited["end"], cited["as_of"]) == (4, 13, "2026-01-01")
        assert agent.seeds == [7]

    at_desk(work, tmp_path, agent)


def test_a_citation_opens_at_its_place(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            url = (await response.json())["choices"][0]["message"]["citations"][0]["url"]
        assert url.startswith(place.url)
        assert url.endswith("#cited")
        async with aiohttp.ClientSession() as stranger:
            async with stranger.get(url, headers={"accept-language": "zh-TW,zh;q=0.9,en;q=0.5"}) as page:
                html = await page.text()
            assert page.status == 200
            assert '<mark id="cited" tabindex="-1">規費為&lt;b&gt;三十元</mark>' in html
            assert "<b>" not in html
            assert '<html lang="zh-TW">' in html
            assert "資料日期：2026-01-01" in html
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            async with stranger.get(url) as page:
                assert "Go to the cited passage" in await page.text()
            for spoiled in (
                url.replace("sig=", "sig=0"),
                url.split("&sig=")[0],
                url.replace(DOCUMENT, digest_bytes(b"another")),
            ):
                async with stranger.get(spoiled) as page:
                    assert page.status == 404
                    assert "三十元" not in await page.text()
            async with stranger.get(url.replace("start=4", "start=9999")) as page:
                assert page.status == 200
                assert "is not in this text" in await page.text()

    at_desk(work, tmp_path, PacedAgent())


def test_a_stream_ends_with_citations_usage_and_done(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        options = {"include_usage": True}
        async with await place.ask(stream=True, stream_options=options) as response:
            seen = [event async for event in events(response)]
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-staffroom-release"] == RELEASE
        assert seen.pop() == "[DONE]"
        chunks = [event for event in seen if isinstance(event, dict)]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] == 14
        assert all(chunk["usage"] is None for chunk in chunks[:-1])
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert chunks[0]["staffroom"]["ai_generated"] is True
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
        assert text == "規費三十元。"
        last = chunks[-2]
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["choices"][0]["delta"]["citations"][0]["document"] == "規費.odt"
        assert last["staffroom"]["outcome"] == "answered"

    at_desk(work, tmp_path, PacedAgent(pause=0.01))


@pytest.mark.parametrize(
    ("shown", "final", "expected"),
    [
        (("三十元。\n",), "三十元。 [1]", "三十元。\n [1]"),
        ((), "三十元。", "三十元。"),
        (("三十元。\n",), "三十元。", "三十元。\n"),
        (("三十元。",), "四十元。", None),
    ],
)
def test_what_was_shown_and_what_is_final_agree(
    tmp_path: Path, shown: tuple[str, ...], final: str, expected: str | None
) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            seen = [event async for event in events(response)]
        chunks = [event for event in seen if isinstance(event, dict)]
        if expected is None:
            assert chunks[-1]["error"]["code"] == "answer_changed"
            assert "[DONE]" not in seen
        else:
            text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
            assert text == expected
            assert seen[-1] == "[DONE]"

    at_desk(work, tmp_path, PacedAgent(pieces=shown, text=final))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineLost("the child process of the model ended"), 502, "engine_lost"),
        (ContextExceeded("4,100 tokens of 4,096"), 400, "context_length_exceeded"),
        (WrongUse("ask in one language"), 400, "request_rejected"),
        (RuntimeError("secret detail"), 500, "internal_error"),
    ],
)
def test_a_failure_is_told_before_and_within_a_stream(
    tmp_path: Path, error: BaseException, status: int, code: str
) -> None:
    agent = PacedAgent(error=error, pieces=[])

    async def work(place: Desk) -> None:
        for stream in (False, True):
            async with await place.ask(stream=stream) as response:
                assert response.status == status
                told = (await response.json())["error"]
                assert told["code"] == code
                assert "secret" not in told["message"]
                assert "child process" not in told["message"]
        agent.pieces, agent.pause = ["規費", ""], 0.3  # the first has left when the second fails
        async with await place.ask(stream=True) as response:
            assert response.status == 200
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == code
        assert str(error).split("\n")[0] in place.duty("texts")[-1]["problem"]

    at_desk(work, tmp_path, agent)


def test_a_waiting_stream_is_kept_open(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask(stream=True) as response:
            raw = await response.text()
        assert ": the worker is busy\n\n" in raw
        assert raw.endswith("data: [DONE]\n\n")

    at_desk(work, tmp_path, PacedAgent(pause=0.2), settings=GatewaySettings(keep_alive_seconds=0.05))


def test_the_duty_record_commits_to_the_words_and_keeps_them_apart(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            audit = response.headers["x-staffroom-audit"]
        async with await place.ask(stream=True) as response:
            await response.read()
        first, second = place.duty()
        words, _ = place.duty("texts")
        assert first["audit_id"] == words["audit_id"] == audit
        assert (first["alias"], first["release"], first["outcome"]) == ("clerk", RELEASE, "answered")
        assert first["chunks"] == ["c1", "c2"]
        assert (first["tokens_in"], first["tokens_out"]) == (11, 3)
        assert second["first_text_seconds"] <= second["seconds"]
        for part in ("question", "answer"):
            assert first[part] == commitment(bytes.fromhex(words[f"{part}_salt"]), words[part])
        assert words["question"] == "規費多少？"
        assert words["answer"] == "規費三十元。"
        assert first["question"] != second["question"], "equal words, unequal commitments"
        for path in (place.home.private / "duty").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            if not path.name.endswith(".texts.jsonl"):
                assert "規費" not in path.read_text()

    at_desk(work, tmp_path, PacedAgent())


def test_nobody_is_asked_where_the_intent_cannot_be_recorded(tmp_path: Path) -> None:
    agent = PacedAgent(pause=0.01)

    async def work(place: Desk) -> None:
        (place.home.private / "duty").write_text("a file where the folder should be")
        for stream in (False, True):
            async with await place.ask(stream=stream) as response:
                assert response.status == 503
                assert (await response.json())["error"]["code"] == "not_recorded"
        assert agent.asked == []

    at_desk(work, tmp_path, agent)


def test_an_answer_that_cannot_be_recorded_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(*_: object) -> None:
        raise StaffroomError("the disk is full; nothing was half written")

    async def work(place: Desk) -> None:
        monkeypatch.setattr(DutyLog, "record", record)
        async with await place.ask() as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "not_recorded"
        async with await place.ask(stream=True) as response:
            seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict)
        assert seen[-1]["error"]["code"] == "not_recorded"

    at_desk(work, tmp_path, PacedAgent(pause=0.01))


def test_no_byte_of_an_answer_leaves_before_its_intent_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    real = os.fdatasync

    def slow(handle: int) -> None:
        free.wait(5)
        real(handle)

    async def work(place: Desk) -> None:
        monkeypatch.setattr(os, "fdatasync", slow)
        for stream in (False, True):
            free.clear()
            asked = asyncio.create_task(place.ask(stream=stream))
            await asyncio.sleep(0.15)
            assert not asked.done()
            free.set()
            async with await asked as response:
                assert response.status == 200
                await response.read()
        monkeypatch.undo()

    at_desk(work, tmp_path, PacedAgent())


def test_a_disk_that_loses_the_intent_ends_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def work(place: Desk) -> None:
        monkeypatch.setattr(os, "fdatasync", broken)
        async with await place.ask() as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "not_recorded"
        monkeypatch.undo()

    at_desk(work, tmp_path, PacedAgent(pause=0.02))


def test_an_answer_that_is_broken_off_is_counted_where_its_engine_tells(tmp_path: Path) -> None:
    agent = PacedAgent(pieces=("word ",) * 400, pause=0.01)

    async def work(place: Desk) -> None:
        for counts in (True, False):
            agent.counts = counts
            response = await place.ask(stream=True)
            while len(agent.said) < 5:
                await response.content.readany()
            response.close()
            said = len(agent.said)
            await until(lambda counts=counts: len(place.duty()) == 2 - counts)
            row = place.duty()[-1]
            assert row["outcome"] == "client_gone"
            if counts:
                assert (row["counted"], row["tokens_in"]) == ("engine", 11)
                assert said <= row["tokens_out"] <= len(agent.said) + 1
            else:
                assert (row["counted"], row["tokens_in"], row["tokens_out"]) == ("reserved", 0, 0)
            agent.said.clear()

    at_desk(work, tmp_path, agent)


def test_spans_go_to_the_collector_that_was_named_and_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        assert request.path == "/v1/traces"
        taken.append(await request.json())
        return web.json_response({})

    async def work(place: Desk) -> None:
        app = web.Application()
        app.router.add_post("/{any:.*}", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        # What an environment says for other programs is not for this one.
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            monkeypatch.setenv(name, url)
        async with await place.ask() as response:
            await response.read()
        await asyncio.sleep(0.1)
        assert taken == [] and place.gateway.counters.listeners == ()
        exporter = SpanExporter(url)
        place.gateway.counters.listeners = (exporter,)
        sending = asyncio.create_task(exporter.run())
        parent = "00-" + "4b" * 16 + "-" + "ab" * 8 + "-01"
        body = {**QUESTION, "user": "resident 4711"}
        async with place.client.post(
            place.url + "/v1/chat/completions", json=body, headers={"traceparent": parent}
        ) as response:
            audit = response.headers["x-staffroom-audit"]
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        (span,) = taken[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert (span["traceId"], span["name"]) == ("4b" * 16, "invoke_agent clerk")
        assert audit in json.dumps(span)
        assert "規費" not in json.dumps(taken, ensure_ascii=False)
        assert "resident" not in json.dumps(taken)
        assert exporter.sent == 1
        await runner.cleanup()
        # A collector that is gone costs spans and nothing else.
        exporter(Ended(NOBODY_S, "answered"))
        sending = asyncio.create_task(exporter.run())
        await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert exporter.dropped == 1

    at_desk(work, tmp_path, PacedAgent())
