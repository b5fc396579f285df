"""Releases and the aliases that point to them; an alias moves whole, and every move is kept."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from staffroom.records.decision import Release
from staffroom.records.errors import StaffroomError
from staffroom.store.database import Database
from staffroom.store.schema import alias_history, aliases, releases
from staffroom.store.times import from_text, to_text, utc_now

__all__ = ["AliasMove", "Releases"]


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move of an alias, from `previous` (None: the first) to `release`, with the reason."""

    alias: str
    release: str
    previous: str | None
    reason: str
    at: datetime


class Releases:
    """Releases of a home. It does not ask whether a release passed its gate: that is `release`'s to say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, release: Release) -> str:
        """Keep a release durably and return its digest; the same one again changes nothing."""
        text = orjson.dumps(release.as_json()).decode()
        statement = insert(releases).values(
            digest=release.digest, json=text, alias=release.alias, created=to_text(utc_now())
        )
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_nothing())
        return release.digest

    def get(self, digest: str) -> Release:
        """Return a kept release; raises StaffroomError for an unknown or changed one."""
        with self._database.read() as connection:
            return _release(connection, digest)

    def of(self, alias: str) -> list[Release]:
        """Return all releases made for an alias, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(releases.c.json).where(releases.c.alias == alias).order_by(releases.c.created)
            )
            return [_from_json(text) for (text,) in rows]

    def current(self, alias: str) -> Release | None:
        """Return the release that an alias points to, if there is one."""
        with self._database.read() as connection:
            digest = _current(connection, alias)
            return None if digest is None else _release(connection, digest)

    def aliases(self) -> dict[str, str]:
        """Return every alias with the digest of its release."""
        with self._database.read() as connection:
            rows = connection.execute(select(aliases.c.alias, aliases.c.release).order_by(aliases.c.alias))
            return {row.alias: row.release for row in rows}

    def move(self, alias: str, digest: str, *, reason: str) -> AliasMove | None:
        """Point an alias to a kept release, in one transaction; None where it points there already.

        Raises StaffroomError where the release is unknown or was made for another alias.
        """
        with self._database.write() as connection:
            return _move(connection, alias, digest, reason)

    def rollback(self, alias: str, *, reason: str) -> AliasMove:
        """Point an alias to the parent of its release; raises StaffroomError where there is none."""
        with self._database.write() as connection:
            digest = _current(connection, alias)
            if digest is None:
                raise _unknown_alias(alias)
            parent = _release(connection, digest).parent
            if parent is None:
                raise StaffroomError(
                    f"{alias} is at its first release; there is none to go back to",
                    hint=f"stop it with `staffroom suspend {alias}`",
                )
            move = _move(connection, alias, parent, reason)
        if move is None:
            raise StaffroomError(
                f"the release of {alias} names itself as parent", hint="staffroom log verify"
            )
        return move

    def history(self, alias: str) -> list[AliasMove]:
        """Return an alias's moves, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(alias_history).where(alias_history.c.alias == alias).order_by(alias_history.c.id)
            ).mappings()
            return [
                AliasMove(row["alias"], row["release"], row["previous"], row["reason"], from_text(row["at"]))
                for row in rows
            ]


def _move(connection: Connection, alias: str, digest: str, reason: str) -> AliasMove | None:
    release = _release(connection, digest)
    if release.alias != alias:
        raise StaffroomError(
            f"release {digest} was made for {release.alias}, not for {alias}", hint="staffroom workers"
        )
    previous = _current(connection, alias)
    if previous == digest:
        return None
    at = utc_now()
    row = {"release": digest, "since": to_text(at)}
    connection.execute(
        insert(aliases).values(alias=alias, **row).on_conflict_do_update(index_elements=["alias"], set_=row)
    )
    connection.execute(
        insert(alias_history).values(
            alias=alias, release=digest, previous=previous, reason=reason, at=to_text(at)
        )
    )
    return AliasMove(alias, digest, previous, reason, at)


def _current(connection: Connection, alias: str) -> str | None:
    return connection.execute(select(aliases.c.release).where(aliases.c.alias == alias)).scalar_one_or_none()


def _release(connection: Connection, digest: str) -> Release:
    text = connection.execute(select(releases.c.json).where(releases.c.digest == digest)).scalar_one_or_none()
    if text is None:
        raise StaffroomError(f"no release {digest} is kept here", hint="staffroom workers")
    release = _from_json(text)
    if release.digest != digest:
        raise StaffroomError(
            f"the manifest kept for {digest} was changed",
            hint="restore staffroom.db, then `staffroom doctor`",
        )
    return release


def _from_json(text: str) -> Release:
    value = orjson.loads(text)
    value["sponsor_commitment"] = value.pop("sponsor")
    return Release(**value)


def _unknown_alias(alias: str) -> StaffroomError:
    return StaffroomError(f"no worker called {alias} is kept here", hint="staffroom workers")
