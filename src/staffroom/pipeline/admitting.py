"""Find each candidate a job names, and admit or refuse it without loading it."""

from typing import Any

from staffroom.pipeline.orders import Prepared
from staffroom.records.errors import StaffroomError
from staffroom.records.models import Candidate
from staffroom.records.protocols import Progress
from staffroom.recruit import Admission, admit, file_of, resolve_candidate
from staffroom.store import Home

__all__ = ["admit_candidates", "resolve_candidates"]


def resolve_candidates(prepared: Prepared, home: Home, progress: Progress) -> list[Candidate]:
    """Return the candidates, fetching starter models that this machine does not have."""
    found: list[Candidate] = []
    for name in prepared.job.candidates:
        stage = _FetchStage(name, progress)
        reference = name
        if not name.startswith(("http://", "https://")) and (prepared.folder / name).is_file():
            reference = str(prepared.folder / name)
        found.append(resolve_candidate(home.path, reference, stage.report))
    return found


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


class _FetchStage:
    """Shows a download as a stage of progress, only where there is one."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._done = 0
        self._total = 0

    def report(self, done: int, total: int, note: str) -> None:
        """Take the bytes done so far, of how many, and what is going on."""
        if total and total != self._total:
            self._total, self._done = total, 0
            self._progress.stage(f"fetching {self._name}", total)
        if done > self._done:
            self._progress.advance(done - self._done, note)
            self._done = done
        elif note and not total:
            self._progress.say(f"{self._name}: {note}")
