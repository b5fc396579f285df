"""The cache of finished steps: key, inputs and the digest of what came out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.sqlite import insert

from staffroom.store.database import Database
from staffroom.store.schema import steps
from staffroom.store.times import from_text, to_text

__all__ = ["FinishedStep", "StepCache"]


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step that ran to its end; `inputs` is what its key was made of, `output` an artifact's digest."""

    key: str
    name: str
    version: str
    inputs: dict[str, Any]
    output: str
    started: datetime
    finished: datetime
    seconds: float


class StepCache:
    """Finished steps by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> FinishedStep | None:
        """Return the finished step of this key, if there is one."""
        with self._database.read() as connection:
            row = connection.execute(select(steps).where(steps.c.key == key)).mappings().one_or_none()
        return None if row is None else _from_row(row)

    def put(self, step: FinishedStep) -> None:
        """Keep a finished step durably; a forced re-run takes the place of the earlier one."""
        values = {
            "key": step.key,
            "name": step.name,
            "version": step.version,
            "inputs": orjson.dumps(step.inputs).decode(),
            "output": step.output,
            "started": to_text(step.started),
            "finished": to_text(step.finished),
            "seconds": step.seconds,
        }
        with self._database.write() as connection:
            connection.execute(
                insert(steps).values(**values).on_conflict_do_update(index_elements=["key"], set_=values)
            )

    def latest(self, name: str) -> FinishedStep | None:
        """Return the step of this name that finished last: what a changed key is compared with."""
        with self._database.read() as connection:
            row = (
                connection.execute(
                    select(steps).where(steps.c.name == name).order_by(steps.c.finished.desc()).limit(1)
                )
                .mappings()
                .one_or_none()
            )
        return None if row is None else _from_row(row)


def _from_row(row: RowMapping) -> FinishedStep:
    return FinishedStep(
        key=row["key"],
        name=row["name"],
        version=row["version"],
        inputs=orjson.loads(row["inputs"]),
        output=row["output"],
        started=from_text(row["started"]),
        finished=from_text(row["finished"]),
        seconds=row["seconds"],
    )
