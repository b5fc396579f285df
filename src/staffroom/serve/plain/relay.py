"""One request to a plain model, from the engine's queue to the duty record, its bytes passed through.

1. The texts of the request are masked by the guardrails, or the request ends there; 2. a place in the queue and a reservation
of the budgets are taken, and the intent is recorded; 3. the engine is asked; 4. what it says goes to the client as it comes,
whole events at a time, once the intent is on the disk; 5. the tokens are read from the answer's end, the budgets are settled,
the record is written; 6. only then the end of the answer leaves.

Whatever breaks the answer off (permit, client, engine, guardrail, clock) closes the engine's connection at once, and
step 5 follows all the same. It must not know what the engine is, and it keeps no answer longer than it lasts.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from starlette.types import Receive, Send

from staffroom.records.budgets import CapScope
from staffroom.records.errors import StaffroomError
from staffroom.records.guardrails import Ruling
from staffroom.serve.asgi import send_error, send_json, when_gone
from staffroom.serve.budgets import BudgetCurrency, BudgetExceeded, Budgets, Reservation
from staffroom.serve.counters import ENGINE_REFUSED, Counters
from staffroom.serve.duty import Begun, Counted, DutyLog
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain.bodies import BodyReader, Endpoint
from staffroom.serve.plain.calls import PlainCall, RelayLimits, unanswered
from staffroom.serve.plain.guarding import Blocked, HeldEvents, MaskedRequest, mask_answer, mask_request
from staffroom.serve.plain.http1 import Answer, ConnectionLost
from staffroom.serve.plain.refusals import rejection
from staffroom.serve.plain.served import Order, ServedPlain, order_of, require_text
from staffroom.serve.plain.tail import (
    Tokens,
    answer_text,
    before_error,
    last_tokens,
    stream_text,
    tokens_of,
    without_usage,
)
from staffroom.serve.plain.upstream import UpstreamLost
from staffroom.serve.queue import QueueFull, Ticket
from staffroom.serve.refusals import budget_error, queue_error
from staffroom.serve.stops import StopReason, stop_error
from staffroom.serve.watch import AnswerWatch
from staffroom.serve.wire import WireError, error_event

__all__ = ["PlainDesk"]

Header = tuple[bytes, bytes]

_DONE = b"data: [DONE]\n\n"
_ENDS = (b"event: response.completed\n", b"event: response.incomplete\n", b"event: response.failed\n")
# By OpenTelemetry's names.
_OPERATIONS: Mapping[Endpoint, str] = {
    Endpoint.CHAT: "chat",
    Endpoint.RESPONSES: "chat",
    Endpoint.COMPLETIONS: "text_completion",
    Endpoint.EMBEDDINGS: "embeddings",
}
_LISTEN_AFTER = 0.005
_LINGER_SECONDS = 0.1
_KEPT_BYTES = 8 << 20
_LONG_TEXT = 16 << 10
_EVENT_BYTES = 8 << 20
_ANSWER_BYTES = 256 << 20
_PASSED_ON = frozenset([400, 404, 408, 409, 413, 422, 429])
_STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class PlainDesk:
    """Takes requests to plain models; one for a gateway."""

    def __init__(
        self,
        *,
        duty: DutyLog,
        counters: Counters,
        watch: AnswerWatch,
        budgets: Budgets,
        limits: RelayLimits,
    ) -> None:
        self.duty = duty
        self.counters = counters
        self.watch = watch
        self.budgets = budgets
        self.limits = limits
        self._bodies = BodyReader()

    @property
    def bodies(self) -> BodyReader:
        """What checks bodies, and describes them."""
        return self._bodies

    async def answer(
        self,
        call: PlainCall,
        served: ServedPlain,
        endpoint: Endpoint,
        value: Any,
        size: int,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request; raises WireError for what is refused before anything was sent."""
        asked = self._bodies.check(endpoint, value)
        masked = None
        if served.guard is not None:
            require_text(endpoint, asked)
            masked = await self._masked(call, served, served.guard, asked, size)
        order = order_of(served, endpoint, asked, masked, size)
        try:
            ticket = served.queue.admit()
        except QueueFull as full:
            raise queue_error(full) from full
        try:
            subjects = (
                served.subjects if call.key is None else ((CapScope.KEY, call.key.id), *served.subjects)
            )
            caps = self.budgets.cover(subjects)
            try:
                held = await self.budgets.reserve(caps, order.read_most, order.written_most, served.price)
            except (BudgetExceeded, BudgetCurrency) as refused:
                raise budget_error(refused) from refused
            try:
                begun = self.duty.begin(call.intent(served, order.question))
            except StaffroomError as error:
                held.give_back()
                raise stop_error(StopReason.UNRECORDED) from error
        except BaseException:
            ticket.leave()
            raise
        await _Relay(self, call, served, order, ticket, held, begun, receive, send).run()

    async def _masked(
        self, call: PlainCall, served: ServedPlain, guard: TextGuard, asked: dict[str, Any], size: int
    ) -> MaskedRequest:
        try:
            if size <= _LONG_TEXT:
                return mask_request(guard, asked)
            return await asyncio.to_thread(mask_request, guard, asked)
        except Blocked as blocked:
            question = orjson.dumps(
                asked.get("messages") or asked.get("input") or asked.get("prompt")
            ).decode()
            entry = unanswered(
                call.intent(served, question),
                StopReason.BLOCKED.value,
                call.arrived,
                problem=blocked.reason,
                rulings=blocked.rulings,
            )
            try:
                self.duty.record(entry)
            except StaffroomError as error:
                raise stop_error(StopReason.UNRECORDED) from error
            raise stop_error(StopReason.BLOCKED, blocked.reason) from blocked


