"""Spans of answers for an OpenTelemetry collector, by OTLP over HTTP with JSON; only where somebody named one.

One span an answer, named and attributed by the GenAI conventions: who was asked, tokens, how it ended, how long it took. No text, no key and no
person is in it. A client's `traceparent` is its parent; where that says that nobody samples, no span is made.

Nothing waits for the collector: spans are kept within a bound and sent together, and those for which there is no room are counted and
dropped. It does not retry: a span is worth less than the gateway.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from staffroom import __version__
from staffroom.records.errors import WrongUse
from staffroom.serve.counters import Ended, Refused

__all__ = ["SpanExporter", "span_of"]

_MOST = 2048
_BATCH = 512
_EVERY_SECONDS = 2.0
_SEND_SECONDS = 5.0
_WELL = frozenset(["answered", "declined", "refused"])
_PARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)")
_SERVER, _ERROR = 2, 2


class SpanExporter:
    """A listener of `Counters` that sends spans to `<endpoint>/v1/traces`; `run` it beside the gateway. It belongs to one event loop."""

    def __init__(self, endpoint: str) -> None:
        """Raises WrongUse for an address that is none."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise WrongUse(
                f"`{endpoint}` is not the address of a collector", hint="for example http://127.0.0.1:4318"
            )
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._spans: deque[dict[str, Any]] = deque()
        self.dropped = 0
        self.sent = 0

    def __call__(self, event: Ended | Refused) -> None:
        """Keep the span of an answer that ended."""
        if isinstance(event, Refused) or (span := span_of(event)) is None:
            return
        if len(self._spans) >= _MOST:
            self.dropped += 1
        else:
            self._spans.append(span)

    async def run(self) -> None:
        """Send what is kept every other second until cancelled, and once more then."""
        timeout = aiohttp.ClientTimeout(total=_SEND_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            try:
                while True:
                    await asyncio.sleep(_EVERY_SECONDS)
                    await self._send(session)
            finally:
                await self._send(session)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(_BATCH, len(self._spans)))]
            try:
                async with session.post(
                    self._url,
                    data=orjson.dumps(_request(batch)),
                    headers={"content-type": "application/json"},
                    allow_redirects=False,
                ) as response:
                    well = response.status == 200
            except (aiohttp.ClientError, TimeoutError, OSError):
                well = False
            if not well:
                self.dropped += len(batch)
                return
            self.sent += len(batch)


def span_of(ended: Ended) -> dict[str, Any] | None:
    """Return the span of an answer in OTLP's JSON, None where the client's trace is not sampled."""
    found = _PARENT.match(ended.trace)
    if found is not None and not int(found[3], 16) & 1:
        return None
    record = ended.record
    begin = int(record.at.timestamp() * 1e9)
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": ended.operation,
        "gen_ai.provider.name": "staffroom",
        "gen_ai.request.model": record.alias,
        "gen_ai.response.model": record.alias,
        "gen_ai.usage.input_tokens": record.tokens_in,
        "gen_ai.usage.output_tokens": record.tokens_out,
        "staffroom.release": record.release,
        "staffroom.audit_id": record.audit_id,
        "staffroom.outcome": ended.outcome,
        "staffroom.counted": record.counted.value,
        "staffroom.passages": len(record.chunks),
    }
    if ended.operation == "invoke_agent":
        attributes["gen_ai.agent.name"] = record.alias
    if record.first_text_seconds is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = record.first_text_seconds
    span: dict[str, Any] = {
        "traceId": found[1] if found else secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": f"{ended.operation} {record.alias}",
        "kind": _SERVER,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + int(record.seconds * 1e9)),
    }
    if found:
        span["parentSpanId"] = found[2]
    if ended.outcome not in _WELL:
        attributes["error.type"] = ended.outcome
        span["status"] = {"code": _ERROR, "message": ended.outcome}
    span["attributes"] = _attributes(attributes)
    return span


def _request(spans: list[dict[str, Any]]) -> dict[str, Any]:
    resource = _attributes({"service.name": "staffroom", "service.version": __version__})
    scope = {"name": "staffroom.gateway", "version": __version__}
    return {
        "resourceSpans": [
            {"resource": {"attributes": resource}, "scopeSpans": [{"scope": scope, "spans": spans}]}
        ]
    }


def _attributes(values: Mapping[str, str | int | float]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: str | int | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    # OTLP writes 64-bit numbers as texts.
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}
