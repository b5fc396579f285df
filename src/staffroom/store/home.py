"""The folder where an organisation's workers live: `$STAFFROOM_HOME`, by default `./.staffroom`."""

import fcntl
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from staffroom.records.errors import StaffroomError
from staffroom.store.durable import disk_error, make_folder, write_durably
from staffroom.store.times import to_text, utc_now

__all__ = ["Home", "HomeBusy"]

_LOCK_NAME = re.compile(r"^[a-z][a-z-]{0,30}$")
_OPEN_FOLDERS = ("objects", "models", "log", "permits", "index", "locks")
_CLOSED_FOLDERS = ("private", "keys")


class HomeBusy(StaffroomError):
    """Another process holds the lock; the text says which."""


class Home:
    """Paths of one home, and the lock that lets one `hire` run in it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def located(cls, environment: Mapping[str, str]) -> "Home":
        """Return the home that `STAFFROOM_HOME` names, else `./.staffroom`; nothing is created."""
        return cls(Path(environment.get("STAFFROOM_HOME") or ".staffroom").expanduser())

    @property
    def database(self) -> Path:
        """The index."""
        return self.path / "staffroom.db"

    @property
    def objects(self) -> Path:
        """Artifacts by digest."""
        return self.path / "objects"

    @property
    def models(self) -> Path:
        """Model files by digest."""
        return self.path / "models"

    @property
    def log(self) -> Path:
        """The decision log, a folder that may be published."""
        return self.path / "log"

    @property
    def private(self) -> Path:
        """Duty log, texts and salts (mode 0700)."""
        return self.path / "private"

    @property
    def keys(self) -> Path:
        """Signing keys and link secrets (mode 0700), never exported."""
        return self.path / "keys"

    @property
    def permits(self) -> Path:
        """One file a worker that may run."""
        return self.path / "permits"

    @property
    def index(self) -> Path:
        """Document indexes."""
        return self.path / "index"

    def ensure(self) -> "Home":
        """Create what is missing of the folder tree, and return the home itself.

        Raises StaffroomError where the place cannot be written.
        """
        make_folder(self.path)
        for name in _OPEN_FOLDERS:
            make_folder(self.path / name)
        for name in _CLOSED_FOLDERS:
            make_folder(self.path / name, mode=0o700)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            write_durably(ignore, b"*\n")
        return self

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Hold this home's lock `what` (such as `hire`) while the block runs; never waits.

        The kernel keeps the lock (flock), so one left by a killed process is free at once; the text in
        the file only says who holds it. Raises HomeBusy naming the holder.
        """
        if not _LOCK_NAME.match(what):
            raise ValueError(f"not a lock name: {what!r}")
        self.ensure()
        path = self.path / "locks" / f"{what}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise disk_error(error, path) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _busy(what, self.path, os.pread(handle, 4096, 0)) from error
            try:
                _sign(handle, path)
                yield
            finally:
                # Emptied while still held: whoever comes next must not read an old holder's name.
                os.ftruncate(handle, 0)
        finally:
            os.close(handle)


def _sign(handle: int, path: Path) -> None:
    holder = {"pid": os.getpid(), "command": shlex.join(sys.argv)[:200], "since": to_text(utc_now())}
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, orjson.dumps(holder), 0)
    except OSError as error:
        raise disk_error(error, path) from error


def _holder(content: bytes) -> dict[str, object]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _busy(what: str, home: Path, content: bytes) -> HomeBusy:
    holder = _holder(content)
    if not holder:
        return HomeBusy(
            f"another process is at `{what}` here",
            where=str(home),
            hint="wait until it has finished, or use another STAFFROOM_HOME",
        )
    return HomeBusy(
        f"process {holder.get('pid')} is at `{what}` here since {holder.get('since')}: "
        f"{holder.get('command')}",
        where=str(home),
        hint=f"wait until it has finished, or end it with `kill {holder.get('pid')}` "
        "(finished steps are kept), or use another STAFFROOM_HOME",
    )
