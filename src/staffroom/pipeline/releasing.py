"""From a promotion to a served alias: sign-off, manifest, alias, permit, each recorded before or after as it must be."""

from dataclasses import dataclass
from typing import Any

from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.signoff import SignOff, SignOffRequest
from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision, Release
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Evaluation
from staffroom.records.job_description import JobDescription
from staffroom.release import build_release
from staffroom.serve.permit import DutyState, Permits
from staffroom.store import Database, Home, ObjectStore, Releases, to_text

__all__ = ["Parts", "assembly_of", "make_release", "require_not_retired", "sign_off"]

_STOP_OR_GO = ("worker-suspended", "worker-resumed")


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a release is kept and recorded, and for which run and job."""

    home: Home
    database: Database
    objects: ObjectStore
    log: DecisionLog
    run: str
    job: JobDescription


def sign_off(
    log: DecisionLog, run: str, job: JobDescription, spec: AgentSpec, shown: SignOffRequest, sign: SignOff
) -> dict[str, Any]:
    """Ask for the signature, record it as commitments to the names, and return what the run keeps.

    A signature that the log holds already is not asked for again: it is what was signed.
    """
    key = f"{run}:sign-off"
    known = log.find(key)
    if known is not None:
        return dict(known.entry["body"])
    signed = sign(shown)
    if signed is None:
        raise StaffroomError(
            f"{job.sponsor} did not sign off, so nothing was released",
            hint="run the same command again: only the signature is asked for",
        )
    body = {
        "agent": spec.digest,
        "shown": digest_value(list(shown.lines)),
        "sponsor": log.commitment_to("person", job.sponsor),
        "signed_by": log.commitment_to("person", signed.name),
        "how": signed.how,
    }
    log.append("sign-off", key, run, body)
    return body


def make_release(
    parts: Parts,
    spec: AgentSpec,
    assembly: Assembly,
    decision: Decision,
    evaluation: Evaluation,
    signed: dict[str, Any],
) -> dict[str, Any]:
    """Make the release, move the alias to it and permit it to run.

    1. Keep everything the agent is made of; 2. record the release; 3. move the alias and record that;
    4. grant the permit, last, so that nothing runs that is not recorded. A worker that people suspended
    stays suspended until they resume it; a retired one gets no release.
    """
    job, log, run = parts.job, parts.log, parts.run
    require_not_retired(parts.home, job.alias)
    releases = Releases(parts.database)
    current = releases.current(job.alias)
    release: Release = build_release(
        job.alias,
        spec,
        decision,
        evaluation,
        sponsor_commitment=signed["sponsor"],
        parent=_parent(current, spec, evaluation),
    )
    kept = parts.objects.put_json({"assembly": assembly.as_json(), "job": job.as_json()})
    parts.database.set_meta(f"assembly:{release.digest}", kept)
    log.append("release", f"{run}:release", run, {"release": release.digest, "manifest": release.as_json()})
    releases.save(release)
    suspended = _is_suspended(parts, current, release)
    releases.move(job.alias, release.digest, reason=f"run {run}")
    # The move that is kept, so that each one is recorded once, however often a run is killed or forced.
    moved = releases.history(job.alias)[-1]
    log.append(
        "alias-moved",
        f"{run}:alias:{to_text(moved.at)}",
        run,
        {"alias": job.alias, "to": moved.release, "from": moved.previous},
    )
    if not suspended:
        Permits(parts.home.permits).grant(job.alias, release.digest)
    return {
        "release": release.digest,
        "alias": job.alias,
        "weights_bound": release.weights_bound,
        "state": "suspended" if suspended else "running",
    }


def require_not_retired(home: Home, alias: str) -> None:
    """Raise WrongUse for an alias whose worker was retired: it does not come back."""
    if Permits(home.permits).state(alias) is DutyState.RETIRED:
        raise WrongUse(
            f"`{alias}` is retired and does not come back", hint="give the job another `alias` and `name`"
        )


def assembly_of(database: Database, objects: ObjectStore, release: str) -> tuple[Assembly, JobDescription]:
    """Return what a release is made of."""
    kept = objects.get_json(str(database.get_meta(f"assembly:{release}")))
    return Assembly.from_json(kept["assembly"]), JobDescription.model_validate(kept["job"])


def _is_suspended(parts: Parts, current: Release | None, release: Release) -> bool:
    """Say whether people stopped this worker: by the log, or by the permit where they could not record it."""
    alias = parts.job.alias
    acts = [
        item.entry["type"]
        for item in parts.log.entries()
        if item.entry["type"] in _STOP_OR_GO and item.entry["body"].get("alias") == alias
    ]
    if acts and acts[-1] == _STOP_OR_GO[0]:
        return True
    another = current is not None and current.digest != release.digest
    return another and Permits(parts.home.permits).release(alias) is None


def _parent(current: Release | None, spec: AgentSpec, evaluation: Evaluation) -> str | None:
    """Return the digest of the release before; a run that was killed after saving is not its own parent."""
    if current is None:
        return None
    same = current.agent == spec.as_json() and current.evaluation == evaluation.digest
    return current.parent if same else current.digest
