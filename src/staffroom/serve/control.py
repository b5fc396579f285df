"""`/api/suspend`, `/api/resume` and the same below a worker: an operator stops and starts workers over HTTP.

A stop acts first: the permit is removed on the gateway's own loop, which waits for nothing but the folder, and the
answer says whether the log has it too. A start is recorded first; where it cannot be, nothing starts. Recording has a
thread of its own, so that no busy pool of threads stands before it.

It does not protect against somebody who holds an operator's key.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from staffroom.ledger import LedgerError
from staffroom.records.errors import StaffroomError
from staffroom.serve.permit import DutyState, PermitChange, PermitRecorder, Permits, resume, suspend
from staffroom.serve.wire import WireError
from staffroom.store import ApiKey, KeyRole, to_text

__all__ = ["Controlled", "StopControl", "control_routes"]

_T = TypeVar("_T")


class StopControl(Protocol):
    """What the gateway needs of a home to record stops and to start a worker again."""

    def recorder(self, by: str) -> PermitRecorder:
        """Return what records a change in the decision log, in the name of `by`."""
        ...

    def current(self, alias: str) -> str | None:
        """Return the release or plain model that an alias stands for; reads the index."""
        ...

    def aliases(self) -> list[str]:
        """Return all workers and plain models of the home; reads the index."""
        ...


class Controlled(Protocol):
    """What these routes ask of the gateway."""

    @property
    def permits(self) -> Permits:
        """The permits of its home."""
        ...

    def authorise(self, scope: Scope) -> ApiKey | None:
        """Return the request's key; raises WireError."""
        ...

    def states(self, key: ApiKey | None) -> list[dict[str, object]]:
        """Return the workers that a key opens."""
        ...


def control_routes(gateway: Controlled, control: StopControl) -> list[Route]:
    """Return the routes by which an operator stops and starts workers."""
    desk = _ControlDesk(gateway, control)
    one = "/api/workers/{alias}"
    return [
        Route(f"{one}/suspend", desk.suspend, methods=["POST"]),
        Route(f"{one}/resume", desk.resume, methods=["POST"]),
        Route("/api/suspend", desk.suspend, methods=["POST"]),
        Route("/api/resume", desk.resume, methods=["POST"]),
    ]


class _ControlDesk:
    """One for a gateway."""

    def __init__(self, gateway: Controlled, control: StopControl) -> None:
        self._gateway = gateway
        self._control = control
        self._recording = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control")

    async def suspend(self, request: Request) -> Response:
        """Stop a worker, or all that the key opens, then record it."""
        key = self._operator(request)
        alias = self._alias(request, key)
        if alias is not None:
            self._require_known(alias, key)
        changes: list[PermitChange] = []
        problem = ""
        try:
            # On the loop, which it may hold for a moment: nothing may stand before a stop.
            asked: list[str | None] = [alias] if alias is not None else [*key.aliases] or [None]
            for each in asked:
                changes += suspend(self._gateway.permits, each, reason=f"suspended by key {key.id}")
        except StaffroomError as error:
            raise WireError(
                500, f"not stopped: {error.message}", code="not_stopped", kind="server_error"
            ) from error
        try:
            await self._beside(lambda: self._record(changes, key))
        except (StaffroomError, LedgerError, OSError) as error:
            problem = _message(error)
        value: dict[str, Any] = {"suspended": [_row(each) for each in changes], "recorded": not problem}
        return JSONResponse(value | ({"problem": problem} if problem else {}))

    async def resume(self, request: Request) -> Response:
        """Let a worker, or all that the key opens, answer again; recorded first."""
        key = self._operator(request)
        alias = self._alias(request, key)
        try:
            changes = await self._beside(lambda: self._start(alias, key))
        except (StaffroomError, LedgerError, OSError) as error:
            raise WireError(
                503, f"not started: {_message(error)}", code="not_started", kind="server_error"
            ) from error
        return JSONResponse({"resumed": [_row(each) for each in changes]})

    def _record(self, changes: Iterable[PermitChange], key: ApiKey) -> None:
        record = self._control.recorder(_name(key))
        failed: list[Exception] = []
        for change in changes:
            try:
                record(change)
            except (StaffroomError, LedgerError, OSError) as error:
                failed.append(error)  # one that cannot be recorded keeps no other out of the log
        if failed:
            raise failed[0]

    def _start(self, alias: str | None, key: ApiKey) -> list[PermitChange]:
        permits = self._gateway.permits
        if alias is None:
            known = [each for each in self._control.aliases() if key.opens(each)]
            asked = [each for each in known if permits.state(each) is DutyState.SUSPENDED]
        else:
            asked = [alias]
            if self._control.current(alias) is None:
                raise _unknown(alias)
            if permits.state(alias) is DutyState.RETIRED:
                raise WireError(410, "this worker is retired", code="worker_retired")
        changes: list[PermitChange] = []
        for each in asked:
            release = self._control.current(each)
            if release is None:
                raise _unknown(each)
            record = self._control.recorder(_name(key))
            changes.append(resume(permits, each, release, reason=f"resumed by key {key.id}", record=record))
        return changes

    async def _beside(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._recording, work)

    def _operator(self, request: Request) -> ApiKey:
        key = self._gateway.authorise(request.scope)
        if key is None or key.role is not KeyRole.OPERATOR:
            raise WireError(403, "only a key of role operator may do this", code="role_not_allowed")
        return key

    def _alias(self, request: Request, key: ApiKey) -> str | None:
        alias = request.path_params.get("alias")
        if alias is None:
            return None
        if not key.opens(alias):
            raise WireError(403, f"your key is not for worker `{alias[:80]}`", code="model_not_allowed")
        return str(alias)

    def _require_known(self, alias: str, key: ApiKey) -> None:
        """Look without the index, which a stop must not wait for."""
        known = any(row["alias"] == alias for row in self._gateway.states(key))
        try:
            # One that is not in service but holds a permit can be stopped all the same.
            known = known or self._gateway.permits.release(alias) is not None
        except StaffroomError:
            known = False  # no alias at all
        if not known:
            raise _unknown(alias)


def _unknown(alias: str) -> WireError:
    return WireError(404, f"there is no worker `{alias[:80]}`", code="model_not_found")


def _name(key: ApiKey) -> str:
    return f"key {key.id}"


def _row(change: PermitChange) -> dict[str, Any]:
    state = DutyState.RUNNING if change.act.value == "resumed" else DutyState.SUSPENDED
    return {
        "alias": change.alias,
        "state": state.value,
        "ran": change.ran,
        "release": change.release,
        "at": to_text(change.at),
    }


def _message(error: Exception) -> str:
    return str(getattr(error, "message", "") or error)
