"""Which of a job's tasks a released worker can do, from what the log says it has sat; nothing is asked and no engine starts.

1. For each pack that the tasks name, find in the log when this worker sat it. The pack by which it was hired counts with
   its gate split alone, because the screen split helped to choose it; another one with screen and gate.
2. Take the kept responses, and refuse them where they are not those that the log names.
3. Judge them again, measure each task, keep the report by its digest, and log the digests and counts.

The report decides nothing and charges no alpha.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.evaluate import ExamPack, load_pack, response_digest, score_kept
from staffroom.evaluate.coverage import Coverage, TaskResult, items_of_task, measure_task
from staffroom.pipeline.decision_log import DecisionLog, LoggedEntry
from staffroom.pipeline.examination import price_of
from staffroom.pipeline.sitting import require_locale
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Item, Response, Score, Split
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model
from staffroom.records.tasks import Task, tasks_digest
from staffroom.store import Database, Evaluations, Home, ObjectStore, Releases, Responses

__all__ = ["job_coverage", "last_coverage"]

_COVERED, _HIRED, _SAT = "coverage", "evaluation", "exam"


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What a worker answered to a pack: the log's entry, and the judged responses by item id."""

    pack: ExamPack
    entry: int
    items: tuple[Item, ...]
    scores: dict[str, Score]
    responses: dict[str, Response]


def job_coverage(home: Home, alias: str, job_file: Path) -> dict[str, Any]:
    """Return which tasks of a job a worker can do; the report is kept and logged, once for the same evidence.

    Raises WrongUse for a job without tasks, an unknown worker, or a pack of another locale, and StaffroomError where
    kept responses are not those that the log names.
    """
    job = read_yaml_model(
        job_file, JobDescription, hint="mend the file; `staffroom schema job` lists the fields"
    )
    if not job.tasks:
        raise WrongUse(
            "the job description lists no tasks",
            where=str(job_file),
            hint="add `tasks:` (docs/guides/task-coverage.md shows one)",
        )
    folder = job_file.absolute().parent
    packs = {
        path: load_pack(folder / path) for path in dict.fromkeys(task.exam or job.exam for task in job.tasks)
    }
    if not home.database.exists():
        raise WrongUse("no worker has been released in this home", hint="staffroom hire JOB.yaml")
    with Database(home.database) as database:
        release = Releases(database).current(alias)
        if release is None:
            known = ", ".join(sorted(Releases(database).aliases())) or "none"
            raise WrongUse(
                f"no worker is released as `{alias}` (released: {known})", hint="staffroom workers"
            )
        agent = digest_value(release.agent)
        log = DecisionLog(home)
        entries = log.entries()
        sittings: dict[Path, _Sitting | None] = {}
        for path, pack in packs.items():
            require_locale(pack, str(release.agent["locale"]))
            sittings[path] = _sitting(database, entries, agent, pack)
        price = price_of(job, str(release.agent.get("candidate", "")))
        results = [_measured(task, job, sittings[task.exam or job.exam], price) for task in job.tasks]
        report = {
            "alias": alias,
            "agent": agent,
            "release": release.digest,
            "job": job.name,
            "exams": [_exam_row(path, packs[path], found) for path, found in sittings.items()],
            **Coverage(tuple(results)).as_json(),
        }
        kept = ObjectStore(home.objects).put_json(report)
    body = {
        "alias": alias,
        "agent": agent,
        "release": release.digest,
        "tasks": tasks_digest(job.tasks),
        "report": kept,
        "reached": report["reached"],
        "of": report["of"],
    }
    entry = log.append(_COVERED, f"coverage:{kept}", f"coverage-{kept[7:19]}", body)
    return {**report, "report": kept, "log_entry": entry}


def last_coverage(home: Home, agent: str) -> dict[str, Any] | None:
    """Return the last coverage report on an agent (by digest of what it is made of), None where there is none."""
    own = [
        item.entry["body"]
        for item in DecisionLog(home).entries()
        if item.entry["type"] == _COVERED and item.entry["body"].get("agent") == agent
    ]
    return dict(ObjectStore(home.objects).get_json(own[-1]["report"])) if own else None


def _measured(task: Task, job: JobDescription, sitting: _Sitting | None, price: Any) -> TaskResult:
    items = items_of_task(task.items, sitting.items) if sitting is not None else ()
    return measure_task(
        task,
        str(task.exam or job.exam),
        items,
        sitting.scores if sitting is not None else {},
        sitting.responses if sitting is not None else {},
        price,
        tasks=len(job.tasks),
    )


def _exam_row(path: Path, pack: ExamPack, sitting: _Sitting | None) -> dict[str, Any]:
    return {
        "exam": str(path),
        "name": pack.name,
        "pack": pack.digest,
        "entry": None if sitting is None else sitting.entry,
        "items": 0 if sitting is None else len(sitting.items),
        "hint": f"staffroom exam run WORKER {pack.folder}" if sitting is None else "",
    }


def _sitting(
    database: Database, entries: Sequence[LoggedEntry], agent: str, pack: ExamPack
) -> _Sitting | None:
    """Return what this agent answered to a pack, by the last hire that used it, else by the last time it was run."""
    own = [
        item
        for item in entries
        if item.entry["type"] in (_HIRED, _SAT)
        and item.entry["body"].get("agent") == agent
        and item.entry["body"].get("pack") == pack.digest
    ]
    hired = [item for item in own if item.entry["type"] == _HIRED]
    if not own:
        return None
    logged = (hired or own)[-1]
    body = logged.entry["body"]
    splits = (Split.GATE,) if hired else (Split.SCREEN, Split.GATE)
    sink = Responses(database)
    items = tuple(item for split in splits for item in pack.items_of(split))
    responses: dict[str, Response] = {}
    for item in items:
        found = sink.get(agent, item.digest, body["seed"])
        if found is None:
            raise _lost(f"the answer to {item.id} is gone", logged)
        responses[item.id] = found
    for split in splits:
        digests = [response_digest(item, responses[item.id]) for item in pack.items_of(split)]
        if not _is_logged(database, body, split, digests):
            raise _lost(f"the answers to the {split.value} split are not those that were logged", logged)
    scores = score_kept(pack, items, responses, sink)
    return _Sitting(pack, logged.index, items, {score.item_id: score for score in scores}, responses)


def _is_logged(database: Database, body: dict[str, Any], split: Split, digests: list[str]) -> bool:
    if "responses" in body:
        return bool(body["responses"] == digest_value(digests))
    kept = Evaluations(database).get(str(body["evaluations"].get(split.value, "")))
    return kept is not None and kept.value["responses"] == digests


def _lost(what: str, logged: LoggedEntry) -> StaffroomError:
    return StaffroomError(
        what,
        where=f"entry {logged.index} of the log",
        hint="restore the home from a backup, or run the exam again",
    )
