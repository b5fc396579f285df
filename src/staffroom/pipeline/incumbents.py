"""The worker in service, as an improvement finds it, and what a run that has begun holds fast until it has ended.

A run that was killed after the alias moved, or while corrections came in, must go on with the incumbent and the corrections that it
committed to: they are kept under the worker's alias from before the commitment to the last step.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.feedback import book_of
from staffroom.pipeline.orders import HireOrder, Prepared, prepare
from staffroom.pipeline.releasing import assembly_of
from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Release
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.feedback import Correction, Side
from staffroom.records.job_description import JobDescription
from staffroom.release import differences
from staffroom.store import Database, Home, ObjectStore, Releases, to_text, utc_now

__all__ = [
    "Held",
    "Incumbent",
    "corrections_of",
    "hold",
    "job_file_of",
    "let_go",
    "open_incumbent",
    "replaced_unseen",
]


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The release in service with its parts and the job it was made for; `prepared` is the job as it is now."""

    release: Release
    assembly: Assembly
    job: JobDescription
    prepared: Prepared

    def require_unchanged(self, spec: AgentSpec) -> None:
        """Raise StaffroomError where the incumbent cannot be examined as it was released."""
        changed = differences(self.release, spec)
        if changed:
            raise StaffroomError(
                f"`{self.release.alias}` is not what was released, so nothing can be compared with it\n"
                + "\n".join(f"  {line}" for line in changed),
                hint=f"staffroom hire {self.prepared.file} --anew",
            )


@dataclass(frozen=True, slots=True)
class Held:
    """What one run is about: the corrections that may train, those that are examined and never do, and the rungs that it did
    not try when it committed.
    """

    train: tuple[Correction, ...]
    regression: tuple[Correction, ...]
    not_tried: tuple[str, ...] = ()


def open_incumbent(
    home: Home, database: Database, objects: ObjectStore, alias: str, job: Path | None
) -> Incumbent:
    """Return the worker that a run is about: of a run that was killed the one it began with, else the one in service.

    Raises WrongUse for an unknown worker, or where its job description cannot be found or is another worker's.
    """
    releases = Releases(database)
    current = releases.current(alias)
    if current is None:
        known = ", ".join(sorted(releases.aliases())) or "none"
        raise WrongUse(f"no worker is released as `{alias}` (released: {known})", hint="staffroom workers")
    held = _held(database, alias)
    if held and current.digest != held["incumbent"] and not _made_by(home, current, held["run"]):
        # Somebody hired, or rolled back, meanwhile: the run that was begun is about a worker that is gone.
        database.set_meta(_key(alias), "")
        held = {}
    release = releases.get(str(held["incumbent"])) if held else current
    assembly, before = assembly_of(database, objects, release.digest)
    prepared = prepare(HireOrder(job or job_file_of(database, alias)))
    if prepared.job.alias != alias:
        raise WrongUse(
            f"this job is for `{prepared.job.alias}`, not for `{alias}`",
            where=str(prepared.file),
            hint=f"staffroom improve {prepared.job.alias}",
        )
    return Incumbent(release, assembly, before, prepared)


def replaced_unseen(
    order: HireOrder, database: Database, log: DecisionLog, run: str, alias: str
) -> dict[str, Any]:
    """Return what a hire commits to besides: the release in service that it would replace without being compared with it.

    Raises WrongUse where a worker is in service and that was not asked for: `improve` compares. A run that has committed goes on, and
    so does a rehearsal.
    """
    current = Releases(database).current(alias)
    if order.dry_run or current is None or log.find(f"{run}:commit") is not None:
        return {}
    if not order.anew:
        raise WrongUse(
            f"`{alias}` is in service already, and a hire compares nobody with it: the one that serves could be the better one\n"
            f"  staffroom improve {alias}: a new version is examined beside it, on the same items\n"
            f"  staffroom hire {order.job} --anew: whoever passes the exam replaces it",
            where=str(order.job),
            hint=f"staffroom improve {alias} --explain",
        )
    return {"replaces_unseen": current.digest}


def job_file_of(database: Database, alias: str) -> Path:
    """Return where a worker's job description lay when it was last examined; raises WrongUse where it lies there no more."""
    place = database.get_meta(f"job-file:{alias}")
    if place is None or not Path(place).is_file():
        raise WrongUse(
            f"where the job description of `{alias}` lies is not known here, or it lies there no more",
            where=place or "",
            hint=f"staffroom improve {alias} --job JOB.yaml",
        )
    return Path(place)


def corrections_of(home: Home, database: Database, incumbent: Incumbent) -> Held:
    """Return the corrections of this run, of one that was killed the same ones."""
    alias, book = incumbent.release.alias, book_of(home)
    train, regression = book.corrections(alias, Side.TRAIN), book.corrections(alias, Side.REGRESSION)
    held = _held(database, alias)
    if held:
        not_tried = tuple(held.get("not_tried", ()))
        return Held(_those(train, held["train"]), _those(regression, held["regression"]), not_tried)
    return Held(tuple(train), tuple(regression))


def hold(database: Database, incumbent: Incumbent, held: Held, run: str) -> None:
    """Keep what a run is about until `let_go`, from before its commitment; the same again changes nothing."""
    kept = {
        "run": run,
        "incumbent": incumbent.release.digest,
        "train": [one.digest for one in held.train],
        "regression": [one.digest for one in held.regression],
        "not_tried": list(held.not_tried),
    }
    database.set_meta(_key(incumbent.release.alias), json.dumps(kept))


def let_go(database: Database, alias: str) -> None:
    """Forget what a run held, now that it has ended, and remember when and with how many corrections."""
    held = _held(database, alias)
    if held:
        count = len(held["train"]) + len(held["regression"])
        done = {"at": to_text(utc_now()), "corrections": count}
        database.set_meta(f"improved:{alias}", json.dumps(done))
        database.set_meta(_key(alias), "")


def _made_by(home: Home, release: Release, run: str) -> bool:
    found = DecisionLog(home).find(f"{run}:release")
    return found is not None and found.entry["body"].get("release") == release.digest


def _key(alias: str) -> str:
    return f"improving:{alias}"


def _held(database: Database, alias: str) -> dict[str, Any]:
    text = database.get_meta(_key(alias))
    return dict(json.loads(text)) if text else {}


def _those(found: Sequence[Correction], digests: Sequence[str]) -> tuple[Correction, ...]:
    """Return the corrections of these digests; one whose text was erased meanwhile is gone for good."""
    wanted = set(digests)
    return tuple(one for one in found if one.digest in wanted)
