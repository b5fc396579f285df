"""The plain models that were admitted in a home, each under its alias."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import RowMapping, delete, select
from sqlalchemy.dialects.sqlite import insert

from staffroom.records.errors import StaffroomError
from staffroom.records.plain_model import PlainModel
from staffroom.store.database import Database
from staffroom.store.schema import plain_models
from staffroom.store.times import from_text, to_text, utc_now

__all__ = ["AdmittedModel", "PlainModels"]


@dataclass(frozen=True, slots=True)
class AdmittedModel:
    """A plain model with the name of its sponsor, which the log has as a commitment only."""

    model: PlainModel
    sponsor: str
    admitted: datetime


class PlainModels:
    """Plain models of a home; it does not ask whether they may be served: that is the permit's to say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, model: PlainModel, sponsor: str) -> None:
        """Keep a model under its alias, instead of the one there was."""
        row = {
            "digest": model.digest,
            "json": orjson.dumps(model.as_json()).decode(),
            "sponsor": sponsor,
            "admitted": to_text(utc_now()),
        }
        statement = insert(plain_models).values(alias=model.alias, **row)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["alias"], set_=row))

    def get(self, alias: str) -> AdmittedModel | None:
        """Return the model under an alias, if there is one; raises StaffroomError for a changed one."""
        with self._database.read() as connection:
            row = (
                connection.execute(select(plain_models).where(plain_models.c.alias == alias))
                .mappings()
                .one_or_none()
            )
        return None if row is None else _from_row(row)

    def list(self) -> list[AdmittedModel]:
        """Return all of them by alias."""
        with self._database.read() as connection:
            rows = connection.execute(select(plain_models).order_by(plain_models.c.alias)).mappings()
            return [_from_row(row) for row in rows]

    def remove(self, alias: str) -> bool:
        """Forget a model; says whether there was one."""
        with self._database.write() as connection:
            return bool(
                connection.execute(delete(plain_models).where(plain_models.c.alias == alias)).rowcount
            )


def _from_row(row: RowMapping) -> AdmittedModel:
    model = PlainModel.from_json(orjson.loads(row["json"]))
    if model.digest != row["digest"]:
        raise StaffroomError(
            f"what was admitted as `{row['alias']}` was changed in the index",
            hint="restore staffroom.db, or admit it again with `staffroom route add`",
        )
    return AdmittedModel(model, row["sponsor"], from_text(row["admitted"]))
