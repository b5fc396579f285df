"""Workers stopped and started over HTTP, by an operator and by nobody else; kept answers fall silent too."""

import asyncio
import errno
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from gateway_desk import RELEASE, Desk, PacedAgent, at_desk, events, until

from staffroom.records.errors import StaffroomError
from staffroom.serve import EngineQueue, PermitChange, PermitRecorder, Permits
from staffroom.store import KeyRole


class Book:
    """A home's control that keeps changes in a list; `full` is a disk that takes nothing more."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str]] = []
        self.full = False
        self.wait = threading.Event()
        self.wait.set()

    def recorder(self, by: str) -> PermitRecorder:
        def record(change: PermitChange) -> None:
            assert self.wait.wait(10)
            if self.full:
                raise StaffroomError("the disk is full; nothing was half written")
            self.changes.append((change.act.value, change.alias, by))

        return record

    def current(self, alias: str) -> str | None:
        return RELEASE if alias == "clerk" else None

    def aliases(self) -> list[str]:
        return ["clerk"]


async def post(place: Desk, path: str, token: str) -> tuple[int, dict[str, Any]]:
    headers = {"authorization": f"Bearer {token}"}
    async with place.client.post(place.url + path, headers=headers) as response:
        return response.status, json.loads(await response.text())


def operator(place: Desk, *aliases: str) -> str:
    return place.keys.create("chief", aliases=aliases, role=KeyRole.OPERATOR)[1]


@pytest.mark.parametrize("path", ["/api/workers/clerk/suspend", "/api/suspend"])
def test_an_operator_stops_and_starts(tmp_path: Path, path: str) -> None:
    agent, book = PacedAgent(pieces=["字"] * 1000, pause=0.01), Book()

    async def work(place: Desk) -> None:
        token = operator(place)
        response = await place.ask(stream=True)
        await until(lambda: len(agent.said) > 2)
        status, said = await post(place, path, token)
        assert status == 200 and said["recorded"] is True
        assert [(each["alias"], each["ran"]) for each in said["suspended"]] == [("clerk", RELEASE)]
        seen = [event async for event in events(response)]
        assert isinstance(seen[-1], dict) and seen[-1]["error"]["code"] == "worker_suspended"
        async with await place.ask() as refused:
            assert refused.status == 503
        agent.pieces = ["好"]
        status, said = await post(place, path.replace("suspend", "resume"), token)
        assert status == 200 and [each["state"] for each in said["resumed"]] == ["running"]
        async with await place.ask() as answer:
            assert answer.status == 200
        key = place.keys.list()[-1].id
        assert book.changes == [("suspended", "clerk", f"key {key}"), ("resumed", "clerk", f"key {key}")]

    at_desk(work, tmp_path, agent, control=book)


@pytest.mark.parametrize("role", [role for role in KeyRole if role is not KeyRole.OPERATOR])
def test_nobody_else_does(tmp_path: Path, role: KeyRole) -> None:
    async def work(place: Desk) -> None:
        _, token = place.keys.create("somebody", role=role, loopback=True)
        for path in (
            "/api/suspend",
            "/api/resume",
            "/api/workers/clerk/suspend",
            "/api/workers/clerk/resume",
        ):
            assert (await post(place, path, token))[0] == 403
            assert (await post(place, path, "sr-nothing"))[0] == 401
        assert place.permits.check("clerk", RELEASE)

    at_desk(work, tmp_path, PacedAgent(), control=Book())


def test_an_operator_of_other_workers_does_not(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        token = operator(place, "judge")
        assert (await post(place, "/api/workers/clerk/suspend", token))[0] == 403
        status, said = await post(place, "/api/suspend", token)
        assert status == 200 and [each["alias"] for each in said["suspended"]] == ["judge"]
        assert place.permits.check("clerk", RELEASE)
        assert (await post(place, "/api/resume", token))[1] == {"resumed": []}
        wide = operator(place)
        for alias in ("nobody", "Not an alias", "%00", "a%2Fb"):
            assert (await post(place, f"/api/workers/{alias}/suspend", wide))[0] == 404
        async with place.client.get(place.url + "/api/suspend") as response:
            assert response.status == 405

    at_desk(work, tmp_path, PacedAgent(), control=Book())


def test_a_stop_that_cannot_be_recorded_is_a_stop(tmp_path: Path) -> None:
    book = Book()

    async def work(place: Desk) -> None:
        token = operator(place)
        book.full = True
        status, said = await post(place, "/api/workers/clerk/suspend", token)
        assert status == 200 and said["recorded"] is False and "disk is full" in said["problem"]
        assert not place.permits.check("clerk", RELEASE)
        status, said = await post(place, "/api/workers/clerk/resume", token)
        assert status == 503 and said["error"]["code"] == "not_started"
        assert not place.permits.check("clerk", RELEASE), "nothing runs without a record"
        assert not list(place.home.permits.iterdir())

    at_desk(work, tmp_path, PacedAgent(), control=book)


def test_a_stop_does_not_wait_for_the_log(tmp_path: Path) -> None:
    book = Book()

    async def work(place: Desk) -> None:
        token = operator(place)
        book.wait.clear()
        asking = asyncio.create_task(post(place, "/api/suspend", token))
        await until(lambda: not place.permits.check("clerk", RELEASE), seconds=1)
        assert not asking.done()
        book.wait.set()
        assert (await asking)[1]["recorded"] is True

    at_desk(work, tmp_path, PacedAgent(), control=book)


def test_a_stop_beats_a_start_that_is_being_recorded(tmp_path: Path) -> None:
    book = Book()

    async def work(place: Desk) -> None:
        token = operator(place)
        place.permits.revoke("clerk")
        book.wait.clear()
        starting = asyncio.create_task(post(place, "/api/workers/clerk/resume", token))
        await until(lambda: len(list(place.home.permits.iterdir())) == 1)
        Permits(place.home.permits).revoke_all()
        book.wait.set()
        assert (await starting)[0] == 503
        assert not place.permits.check("clerk", RELEASE)

    at_desk(work, tmp_path, PacedAgent(), control=book)


def test_a_stop_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(place: Desk) -> None:
        token = operator(place)

        def refuse(path: Path, missing_ok: bool = False) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            status, said = await post(place, "/api/suspend", token)
        assert status == 500 and said["error"]["code"] == "not_stopped"

    at_desk(work, tmp_path, PacedAgent(), control=Book())


def test_kept_answers_and_waiting_requests_stop_together(tmp_path: Path) -> None:
    """A stream, requests that wait behind it, and an answer that was kept: none outlives the permit."""
    agent = PacedAgent(pieces=["字"] * 3)

    async def work(place: Desk) -> None:
        once = {"idempotency-key": "k1"}
        body = {"model": "clerk", "messages": [{"role": "user", "content": "規費多少？"}]}
        chat = place.url + "/v1/chat/completions"
        async with place.client.post(chat, json=body, headers=once) as first:
            assert first.status == 200
        async with place.client.post(chat, json=body, headers=once) as again:
            assert again.headers["x-staffroom-replayed"] == "true"
        agent.pieces, agent.pause = ["字"] * 1000, 0.01
        asked = [asyncio.create_task(place.ask(stream=number % 2 == 0)) for number in range(6)]
        await until(lambda: place.gateway.states(None)[0]["waiting"] == 5)
        await until(lambda: len(agent.said) > 5)
        (place.home.permits / "clerk").unlink()  # by hand, and nothing else
        for one in asked:
            async with await one as response:
                text = await response.text()
                assert "worker_suspended" in text and "[DONE]" not in text
        async with place.client.post(chat, json=body, headers=once) as kept:
            assert kept.status == 503
        assert agent.most == 1, "none of those that waited was begun"
        place.permits.grant("clerk", RELEASE)
        async with place.client.post(chat, json=body, headers=once) as kept:
            assert kept.status == 200 and kept.headers["x-staffroom-replayed"] == "true"

    at_desk(work, tmp_path, agent, queue=EngineQueue(slots=1))
