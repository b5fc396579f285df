"""From a promotion to a served alias: sign-off, manifest, alias, permit, each recorded before or after as it must be."""

from dataclasses import dataclass
from typing import Any

from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.signoff import SignOff, SignOffRequest
from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision, Release
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation
from staffroom.records.job_description import JobDescription
from staffroom.release import build_release
from staffroom.serve.permit import Permits
from staffroom.store import Database, Home, ObjectStore, Releases

__all__ = ["Parts", "assembly_of", "make_release", "sign_off"]


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
    """Ask for the signature, record it as commitments to the names, and return what the run keeps."""
    signed = sign(shown)
    if signed is None:
        raise StaffroomError(
            f"{job.sponsor} did not sign off, so nothing was released",
            hint="run the same `staffroom hire` again: only the signature is asked for",
        )
    body = {
        "agent": spec.digest,
        "shown": digest_value(list(shown.lines)),
        "sponsor": log.commitment_to("person", job.sponsor),
        "signed_by": log.commitment_to("person", signed.name),
        "how": signed.how,
    }
    log.append("sign-off", f"{run}:sign-off", run, body)
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
    4. grant the permit, last, so that nothing runs that is not recorded.
    """
    job, log, run = parts.job, parts.log, parts.run
    releases = Releases(parts.database)
    current = releases.current(job.alias)
    release: Release = build_release(
        job.alias,
        spec,
        decision,
        evaluation,
        sponsor_commitment=signed["sponsor"],
        parent=_parent(current, spec),
    )
    kept = parts.objects.put_json({"assembly": assembly.as_json(), "job": job.as_json()})
    parts.database.set_meta(f"assembly:{release.digest}", kept)
    log.append("release", f"{run}:release", run, {"release": release.digest, "manifest": release.as_json()})
    releases.save(release)
    moved = releases.move(job.alias, release.digest, reason=f"run {run}")
    log.append(
        "alias-moved",
        f"{run}:alias",
        run,
        {"alias": job.alias, "to": release.digest, "from": release.parent, "moved": moved is not None},
    )
    Permits(parts.home.permits).grant(job.alias, release.digest)
    return {"release": release.digest, "alias": job.alias, "weights_bound": release.weights_bound}


def assembly_of(database: Database, objects: ObjectStore, release: str) -> tuple[Assembly, JobDescription]:
    """Return what a release is made of."""
    kept = objects.get_json(str(database.get_meta(f"assembly:{release}")))
    return Assembly.from_json(kept["assembly"]), JobDescription.model_validate(kept["job"])


def _parent(current: Release | None, spec: AgentSpec) -> str | None:
    """Return the digest of the release before; a run that was killed after saving is not its own parent."""
    if current is None:
        return None
    return current.parent if current.agent == spec.as_json() else current.digest
