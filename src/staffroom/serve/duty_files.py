"""The duty record's files: how a row and its private words are written, and where they lie.

`YYYY-MM-DD.jsonl` has one line a request, its row, in which persons' words stand as salted commitments only. `YYYY-MM-DD.texts.jsonl`
has what those hide, in two lines a request: the intent, before the engine is asked, and the answer. Both lie under the day on which the
request began. A line's first field is its audit id, so that a line can be found, and erased, without reading it whole.

It knows nothing of gateways, batches or logs.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from staffroom.records.digests import digest_bytes
from staffroom.records.guardrails import Ruling
from staffroom.store import disk_error, make_folder
from staffroom.store.durable import write_all

__all__ = [
    "AUDIT_ID",
    "Begun",
    "Counted",
    "DutyIntent",
    "DutyRecord",
    "audit_id_of",
    "commitment",
    "days_of",
    "encode_end",
    "encode_intent",
    "encode_lost",
    "lines_of",
    "locked",
    "open_lines",
    "rows_path",
    "texts_path",
    "who_text",
]

AUDIT_ID = re.compile(r"^audit_[0-9a-f]{32}$")
_SALT_BYTES = 32
_HEAD = b'{"audit_id":"'
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}\.jsonl$")
_LONGEST_USER = 256


class Counted(StrEnum):
    """Where a row's tokens come from, and so what budgets were charged."""

    ENGINE = "engine"
    RESERVED = "reserved"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DutyIntent:
    """What is known of a request before its engine is asked.

    at: when it came.  key: id of the API key.  user: whom the client says it asks for, in its own words.
    """

    audit_id: str
    at: datetime
    alias: str
    release: str
    key: str
    question: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class DutyRecord:
    """One request that was handed to a worker, at its end.

    at: when the request came.  outcome: answered, declined or refused, or the code by which the answer was broken off.
    counted: by whose count the tokens are; where it is `reserved`, budgets were charged all that the request could have used.
    cost: a decimal number of `currency`, or empty where there is no price.  first_text_seconds, seconds: from the arrival.
    problem: what went wrong, for the texts file.  rulings: what the guardrails did, as codes and counts; no text stands in them.
    """

    audit_id: str
    at: datetime
    alias: str
    release: str
    key: str
    outcome: str
    chunks: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    first_text_seconds: float | None
    seconds: float
    question: str
    answer: str
    problem: str = ""
    rulings: tuple[Ruling, ...] = ()
    user: str = ""
    counted: Counted = Counted.ENGINE
    cost: str = ""
    currency: str = ""

    @property
    def intent(self) -> DutyIntent:
        """What would have been written before."""
        return DutyIntent(
            self.audit_id, self.at, self.alias, self.release, self.key, self.question, self.user
        )


class Begun(NamedTuple):
    """A request whose intent is written: what of it goes into its row, and where its lines begin.

    number: counts intents, so that one can tell which are on the disk.  texts_at, rows_at: sizes of the day's files before.
    """

    audit_id: str
    day: str
    at: str
    alias: str
    release: str
    who: str
    question: str
    number: int
    texts_at: int
    rows_at: int

    def as_json(self) -> dict[str, str]:
        """Return what stands in the intent, beside what may be erased."""
        return {
            "at": self.at,
            "alias": self.alias,
            "release": self.release,
            "who": self.who,
            "question": self.question,
        }


def commitment(salt: bytes, text: str) -> str:
    """Return `sha256:<hex>` of a random salt (32 bytes) followed by the text in UTF-8."""
    return digest_bytes(salt + text.encode("utf-8", "surrogatepass"))


def who_text(key: str, user: str) -> str:
    """Return what `who` commits to: the key's id and the user's name, a line each."""
    return f"{key}\n{user}"


