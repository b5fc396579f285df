"""The tasks of a job: which items of an exam stand for each, and what the sponsor says of it.

They decide nothing: a run does not depend on them, and a report is what comes of them.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from staffroom.records.digests import digest_value

__all__ = ["Task", "TaskItems", "tasks_digest"]

_Name = Annotated[str, Field(min_length=1, max_length=300)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class TaskItems(_Strict):
    """Which items stand for a task: every field that is given must fit, by one of its values."""

    facets: tuple[_Name, ...] = Field((), description="Facets of the pack.")
    tags: tuple[_Name, ...] = Field((), description="Tags of items.")
    clusters: tuple[_Name, ...] = Field(
        (), description="Clusters of items, `*` standing for anything: `waste#*` is all of one document."
    )

    @model_validator(mode="after")
    def _names_something(self) -> "TaskItems":
        if not (self.facets or self.tags or self.clusters):
            raise ValueError("name the task's items by `facets`, `tags` or `clusters`")
        return self


class Task(_Strict):
    """One task of a job, as the sponsor describes it."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Short name.")
    name: str = Field(min_length=1, max_length=200, description="What people call this task.")
    items: TaskItems = Field(description="The items that stand for it.")
    exam: Path | None = Field(
        None, description="Folder of another pack that holds them, relative to the job description."
    )
    minutes: float = Field(gt=0, le=100_000, description="Minutes that a person needs for a case.")
    cases: int = Field(ge=0, le=10**9, description="Cases a month.")
    accuracy: float = Field(gt=0, lt=1, description="Share of right answers that is needed.")


def tasks_digest(tasks: tuple[Task, ...]) -> str:
    """Return the digest by which the log names what was asked for."""
    rows: list[dict[str, Any]] = [task.model_dump(mode="json") for task in tasks]
    return digest_value(rows)
