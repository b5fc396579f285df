"""Find each candidate a job names, and admit or refuse it without loading it."""

from typing import Any

from staffroom.pipeline.judges import require_judges
from staffroom.pipeline.models import FetchStage
from staffroom.pipeline.orders import Prepared
from staffroom.records.errors import StaffroomError
from staffroom.records.job_description import JobDescription
from staffroom.records.models import Candidate
from staffroom.records.protocols import Progress
from staffroom.recruit import Admission, admit, file_of, resolve_candidate
from staffroom.store import Home

__all__ = ["admission_inputs", "admit_candidates", "resolve_candidates"]


def resolve_candidates(prepared: Prepared, home: Home, progress: Progress) -> list[Candidate]:
    """Return the candidates, fetching starter models that this machine does not have.

    Raises WrongUse first where a judge model of the exam is not at hand: it will be needed after hours of asking.
    """
    require_judges(home, prepared.pack)
    found: list[Candidate] = []
    for name in prepared.job.candidates:
        stage = FetchStage(name, progress)
        reference = name
        if not name.startswith(("http://", "https://")) and (prepared.folder / name).is_file():
            reference = str(prepared.folder / name)
        found.append(resolve_candidate(home.path, reference, stage.report))
    return found


def admission_inputs(job: JobDescription, candidates: list[Candidate], *, dry_run: bool) -> dict[str, Any]:
    """Return what admissions depend on."""
    return {
        "candidates": [item.as_json() for item in candidates],
        "requirements": job.requirements.model_dump(mode="json"),
        "dry_run": dry_run,
    }


def admit_candidates(prepared: Prepared, candidates: list[Candidate], home: Home) -> dict[str, Any]:
    """Return {"admitted": [ids], "rows": {id: admission}}; raises StaffroomError where nobody is admitted."""
    rows: dict[str, Any] = {}
    for candidate in candidates:
        path = file_of(home.path, candidate) if candidate.model is not None else None
        admission: Admission = admit(candidate, prepared.job.requirements, path)
        rows[candidate.id] = admission.as_json()
    admitted = [name for name, row in rows.items() if row["admitted"]]
    if not admitted:
        reasons = "\n".join(
            f"  {name}: {'; '.join(reason['text'] for reason in row['reasons'])}"
            for name, row in rows.items()
        )
        raise StaffroomError(
            f"no candidate was admitted\n{reasons}", hint="name other candidates, or mend `requirements`"
        )
    return {"admitted": admitted, "rows": rows}
