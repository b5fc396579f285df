"""Hostile input: bounded, refused with a clear 4xx, and nobody else notices."""

import asyncio
import io
import json
import time
from pathlib import Path

import pytest
from plain_desk import PlainPlace, at_plain_place

from staffroom.serve import GatewaySettings, http_guard

SMALL = GatewaySettings(plain_body_bytes=1 << 20)


async def raw(place: PlainPlace, data: bytes, *, seconds: float = 5.0) -> bytes:
    """Send bytes and return what comes until the end or for so long."""
    reader, writer = await asyncio.open_connection(place.server.address.host, place.server.address.port)
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await reader.read()
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()


def post(place: PlainPlace, body: bytes, *headers: str) -> bytes:
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: x",
        "connection: close",
        f"authorization: Bearer {place.token}",
        *(headers or (f"content-length: {len(body)}",)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_bodies_that_are_no_requests(tmp_path: Path) -> None:
    deep = b'{"model":"plain","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    nested = {"type": "object", "properties": {}}
    for _ in range(400):
        nested = {"type": "object", "properties": {"a": nested}}
    tool = {"type": "function", "function": {"name": "f", "parameters": nested}}
    cases = [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'{"model":"plain"', 400),
        (b'{"model":"plain","messages":[{"role":"user","content":"\xff\xfe"}]}', 400),
        (b'{"model":"plain","messages":[{"role":"user","content":"\\ud800"}]}', 400),
        (b'{"model":"plain","temperature":NaN,"messages":[{"role":"user","content":"x"}]}', 400),
        (b'{"model":"plain","seed":1e400,"messages":[{"role":"user","content":"x"}]}', 400),
        (
            b'{"model":"plain","max_tokens":99999999999999999999,"messages":[{"role":"user","content":"x"}]}',
            400,
        ),
        (b'{"model":{"a":1},"messages":[]}', 400),
        (deep, 400),
        (b'{"model":"plain","messages":[{"role":"user","content":"' + b"x" * (2 << 20) + b'"}]}', 413),
        (
            json.dumps(
                {"model": "plain", "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
            ).encode(),
            400,
        ),
    ]

    async def work(place: PlainPlace) -> None:
        for body, status in cases:
            answer = await raw(place, post(place, body))
            head = answer.split(b"\r\n", 1)[0]
            assert f" {status} ".encode() in head, (body[:80], answer[:300])
            error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            assert error["message"]
            assert place.token not in error["message"]
        assert not place.engine.bodies

    at_plain_place(work, tmp_path, settings=SMALL)


def test_a_prompt_of_a_million_characters_goes_through_where_the_limit_allows(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        started = time.perf_counter()
        asked = {"model": "plain", "messages": [{"role": "user", "content": "字" * 1_000_000}]}
        body = io.BytesIO(json.dumps(asked, ensure_ascii=False).encode())
        url = place.url + "/v1/chat/completions"
        async with place.client.post(url, data=body) as response:
            assert response.status == 200
        assert time.perf_counter() - started < 10
        assert place.budgets.report() == []

    at_plain_place(work, tmp_path)


def test_tricks_with_headers(tmp_path: Path) -> None:
    body = json.dumps({"model": "plain", "messages": [{"role": "user", "content": "x"}]}).encode()
    length = f"content-length: {len(body)}"
    refused = [
        (length, "transfer-encoding: chunked"),
        (length, f"content-length: {len(body) + 5}"),
        ("content-length: -1",),
        ("content-length: 1e3",),
        (length, "bad name: x"),
        (length, "x" * 70_000 + ": y"),
        (length, *(f"h{number}: {'y' * 100}" for number in range(3000))),
    ]

    async def work(place: PlainPlace) -> None:
        for headers in refused:
            answer = await raw(place, post(place, body, *headers))
            assert not answer or answer.split(b" ")[1].startswith(b"4"), (headers[:2], answer[:200])
        assert not place.engine.bodies
        for host in ("evil.example", "127.0.0.1:1/../admin", ""):
            request = post(place, body, length).replace(b"host: x", f"host: {host}".encode())
            assert b" 200 " in (await raw(place, request))[:20]
        nobody = post(place, body, length).replace(place.token.encode(), b"none")
        for forged in ("x-forwarded-for: 127.0.0.1", "x-original-url: /healthz", "x-api-key: x"):
            answer = await raw(place, nobody.replace(b"host: x", b"host: x\r\n" + forged.encode()))
            assert b" 401 " in answer[:20]
        assert b"access-control" not in answer.lower()

    at_plain_place(work, tmp_path)


def test_a_head_or_a_body_that_trickles_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "_HEAD_SECONDS", 0.3)

    async def work(place: PlainPlace) -> None:
        assert await raw(place, b"", seconds=8) == b""
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection(place.server.address.host, place.server.address.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.perf_counter() - started < 8
        writer.close()
        assert (await place.ask()).status == 200

    at_plain_place(work, tmp_path)


def test_ten_thousand_guessed_keys(tmp_path: Path) -> None:
    async def work(place: PlainPlace) -> None:
        guesses = [f"sr-{place.key}-{number:064x}" for number in range(10_000)]
        refused = sum(place.keys.verify(guess, from_loopback=True).key is None for guess in guesses)
        assert refused == 10_000
        url = place.url + "/v1/models"
        for guess in guesses[:50]:
            async with place.client.get(url, headers={"authorization": f"Bearer {guess}"}) as response:
                assert response.status == 401
        assert (await place.ask()).status == 200

    at_plain_place(work, tmp_path)
