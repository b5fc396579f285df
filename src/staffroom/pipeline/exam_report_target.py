"""Which run or measurement an exam report is about, from what a person calls it, and what the home keeps of it.

A name is looked for in this order: a job description (a YAML file), a digest, the id of a run or the beginning of it, the name of
a job (its latest run), the alias of a worker (the run of its current release). The decision log comes before the log of dry runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from staffroom.pipeline.decision_log import DecisionLog, LoggedEntry
from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model
from staffroom.store import Database, Home, MissingObject, ObjectStore, Releases

__all__ = ["ReportSubject", "find_subject", "kept_output"]

_LEAST_PREFIX = 6
_HINT = "staffroom log show"


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """A run with its log; `everything` is the whole log, `job` and `folder` are there where a job's file was named."""

    log: DecisionLog
    rehearsal: bool
    run: str
    everything: tuple[LoggedEntry, ...]
    job: JobDescription | None = None
    folder: Path | None = None

    @property
    def entries(self) -> tuple[LoggedEntry, ...]:
        """The entries of this run."""
        return tuple(item for item in self.everything if item.entry.get("run") == self.run)

    def first(self, kind: str) -> LoggedEntry | None:
        """Return this run's first entry of a type."""
        return next((item for item in self.entries if item.entry.get("type") == kind), None)


def find_subject(home: Home, database: Database, target: str) -> ReportSubject:
    """Return what `target` names; raises WrongUse where it names nothing, or more than one thing."""
    objects = ObjectStore(home.objects)
    logs = [_opened(home, objects, rehearsal=rehearsal) for rehearsal in (False, True)]
    if not any(log.everything for log in logs):
        raise WrongUse("nothing was examined here yet", where=str(home.path), hint="staffroom hire JOB.yaml")
    path = Path(target)
    job, folder = None, None
    if path.suffix.lower() in (".yaml", ".yml"):
        job = read_yaml_model(path, JobDescription, hint="mend the file, or name the run by its id")
        folder = path.absolute().parent
        run = _run_of_job(database, job.name)
        if run is None:
            raise WrongUse(
                f"`{job.name}` was not examined here", where=target, hint=f"staffroom hire {target}"
            )
    else:
        run = _run_named(database, logs, target)
    for log in logs:
        if any(item.entry.get("run") == run for item in log.everything):
            return ReportSubject(log.log, log.rehearsal, run, log.everything, job, folder)
    raise WrongUse(f"the log knows nothing of run {run}", where=str(home.path), hint=_HINT)


def kept_output(database: Database, objects: ObjectStore, step: str, run: str) -> tuple[str, Any] | None:
    """Return the name of the job and the output of a run's step as it was kept; None where it is gone."""
    for name, inputs, output in reversed(_steps(database, step)):
        if inputs.get("run") == run:
            try:
                return name, objects.get_json(output)
            except MissingObject:
                return None
    return None


def _opened(home: Home, objects: ObjectStore, *, rehearsal: bool) -> ReportSubject:
    log = DecisionLog(home, rehearsal=rehearsal)
    return ReportSubject(log, rehearsal, "", tuple(_whole(item, objects) for item in log.entries()))


def _whole(item: LoggedEntry, objects: ObjectStore) -> LoggedEntry:
    """Return the entry with its body, where that was too long for the log and is kept beside it."""
    body = item.entry.get("body")
    if not isinstance(body, dict) or set(body) != {"kept_as", "bytes"}:
        return item
    return LoggedEntry(item.index, {**item.entry, "body": objects.get_json(str(body["kept_as"]))})


def _run_named(database: Database, logs: Sequence[ReportSubject], target: str) -> str:
    entries = [item for log in logs for item in log.everything]
    if target.startswith("sha256:"):
        found = {str(item.entry["run"]) for item in entries if target in _digests(item.entry)}
    else:
        runs = {str(item.entry.get("run", "")) for item in entries} - {""}
        found = runs & {target}
        if not found and len(target) >= _LEAST_PREFIX:
            found = {run for run in runs if run.startswith(target)}
        named = None if found else _run_of_job(database, target) or _run_of_alias(database, entries, target)
        found |= {named} if named else set()
    if len(found) == 1:
        return found.pop()
    if found:
        raise WrongUse(
            f"`{target}` stands for several runs: {', '.join(sorted(found))}", hint="name one in full"
        )
    raise WrongUse(f"no run, job, worker or evaluation is called `{target}` here", hint=_HINT)


def _digests(entry: dict[str, Any]) -> Iterable[str]:
    """Give the digests by which an entry's run may be called: its evaluations and its release."""
    body = entry.get("body", {})
    if not entry.get("run") or not isinstance(body, dict):
        return
    if entry.get("type") == "evaluation":
        yield str(body.get("evaluation", ""))
    elif entry.get("type") == "exam":
        yield from map(str, body.get("evaluations", {}).values())
    elif entry.get("type") == "release":
        yield str(body.get("release", ""))


def _run_of_job(database: Database, name: str) -> str | None:
    steps = _steps(database, "commit")
    for scope in (name, f"{name}/dry"):
        runs = [str(inputs.get("run")) for job, inputs, _ in steps if job == scope]
        if runs:
            return runs[-1]
    return None


def _run_of_alias(database: Database, entries: Iterable[LoggedEntry], alias: str) -> str | None:
    release = Releases(database).current(alias)
    if release is None:
        return None
    runs = [str(item.entry["run"]) for item in entries if release.digest in _digests(item.entry)]
    return runs[0] if runs else None


def _steps(database: Database, step: str) -> list[tuple[str, dict[str, Any], str]]:
    """Return job, inputs and output of every kept step of this kind, the last finished last."""
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, inputs, output FROM steps ORDER BY finished").all()
    return [
        (str(name).removesuffix(f"/{step}"), orjson.loads(inputs).get("inputs", {}), str(output))
        for name, inputs, output in rows
        if str(name).endswith(f"/{step}")
    ]
