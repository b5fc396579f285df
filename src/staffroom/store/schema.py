"""The index's tables, and the numbered migrations that make them.

The tables are what the code asks; the migrations are what a database goes through. A migration that has
been published is never edited: a change is a new one with the next number. A test holds the two together.
"""

from dataclasses import dataclass

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, Table, Text

__all__ = [
    "MIGRATIONS",
    "TABLES",
    "Migration",
    "alias_history",
    "aliases",
    "api_keys",
    "caps",
    "evaluations",
    "meta",
    "plain_models",
    "releases",
    "responses",
    "steps",
]

TABLES = MetaData()

steps = Table(
    "steps",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text, nullable=False),
    Column("seconds", Float, nullable=False),
)

responses = Table(
    "responses",
    TABLES,
    Column("agent", Text, primary_key=True),
    Column("item_digest", Text, primary_key=True),
    Column("seed", Integer, primary_key=True),
    Column("json", Text, nullable=False),
    Column("created", Text, nullable=False),
)

releases = Table(
    "releases",
    TABLES,
    Column("digest", Text, primary_key=True),
    Column("json", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("created", Text, nullable=False),
)

aliases = Table(
    "aliases",
    TABLES,
    Column("alias", Text, primary_key=True),
    Column("release", Text, ForeignKey("releases.digest"), nullable=False),
    Column("since", Text, nullable=False),
)

alias_history = Table(
    "alias_history",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("alias", Text, nullable=False),
    Column("release", Text, ForeignKey("releases.digest"), nullable=False),
    Column("previous", Text),
    Column("reason", Text, nullable=False),
    Column("at", Text, nullable=False),
)

evaluations = Table(
    "evaluations",
    TABLES,
    Column("digest", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("pack", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("json", Text, nullable=False),
    Column("created", Text, nullable=False),
)

api_keys = Table(
    "api_keys",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("aliases", Text, nullable=False),
    Column("loopback", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("expires", Text),
    Column("revoked", Text),
    Column("role", Text, nullable=False),
)

caps = Table(
    "caps",
    TABLES,
    Column("scope", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("amount", Integer, nullable=False),
)

plain_models = Table(
    "plain_models",
    TABLES,
    Column("alias", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("json", Text, nullable=False),
    Column("sponsor", Text, nullable=False),
    Column("admitted", Text, nullable=False),
)

meta = Table(
    "meta",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `number` becomes the database's `user_version`.

    `rewrites` names the columns (`table.column`) whose values it changes on purpose: an upgrade refuses any other change.
    """

    number: int
    what: str
    statements: tuple[str, ...]
    rewrites: tuple[str, ...] = ()


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "steps, responses, releases, aliases, evaluations, keys",
        (
            "CREATE TABLE steps (key TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL,"
            " inputs TEXT NOT NULL, output TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL,"
            " seconds FLOAT NOT NULL)",
            "CREATE INDEX steps_by_name ON steps (name, finished)",
            "CREATE TABLE responses (agent TEXT NOT NULL, item_digest TEXT NOT NULL, seed INTEGER NOT NULL,"
            " json TEXT NOT NULL, created TEXT NOT NULL, PRIMARY KEY (agent, item_digest, seed))",
            "CREATE TABLE releases (digest TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL,"
            " alias TEXT NOT NULL, created TEXT NOT NULL)",
            "CREATE TABLE aliases (alias TEXT NOT NULL PRIMARY KEY,"
            " release TEXT NOT NULL REFERENCES releases (digest), since TEXT NOT NULL)",
            "CREATE TABLE alias_history (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, alias TEXT NOT NULL,"
            " release TEXT NOT NULL REFERENCES releases (digest), previous TEXT, reason TEXT NOT NULL,"
            " at TEXT NOT NULL)",
            "CREATE INDEX alias_history_by_alias ON alias_history (alias, id)",
            "CREATE TABLE evaluations (digest TEXT NOT NULL PRIMARY KEY, agent TEXT NOT NULL,"
            " pack TEXT NOT NULL, split TEXT NOT NULL, seed INTEGER NOT NULL, json TEXT NOT NULL,"
            " created TEXT NOT NULL)",
            "CREATE TABLE api_keys (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, salt BLOB NOT NULL,"
            " hash BLOB NOT NULL, aliases TEXT NOT NULL, loopback INTEGER NOT NULL, created TEXT NOT NULL,"
            " expires TEXT, revoked TEXT)",
            "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
        ),
    ),
    Migration(
        2,
        "roles of keys, caps of budgets, plain models",
        (
            "ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'user'",
            "CREATE TABLE caps (scope TEXT NOT NULL, subject TEXT NOT NULL, unit TEXT NOT NULL,"
            " period TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (scope, subject, unit, period))",
            "CREATE TABLE plain_models (alias TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL,"
            " json TEXT NOT NULL, sponsor TEXT NOT NULL, admitted TEXT NOT NULL)",
        ),
    ),
)
