"""The stop drill: shows on a gateway at work that a stop is a stop, times it, and puts the time on record.

1. each worker answers once, under an Idempotency-Key, so that the gateway keeps an answer
2. so many streams are opened, and once words come, or after a while, the stop is ordered, as people would
3. each stream is listened to until its end: when its last words came, and what ended it
4. new requests and the kept answer are asked for: all must be refused
5. the workers are started again, unless somebody else stopped them meanwhile
6. figures and verdict go into the decision log (`stop-drill`)

It costs what its answers cost, and for some seconds nobody is served. Killed between 2 and 5, it leaves the workers stopped.
"""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

from staffroom.pipeline import workers
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.standing import address_of_gateway
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import Permits, PreparedPermit
from staffroom.store import Home, to_text, utc_now

__all__ = ["DrillOrder", "DrillWay", "drill_stop"]

GOAL_MS = 250.0
_ASK = "Tell me everything that you know about this, in detail and step by step."
_START_SECONDS = 600.0
_ANSWER_SECONDS = 900.0
_WORDS_SECONDS = 20.0
_GATHER_SECONDS = 0.5
_END_SECONDS = 60.0
_ENDING_SECONDS = 0.05
_STOPPED = "worker_suspended"


class DrillWay(StrEnum):
    """How the drill stops: as `staffroom suspend` does, or by removing the permit's file and nothing else."""

    COMMAND = "command"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """What is drilled: one worker or all that run (None), with how many streams each, asked what, at which gateway.

    url: where the gateway answers; empty finds the one of this home, or starts one for the drill.
    """

    alias: str | None
    by: str
    streams: int = 8
    way: DrillWay = DrillWay.COMMAND
    ask: str = _ASK
    url: str = ""


@dataclass(slots=True)
class _Stream:
    """What was heard of one stream; times by `time.monotonic`."""

    alias: str
    words: int = 0
    last: float = 0.0
    ended: float = 0.0
    code: str = ""


@dataclass(slots=True)
class _Heard:
    """What the drill has seen so far."""

    streams: list[_Stream] = field(default_factory=list)
    ordered: float = 0.0
    under_way: list[_Stream] = field(default_factory=list)
    refused: bool = False
    kept_refused: bool = False
    resumed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return what goes into the log; milliseconds from the order to stop."""
        after = [each.last - self.ordered for each in self.streams if each.last > self.ordered]
        ends = [each.ended - self.ordered for each in self.under_way]
        told = sum(each.code == _STOPPED for each in self.under_way)
        last = round(1000 * max(after, default=0.0), 1)
        passed = bool(self.under_way) and told == len(self.under_way) and last <= GOAL_MS
        return {
            "streams": len(self.streams),
            "under_way": len(self.under_way),
            "told": told,
            "last_token_ms": last,
            "ended_ms": round(1000 * max(ends, default=0.0), 1),
            "goal_ms": GOAL_MS,
            "refused": self.refused,
            "kept_refused": self.kept_refused,
            "passed": passed and self.refused and self.kept_refused,
        }


async def drill_stop(
    home: Home, order: DrillOrder, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Drill a stop and return its figures, with the index of the log's entry.

    say: told what happens now.  Raises StaffroomError where nothing runs, or the worker cannot answer before the stop.
    """
    permits = Permits(home.permits)
    running = permits.running()
    if order.alias is not None:
        if order.alias not in running:
            state = permits.state(order.alias).value
            raise StaffroomError(
                f"{order.alias} is not running ({state}): there is nothing to stop",
                hint=f"staffroom resume {order.alias}",
            )
        running = {order.alias: running[order.alias]}
    if not running:
        raise StaffroomError("no worker is running: there is nothing to stop", hint="staffroom workers")
    async with _gateway(home, order.url, say) as (url, started), _client(home) as client:
        drill = _Drill(home, permits, order, running, client, url)
        heard = await drill.run(say)
    return _recorded(home, order, running, heard, started)


