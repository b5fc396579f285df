"""Responses to exam items, kept as they come: an interrupted run goes on after the last one kept."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, select, update
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
        self.put_many([(item_digest, response)])

    def put_many(self, rows: Sequence[tuple[str, Response]]) -> None:
        """Store responses, each with its item's digest, in one transaction: all of them are on disk on return, or none.

        Raises as `put` does.
        """
        created = to_text(utc_now())
        with self._database.write() as connection:
            for item_digest, response in rows:
                _store(connection, item_digest, response, created)

    def pace(self, agent: str, most: int = 200) -> tuple[float, float] | None:
        """Return mean seconds and mean tokens of an agent's kept responses (of `most` of them), None where it has none."""
        with self._database.read() as connection:
            texts = connection.execute(
                select(responses.c.json).where(responses.c.agent == agent).limit(most)
            ).scalars()
            rows = [_from_json(text) for text in texts]
        if not rows:
            return None
        tokens = sum(row.tokens_in + row.tokens_out for row in rows)
        return sum(row.seconds for row in rows) / len(rows), tokens / len(rows)

    def count(self, agent: str) -> int:
        """Return how many responses of an agent are kept."""
        with self._database.read() as connection:
            rows = connection.execute(select(responses.c.seed).where(responses.c.agent == agent))
            return len(rows.all())


def _store(connection: Connection, item_digest: str, response: Response, created: str) -> None:
    text = orjson.dumps(response).decode()
    row = {
        "agent": response.agent,
        "item_digest": item_digest,
        "seed": response.seed,
        "json": text,
        "created": created,
    }
    if connection.execute(insert(responses).values(**row).on_conflict_do_nothing()).rowcount:
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
