"""What leaves the gateway beside answers: spans and lines of the journal, neither with a word in it."""

import io
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.errors import WrongUse
from staffroom.records.guardrails import Ruling, Stage, Verdict
from staffroom.serve.counters import Counters, Ended, Refused
from staffroom.serve.duty import Counted, DutyRecord
from staffroom.serve.request_log import RequestLog
from staffroom.serve.spans import SpanExporter, span_of

RECORD = DutyRecord(
    audit_id="audit_" + "ab" * 16,
    at=datetime(2026, 5, 1, 8, tzinfo=UTC),
    alias="clerk",
    release="sha256:r",
    key="key-id-1",
    outcome="answered",
    chunks=("c1", "c2"),
    tokens_in=11,
    tokens_out=3,
    first_text_seconds=0.25,
    seconds=1.5,
    question="王小明的問題",
    answer="秘密的回答",
    problem="disk says no",
    rulings=(Ruling("identifiers", 1, Stage.OUTPUT, Verdict.MASK, "national_id", 2),),
    user="resident 4711",
)
SECRETS = ("王小明", "秘密", "key-id-1", "resident 4711", "disk says no")
PARENT = "00-" + "4b" * 16 + "-" + "00f067aa0ba902b7" + "-01"


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_span_says_what_was_done_and_no_word_of_it() -> None:
    span = span_of(Ended(RECORD, "answered", PARENT, "invoke_agent"))
    assert span is not None
    assert (span["traceId"], span["parentSpanId"]) == ("4b" * 16, "00f067aa0ba902b7")
    assert (span["name"], span["kind"]) == ("invoke_agent clerk", 2)
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 1_500_000_000
    found = attributes(span)
    assert found["gen_ai.operation.name"] == "invoke_agent"
    assert found["gen_ai.agent.name"] == found["gen_ai.request.model"] == "clerk"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == ("11", "3")
    assert "status" not in span
    text = json.dumps(span, ensure_ascii=False)
    assert not any(secret in text for secret in SECRETS)


def test_a_span_of_what_went_wrong_says_so() -> None:
    span = span_of(Ended(replace(RECORD, counted=Counted.RESERVED), "engine_lost", "", "chat"))
    assert span is not None
    assert (span["status"]["code"], attributes(span)["error.type"]) == (2, "engine_lost")
    assert "parentSpanId" not in span
    assert "gen_ai.agent.name" not in attributes(span)


def test_a_trace_that_nobody_samples_has_no_span() -> None:
    assert span_of(Ended(RECORD, "answered", PARENT[:-2] + "00")) is None


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_any_traceparent_is_borne(trace: str) -> None:
    span = span_of(Ended(RECORD, "answered", trace))
    assert span is None or len(span["traceId"]) == 32


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://host", "http://", "http://user@host:1"])
def test_an_address_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(WrongUse, match="not the address"):
        SpanExporter(endpoint)


def test_spans_without_room_are_dropped_and_counted() -> None:
    exporter = SpanExporter("http://127.0.0.1:4318")
    for _ in range(2050):
        exporter(Ended(RECORD, "answered"))
    exporter(Refused("queue_full"))
    assert exporter.dropped == 2


def test_a_line_for_each_answer_and_each_refusal_without_words() -> None:
    stream = io.StringIO()
    log = RequestLog(stream)
    counters = Counters([log])
    counters.ended(RECORD, "answered")
    counters.refused("invalid_api_key")
    log.close()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["model"], first["outcome"], first["tokens_out"]) == (
        "request",
        "clerk",
        "answered",
        3,
    )
    assert first["guardrails"] == [["identifiers", "mask", "national_id", 2]]
    assert (second["event"], second["code"]) == ("refused", "invalid_api_key")
    assert not any(secret in stream.getvalue() for secret in SECRETS)


def test_a_reader_that_takes_nothing_holds_nobody_up() -> None:
    free = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            free.wait(5)
            return super().write(text)

    stream = Stuck()
    log = RequestLog(stream)
    for _ in range(10_050):
        log(Refused("queue_full"))
    free.set()
    log.close()
    log._writer.join(5)
    lines = stream.getvalue().splitlines()
    assert 10_000 <= len(lines) <= 10_001