def _recorded(
    home: Home, order: DrillOrder, running: Mapping[str, str], heard: _Heard, started: bool
) -> dict[str, Any]:
    log, at = DecisionLog(home), to_text(utc_now())
    body = {
        "aliases": list(running),
        "releases": list(running.values()),
        "way": order.way.value,
        **heard.figures(),
        "resumed": heard.resumed,
        "by": log.commitment_to("person", order.by),
    }
    entry = log.append("stop-drill", f"stop-drill:{at}", "", body)
    return {**body, "at": at, "entry": entry, "started_gateway": started, "left_stopped": heard.left}


class _Drill:
    """One drill; see the module for its steps."""

    def __init__(
        self,
        home: Home,
        permits: Permits,
        order: DrillOrder,
        running: Mapping[str, str],
        client: aiohttp.ClientSession,
        url: str,
    ) -> None:
        self._home = home
        self._permits = permits
        self._order = order
        self._running = running
        self._client = client
        self._url = url
        self._once = f"stop-drill-{secrets.token_hex(12)}"
        self._heard = _Heard()

    async def run(self, say: Callable[[str], None]) -> _Heard:
        """Steps 1 to 5."""
        heard = self._heard
        say("asking once")
        for alias in self._running:
            status, code = await self._ask(alias, once=True)
            if status != 200:
                raise StaffroomError(
                    f"{alias} does not answer before the stop ({status} {code})", hint="staffroom doctor"
                )
        say("opening streams")
        heard.streams = [_Stream(alias) for alias in self._running for _ in range(self._order.streams)]
        listening = [asyncio.create_task(self._listen(each)) for each in heard.streams]
        prepared: list[PreparedPermit] = []
        try:
            await self._words()
            # Before the stop, and spared by it: any other stop from now on makes them void.
            prepared = [self._permits.prepare(alias, release) for alias, release in self._running.items()]
            heard.under_way = [each for each in heard.streams if not each.ended]
            say("stopping")
            heard.ordered = time.monotonic()
            await asyncio.to_thread(self._stop, {each.name for each in prepared})
            await asyncio.wait(listening, timeout=_END_SECONDS)
            # One whose end was on its way when the stop was ordered was not stopped, and need not have been.
            heard.under_way = [each for each in heard.under_way if not self._was_ending(each)]
            say("asking the stopped")
            heard.refused = all([await self._is_refused(alias) for alias in self._running])
            kept = [await self._ask(alias, once=True) for alias in self._running]
            heard.kept_refused = all(answer == (503, _STOPPED) for answer in kept)
        finally:
            for task in listening:
                task.cancel()
            # Not awaited: it must happen also where the drill is interrupted.
            self._start_again(prepared)
        return heard

    async def _words(self) -> None:
        """Wait until words come, and then a little more for the other streams; an engine may read for long first."""
        streams, until = self._heard.streams, time.monotonic() + _WORDS_SECONDS
        while time.monotonic() < until and not any(each.words or each.ended for each in streams):
            await asyncio.sleep(0.01)
        if sum(not each.ended for each in streams) > len(streams) // 2:
            await asyncio.sleep(_GATHER_SECONDS)

    def _was_ending(self, stream: _Stream) -> bool:
        return stream.code == "done" and stream.ended - self._heard.ordered < _ENDING_SECONDS

    def _stop(self, sparing: set[str]) -> None:
        if self._order.way is DrillWay.FILE:
            for alias in self._running:
                (self._permits.folder / alias).unlink()
        elif self._order.alias is None:
            workers.suspend(self._home, None, self._order.by, sparing=sparing)
        else:
            workers.suspend(self._home, self._order.alias, self._order.by, sparing=sparing)

    def _start_again(self, prepared: Sequence[PreparedPermit]) -> None:
        failed: list[StaffroomError] = []
        for each in prepared:
            if self._heard.ordered == 0 or self._permits.release(each.alias) is not None:
                each.drop()  # it was not stopped
                continue
            if not each.path.exists():
                self._heard.left.append(each.alias)  # somebody else stopped it: that holds
                continue
            try:
                workers.resume(self._home, each.alias, self._order.by, prepared=each)
                self._heard.resumed.append(each.alias)
            except StaffroomError as error:
                each.drop()
                self._heard.left.append(each.alias)
                failed.append(error)
        if failed and sys.exception() is None:
            raise failed[0]

    async def _is_refused(self, alias: str) -> bool:
        plain, stream = await self._ask(alias), await self._ask(alias, stream=True)
        return plain == stream == (503, _STOPPED)

    def _body(self, alias: str, stream: bool) -> dict[str, Any]:
        return {
            "model": alias,
            "messages": [{"role": "user", "content": self._order.ask}],
            "stream": stream,
        }

    async def _ask(self, alias: str, *, stream: bool = False, once: bool = False) -> tuple[int, str]:
        """Ask for one answer; returns the status and the error's code."""
        body = self._body(alias, stream)
        headers = {}
        if once:
            body["max_tokens"] = 16
            headers["idempotency-key"] = f"{self._once}-{alias}"
        try:
            async with self._client.post(
                f"{self._url}/v1/chat/completions", json=body, headers=headers
            ) as answer:
                return answer.status, _code(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(self._url, error) from error

    async def _listen(self, stream: _Stream) -> None:
        """Listen to one stream to its end."""
        try:
            body = self._body(stream.alias, True)
            async with self._client.post(f"{self._url}/v1/chat/completions", json=body) as answer:
                if answer.status != 200:
                    stream.code = _code(await answer.read()) or str(answer.status)
                    return
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        _hear(stream, line[6:].strip())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            stream.code = "lost"
        finally:
            stream.ended = time.monotonic()


def _hear(stream: _Stream, data: bytes) -> None:
    if data == b"[DONE]":
        stream.code = "done"
        return
    event = json.loads(data)
    if "error" in event:
        stream.code = str(event["error"].get("code"))
    elif any((choice.get("delta") or {}).get("content") for choice in event.get("choices", [])):
        stream.words += 1
        stream.last = time.monotonic()


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _lost(url: str, error: BaseException) -> StaffroomError:
    return StaffroomError(
        f"the gateway at {url} cannot be reached ({type(error).__name__})", hint="staffroom serve"
    )


@asynccontextmanager
async def _client(home: Home) -> AsyncIterator[aiohttp.ClientSession]:
    path = home.keys / "loopback.key"
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise StaffroomError(
            "there is no key for this machine yet", where=str(path), hint="`staffroom serve` makes it"
        ) from error
    limits = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    async with aiohttp.ClientSession(
        headers={"authorization": f"Bearer {token}"},
        timeout=limits,
        connector=aiohttp.TCPConnector(limit=0),
    ) as client:
        yield client


@asynccontextmanager
async def _gateway(home: Home, url: str, say: Callable[[str], None]) -> AsyncIterator[tuple[str, bool]]:
    """Give where the gateway answers and whether it was started for the drill; one that was ends with it."""
    if url and not url.startswith(("http://", "https://")):
        raise WrongUse(f"not an address: {url[:200]}", hint="--url http://127.0.0.1:8321")
    found = url.rstrip("/").removesuffix("/v1") or address_of_gateway(home)
    if found:
        yield found, False
        return
    say("starting a gateway")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "staffroom", "serve", "--port", "0", "--json"),
        env={**os.environ, "STAFFROOM_HOME": str(home.path)},
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        yield await _address(process), True
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        raise StaffroomError("the gateway says nothing")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        return str(json.loads(line)["url"]).removesuffix("/v1")
    except (TimeoutError, ValueError, KeyError) as error:
        raise StaffroomError(
            "the gateway did not start", hint="`staffroom serve` says why; then run the drill again"
        ) from error
