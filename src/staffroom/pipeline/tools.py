"""The tools of a job in a home: called by hand as a worker would call them, put before a person, approved, carried out.

Each decision is in the decision log: which tool, which verdict, arguments and person as commitments. The autonomy that
counts is the job's, but never above the ceiling that its sponsor set on record; without a ceiling it is 1.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from staffroom.onboard.retrieval import IndexRetriever
from staffroom.pipeline.assemble import index_path, make_embedder
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model
from staffroom.records.tools import HttpTool, SearchTool, SqlTool, tool_digest
from staffroom.serve import Permits
from staffroom.serve.permit import DutyState
from staffroom.serve.tools import (
    CallOutcome,
    Executor,
    HttpExecutor,
    SearchExecutor,
    Source,
    SqlExecutor,
    ToolDesk,
)
from staffroom.store import Approvals, Database, Home, ObjectStore, PendingCall, Releases

__all__ = [
    "approvals_of",
    "call_tool",
    "carry_out",
    "ceiling_of",
    "decide_call",
    "list_calls",
    "list_tools",
    "set_ceiling",
]

_HINT = "mend the file; `staffroom schema job` lists the fields"


def approvals_of(home: Home) -> Approvals:
    """Return the queue of a home."""
    return Approvals(home.ensure().private / "approvals.db")


def list_tools(home: Home, job_file: Path) -> dict[str, Any]:
    """Return the tools of a job with what each may do by itself."""
    job = read_yaml_model(job_file, JobDescription, hint=_HINT)
    ceiling = ceiling_of(home, job.alias)
    tools = [
        {
            "name": tool.name,
            "kind": tool.kind,
            "risk": tool.harm.value,
            "approver": tool.approver,
            "digest": tool_digest(tool),
        }
        for tool in job.policy.tools
    ]
    return {"alias": job.alias, "autonomy": job.policy.autonomy, "ceiling": ceiling, "tools": tools}


def ceiling_of(home: Home, alias: str) -> int:
    """Return the highest autonomy that the sponsor allows: that of the last such entry of the decision log, else 1."""
    levels = [
        item.entry["body"]["ceiling"]
        for item in DecisionLog(home).entries()
        if item.entry["type"] == "autonomy-ceiling" and item.entry["body"].get("alias") == alias
    ]
    return int(levels[-1]) if levels else 1


def set_ceiling(home: Home, job_file: Path, level: int, sponsor: str) -> dict[str, Any]:
    """Record the sponsor's ceiling; sponsor: the name as the job has it, typed by whoever decides."""
    job = read_yaml_model(job_file, JobDescription, hint=_HINT)
    if sponsor.strip() != job.sponsor:
        raise WrongUse(
            "the ceiling is the sponsor's: that is not the name in the job", hint="type it as it stands there"
        )
    if not 1 <= level <= 5:
        raise WrongUse(f"{level} is not a level", hint="1 to 5")
    log = DecisionLog(home)
    number = sum(1 for item in log.entries() if item.entry["type"] == "autonomy-ceiling")
    body = {"alias": job.alias, "ceiling": level, "by": log.commitment_to("person", job.sponsor)}
    log.append("autonomy-ceiling", f"autonomy-ceiling:{job.alias}:{number}", "", body)
    return {"alias": job.alias, "ceiling": level, "autonomy": job.policy.autonomy}


def call_tool(home: Home, job_file: Path, name: str, arguments: str, *, untrusted: bool) -> dict[str, Any]:
    """Call a tool as the job's worker would; untrusted: as if a document were in its context."""
    with _desk(home, job_file) as desk:
        session = desk.session()
        session.saw(Source.QUESTION)
        if untrusted:
            session.saw(Source.DOCUMENT)
        return asdict(asyncio.run(session.call(name, arguments)))


def carry_out(home: Home, job_file: Path, approval: str) -> dict[str, Any]:
    """Carry an approved call out, once."""
    with _desk(home, job_file) as desk:
        return asdict(asyncio.run(desk.carry_out(approval)))


