import asyncio
import errno
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.errors import StaffroomError
from staffroom.records.guardrails import Ruling, Stage, Verdict
from staffroom.serve.counters import Counters
from staffroom.serve.duty import DutyLog, DutyRecord
from staffroom.serve.queue import EngineQueue, QueueFull, Ticket


def record(number: int, day: int = 1) -> DutyRecord:
    return DutyRecord(
        audit_id=f"audit_{number}",
        at=datetime(2026, 5, day, tzinfo=UTC),
        alias="clerk",
        release="sha256:r",
        key="k",
        outcome="answered",
        chunks=("c",),
        tokens_in=1,
        tokens_out=2,
        first_text_seconds=None,
        seconds=0.123456,
        question="問",
        answer="答" * number,
    )


def lines(path: Path) -> list[str]:
    return [json.loads(line)["audit_id"] for line in path.read_text().splitlines()]


def test_a_day_has_its_files(tmp_path: Path) -> None:
    with DutyLog(tmp_path / "duty") as log:
        log.record(record(1))
        log.record(record(2))
        log.record(record(3, day=2))
    assert lines(tmp_path / "duty" / "2026-05-01.jsonl") == ["audit_1", "audit_2"]
    assert lines(tmp_path / "duty" / "2026-05-02.texts.jsonl") == ["audit_3", "audit_3"]
    log.close()


def test_what_the_guardrails_did_is_kept_without_texts(tmp_path: Path) -> None:
    ruling = Ruling("identifiers", 1, Stage.OUTPUT, Verdict.MASK, "national_id", 2)
    with DutyLog(tmp_path) as log:
        log.record(replace(record(1), rulings=(ruling,), question="我是A123456789"))
    (line,) = (tmp_path / "2026-05-01.jsonl").read_text().splitlines()
    assert json.loads(line)["guardrails"] == [
        {
            "guardrail": "identifiers",
            "version": 1,
            "stage": "output",
            "verdict": "mask",
            "reason": "national_id",
            "count": 2,
        }
    ]
    assert "A123456789" not in line


def test_it_is_on_the_disk_within_a_quarter_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    real = os.fdatasync

    def fdatasync(handle: int) -> None:
        real(handle)
        synced.append(time.perf_counter())

    with DutyLog(tmp_path) as log:
        log.record(record(1))
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        for number in range(20):
            log.record(record(number))
        recorded = time.perf_counter()
        while not synced or synced[-1] < recorded:
            assert time.perf_counter() - recorded < 0.25
            time.sleep(0.005)


def test_half_a_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "2026-05-01.jsonl").write_bytes(b'{"audit_id":"torn')
    with DutyLog(tmp_path) as log:
        log.record(record(1))
    torn, whole = (tmp_path / "2026-05-01.jsonl").read_bytes().splitlines()
    assert torn == b'{"audit_id":"torn'
    assert json.loads(whole)["audit_id"] == "audit_1"


def test_a_full_disk_is_said_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DutyLog(tmp_path) as log:
        log.record(record(1))
        real = os.write
        room = [40]

        def write(handle: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            took = real(handle, data[: room[0]])
            room[0] -= took
            return took

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(StaffroomError, match="disk is full"):
            log.record(record(2))
        monkeypatch.undo()
        log.record(record(3))
    assert lines(tmp_path / "2026-05-01.jsonl") == ["audit_1", "audit_3"]
    assert sorted(set(lines(tmp_path / "2026-05-01.texts.jsonl"))) == ["audit_1", "audit_3"]


def test_a_disk_that_lost_records_is_told_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fdatasync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with DutyLog(tmp_path) as log:
        log.record(record(1))
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        log.flush()
        with pytest.raises(StaffroomError, match="Input/output"):
            log.record(record(2))
        monkeypatch.undo()


@settings(max_examples=60, deadline=None)
@given(
    slots=st.integers(1, 3),
    waiting=st.integers(0, 3),
    steps=st.lists(st.integers(-1, 6), max_size=30),
)
def test_the_queue_never_overfills_and_serves_in_order(slots: int, waiting: int, steps: list[int]) -> None:
    async def main() -> None:
        queue = EngineQueue(slots=slots, waiting=waiting)
        tickets: list[Ticket] = []
        for step in steps:
            if step < 0:
                try:
                    tickets.append(queue.admit())
                except QueueFull as full:
                    assert len(tickets) == slots + waiting
                    assert full.retry_after >= 1
            elif tickets:
                leaving = tickets.pop(step % len(tickets))
                leaving.leave()
                leaving.leave()
            begun = [ticket.began is not None for ticket in tickets]
            assert begun == [place < slots for place in range(len(tickets))], "first come, first served"
            assert queue.active == min(slots, len(tickets))
            assert queue.waiting == max(0, len(tickets) - slots)
            for ticket in tickets[:slots]:
                await ticket.turn()

    asyncio.run(main())


def test_labels_are_escaped() -> None:
    counters = Counters()
    counters.refused('a"b\\c\nd')
    assert 'staffroom_refused_total{code="a\\"b\\\\c\\nd"} 1\n' in counters.text({})


def test_times_are_counted_in_buckets_that_add_up() -> None:
    counters = Counters()
    ruling = Ruling("identifiers", 1, Stage.OUTPUT, Verdict.MASK, "national_id", 2)
    for seconds in (0.001, 0.3, 700.0):
        entry = replace(record(1), seconds=seconds, first_text_seconds=0.02, rulings=(ruling,))
        counters.ended(entry, "answered")
    text = counters.text({"staffroom_open": 1})
    assert 'staffroom_answer_seconds_bucket{alias="clerk",le="0.005"} 1\n' in text
    assert 'staffroom_answer_seconds_bucket{alias="clerk",le="0.5"} 2\n' in text
    assert 'staffroom_answer_seconds_bucket{alias="clerk",le="600"} 2\n' in text
    assert 'staffroom_answer_seconds_bucket{alias="clerk",le="+Inf"} 3\n' in text
    assert 'staffroom_first_text_seconds_count{alias="clerk"} 3\n' in text
    assert 'guardrail="identifiers",verdict="mask"} 6\n' in text
    assert "staffroom_open 1\n" in text
    assert "clerk" not in counters.text({}, aliases=["another"])
    assert "問" not in text and "答" not in text
