"""The front door: OpenAI's API before the workers of one home, as a raw ASGI application.

A chat request goes: 1. key, 2. body and its checks, 3. worker and permit, 4. place in the engine's queue, budgets,
intent of the duty record, 5. the agent, watched by permit, client and clock, 6. duty record, 7. the end of the answer. The
intent is on the disk before the first byte, the record comes before the end: what cannot be recorded is not answered.

It must not know how an agent answers, and it reads no database on the way of an answer except for the
number that tells whether keys have changed.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import orjson
from starlette.types import Receive, Scope, Send

from staffroom.records.agent import AgentAnswer
from staffroom.records.budgets import Cap, CapScope
from staffroom.records.errors import StaffroomError
from staffroom.records.protocols import FeedbackSink
from staffroom.serve.asgi import (
    base_url,
    from_loopback,
    header,
    more,
    read_body,
    require_method,
    send_error,
    send_json,
    when_gone,
)
from staffroom.serve.budgets import BudgetCurrency, BudgetExceeded, Budgets, Reservation, Undebited
from staffroom.serve.control import StopControl
from staffroom.serve.counters import Counters
from staffroom.serve.documents import DocumentLinks, DocumentSource
from staffroom.serve.duty import Begun, DutyIntent, DutyLog
from staffroom.serve.exchange import Exchange, ServedRelease
from staffroom.serve.feedback import FEEDBACK_PATH, receive_feedback
from staffroom.serve.once import Once
from staffroom.serve.permit import DutyState, Permits
from staffroom.serve.plain import Endpoint, PlainDesk, ServedPlain
from staffroom.serve.plain.calls import PlainCall, RelayLimits
from staffroom.serve.queue import QueueFull
from staffroom.serve.recording import exchange_record, settle
from staffroom.serve.refusals import budget_error, queue_error, standing, unauthorised
from staffroom.serve.rest import rest_app
from staffroom.serve.stops import StopReason, stop_error
from staffroom.serve.watch import AnswerWatch
from staffroom.serve.wire import (
    DONE,
    Chat,
    Chunks,
    Mark,
    WireError,
    chat_of,
    citation_json,
    completion_json,
    error_event,
    read_json,
    user_of,
)
from staffroom.store import ApiKey, ApiKeys, KeyProblem, utc_now

__all__ = ["Gateway", "GatewaySettings"]

_ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
    "/v1/responses": Endpoint.RESPONSES,
}
_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Limits of the gateway; sizes in bytes, times in seconds.

    public_url: how people reach it from outside (`https://...`), for links; empty means as they came.
    require_keys: off only where nobody but this machine can connect.
    """

    public_url: str = ""
    require_keys: bool = True
    body_bytes: int = 1 << 20
    plain_body_bytes: int = 4 << 20
    image_body_bytes: int = 32 << 20
    answer_seconds: float = 600.0
    keep_alive_seconds: float = 10.0
    stall_seconds: float = 60.0
    reader_seconds: float = 60.0


@dataclass(slots=True)
class _Call:
    """One request: its names, its clock, and what has been shown of the answer."""

    id: str
    at: datetime
    arrived: float
    key: ApiKey | None = None
    begun: Begun | None = None
    user: str = ""
    trace: str = ""
    first_text: float | None = None
    shown: str = ""
    kept: bool = False
    held: Reservation | None = None

    @property
    def request_id(self) -> str:
        return f"req_{self.id}"

    @property
    def audit_id(self) -> str:
        return f"audit_{self.id}"

    def intent(self, served: ServedRelease, question: str) -> DutyIntent:
        key = self.key.id if self.key else ""
        return DutyIntent(self.audit_id, self.at, served.alias, served.release, key, question, self.user)


