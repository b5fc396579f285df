"""Responses to exam items, kept as they come: an interrupted run goes on after the last one kept."""

from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Response
from staffroom.store.database import Database
from staffroom.store.schema import responses
from staffroom.store.times import to_text, utc_now

__all__ = ["Responses"]


class Responses:
    """The `ResponseSink` of a home.

    A response is evidence: once kept it is not replaced by another. The exception is one that holds an
    `error` (the engine was lost): a later attempt takes its place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        """Return the stored response of this agent to this item, if there is one."""
        with self._database.read() as connection:
            text = connection.execute(
                select(responses.c.json).where(*_is(agent, item_digest, seed))
            ).scalar_one_or_none()
        return None if text is None else _from_json(text)

    def put(self, item_digest: str, response: Response) -> None:
        """Store a response; it is on disk on return.

        Raises StaffroomError where a different answer to the same item by the same agent and seed is kept.
        """
        text = orjson.dumps(asdict(response)).decode()
        created = to_text(utc_now())
        with self._database.write() as connection:
            done = connection.execute(
                insert(responses)
                .values(
                    agent=response.agent,
                    item_digest=item_digest,
                    seed=response.seed,
                    json=text,
                    created=created,
                )
                .on_conflict_do_nothing()
            )
            if done.rowcount:
                return
            here = _is(response.agent, item_digest, response.seed)
            kept = _from_json(connection.execute(select(responses.c.json).where(*here)).scalar_one())
            if kept.error:
                connection.execute(update(responses).where(*here).values(json=text, created=created))
            elif _substance(kept) != _substance(response):
                raise StaffroomError(
                    f"item {response.item_id}: another answer of this agent with seed {response.seed} is "
                    "kept already, and evidence is not rewritten",
                    hint="read the kept one before asking (a resumed run does), or use another seed",
                )

    def count(self, agent: str) -> int:
        """Return how many responses of an agent are kept."""
        with self._database.read() as connection:
            rows = connection.execute(select(responses.c.seed).where(responses.c.agent == agent))
            return len(rows.all())


def _is(agent: str, item_digest: str, seed: int) -> tuple[Any, ...]:
    return (
        responses.c.agent == agent,
        responses.c.item_digest == item_digest,
        responses.c.seed == seed,
    )


def _substance(response: Response) -> tuple[object, ...]:
    return (
        response.text,
        response.raw_text,
        response.outcome,
        response.option_probabilities,
        response.cited,
        response.error,
    )


def _from_json(text: str) -> Response:
    value = orjson.loads(text)
    value["option_probabilities"] = tuple(value["option_probabilities"])
    value["cited"] = tuple(value["cited"])
    return Response(**value)
