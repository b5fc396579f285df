"""`POST /v1/feedback` over real HTTP, bound to answers that the gateway really gave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from gateway_desk import Desk, PacedAgent, at_desk

from staffroom.improve import FeedbackBook, feedback_of
from staffroom.records.errors import WrongUse
from staffroom.serve.duty_lookup import find_answer


@dataclass
class BookSink:
    """Puts feedback into a book, as a home does, without a released worker behind it."""

    folder: Path
    seen: list[dict[str, str]] = field(default_factory=list)

    def take(self, row: Mapping[str, str], *, key: str, opens: Callable[[str], bool]) -> str:
        self.seen.append({**row, "key": key})
        found = find_answer(self.folder / "private" / "duty", row["audit_id"])
        if found is None or not opens(found.alias):
            raise WrongUse(f"no answer with the audit id `{row['audit_id']}` is recorded", hint="")
        try:
            item = feedback_of(
                {**row, "question": found.question}, found.alias, source="gateway", now=datetime.now(UTC)
            )
        except ValueError as error:
            raise WrongUse(str(error), hint="") from error
        FeedbackBook(self.folder / "private" / "feedback").add([item])
        return item.id


async def say(place: Desk, body: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    async with place.client.post(place.url + "/v1/feedback", json=body, **more) as response:
        return response.status, await response.json()


def test_a_word_on_an_answer_is_taken_and_others_are_refused(tmp_path: Path) -> None:
    sink = BookSink(tmp_path)

    async def work(place: Desk) -> None:
        async with await place.ask() as response:
            audit_id = response.headers["x-staffroom-audit"]
            assert (await response.json())["staffroom"]["audit_id"] == audit_id
        status, value = await say(
            place, {"audit_id": audit_id, "rating": "down", "edited_answer": "三十元。"}
        )
        assert status == 201 and value["state"] == "quarantined" and value["audit_id"] == audit_id
        (entry,) = FeedbackBook(tmp_path / "private" / "feedback").entries()
        assert entry.id == value["id"] and entry.feedback.question == "規費多少？"
        for body, code, expected in (
            ({"audit_id": "audit_" + "0" * 32, "rating": "up"}, "unknown_audit_id", 404),
            ({"rating": "up"}, "invalid_value", 400),
            ({"audit_id": audit_id}, "invalid_value", 400),
            ({"audit_id": audit_id, "rating": "sideways"}, "invalid_value", 400),
            ({"audit_id": audit_id, "colour": "red"}, "invalid_value", 400),
            ({"audit_id": audit_id, "rating": 1}, "invalid_value", 400),
            ([audit_id], "invalid_value", 400),
        ):
            status, value = await say(place, body)
            assert (status, value["error"]["code"]) == (expected, code), body
        async with place.client.get(place.url + "/v1/feedback") as response:
            assert response.status == 405
        body = {"audit_id": audit_id, "rating": "up"}
        async with (
            aiohttp.ClientSession() as stranger,
            stranger.post(place.url + "/v1/feedback", json=body) as no,
        ):
            assert no.status == 401
        _, token = place.keys.create("elsewhere", aliases=["another"])
        mine = {"authorization": f"Bearer {token}"}
        status, value = await say(place, {"audit_id": audit_id, "rating": "up"}, headers=mine)
        assert (status, value["error"]["code"]) == (404, "unknown_audit_id")

    at_desk(work, tmp_path, PacedAgent(), feedback=sink)
    assert len(FeedbackBook(tmp_path / "private" / "feedback").entries()) == 1


def test_a_gateway_without_a_book_has_no_such_place(tmp_path: Path) -> None:
    async def work(place: Desk) -> None:
        status, value = await say(place, {"audit_id": "a", "rating": "up"})
        assert (status, value["error"]["code"]) == (404, "unknown_url")

    at_desk(work, tmp_path, PacedAgent())