def list_calls(home: Home, *, waiting_only: bool = True) -> list[dict[str, Any]]:
    """Return the calls that wait, or all of them."""
    with approvals_of(home) as approvals:
        return [_row(call) for call in approvals.calls(waiting_only=waiting_only)]


def decide_call(home: Home, name: str, by: str, *, approve: bool) -> dict[str, Any]:
    """Approve or refuse a waiting call in somebody's name; recorded before it counts."""
    if len(by.strip()) < 2:
        raise WrongUse(
            "an approval needs the name of who gives it", hint="staffroom approvals approve ID --by NAME"
        )
    with approvals_of(home) as approvals:
        call = approvals.get(name)
        if call.only_by and by.strip() != call.only_by:
            raise WrongUse(f"`{call.tool}` may be approved by its worker's sponsor alone")
        log = DecisionLog(home)
        verdict = "approved" if approve else "refused"
        if call.state.value == "waiting":
            body = {
                "alias": call.worker,
                "call": call.id,
                "tool": call.tool,
                "tool_digest": call.tool_digest,
                "arguments": log.commitment_to("tool-arguments", call.arguments),
                "verdict": verdict,
                "by": log.commitment_to("person", by.strip()),
            }
            log.append("tool-call-decided", f"tool-call:{call.id}:{verdict}", "", body)
        return _row(approvals.decide(name, by.strip(), approve=approve))


@contextmanager
def _desk(home: Home, job_file: Path) -> Iterator[ToolDesk]:
    job = read_yaml_model(job_file, JobDescription, hint=_HINT)
    log, permits = DecisionLog(home), Permits(home.ensure().permits)
    with approvals_of(home) as approvals, Database(home.database) as database:
        release = Releases(database).current(job.alias)
        retriever = _retriever(home, database, job) if _searches(job) else None

        def told(outcome: CallOutcome) -> None:
            body = {
                "alias": job.alias,
                "tool": outcome.tool,
                "end": outcome.end.value,
                "arguments": log.commitment_to("tool-arguments", outcome.arguments),
                "approval": outcome.approval,
            }
            log.append("tool-call", f"tool-call:{job.alias}:{log.size()}", "", body)

        def permitted() -> bool:
            # A worker that was never released has no permit to lose: its tools may be tried.
            if release is None:
                return permits.state(job.alias) is not DutyState.RETIRED
            return permits.check(job.alias, release.digest)

        try:
            yield ToolDesk(
                worker=job.alias,
                release="" if release is None else release.digest,
                sponsor=job.sponsor,
                tools=_executors(home, job, job_file.parent, retriever),
                autonomy=job.policy.autonomy,
                ceiling=ceiling_of(home, job.alias),
                approvals=approvals,
                permitted=permitted,
                told=told,
            )
        finally:
            if retriever is not None:
                retriever.close()


def _executors(
    home: Home, job: JobDescription, folder: Path, retriever: IndexRetriever | None
) -> dict[str, tuple[HttpTool | SqlTool | SearchTool, Executor]]:
    found: dict[str, tuple[HttpTool | SqlTool | SearchTool, Executor]] = {}
    for tool in job.policy.tools:
        if isinstance(tool, HttpTool):
            key = home.keys / f"tool-{tool.name}.key"
            text = key.read_text(encoding="utf-8").strip() if key.exists() else ""
            found[tool.name] = (tool, HttpExecutor(tool, key=text))
        elif isinstance(tool, SqlTool):
            found[tool.name] = (tool, SqlExecutor(tool, folder))
        elif retriever is not None:
            found[tool.name] = (tool, SearchExecutor(tool, retriever))
    return found


def _searches(job: JobDescription) -> bool:
    return any(isinstance(tool, SearchTool) for tool in job.policy.tools)


def _retriever(home: Home, database: Database, job: JobDescription) -> IndexRetriever | None:
    """Return the index of the released worker; without a release there is nothing to search yet."""
    release = Releases(database).current(job.alias)
    if release is None:
        return None
    assembly, _ = assembly_of(database, ObjectStore(home.objects), release.digest)
    return IndexRetriever(index_path(home, assembly.index), make_embedder())


def _row(call: PendingCall) -> dict[str, Any]:
    return {**asdict(call), "state": call.state.value}
