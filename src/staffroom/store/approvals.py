"""Tool calls that wait for a person, durably: one small SQLite file of its own, `private/approvals.db`.

An approval is for one call with exact arguments, by one person, once, until it expires. Every step is one statement that
names the state it expects, so of two processes one wins. It must not know what a tool is or who may approve it.
"""

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store.own_file import OwnFile
from staffroom.store.times import to_text, utc_now

__all__ = ["ApprovalState", "Approvals", "PendingCall"]

_MOST_WAITING = 1000
_COLUMNS = "id, at, expires, worker, release, tool, tool_digest, arguments, reason, sources, only_by, state, approver, decided"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS calls (id TEXT PRIMARY KEY, at TEXT NOT NULL, expires TEXT NOT NULL, worker TEXT NOT NULL,"
    " release TEXT NOT NULL, tool TEXT NOT NULL, tool_digest TEXT NOT NULL, arguments TEXT NOT NULL, reason TEXT NOT NULL,"
    " sources TEXT NOT NULL, only_by TEXT NOT NULL, state TEXT NOT NULL, approver TEXT NOT NULL, decided TEXT NOT NULL)"
)


class ApprovalState(StrEnum):
    """Where a call is: waiting, approved, refused, expired (nobody decided, or it was not carried out in time), used."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that needs a person; `arguments` is the exact text that will be carried out.

    reason: why it needs one.  sources: what untrusted text was in the context, by kind.  only_by: the one person who may approve it,
    empty for any operator.
    """

    id: str
    at: str
    expires: str
    worker: str
    release: str
    tool: str
    tool_digest: str
    arguments: str
    reason: str
    sources: str
    only_by: str
    state: ApprovalState
    approver: str
    decided: str


class Approvals(OwnFile):
    """The queue of one home; safe from any thread and from several processes."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(path, _TABLE, "tool calls that wait for a person")
        self._clock = clock

    def ask(
        self,
        *,
        worker: str,
        release: str,
        tool: str,
        tool_digest: str,
        arguments: str,
        reason: str,
        sources: str,
        only_by: str,
        seconds: float,
    ) -> PendingCall:
        """Put a call into the queue for so many seconds; raises StaffroomError where a thousand wait already."""
        self._expire()
        waiting = self._run("SELECT count(*) FROM calls WHERE state = 'waiting'")[0][0]
        if int(str(waiting)) >= _MOST_WAITING:
            raise StaffroomError(
                f"{_MOST_WAITING} tool calls wait for a person already", hint="staffroom approvals list"
            )
        now = self._clock()
        call = PendingCall(
            id=secrets.token_hex(8),
            at=to_text(now),
            expires=to_text(now + timedelta(seconds=seconds)),
            worker=worker,
            release=release,
            tool=tool,
            tool_digest=tool_digest,
            arguments=arguments,
            reason=reason,
            sources=sources,
            only_by=only_by,
            state=ApprovalState.WAITING,
            approver="",
            decided="",
        )
        values = tuple(str(getattr(call, each.name)) for each in fields(call))
        self._run(f"INSERT INTO calls ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", *values)
        return call

    def get(self, name: str) -> PendingCall:
        """Return a call by its id; raises WrongUse."""
        self._expire()
        rows = self._run(f"SELECT {_COLUMNS} FROM calls WHERE id = ?", name)
        if not rows:
            raise WrongUse(f"no tool call has the id `{name[:40]}`", hint="staffroom approvals list")
        return _from_row(rows[0])

    def calls(self, *, waiting_only: bool = True) -> list[PendingCall]:
        """Return the calls, the oldest first."""
        self._expire()
        where = "WHERE state = 'waiting'" if waiting_only else ""
        return [_from_row(row) for row in self._run(f"SELECT {_COLUMNS} FROM calls {where} ORDER BY at, id")]

    def decide(self, name: str, approver: str, *, approve: bool) -> PendingCall:
        """Approve or refuse a waiting call; raises WrongUse where it does not wait any more."""
        now = to_text(self._clock())
        state = ApprovalState.APPROVED if approve else ApprovalState.REFUSED
        if not self._moved(
            "UPDATE calls SET state = ?, approver = ?, decided = ? WHERE id = ? AND state = 'waiting' AND expires > ?",
            state.value,
            approver,
            now,
            name,
            now,
        ):
            raise WrongUse(
                f"the call `{name[:40]}` does not wait: it is {self.get(name).state.value}",
                hint="staffroom approvals list",
            )
        return self.get(name)

    def use(self, name: str, *, worker: str, tool_digest: str) -> PendingCall:
        """Take an approval, once, before the call is carried out; raises WrongUse where it is not there to be taken.

        worker, tool_digest: what is about to be done, which must be what was approved.
        """
        if not self._moved(
            "UPDATE calls SET state = 'used' WHERE id = ? AND worker = ? AND tool_digest = ? AND state = 'approved'"
            " AND expires > ?",
            name,
            worker,
            tool_digest,
            to_text(self._clock()),
        ):
            call = self.get(name)
            problem = f"it is {call.state.value}"
            if call.worker != worker or call.tool_digest != tool_digest:
                problem = "it was approved for another worker, or for the tool as it was declared before"
            raise WrongUse(
                f"the approval `{name[:40]}` cannot be used: {problem}", hint="staffroom approvals list"
            )
        return self.get(name)

    def _expire(self) -> None:
        self._run(
            "UPDATE calls SET state = 'expired' WHERE state IN ('waiting', 'approved') AND expires <= ?",
            to_text(self._clock()),
        )

    def _run(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._explain(error) from error

    def _moved(self, statement: str, *values: str) -> bool:
        with self._lock:
            try:
                return self._connection.execute(statement, values).rowcount == 1
            except sqlite3.Error as error:
                raise self._explain(error) from error


def _from_row(row: tuple[object, ...]) -> PendingCall:
    values = {each.name: str(value) for each, value in zip(fields(PendingCall), row, strict=True)}
    state = ApprovalState(values.pop("state"))
    return PendingCall(**values, state=state)