class Gateway:
    """The ASGI application; releases enter service with `serve` and leave it with `withdraw`."""

    def __init__(
        self,
        *,
        permits: Permits,
        keys: ApiKeys,
        duty: DutyLog,
        documents: DocumentSource,
        links: DocumentLinks,
        settings: GatewaySettings | None = None,
        feedback: FeedbackSink | None = None,
        budgets: Budgets | None = None,
        caps: Callable[[], Iterable[Cap]] = tuple,
        control: StopControl | None = None,
    ) -> None:
        """caps: asked at the start and whenever keys may have changed.  control: stops and starts workers."""
        self.permits = permits
        self.counters = Counters()
        self.draining = False
        self.settings = settings or GatewaySettings()
        self._keys = keys
        self._duty = duty
        self._links = links
        self._feedback = feedback
        self._served: dict[str, ServedRelease | ServedPlain] = {}
        self._since: dict[str, int] = {}
        self._body_most = self.settings.body_bytes
        self._watch = AnswerWatch(permits)
        self.budgets = budgets or Budgets(Undebited())
        self._caps = caps
        self._caps_of = -1
        self._once = Once()
        self._plain_desk = PlainDesk(
            duty=duty,
            counters=self.counters,
            watch=self._watch,
            budgets=self.budgets,
            limits=RelayLimits(self.settings.answer_seconds, self.settings.stall_seconds),
        )
        self._rest = rest_app(self, documents, links, self._plain_desk.bodies, control)

    def serve(self, served: ServedRelease | ServedPlain) -> None:
        """Put a release in service under its alias; answers of the one before it end by its permit."""
        self._served[served.alias] = served
        self._body_most = max(map(self._body_limit, self._served.values()))
        self._since[served.alias] = int(time.time())

    def withdraw(self, alias: str) -> None:
        """Take an alias out of service."""
        self._served.pop(alias, None)
        self._since.pop(alias, None)

    def drain(self) -> None:
        """Take no new request; answers under way go on to their end."""
        self.draining = True

    def cut_off(self) -> None:
        """End the answers under way; their streams close with an error event."""
        self._watch.stop_all(StopReason.SHUTDOWN)

    def authorise(self, scope: Scope) -> ApiKey | None:
        """Return the request's key, None where none is required; raises WireError (401)."""
        if not self.settings.require_keys:
            self._keys.look()
            self._configure()
            return None
        scheme, _, token = header(scope, b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorised("no key: send `Authorization: Bearer KEY`", "missing_api_key")
        check = self._keys.verify(token.strip(), from_loopback=from_loopback(scope))
        self._configure()
        if check.key is None:
            problem = (check.problem or KeyProblem.UNKNOWN).value
            raise unauthorised(f"this key is not accepted ({problem})", "invalid_api_key")
        return check.key

    def _configure(self) -> None:
        if self._caps_of != self._keys.version:
            self._caps_of = self._keys.version
            self.budgets.configure(self._caps())

    def states(self, key: ApiKey | None) -> list[dict[str, object]]:
        """Return the workers that a key opens, with their releases and states."""
        return [
            {"alias": served.alias, "release": served.release, "state": self._state(served).value}
            | {**_kind_of(served), "answering": served.queue.active, "waiting": served.queue.waiting}
            for served in self._open(key)
        ]

    def spending(self, key: ApiKey | None) -> list[dict[str, object]]:
        """Return the budgets that the holder of a key may see: an operator's all, else those of the key's workers."""
        rows = self.budgets.report()
        if key is None or not key.aliases:
            return rows
        own = {(CapScope.KEY.value, key.id), *((CapScope.WORKER.value, alias) for alias in key.aliases)}
        return [row for row in rows if (row["scope"], row["subject"]) in own]

    def metrics(self, key: ApiKey | None) -> str:
        """Return the counters in Prometheus's text format; a key for some workers sees theirs."""
        queues = {id(served.queue): served.queue for served in self._served.values()}.values()
        return self.counters.text(
            {
                "staffroom_answers_under_way": self._watch.live,
                "staffroom_waiting": sum(queue.waiting for queue in queues),
                "staffroom_workers": len(self._served),
                "staffroom_workers_running": sum(
                    self.permits.check(served.alias, served.release) for served in self._served.values()
                ),
                "staffroom_duty_open": self._duty.open,
                "staffroom_duty_lost_at_start": self._duty.lost,
            },
            aliases=key.aliases if key is not None and key.aliases else None,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._rest(scope, receive, send)
        else:
            call = _Call(secrets.token_hex(16), utc_now(), time.perf_counter())
            try:
                await self._route(call, scope, receive, send)
            except WireError as error:
                await self._refuse(call, error, send)
            except StaffroomError:
                # The index cannot be read: no key can be checked, so nobody is let in.
                closed = WireError(
                    503, "the gateway cannot work now", code="unavailable", kind="server_error"
                )
                await self._refuse(call, closed, send)

    async def _refuse(self, call: _Call, error: WireError, send: Send) -> None:
        self.counters.refused(error.code)
        await send_error(send, error, call.request_id, self._names(call, None))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self.cut_off()
                await self._watch.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _route(self, call: _Call, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if (endpoint := _ENDPOINTS.get(path)) is not None:
            require_method(method, "POST")
            await self._ask(call, endpoint, scope, receive, send)
        elif path == _MODELS:
            require_method(method, "GET")
            call.key = self.authorise(scope)
            listed = {"object": "list", "data": [self._model(served) for served in self._open(call.key)]}
            await send_json(send, 200, orjson.dumps(listed), self._names(call, None))
        elif path == FEEDBACK_PATH and self._feedback is not None:
            call.key = self.authorise(scope)
            body = await receive_feedback(self._feedback, call.key, scope, receive, self.settings.body_bytes)
            await send_json(send, 201, body, self._names(call, None))
        elif path.startswith(_MODELS + "/"):
            require_method(method, "GET")
            call.key = self.authorise(scope)
            served = self._find(path.removeprefix(_MODELS + "/"), call.key)
            await send_json(send, 200, orjson.dumps(self._model(served)), self._names(call, served))
        else:
            raise WireError(404, f"there is no {method} {path} here", code="unknown_url")

    async def _ask(self, call: _Call, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        call.key = self.authorise(scope)
        if call.key is not None and not call.key.role.asks:
            raise WireError(
                403, f"a key of role {call.key.role.value} cannot ask workers", code="role_not_allowed"
            )
        body = await read_body(scope, receive, self._body_most)
        value = read_json(body)
        model = value.get("model")
        if not isinstance(model, str) or not model:
            raise WireError(400, "`model` must be the alias of a worker", code="invalid_value", param="model")
        served = self._find(model, call.key)
        self._require_open(served)
        call.user, call.trace = user_of(value), header(scope, b"traceparent")
        name = header(scope, b"idempotency-key")
        if not name:
            await self._hand_over(call, endpoint, served, value, len(body), scope, receive, send)
            return
        owner = call.key.id if call.key else ""
        permitted = partial(self._watch.permitted, served.alias, served.release, fresh=True)
        kept = self._once.answer(owner, name, scope["path"], body, served.release, send, permitted)
        async with kept as first:
            if first is not None:
                await self._hand_over(call, endpoint, served, value, len(body), scope, receive, first)

    async def _hand_over(
        self,
        call: _Call,
        endpoint: Endpoint,
        served: ServedRelease | ServedPlain,
        value: dict[str, object],
        size: int,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if size > (limit := self._body_limit(served)):
            raise WireError(413, f"the body is larger than {limit} bytes", code="request_too_large")
        if isinstance(served, ServedPlain):
            plain = PlainCall(
                call.request_id, call.audit_id, call.at, call.arrived, call.key, call.user, call.trace
            )
            await self._plain_desk.answer(plain, served, endpoint, value, size, receive, send)
            return
        if endpoint is not Endpoint.CHAT:
            raise WireError(
                404,
                f"`{served.alias}` is a worker: ask it at /v1/chat/completions",
                code="endpoint_not_supported",
                param="model",
            )
        await self._chat(call, served, chat_of(value), scope, receive, send)

    async def _chat(
        self, call: _Call, served: ServedRelease, chat: Chat, scope: Scope, receive: Receive, send: Send
    ) -> None:
        exchange = await self._begin(call, served, chat)
        gone = asyncio.create_task(when_gone(receive, lambda: exchange.stop(StopReason.CLIENT_GONE)))
        clock = asyncio.get_running_loop().call_later(
            self.settings.answer_seconds, exchange.stop, StopReason.TOO_LONG
        )
        mark = Mark(
            id=f"chatcmpl-{call.id}",
            created=int(time.time()),
            model=served.alias,
            release=served.release,
            audit_id=call.audit_id,
            notice=served.notice,
        )
        base = self.settings.public_url or base_url(scope)
        try:
            if chat.stream:
                await self._stream(call, chat, mark, base, exchange, send)
            else:
                await self._plain(call, chat, mark, base, exchange, send)
        finally:
            # Also where the server cancels this task: nothing may go on computing for nobody.
            if not call.kept:
                exchange.stop(StopReason.SHUTDOWN)
                self._keep(call, chat, exchange, None)
            self._watch.remove(exchange)
            clock.cancel()
            gone.cancel()

    def _body_limit(self, served: ServedRelease | ServedPlain) -> int:
        if not isinstance(served, ServedPlain):
            return self.settings.body_bytes
        return self.settings.image_body_bytes if served.model.images else self.settings.plain_body_bytes

    def _require_open(self, served: ServedRelease | ServedPlain) -> None:
        if self.draining:
            raise WireError(503, "the gateway is shutting down", code="shutting_down", kind="server_error")
        if not self._watch.permitted(served.alias, served.release, fresh=True):
            raise standing(retired=self._state(served) is DutyState.RETIRED)

    async def _begin(self, call: _Call, served: ServedRelease, chat: Chat) -> Exchange:
        try:
            ticket = served.queue.admit()
        except QueueFull as full:
            raise queue_error(full) from full
        try:
            subjects = (
                served.subjects if call.key is None else ((CapScope.KEY, call.key.id), *served.subjects)
            )
            call.held = await self.budgets.reserve(
                self.budgets.cover(subjects), served.read_most, served.written_most, served.price
            )
            call.begun = self._duty.begin(call.intent(served, chat.turns[-1].content))
        except BaseException as error:
            ticket.leave()
            if isinstance(error, StaffroomError) and call.held is not None:
                call.held.give_back()
                raise stop_error(StopReason.UNRECORDED) from error
            if isinstance(error, BudgetExceeded | BudgetCurrency):
                raise budget_error(error) from error
            raise
        exchange = Exchange(served, self.permits, chat, ticket)
        self._watch.add(exchange)
        return exchange

    async def _plain(
        self, call: _Call, chat: Chat, mark: Mark, base: str, exchange: Exchange, send: Send
    ) -> None:
        while not exchange.over:
            await exchange.changed(self.settings.answer_seconds)
        await self._intend(call, exchange)
        answer = self._finish(call, chat, exchange)
        names = self._names(call, exchange.served)
        if answer is None:
            if exchange.stopped is not StopReason.CLIENT_GONE:
                await send_error(send, exchange.error(), call.request_id, names)
            return
        await send_json(send, 200, completion_json(mark, chat, answer, self._citations(answer, base)), names)

    async def _stream(
        self, call: _Call, chat: Chat, mark: Mark, base: str, exchange: Exchange, send: Send
    ) -> None:
        chunks = Chunks(mark, chat)
        opened = False
        while True:
            news = await exchange.changed(self.settings.keep_alive_seconds)
            text = exchange.take()
            if (text or exchange.answer is not None) and not exchange.permitted():
                text = ""
            if exchange.stopped is not None or (exchange.answer is not None and not text):
                break
            if news and not text:
                continue
            if not opened:
                if not await self._intend(call, exchange):
                    break
                opened = True
                await self._open_stream(call, exchange, send)
                await send(more(chunks.first()))
            if text:
                call.first_text = call.first_text or time.perf_counter()
                call.shown += text
                await send(more(chunks.text(text)))
            else:
                await send(more(b": the worker is busy\n\n"))
        if not opened:
            await self._intend(call, exchange)
        answer = self._finish(call, chat, exchange)
        if answer is None:
            if exchange.stopped is StopReason.CLIENT_GONE:
                return
            if opened:
                event = error_event(exchange.error(), call.request_id)
                await send({"type": "http.response.body", "body": event})
            else:
                await send_error(send, exchange.error(), call.request_id, self._names(call, exchange.served))
            return
        end = b""
        if not opened:
            await self._open_stream(call, exchange, send)
            end = chunks.first()
        if rest := _rest(answer.text, call.shown):
            end += chunks.text(rest)
        end += chunks.last(answer, self._citations(answer, base)) + DONE
        await send({"type": "http.response.body", "body": end})

    async def _intend(self, call: _Call, exchange: Exchange) -> bool:
        """Wait until the intent is on the disk; nothing of an answer leaves before, or where the exchange was stopped."""
        try:
            if call.begun is not None:
                await self._duty.durable(call.begun)
        except StaffroomError as error:
            exchange.stop(StopReason.UNRECORDED)
            exchange.problem = str(error)
        return exchange.stopped is None

    async def _open_stream(self, call: _Call, exchange: Exchange, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *self._names(call, exchange.served),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    def _finish(self, call: _Call, chat: Chat, exchange: Exchange) -> AgentAnswer | None:
        """Return the answer if it may be completed: permitted, the same as shown, and recorded."""
        answer = exchange.answer if exchange.permitted() else None
        if answer is not None and not answer.text.startswith(call.shown.rstrip()):
            exchange.stop(StopReason.CHANGED)
            exchange.problem = f"shown: {call.shown!r}"
        if exchange.stopped is not None:
            answer = None
        return answer if self._keep(call, chat, exchange, answer) else None

    def _keep(self, call: _Call, chat: Chat, exchange: Exchange, answer: AgentAnswer | None) -> bool:
        call.kept = True
        counted = settle(call.held, exchange)
        outcome = answer.outcome.value if answer else (exchange.stopped or StopReason.INTERNAL).value
        entry = exchange_record(
            exchange,
            call.intent(exchange.served, chat.turns[-1].content),
            outcome=outcome,
            counted=counted,
            first_text_seconds=None if call.first_text is None else call.first_text - call.arrived,
            seconds=time.perf_counter() - call.arrived,
            answer=answer.text if answer else call.shown,
        )
        try:
            self._duty.record(entry)
        except StaffroomError as error:
            if exchange.stopped is None:
                exchange.stop(StopReason.UNRECORDED)
            exchange.problem = str(error)
            outcome = StopReason.UNRECORDED.value
        self.counters.ended(entry, outcome, call.trace)
        return exchange.stopped is None

    def _find(self, alias: str, key: ApiKey | None) -> ServedRelease | ServedPlain:
        served = self._served.get(alias)
        if served is None:
            known = ", ".join(found.alias for found in self._open(key)) or "none"
            raise WireError(
                404,
                f"there is no worker `{alias[:80]}`; those that your key opens: {known}",
                code="model_not_found",
                param="model",
            )
        if key is not None and not key.opens(alias):
            raise WireError(
                403, f"your key is not for worker `{alias}`", code="model_not_allowed", param="model"
            )
        return served

    def _open(self, key: ApiKey | None) -> list[ServedRelease | ServedPlain]:
        return [served for alias, served in sorted(self._served.items()) if key is None or key.opens(alias)]

    def _state(self, served: ServedRelease | ServedPlain) -> DutyState:
        if self.permits.check(served.alias, served.release):
            return DutyState.RUNNING
        state = self.permits.state(served.alias)
        return DutyState.RETIRED if state is DutyState.RETIRED else DutyState.SUSPENDED

    def _model(self, served: ServedRelease | ServedPlain) -> dict[str, object]:
        return {
            "id": served.alias,
            "object": "model",
            "created": self._since[served.alias],
            "owned_by": "staffroom",
            "staffroom": {
                "release": served.release,
                "state": self._state(served).value,
                **_kind_of(served),
            },
        }

    def _citations(self, answer: AgentAnswer, base: str) -> list[dict[str, object]]:
        return [citation_json(each, base + self._links.path(each)) for each in answer.citations]

    def _names(self, call: _Call, served: ServedRelease | ServedPlain | None) -> list[tuple[bytes, bytes]]:
        names = [(b"x-request-id", call.request_id.encode())]
        if served is not None:
            names += [
                (b"x-staffroom-release", served.release.encode()),
                (b"x-staffroom-audit", call.audit_id.encode()),
                (b"x-staffroom-ai-generated", b"true"),
            ]
        return names


def _kind_of(served: ServedRelease | ServedPlain) -> dict[str, object]:
    """Say what stands behind an alias: an examined worker, or a plain model that nobody examined."""
    if isinstance(served, ServedPlain):
        return {"kind": "plain model", "examined": False, "endpoints": list(served.model.endpoints)}
    spec = served.agent.spec
    return {"kind": "worker", "examined": True, "agent": spec.digest, "locale": spec.locale}


def _rest(text: str, shown: str) -> str:
    """Return what of the text was not shown yet; white space at the end of what was shown does not count."""
    return text[len(shown) :] if text.startswith(shown) else text[len(shown.rstrip()) :]
