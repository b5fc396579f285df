"""Where a worker's tool calls go: checked, allowed or put before a person, carried out, and told of.

A call goes: 1. the tool is one that the job declares, by its exact name; 2. its arguments are read in one way only and are
what the schema says; 3. the policy says whether it runs or waits for a person; 4. the permit is looked at; 5. an approval is
taken, once, before anything is done; 6. the call is carried out with the text that was checked, or approved; 7. what it
returned is untrusted text in the context from then on.

It must not know what a model is or how it was asked. It does not protect against a person who approves what they should not,
nor against a declaration that calls a harmful tool `read`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from staffroom.records.errors import StaffroomError
from staffroom.records.tool_arguments import (
    ArgumentFault,
    canonical_arguments,
    check_arguments,
    read_arguments,
)
from staffroom.records.tools import HttpTool, SearchTool, SqlTool, tool_digest
from staffroom.serve.tools.policy import CallVerdict, Source, allowance
from staffroom.store import Approvals

__all__ = ["CallEnd", "CallOutcome", "Executor", "ToolDesk", "ToolFailed", "ToolSession"]

_APPROVAL_SECONDS = 3600.0


class ToolFailed(StaffroomError):
    """A call could not be carried out, or what it returned could not be taken."""


class Executor(Protocol):
    """Carries one tool's calls out."""

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return what the tool says, as text; raises ToolFailed."""
        ...


class CallEnd(StrEnum):
    """How a call ended."""

    RAN = "ran"
    WAITING = "waiting"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of a call: `text` for the model, `reason` for the record; `approval` where a person is asked or was.

    arguments: the exact text that was carried out, or waits.
    """

    end: CallEnd
    tool: str
    arguments: str
    text: str
    reason: str
    approval: str = ""


class ToolDesk:
    """The tools of one worker; `told` is given each outcome, before the model is."""

    def __init__(
        self,
        *,
        worker: str,
        release: str,
        sponsor: str,
        tools: Mapping[str, tuple[HttpTool | SqlTool | SearchTool, Executor]],
        autonomy: int,
        ceiling: int,
        approvals: Approvals,
        permitted: Callable[[], bool],
        told: Callable[[CallOutcome], None],
        approval_seconds: float = _APPROVAL_SECONDS,
    ) -> None:
        self._worker = worker
        self._release = release
        self._sponsor = sponsor
        self._tools = dict(tools)
        self._autonomy = autonomy
        self._ceiling = ceiling
        self._approvals = approvals
        self._permitted = permitted
        self._told = told
        self._seconds = approval_seconds

    def session(self) -> "ToolSession":
        """Return the calls of one conversation, which has seen nothing yet."""
        return ToolSession(self)

    async def call(self, name: str, arguments: str, sources: frozenset[Source]) -> CallOutcome:
        """Take a call as a model wrote it; see the module for what becomes of it."""
        outcome = await self._call(name, arguments, sources)
        self._told(outcome)
        return outcome

    async def carry_out(self, approval: str) -> CallOutcome:
        """Carry an approved call out, with the arguments that were approved; raises WrongUse where it is not there to be taken."""
        waiting = self._approvals.get(approval)
        known = self._tools.get(waiting.tool)
        digest = "" if known is None else tool_digest(known[0])
        if not self._permitted():
            outcome = _stopped(waiting.tool, waiting.arguments)
        else:
            call = self._approvals.use(approval, worker=self._worker, tool_digest=digest)
            reason = f"approved by {call.approver}"
            outcome = await self._run(call.tool, call.arguments, reason, approval)
        self._told(outcome)
        return outcome

    async def _call(self, name: str, arguments: str, sources: frozenset[Source]) -> CallOutcome:
        known = self._tools.get(name)
        if known is None:
            names = ", ".join(sorted(self._tools)) or "none"
            return CallOutcome(
                CallEnd.REFUSED, name[:60], "", f"There is no such tool. There are: {names}.", "no such tool"
            )
        tool, _ = known
        try:
            value = read_arguments(arguments)
            check_arguments(_schema(tool), value)
        except ArgumentFault as fault:
            return CallOutcome(
                CallEnd.REFUSED, name, "", f"The arguments are wrong: {fault}.", f"arguments: {fault}"
            )
        exact = canonical_arguments(value)
        allowed = allowance(tool.harm, self._autonomy, self._ceiling, sources)
        if not self._permitted():
            return _stopped(name, exact)
        if allowed.verdict is CallVerdict.RUN:
            return await self._run(name, exact, allowed.reason, "")
        waiting = self._approvals.ask(
            worker=self._worker,
            release=self._release,
            tool=name,
            tool_digest=tool_digest(tool),
            arguments=exact,
            reason=allowed.reason,
            sources=", ".join(sorted(sources)),
            only_by=self._sponsor if tool.approver == "sponsor" else "",
            seconds=self._seconds,
        )
        text = f"This call waits for a person's approval ({waiting.id}). Nothing was done."
        return CallOutcome(CallEnd.WAITING, name, exact, text, allowed.reason, waiting.id)

    async def _run(self, name: str, exact: str, reason: str, approval: str) -> CallOutcome:
        _, executor = self._tools[name]
        try:
            text = await executor.run(read_arguments(exact))
        except ToolFailed as failed:
            return CallOutcome(
                CallEnd.FAILED, name, exact, f"The tool failed: {failed.message}.", failed.message, approval
            )
        return CallOutcome(CallEnd.RAN, name, exact, text, reason, approval)


class ToolSession:
    """The calls of one conversation, with what its context has seen; what was seen once is never forgotten."""

    def __init__(self, desk: ToolDesk) -> None:
        self._desk = desk
        self._sources: frozenset[Source] = frozenset()

    @property
    def sources(self) -> frozenset[Source]:
        """Where the texts of the context come from."""
        return self._sources

    def saw(self, source: Source) -> None:
        """Tell that a text of a source is in the context from now on."""
        self._sources |= {source}

    async def call(self, name: str, arguments: str) -> CallOutcome:
        """Take a call as the model wrote it."""
        return self._after(await self._desk.call(name, arguments, self._sources))

    async def carry_out(self, approval: str) -> CallOutcome:
        """Carry an approved call out; see ToolDesk."""
        return self._after(await self._desk.carry_out(approval))

    def _after(self, outcome: CallOutcome) -> CallOutcome:
        # Also what a failing tool says is somebody else's text.
        if outcome.end in (CallEnd.RAN, CallEnd.FAILED):
            self.saw(Source.TOOL_RESULT)
        return outcome


def _schema(tool: HttpTool | SqlTool | SearchTool) -> Mapping[str, Any]:
    return tool.taken if isinstance(tool, SqlTool) else tool.parameters


def _stopped(name: str, exact: str) -> CallOutcome:
    return CallOutcome(
        CallEnd.STOPPED, name, exact, "This worker has been stopped. Nothing was done.", "no permit"
    )