class _Relay:
    """One answer under way; see the module's text for its steps."""

    __slots__ = (
        "_begun",
        "_call",
        "_closed",
        "_desk",
        "_first",
        "_held",
        "_intent",
        "_kept",
        "_listener",
        "_moved",
        "_order",
        "_pieces",
        "_problem",
        "_receive",
        "_reservation",
        "_response",
        "_rulings",
        "_send",
        "_sending",
        "_sent",
        "_served",
        "_shown",
        "_shown_size",
        "_size",
        "_started",
        "_stopped",
        "_task",
        "_theirs",
        "_ticket",
        "_tokens",
        "alias",
        "release",
    )

    def __init__(
        self,
        desk: PlainDesk,
        call: PlainCall,
        served: ServedPlain,
        order: Order,
        ticket: Ticket,
        reservation: Reservation,
        intent: Begun,
        receive: Receive,
        send: Send,
    ) -> None:
        self.alias = served.alias
        self.release = served.release
        self._desk = desk
        self._call = call
        self._served = served
        self._order = order
        self._ticket = ticket
        self._reservation = reservation
        self._intent = intent
        self._receive = receive
        self._send = send
        self._stopped: StopReason | None = None
        self._problem = ""
        self._kept = self._closed = self._theirs = False
        self._task: asyncio.Task[Any] | None = None
        self._response: Answer | None = None
        self._listener: asyncio.Task[None] | None = None
        self._held: HeldEvents | None = None
        if served.guard is not None and order.stream:
            self._held = HeldEvents(
                served.guard,
                order.texts,
                repeats=order.endpoint is Endpoint.RESPONSES,
                json_content=order.json_content,
            )
        self._rulings: tuple[Ruling, ...] = ()
        self._shown: list[bytes] = []
        self._shown_size = 0
        self._begun = self._moved = time.monotonic()
        self._first: float | None = None
        self._started = False
        self._sending = False
        self._sent = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._tokens: Tokens | None = None

    def stop(self, reason: StopReason) -> None:
        """Break the answer off; the first reason stays."""
        if self._stopped is None and not self._closed:
            self._stopped = reason
            if self._task is not None:
                self._task.cancel()

    def overdue(self, now: float) -> StopReason | None:
        """Return why it has lasted too long: the whole, or the engine's silence; a client's is the server's to see."""
        limits = self._desk.limits
        if now - self._begun > limits.answer_seconds:
            return StopReason.TOO_LONG
        silent = bool(self._pieces) and not self._sending and now - self._moved > limits.stall_seconds
        return StopReason.STALLED if silent else None

    async def run(self) -> None:
        """Steps 3 to 6."""
        self._task = task = asyncio.current_task()
        desk = self._desk
        desk.watch.add(self)
        listening = asyncio.get_running_loop().call_later(_LISTEN_AFTER, self._listen)
        end: Callable[[], Any] | None = None
        try:
            end = await self._ask()
        except asyncio.CancelledError:
            if self._stopped is None:
                self._stopped = StopReason.SHUTDOWN
                self._keep("")
                raise
            if task is not None:
                task.uncancel()
        except Blocked as blocked:
            self._stopped, self._problem = StopReason.BLOCKED, blocked.reason
            self._rulings = blocked.rulings
        except (UpstreamLost, ConnectionLost) as error:
            self._stopped, self._problem = StopReason.LOST, f"{type(error).__name__}: {error}"
            if isinstance(error, UpstreamLost) and not error.reached:
                self._reservation.give_back()
                self._sent = False
        except StaffroomError as error:
            self._stopped, self._problem = StopReason.UNRECORDED, str(error)
        except BaseException as error:
            self._stopped, self._problem = StopReason.INTERNAL, type(error).__name__
            self._keep("")
            raise
        finally:
            self._closed = True
            listening.cancel()
            if self._listener is not None:
                self._listener.cancel()
            desk.watch.remove(self)
            self._ticket.leave()
            self._leave_engine()
        if self._stopped is None and end is not None:
            await end()
        else:
            await self._end_badly()

    def _listen(self) -> None:
        # Later than the request: most answers of a quick engine are out before anybody could have left.
        if not self._closed:
            self._listener = asyncio.create_task(
                when_gone(self._receive, lambda: self.stop(StopReason.CLIENT_GONE))
            )

    async def _ask(self) -> Callable[[], Any]:
        """Wait for the queue, ask the engine, pass on what comes; return what is left to send when all is recorded."""
        if self._ticket.began is None:
            await self._ticket.turn()
            self._begun = self._moved = time.monotonic()
        if not self._desk.watch.permitted(self.alias, self.release):
            self._stopped = StopReason.SUSPENDED
            return _nothing
        order = self._order
        self._sent = True
        try:
            response = await self._served.upstream.post(order.path, order.body)
        except WireError as refused:
            self._sent, error = False, refused
            self._keep(error.code)
            return lambda: self._refuse(error)
        self._response = response
        if response.status != 200:
            return await self._not_well(response)
        if order.stream:
            return await self._stream(response)
        return await self._plain(response)

    async def _plain(self, response: Answer) -> Callable[[], Any]:
        body = await response.read(_ANSWER_BYTES)
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise UpstreamLost("the engine's answer is not JSON") from error
        self._tokens = tokens_of(answer)
        changed = await self._guarded(answer, len(body)) if self._served.guard is not None else False
        text = answer_text(answer)
        if not self._desk.watch.permitted(self.alias, self.release):
            self._stopped = StopReason.SUSPENDED
            return _nothing
        if isinstance(answer, dict) and answer.get("model") != self.alias and "model" in answer:
            answer["model"], changed = self.alias, True
        if changed:
            body = orjson.dumps(answer)
        await self._desk.duty.durable(self._intent)
        self._first = time.perf_counter()
        if not self._keep("answered", text):
            return _nothing
        return lambda: send_json(self._send, 200, body, self._names())

    async def _guarded(self, answer: Any, size: int) -> bool:
        """Examine an answer in one piece; says whether it was changed."""
        guard, order = self._served.guard, self._order
        if guard is None or order.endpoint is Endpoint.EMBEDDINGS:
            return False
        check = partial(mask_answer, guard, answer, order.texts, json_content=order.json_content)
        changed, self._rulings = check() if size <= _LONG_TEXT else await asyncio.to_thread(check)
        return changed

    async def _stream(self, response: Answer) -> Callable[[], Any]:
        desk, send = self._desk, self._send
        old, new = self._renaming()
        strip = not self._order.usage_asked
        responses = self._order.endpoint is Endpoint.RESPONSES
        left, last, ended = b"", b"", False
        while not ended:
            data = await response.readany()
            if not data:
                break
            self._moved = time.monotonic()
            if left:
                data, left = left + data, b""
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n")
            if data[-2:] != b"\n\n":
                # An event that is not whole yet: were the engine lost now, an error event could not follow it.
                cut = data.rfind(b"\n\n") + 2
                data, left = (data[:cut], data[cut:]) if cut > 1 else (b"", data)
                if len(left) > _EVENT_BYTES:
                    raise UpstreamLost("an event of the engine has no end")
                if not data:
                    continue
            failed = b""
            if b'{"error"' in data or b"error:" in data:
                data, failed = before_error(data)
            if responses:
                ended = any(mark in data for mark in _ENDS)
            elif data.endswith(_DONE):
                ended, data = True, data[: -len(_DONE)]
                last = _DONE
            if old and old in data:
                data = data.replace(old, new)
            self._keep_piece(data)
            if strip and b'"choices":[]' in data:
                data = without_usage(data)
            if not desk.watch.permitted(self.alias, self.release):
                self._stopped = StopReason.SUSPENDED
                return _nothing
            if responses and ended:
                data, last = b"", data
            if self._held is not None and data:
                data = self._held.feed(data)
                self._show(data)
            if data:
                if not self._started:
                    await self._open()
                self._sending = True
                await send({"type": "http.response.body", "body": data, "more_body": True})
                self._sending = False
            if self._held is not None and self._held.blocked:
                raise Blocked(self._held.blocked)
            if failed:
                raise UpstreamLost(f"the engine reported: {failed[:300].decode('utf-8', 'replace')}")
        if not ended:
            raise UpstreamLost("the engine's stream had no end")
        if self._held is not None:
            last = await self._let_go(self._held, last)
        return await self._closing(last)

    async def _let_go(self, held: HeldEvents, last: bytes) -> bytes:
        """Return the end of a stream with what was held back of it."""
        rest, done = held.rest(), last
        if self._order.endpoint is Endpoint.RESPONSES:
            # Its last event tells the whole answer again.
            rest, done = rest + held.feed(last) + held.rest(), b""
        self._show(rest)
        if not held.blocked:
            return rest + done
        if rest:
            if not self._started:
                await self._open()
            await self._send({"type": "http.response.body", "body": rest, "more_body": True})
        raise Blocked(held.blocked)

    async def _closing(self, last: bytes) -> Callable[[], Any]:
        pieces = self._pieces
        self._tokens = last_tokens(b"".join(pieces[-3:]))
        if not self._keep("answered", self._text()):
            return _nothing
        if not self._started:
            await self._open()
        return lambda: self._send({"type": "http.response.body", "body": last})

    async def _open(self) -> None:
        await self._desk.duty.durable(self._intent)
        self._started = True
        self._first = time.perf_counter()
        headers = [*_STREAM_HEADERS, *self._names()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _not_well(self, response: Answer) -> Callable[[], Any]:
        """Pass on what the engine says against the request itself; what is wrong with the engine stays behind it."""
        body = await response.read(_ANSWER_BYTES)
        status = response.status
        if status not in _PASSED_ON:
            raise UpstreamLost(f"the engine answered {status}: {body[:300].decode('utf-8', 'replace')}")
        refusal = rejection(status, body, response.headers.get("retry-after", ""))
        self._reservation.give_back()
        self._sent, self._theirs = False, True
        if not self._keep(refusal.code):
            return _nothing
        return lambda: self._refuse(refusal)

    async def _refuse(self, error: WireError) -> None:
        await self._wait_for_intent()
        self._desk.counters.refused(ENGINE_REFUSED if self._theirs else error.code)
        await send_error(self._send, error, self._call.request_id, self._names())

    async def _end_badly(self) -> None:
        reason = self._stopped or StopReason.INTERNAL
        self._keep("")
        if reason is StopReason.CLIENT_GONE:
            return
        error = stop_error(reason, self._problem)
        if self._started:
            event = error_event(error, self._call.request_id)
            await self._send({"type": "http.response.body", "body": event})
        else:
            await self._wait_for_intent()
            await send_error(self._send, error, self._call.request_id, self._names())

    async def _wait_for_intent(self) -> None:
        with suppress(StaffroomError):  # a refusal may be told though the disk keeps nothing
            await self._desk.duty.durable(self._intent)

    def _keep_piece(self, data: bytes) -> None:
        if self._size < _KEPT_BYTES:
            self._pieces.append(data)
            self._size += len(data)
        else:
            self._pieces[-1] = data  # the tokens are told of at the end

    def _keep(self, outcome: str, text: str | None = None) -> bool:
        """Settle and record, once; says whether the answer may be completed."""
        if self._kept:
            return self._stopped is None
        self._kept, call = True, self._call
        if self._tokens is None and self._order.stream and self._response is not None:
            # What had come when the answer was broken off was written, though nobody will read it.
            self._tokens = last_tokens(b"".join(self._pieces[-3:]) + self._response.unread())
        tokens = self._tokens
        if tokens is not None:
            self._reservation.settle(tokens.read, tokens.written)
        elif self._sent:
            self._reservation.settle_in_full()
        else:
            self._reservation.give_back()
        price, order = self._served.price, self._order
        most = tokens or (Tokens(order.read_most, order.written_most) if self._sent else Tokens(0, 0))
        entry = unanswered(
            call.intent(self._served, order.question),
            self._stopped.value if self._stopped is not None else outcome,
            call.arrived,
            tokens_in=tokens.read if tokens else 0,
            tokens_out=tokens.written if tokens else 0,
            counted=Counted.ENGINE if tokens else Counted.RESERVED if self._sent else Counted.NOTHING,
            cost=price.cost(most.read, most.written) if price else "",
            currency=price.currency if price else "",
            first_text_seconds=None if self._first is None else self._first - call.arrived,
            answer=self._text() if text is None else text,
            problem=self._problem,
            rulings=self._ruled(),
        )
        try:
            self._desk.duty.record(entry)
        except StaffroomError as error:
            if self._stopped is None:
                self._stopped = StopReason.UNRECORDED
            self._problem = str(error)
        ended = ENGINE_REFUSED if self._theirs else outcome
        ended = self._stopped.value if self._stopped is not None else ended
        self._desk.counters.ended(entry, ended, call.trace, _OPERATIONS[self._order.endpoint])
        return self._stopped is None

    def _show(self, data: bytes) -> None:
        if self._shown_size < _KEPT_BYTES:
            self._shown.append(data)
            self._shown_size += len(data)

    def _text(self) -> str:
        """Return what was said; with guardrails, what was served of it."""
        return stream_text(self._pieces if self._held is None else self._shown)

    def _ruled(self) -> tuple[Ruling, ...]:
        found = self._rulings if self._held is None else self._held.rulings
        return (*self._order.rulings, *found)

    def _leave_engine(self) -> None:
        breaker = self._served.upstream.breaker
        if self._stopped in (StopReason.LOST, StopReason.STALLED):
            breaker.failed()
        elif self._response is not None and self._stopped is None:
            breaker.worked()
        elif self._sent:
            breaker.left()
        response = self._response
        if response is not None and not response.ended:
            if self._stopped is None:
                # All was said, and the end of the body is on its way: the connection can be used again.
                asyncio.get_running_loop().call_later(_LINGER_SECONDS, response.close)
            else:
                response.close()

    def _renaming(self) -> tuple[bytes, bytes]:
        if self._served.upstream_model == self.alias:
            return b"", b""
        return (
            b'"model":' + orjson.dumps(self._served.upstream_model),
            b'"model":' + orjson.dumps(self.alias),
        )

    def _names(self) -> list[Header]:
        return [
            (b"x-request-id", self._call.request_id.encode()),
            (b"x-staffroom-release", self.release.encode()),
            (b"x-staffroom-audit", self._call.audit_id.encode()),
            (b"x-staffroom-ai-generated", b"true"),
        ]


async def _nothing() -> None:
    return