def encode_intent(
    intent: DutyIntent, at: str, number: int, texts_at: int, rows_at: int
) -> tuple[Begun, bytes]:
    """Return what is to be remembered of an intent, and its line for the texts file; `at` is its time as text."""
    salts = secrets.token_bytes(2 * _SALT_BYTES)
    who_salt, question_salt = salts[:_SALT_BYTES], salts[_SALT_BYTES:]
    user = intent.user[:_LONGEST_USER]
    begun = Begun(
        audit_id=intent.audit_id,
        day=at[:10],
        at=at,
        alias=intent.alias,
        release=intent.release,
        who=commitment(who_salt, who_text(intent.key, user)),
        question=commitment(question_salt, intent.question),
        number=number,
        texts_at=texts_at,
        rows_at=rows_at,
    )
    line = {
        "audit_id": intent.audit_id,
        "begun": begun.as_json(),
        "key": intent.key,
        "user": user,
        "who_salt": who_salt.hex(),
        "question_salt": question_salt.hex(),
        "question": intent.question,
    }
    return begun, _line(line)


def encode_end(begun: Begun, entry: DutyRecord) -> tuple[bytes, bytes]:
    """Return the row, and the answer's line for the texts file."""
    salt = secrets.token_bytes(_SALT_BYTES)
    row = {
        "audit_id": begun.audit_id,
        "at": begun.at,
        "alias": begun.alias,
        "release": begun.release,
        "who": begun.who,
        "outcome": entry.outcome,
        "chunks": list(entry.chunks),
        "tokens_in": entry.tokens_in,
        "tokens_out": entry.tokens_out,
        "counted": entry.counted.value,
        "cost": entry.cost,
        "currency": entry.currency,
        "first_text_seconds": _rounded(entry.first_text_seconds),
        "seconds": _rounded(entry.seconds),
        "guardrails": [ruling.as_json() for ruling in entry.rulings],
        "question": begun.question,
        "answer": commitment(salt, entry.answer),
    }
    text = {
        "audit_id": begun.audit_id,
        "answer_salt": salt.hex(),
        "answer": entry.answer,
        "problem": entry.problem,
    }
    return _line(row), _line(text)


def encode_lost(audit_id: str, begun: dict[str, Any], outcome: str) -> bytes:
    """Return the row of a request whose end nobody recorded: how far it came is not known."""
    row: dict[str, Any] = {
        "audit_id": audit_id,
        **{name: str(begun.get(name, "")) for name in ("at", "alias", "release", "who")},
        "outcome": outcome,
        "chunks": [],
        "tokens_in": 0,
        "tokens_out": 0,
        "counted": Counted.UNKNOWN.value,
        "cost": "",
        "currency": "",
        "first_text_seconds": None,
        "seconds": None,
        "guardrails": [],
        "question": str(begun.get("question", "")),
        "answer": None,
    }
    return _line(row)


def rows_path(folder: Path, day: str) -> Path:
    """Return where the rows of a day lie."""
    return folder / f"{day}.jsonl"


def texts_path(folder: Path, day: str) -> Path:
    """Return where the words of a day lie."""
    return folder / f"{day}.texts.jsonl"


def days_of(folder: Path) -> list[str]:
    """Return the days that have rows or words, oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, folder) from error
    plain = (name.replace(".texts.jsonl", ".jsonl") for name in names)
    return sorted({name.removesuffix(".jsonl") for name in plain if _DAY.match(name)})


def lines_of(path: Path, start: int = 0) -> Iterator[bytes]:
    """Give the whole lines of a file from a byte on, without their ends; a last one that is not whole is left out."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(error, path) from error


def audit_id_of(line: bytes) -> str:
    """Return the audit id that a line begins with, empty where it begins with something else."""
    if not line.startswith(_HEAD):
        return ""
    end = line.find(b'"', len(_HEAD))
    return line[len(_HEAD) : end].decode("ascii", "replace") if end > 0 else ""


def open_lines(path: Path) -> int:
    """Open a file of lines for appending, made where it is not there; gives its descriptor."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        # A power loss left half a line: it stays as it is, and the next one begins on its own.
        write_all(handle, b"\n")
    return handle


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder while rows are sealed, erased or pruned; the gateway appends meanwhile without asking."""
    make_folder(folder, mode=0o700)
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_error(error, folder) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
