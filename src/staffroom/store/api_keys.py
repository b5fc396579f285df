"""Keys of the gateway: shown once, kept as salted hashes, bound to workers, expiring, revocable.

A key is 256 random bits, so one SHA-256 over salt and key is enough: there is nothing to guess, and a slow
hash would let strangers burn the gateway's processor.
"""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import orjson
from sqlalchemy import RowMapping, insert, select, update

from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.store.database import Database
from staffroom.store.schema import api_keys
from staffroom.store.times import from_text, to_text, utc_now

__all__ = ["ApiKey", "ApiKeys", "KeyCheck", "KeyProblem", "KeyRole"]

_TOKEN = re.compile(r"^sr-([0-9a-f]{12})-([0-9a-f]{64})$")
_NOBODY = (b"\0" * 16, b"\0" * 32)


class KeyRole(StrEnum):
    """What the holder of a key may do, always for the key's workers alone.

    A user asks. A sponsor asks, and sees states and budgets. An auditor sees them, and cannot ask. An operator may all.
    """

    USER = "user"
    SPONSOR = "sponsor"
    AUDITOR = "auditor"
    OPERATOR = "operator"

    @property
    def asks(self) -> bool:
        """Whether the holder may ask workers."""
        return self is not KeyRole.AUDITOR

    @property
    def sees(self) -> bool:
        """Whether the holder may see counters and budgets."""
        return self is not KeyRole.USER


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; the key itself is not kept.

    `aliases` are the workers that it opens, empty for all; `loopback` keys work from the same machine only.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    loopback: bool
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    role: KeyRole = KeyRole.USER

    def opens(self, alias: str) -> bool:
        """Say whether the key is for this worker."""
        return not self.aliases or alias in self.aliases


class KeyProblem(StrEnum):
    """Why a key is not accepted."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ELSEWHERE = "not from this machine"


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A key that may be used, or the problem with it: exactly one of the two is set."""

    key: ApiKey | None
    problem: KeyProblem | None


class ApiKeys:
    """Keys of a home; `verify` is fast enough for every request and sees a revocation at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._version = -1
        self._known: dict[str, tuple[bytes, bytes, ApiKey]] = {}

    @property
    def version(self) -> int:
        """Changes when keys, or whatever else is kept beside them, may have changed; as of the last look."""
        return self._version

    def look(self) -> None:
        """Look whether anything has changed; `verify` does so too."""
        self._snapshot()

    def create(
        self,
        name: str,
        *,
        aliases: Iterable[str] = (),
        lifetime: timedelta | None = None,
        loopback: bool = False,
        role: KeyRole = KeyRole.USER,
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with its token, which is shown this once.

        No `aliases` means every worker; no `lifetime` means until it is revoked.
        """
        if not name.strip():
            raise WrongUse("a key needs a name", hint="say who or what will use it")
        if lifetime is not None and lifetime <= timedelta(0):
            raise WrongUse("a key's lifetime must be longer than nothing", hint="for example 90 days")
        identifier, secret, salt = secrets.token_hex(6), secrets.token_hex(32), secrets.token_bytes(16)
        now = utc_now()
        key = ApiKey(
            id=identifier,
            name=name.strip(),
            aliases=tuple(sorted(set(aliases))),
            loopback=loopback,
            created=now,
            expires=None if lifetime is None else now + lifetime,
            revoked=None,
            role=role,
        )
        with self._database.write() as connection:
            connection.execute(
                insert(api_keys).values(
                    id=identifier,
                    name=key.name,
                    salt=salt,
                    hash=_hash(salt, secret),
                    aliases=orjson.dumps(list(key.aliases)).decode(),
                    loopback=int(loopback),
                    created=to_text(now),
                    expires=None if key.expires is None else to_text(key.expires),
                    role=role.value,
                )
            )
        return key, f"sr-{identifier}-{secret}"

    def verify(self, token: str, *, from_loopback: bool) -> KeyCheck:
        """Say whose key a token is, or why it is not accepted; the comparison takes constant time."""
        match = _TOKEN.match(token)
        identifier, secret = match.groups() if match else ("", "")
        salt, expected, key = self._snapshot().get(identifier, (*_NOBODY, None))
        same = hmac.compare_digest(_hash(salt, secret), expected)
        if not same or key is None:
            return KeyCheck(None, KeyProblem.UNKNOWN)
        if key.revoked is not None:
            return KeyCheck(None, KeyProblem.REVOKED)
        if key.expires is not None and key.expires <= utc_now():
            return KeyCheck(None, KeyProblem.EXPIRED)
        if key.loopback and not from_loopback:
            return KeyCheck(None, KeyProblem.ELSEWHERE)
        return KeyCheck(key, None)

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key durably; running gateways refuse it from the next request on."""
        with self._database.write() as connection:
            connection.execute(
                update(api_keys)
                .where(api_keys.c.id == key_id, api_keys.c.revoked.is_(None))
                .values(revoked=to_text(utc_now()))
            )
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
        if row is None:
            raise StaffroomError(f"no key {key_id}", hint="staffroom key list")
        return _from_row(row)

    def list(self) -> list[ApiKey]:
        """Return every key, oldest first, the revoked ones too."""
        with self._database.read() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created)).mappings()
            return [_from_row(row) for row in rows]

    def _snapshot(self) -> dict[str, tuple[bytes, bytes, ApiKey]]:
        # The version is asked before the rows: a commit in between is then seen by the next call.
        version = self._database.data_version()
        with self._lock:
            if version != self._version:
                with self._database.read() as connection:
                    rows = connection.execute(select(api_keys)).mappings()
                    self._known = {row["id"]: (row["salt"], row["hash"], _from_row(row)) for row in rows}
                self._version = version
            return self._known


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


def _from_row(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        aliases=tuple(orjson.loads(row["aliases"])),
        loopback=bool(row["loopback"]),
        created=from_text(row["created"]),
        expires=None if row["expires"] is None else from_text(row["expires"]),
        revoked=None if row["revoked"] is None else from_text(row["revoked"]),
        role=KeyRole(row["role"]),
    )
