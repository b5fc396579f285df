"""Read a job and everything it names before anything starts: the job's file, documents, exam, sponsor."""

from dataclasses import dataclass
from pathlib import Path

from staffroom.evaluate import ExamPack, load_pack
from staffroom.onboard.prompt import agent_policy
from staffroom.pipeline.indexing import document_digests
from staffroom.records.errors import WrongUse
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model

__all__ = ["HireOrder", "Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class HireOrder:
    """What `staffroom hire` was asked to do.

    dry_run: fake engines, nothing released.  force: keep no step.  explain: say what would run and stop.
    anew: a worker that is in service already may be replaced by one that passed a first hire's exam, without being compared.
    """

    job: Path
    dry_run: bool = False
    force: bool = False
    explain: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job whose parts are all there; `file` is the job's, `documents` maps names to [digest, as-of date]."""

    file: Path
    job: JobDescription
    folder: Path
    pack: ExamPack
    documents: dict[str, list[str | None]]


def prepare(order: HireOrder) -> Prepared:
    """Read and check a job; raises WrongUse with file, line and hint before anything was started."""
    job = read_yaml_model(
        order.job, JobDescription, hint="mend the file; `staffroom schema job` lists the fields"
    )
    folder = order.job.absolute().parent
    if job.charter.file is not None and not (folder / job.charter.file).is_file():
        raise WrongUse(
            "no such file",
            where=f"{order.job}: charter.file: {job.charter.file}",
            hint="mend the path, or leave it out",
        )
    pack = load_pack(folder / job.exam)
    if pack.locale != job.locale:
        raise WrongUse(
            f"the exam is for {pack.locale}, the job for {job.locale}",
            where=str(folder / job.exam / "exam.yaml"),
            hint="give both the same locale",
        )
    agent_policy(job)  # raises where there is no wording for the job's locale
    return Prepared(order.job.absolute(), job, folder, pack, document_digests(job, folder))
