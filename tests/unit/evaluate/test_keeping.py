"""Keeping answers while the next is asked: order, nothing lost, and what the sink refuses."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.keeping import MOST_WAITING, Keeper
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Response


def answer(number: int) -> Response:
    return Response(str(number), "agent", 0, "text")


class Sink:
    """Keeps rows in order; refuses one; may be held back."""

    def __init__(self, refused: int = -1) -> None:
        self.rows: list[str] = []
        self.writes = 0
        self.refused = str(refused)
        self.free = threading.Event()
        self.free.set()

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        return None

    def put(self, item_digest: str, response: Response) -> None:
        self.free.wait(5)
        self.writes += 1
        if response.item_id == self.refused:
            raise StaffroomError("another answer is kept")
        self.rows.append(response.item_id)


class Batches(Sink):
    def put_many(self, rows: Sequence[tuple[str, Response]]) -> None:
        self.free.wait(5)
        if any(response.item_id == self.refused for _, response in rows):
            raise StaffroomError("one of them is refused")
        self.writes += 1
        self.rows += [response.item_id for _, response in rows]


@given(st.integers(0, 30), st.booleans(), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_everything_is_stored_in_order(count: int, batches: bool, pause: int) -> None:
    sink = Batches() if batches else Sink()

    async def run() -> None:
        keeper = Keeper(sink)
        for number in range(count):
            await keeper.keep(f"d{number}", answer(number))
            if pause and number % pause == 0:
                await asyncio.sleep(0)
        await keeper.flush()

    asyncio.run(run())
    assert sink.rows == [str(number) for number in range(count)]


def test_a_write_begins_at_once_and_the_next_waits_for_nobody() -> None:
    sink = Sink()

    async def run() -> None:
        keeper = Keeper(sink)
        await keeper.keep("a", answer(1))
        while not sink.rows:
            await asyncio.sleep(0.001)
        sink.free.clear()
        await keeper.keep("b", answer(2))
        await asyncio.sleep(0.01)
        await keeper.keep(
            "c", answer(3)
        )  # the disk is slow: it waits behind the one before, and is stored after it
        sink.free.set()
        while len(sink.rows) < 3:
            await asyncio.sleep(0.001)
        await keeper.flush()

    asyncio.run(run())
    assert sink.rows == ["1", "2", "3"]


def test_a_slow_disk_holds_the_exam_up_at_a_limit_and_is_spared_writes() -> None:
    sink = Batches()
    sink.free.clear()

    async def run() -> int:
        keeper, handed = Keeper(sink), 0
        for number in range(3 * MOST_WAITING):
            await asyncio.sleep(0)
            try:
                async with asyncio.timeout(0.05):
                    await keeper.keep(f"d{number}", answer(number))
            except TimeoutError:
                break
            handed += 1
        sink.free.set()
        await keeper.flush()
        return handed

    handed = asyncio.run(run())
    assert handed <= MOST_WAITING + 1
    assert sink.writes < len(sink.rows) == handed + 1


@pytest.mark.parametrize("kind", [Sink, Batches])
def test_what_is_refused_is_said_and_what_came_before_it_is_kept(kind: type[Sink]) -> None:
    sink = kind(refused=3)

    async def run() -> None:
        keeper = Keeper(sink)
        try:
            for number in range(6):
                await keeper.keep(f"d{number}", answer(number))
        finally:
            await keeper.flush()

    with pytest.raises(StaffroomError, match="another answer is kept"):
        asyncio.run(run())
    assert sink.rows[:3] == ["0", "1", "2"] and "3" not in sink.rows
