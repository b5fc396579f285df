"""`staffroom doctor`: what this machine needs for a hire, each thing with what to do where it is missing."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from staffroom.cli.doctor_check import Check
from staffroom.cli.doctor_gateway import look_at_duty, look_at_permits, look_at_port, look_at_spending
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import StaffroomError

if TYPE_CHECKING:
    from staffroom.store import Home

__all__ = ["Check", "doctor", "examine_machine"]

_FAILED = 3
_DISK_BYTES = 4_000_000_000
_MEMORY_BYTES = 3_000_000_000


def doctor(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Look at what this machine needs: Python, libraries, disk, memory, home, models, gateway, log; exit code 3 if one is missing."""
    terminal = terminal_of(context, as_json)
    checks = examine_machine(terminal)
    ok = all(check.ok for check in checks if check.needed)
    value = {"ok": ok, "checks": [check.as_json() for check in checks]}
    terminal.give(value, lambda: _show(terminal, checks, ok))
    raise typer.Exit(0 if ok else _FAILED)


def examine_machine(terminal: Terminal) -> list[Check]:
    """Return all checks; one that fails never hides the others."""
    home = home_of(terminal)
    looks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("Python", lambda: _python(terminal)),
        ("libgomp1", lambda: _libgomp(terminal)),
        ("disk", lambda: _disk(terminal, home, terminal.environment)),
        ("memory", lambda: _memory(terminal)),
        ("home", lambda: _home(terminal, home)),
        ("models", lambda: _models(terminal, home)),
        ("OCR", lambda: _ocr(terminal)),
        ("gateway port", lambda: look_at_port(terminal, home)),
        ("permits", lambda: look_at_permits(terminal, home)),
        ("record of requests", lambda: look_at_duty(terminal, home)),
        ("budgets", lambda: look_at_spending(terminal, home)),
        ("log", lambda: _log(terminal, home)),
    )
    checks = []
    for name, look in looks:
        try:
            checks.append(look())
        except (StaffroomError, OSError) as error:
            message = getattr(error, "message", None) or str(error)
            checks.append(Check(name, False, message, str(getattr(error, "hint", "")) or "staffroom doctor"))
    return checks


def _python(terminal: Terminal) -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("Python", sys.version_info >= (3, 11), version, terminal.t("install Python 3.11 or newer"))


def _libgomp(terminal: Terminal) -> Check:
    t = terminal.t
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Check(
            "libgomp1",
            False,
            t("missing; the engine cannot start without it"),
            "sudo apt-get install libgomp1",
        )
    return Check("libgomp1", True, t("present"))


def _disk(terminal: Terminal, home: "Home", environment: Mapping[str, str]) -> Check:
    t = terminal.t
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    places = {_existing(home.path), _existing(Path(cache).expanduser())}
    free, place = min((shutil.disk_usage(place).free, place) for place in places)
    text = t("{free} free at {place}", free=_gigabytes(free), place=place)
    hint = t("free some space: a hire with downloads takes about {need}", need=_gigabytes(_DISK_BYTES))
    return Check("disk", free >= _DISK_BYTES, text, hint)


def _memory(terminal: Terminal) -> Check:
    t = terminal.t
    from staffroom.pipeline.models import present_memory

    present, reason = present_memory()
    text = t("{free} available ({reason})", free=_gigabytes(present), reason=reason)
    hint = t(
        "close other programs, or name smaller candidates: at least {need}", need=_gigabytes(_MEMORY_BYTES)
    )
    return Check("memory", present >= _MEMORY_BYTES, text, hint)


def _home(terminal: Terminal, home: "Home") -> Check:
    t = terminal.t
    if not home.path.exists():
        parent = _existing(home.path)
        ok = os.access(parent, os.W_OK)
        text = t("{place} is not there yet; the first hire makes it", place=home.path)
        return Check("home", ok, text, t("name a folder you may write to: export STAFFROOM_HOME=FOLDER"))
    closed = [name for name in ("", "private", "keys", "log") if not _usable(home.path / name)]
    if closed:
        places = ", ".join(str(home.path / name) for name in closed)
        hint = t("give the folders to the user who runs staffroom (chown, chmod)")
        return Check(
            "home", False, t("may not be read and written by this user: {places}", places=places), hint
        )
    if home.database.exists():
        from staffroom.store import Database

        with Database(home.database) as database:
            faults = database.check()
        if faults:
            return Check("home", False, f"{home.database}: {faults[0]}", t("restore the file from a backup"))
    return Check("home", True, str(home.path))


def _models(terminal: Terminal, home: "Home") -> Check:
    t = terminal.t
    from staffroom.pipeline.models import list_models

    rows = list_models(home)["models"]
    gone = [
        row["id"]
        for row in rows
        if row["model"]
        and not (home.models / f"{row['model']['digest'].removeprefix('sha256:')}.gguf").exists()
    ]
    if gone:
        return Check(
            "models", False, t("files are gone: {names}", names=", ".join(gone)), "staffroom models check"
        )
    if not rows:
        return Check(
            "models",
            False,
            t("none yet; a hire fetches the starters it names"),
            "staffroom models list",
            False,
        )
    return Check("models", True, ", ".join(row["id"] for row in rows))


def _ocr(terminal: Terminal) -> Check:
    t = terminal.t
    present = all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))
    text = t("present") if present else t("not installed; scans and pictures cannot be read")
    return Check("OCR", present, text, "make ocr", needed=False)


def _log(terminal: Terminal, home: "Home") -> Check:
    t = terminal.t
    from staffroom.ledger import LedgerError, read_restored
    from staffroom.pipeline.decision_log import DecisionLog

    log = DecisionLog(home)
    try:
        if not (log.folder / "checkpoint").exists() and log.size() == 0:
            return Check("log", True, t("none yet; the first hire begins it"))
        if not (home.keys / "decisions").exists():
            return Check("log", False, t("its keys are gone"), t("restore the folder keys/ from a backup"))
        if read_restored(log.last_signed) is not None:
            text = t("came back from a backup and signs nothing until it is reconciled")
            return Check("log", False, text, "staffroom log reconcile --help")
        report = log.verify()
    except LedgerError as error:
        return Check("log", False, error.message, error.hint or "staffroom log verify")
    if report.ok:
        return Check("log", True, t("whole, {size} entries", size=report.size))
    first = report.problems[0]
    return Check("log", False, f"{first.where}: {first.what}", "staffroom log verify")


def _show(terminal: Terminal, checks: list[Check], ok: bool) -> None:
    t = terminal.t
    for check in checks:
        mark, style = ("ok ", "green") if check.ok else ("NOT", "red") if check.needed else ("-- ", "yellow")
        terminal.line(f"{mark} {check.name}: {check.text}", style if not check.ok else "")
        if not check.ok:
            terminal.line(f"    hint: {check.hint}")
    terminal.line(
        t("This machine is ready for a hire.")
        if ok
        else t("Something is missing; see the lines marked NOT."),
        "bold",
    )


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _usable(path: Path) -> bool:
    return not path.exists() or os.access(path, os.R_OK | os.W_OK | os.X_OK)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
