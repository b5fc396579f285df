"""Evaluations by digest, with the columns by which they are looked up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.sqlite import insert

from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.store.database import Database
from staffroom.store.schema import evaluations
from staffroom.store.times import from_text, to_text, utc_now

__all__ = ["Evaluations", "KeptEvaluation"]


@dataclass(frozen=True, slots=True)
class KeptEvaluation:
    """An evaluation as it was kept; `value` is its JSON, `digest` the digest of the canonical form."""

    digest: str
    agent: str
    pack: str
    split: str
    seed: int
    value: dict[str, Any]
    created: datetime


class Evaluations:
    """Evaluations of a home; kept once, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, *, agent: str, pack: str, split: str, seed: int, value: dict[str, Any]) -> str:
        """Keep an evaluation's JSON durably and return its digest."""
        canonical = canonical_json(value)
        digest = digest_bytes(canonical)
        row = {"agent": agent, "pack": pack, "split": split, "seed": seed, "json": canonical.decode()}
        with self._database.write() as connection:
            connection.execute(
                insert(evaluations)
                .values(digest=digest, created=to_text(utc_now()), **row)
                .on_conflict_do_nothing()
            )
        return digest

    def get(self, digest: str) -> KeptEvaluation | None:
        """Return the evaluation of this digest."""
        with self._database.read() as connection:
            row = connection.execute(select(evaluations).where(evaluations.c.digest == digest))
            found = row.mappings().one_or_none()
        return None if found is None else _from_row(found)

    def digests(self) -> list[str]:
        """Return the digests of all evaluations that are kept."""
        with self._database.read() as connection:
            return list(connection.execute(select(evaluations.c.digest)).scalars())

    def of(self, agent: str) -> list[KeptEvaluation]:
        """Return an agent's evaluations, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(evaluations).where(evaluations.c.agent == agent).order_by(evaluations.c.created)
            )
            return [_from_row(row) for row in rows.mappings()]


def _from_row(row: RowMapping) -> KeptEvaluation:
    return KeptEvaluation(
        digest=row["digest"],
        agent=row["agent"],
        pack=row["pack"],
        split=row["split"],
        seed=row["seed"],
        value=orjson.loads(row["json"]),
        created=from_text(row["created"]),
    )
