"""What `staffroom doctor` looks at for the gateway: its port, its permits, the record of requests, and what budgets have spent."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from staffroom.cli.doctor_check import Check
from staffroom.cli.terminal import Terminal

if TYPE_CHECKING:
    from staffroom.store import Home

__all__ = ["look_at_duty", "look_at_permits", "look_at_port", "look_at_spending"]

_PORT = 8321
_LISTENS = "0A"


def look_at_port(terminal: Terminal, home: "Home") -> Check:
    """Say whether the gateway's usual port is free, or is that of this home's gateway."""
    t = terminal.t
    if not _listened_at(_PORT):
        return Check("gateway port", True, t("{port} is free", port=_PORT))
    from staffroom.store import HomeBusy

    if home.path.exists():
        try:
            with home.lock("serve"):
                pass
        except HomeBusy:
            return Check("gateway port", True, t("{port}: the gateway of this home runs", port=_PORT))
    text = t("{port} is another program's", port=_PORT)
    return Check("gateway port", False, text, "staffroom serve --port 0", needed=False)


def _listened_at(port: int) -> bool:
    """Say whether a program listens at a TCP port, by the kernel's own list; where there is none, nobody is taken to."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
        except OSError:
            continue
        if any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows):
            return True
    return False


def look_at_permits(terminal: Terminal, home: "Home") -> Check:
    """Say which workers run, and of which permits nothing comes: another release, an unknown alias, no readable file."""
    t = terminal.t
    if not home.permits.is_dir() or not home.database.exists():
        return Check("permits", True, t("none yet; a release makes one"))
    from staffroom.serve import Permits
    from staffroom.store import Database, PlainModels, Releases

    with Database(home.database) as database:
        served = Releases(database).aliases()
        served |= {each.model.alias: each.model.digest for each in PlainModels(database).list()}
    permits = Permits(home.permits)
    running = permits.running()
    wrong = sorted(alias for alias, release in running.items() if served.get(alias) != release)
    # A file that is there and grants nothing looks like a running worker to whoever lists the folder.
    unread = sorted(
        path.name
        for path in home.permits.iterdir()
        if path.name in served and path.name not in running and permits.release(path.name) is None
    )
    if wrong or unread:
        text = t("these permits let nothing run: {names}", names=", ".join([*wrong, *unread]))
        return Check("permits", False, text, "staffroom resume WORKER", needed=False)
    return Check("permits", True, t("{running} of {all} workers run", running=len(running), all=len(served)))


def look_at_duty(terminal: Terminal, home: "Home") -> Check:
    """Say whether requests can be recorded, and only by this user be read."""
    t = terminal.t
    from staffroom.serve.duty_files import days_of
    from staffroom.serve.duty_seals import read_seals

    folder = home.private / "duty"
    if not folder.exists():
        return Check("record of requests", True, t("none yet; the first request begins it"))
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        text = t("may not be read and written by this user: {places}", places=folder)
        return Check(
            "record of requests",
            False,
            text,
            t("give the folders to the user who runs staffroom (chown, chmod)"),
        )
    seen = [path for path in (folder, *folder.iterdir()) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if seen:
        text = t("may be read by other users: {names}", names=", ".join(path.name for path in seen[:5]))
        return Check("record of requests", False, text, f"chmod -R go= {folder}")
    text = t(
        "{days} days, {batches} sealed batches", days=len(days_of(folder)), batches=len(read_seals(folder))
    )
    return Check("record of requests", True, text)


def look_at_spending(terminal: Terminal, home: "Home") -> Check:
    """Say whether the file with what budgets have spent is whole."""
    t = terminal.t
    path = home.private / "spend.db"
    if not path.exists():
        return Check("budgets", True, t("none were charged yet"))
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
        finally:
            connection.close()
    except sqlite3.Error as error:
        found = [str(error)]
    if found != ["ok"]:
        return Check("budgets", False, f"{path}: {found[0]}", t("restore the file from a backup"))
    return Check("budgets", True, t("what was charged can be read"))
