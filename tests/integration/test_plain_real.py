"""A plain model on the real llama.cpp: its tokens are counted as it counts them, and it comes back after a kill."""

import asyncio
import json
import os
import signal
from pathlib import Path

import aiohttp
import pytest
from plain_desk import PlainPlace, plain_model, plain_place

from staffroom.engine.llama_server import LlamaServer
from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope

SHA = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
MODEL = CACHE / "staffroom" / "models" / f"{SHA}.gguf"
CAP = Cap(CapScope.WORKER, "plain", TOKENS, CapPeriod.TOTAL, 1_000_000)


@pytest.fixture(autouse=True)
def _needs_model() -> None:
    if not MODEL.exists():
        pytest.fail("the smallest model is absent; run: staffroom models get smollm2-135m-instruct-q4_1")


async def written_by(server: LlamaServer) -> int:
    """Tokens that llama.cpp says it has written."""
    return await metric(server, "llamacpp:tokens_predicted_total")


async def metric(server: LlamaServer, name: str) -> int:
    """One of llama.cpp's counters."""
    at = await server.address()
    headers = {"authorization": f"Bearer {at.key}"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=at.socket), headers=headers) as session,
        session.get("http://localhost/metrics") as response,
    ):
        lines = (await response.text()).splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith(f"{name} "))))


async def until_idle(server: LlamaServer) -> int:
    """Wait until the engine writes no more, and return its count."""
    before = -1
    while (now := await written_by(server)) != before:
        before = now
        await asyncio.sleep(0.5)
    return now


async def _work(place: PlainPlace, server: LlamaServer) -> None:
    begun = await until_idle(server)
    plain = await (await place.ask("Name a colour.", max_tokens=16, seed=1, temperature=0)).json()
    stream = await place.ask(
        "Name a river.", max_tokens=24, stream=True, stream_options={"include_usage": True}
    )
    events = [
        json.loads(line[6:]) for line in (await stream.text()).split("\n\n") if line.startswith("data: {")
    ]
    assert events[-1]["usage"]["completion_tokens"] > 0
    counted = plain["usage"]["completion_tokens"] + events[-1]["usage"]["completion_tokens"]
    assert await until_idle(server) - begun == counted
    assert sum(line["tokens_out"] for line in place.duty()) == counted

    never_ends = {"0": -100, "2": -100}  # this model's two marks of an end
    cut = await place.ask("Count: one, two,", max_tokens=400, stream=True, logit_bias=never_ends)
    for _ in range(8):
        await cut.content.readany()
    cut.close()
    while len(place.duty()) < 3:
        await asyncio.sleep(0.02)
    line = place.duty()[-1]
    assert line["outcome"] == "client_gone"
    # llama.cpp's own counter leaves answers out that were broken off; each event told how many tokens it had come to.
    assert 0 < line["tokens_out"] < 400
    async with asyncio.timeout(10):
        while await metric(server, "llamacpp:requests_processing"):
            await asyncio.sleep(0.05)
    (row,) = place.budgets.report()
    assert row["reserved"] == 0

    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.pid is not None:
        await asyncio.sleep(0.02)
    answer = await place.ask("Name a colour.", max_tokens=4)
    assert answer.status == 200
    assert server.pid not in (None, pid)


def test_a_real_engine_is_counted_cut_off_and_started_again(tmp_path: Path) -> None:
    async def main() -> None:
        server = LlamaServer(MODEL, context=1024, slots=2, threads=1, log_path=tmp_path / "engine.log")
        try:
            model = plain_model(engine="llama", slots=2)
            async with plain_place(tmp_path / "home", model=model, real=server, caps=lambda: [CAP]) as place:
                await _work(place, server)
        finally:
            await server.close()

    asyncio.run(main())
