"""The command's beginning and end: language, errors as text with a hint, exit codes.

Exit: 0 done or promoted, 1 rejected, 4 undecided, 2 wrong use, 3 failed, 130 stopped by Ctrl-C, 141 reader gone.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from staffroom.cli.app import build_command
from staffroom.cli.language import choose_language, words_of
from staffroom.cli.terminal import Terminal
from staffroom.records.errors import StaffroomError

__all__ = ["main", "run"]

_WRONG_USE, _FAILED, _STOPPED, _READER_GONE = 2, 3, 130, 141


def main() -> None:
    """Run `staffroom` as a program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character shows a question mark; it never ends a hire.
            stream.reconfigure(errors="replace")
    status = run(sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        _leave_stdout()
        status = _READER_GONE
    if status == _STOPPED:
        # A worker thread may be in the middle of something long: nothing unfinished is waited for.
        os._exit(status)
    sys.exit(status)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command and return its exit code; errors are printed here and nowhere else."""
    arguments = list(arguments) or ["--help"]
    terminal = Terminal(words_of(choose_language(environment)), environment, "--json" in arguments)
    t = terminal.t
    try:
        command = build_command(t)
        with command.make_context("staffroom", arguments, obj=terminal) as context:
            command.invoke(context)
        return 0
    except typer.Exit as ending:
        return ending.exit_code
    except (KeyboardInterrupt, typer.Abort):
        terminal.note(t("stopped; the same command goes on from here"))
        return _STOPPED
    except BrokenPipeError:
        _leave_stdout()
        return _READER_GONE
    except typer.TyperException as error:
        return _wrong_command(terminal, error)
    except StaffroomError as error:
        return _explain(terminal, error.message, error.where, error.hint, error.exit_code)
    except Exception as error:  # noqa: BLE001  # the outermost boundary: what is left is a defect, kept in a file
        return _ledger_or_crash(terminal, error)


def _ledger_or_crash(terminal: Terminal, error: Exception) -> int:
    ledger = sys.modules.get("staffroom.ledger.errors")
    if ledger is not None and isinstance(error, ledger.LedgerError):
        where, hint = str(error.where), str(error.hint) or "staffroom log verify"
        return _explain(terminal, str(error.message), where, hint, _FAILED)
    place = _keep_traceback(terminal, error)
    message = terminal.t("an error that nobody foresaw: {error}", error=f"{type(error).__name__}: {error}")
    kept = terminal.t("the traceback is in {place}; please report it", place=place)
    return _explain(terminal, message.replace("\n", " ")[:500], "", kept, _FAILED)


def _wrong_command(terminal: Terminal, error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "staffroom"
    if type(error).__name__ == "NoArgsIsHelpError":
        terminal.write(error.format_message() + "\n")
        return 0
    return _explain(terminal, error.format_message(), "", f"{path} --help", _WRONG_USE)


def _explain(terminal: Terminal, message: str, where: str, hint: str, status: int) -> int:
    place = f"{where}: " if where else ""
    try:
        terminal.note(f"{place}{message}", "red" if terminal.err.is_terminal else "")
        if hint:
            terminal.note(f"hint: {hint}")
        if terminal.as_json:
            fault = {"message": message, "where": where, "hint": hint}
            sys.stdout.write(json.dumps({"error": fault, "exit_code": status}, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        _leave_stdout()
    return status


def _keep_traceback(terminal: Terminal, error: Exception) -> Path:
    """Write the traceback where only this user can read it: into the home if there is one, else a temporary folder."""
    home = Path(terminal.environment.get("STAFFROOM_HOME") or ".staffroom").expanduser() / "private"
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.txt"
    text = "".join(traceback.format_exception(error))
    for folder in (home, Path(tempfile.gettempdir())):
        try:
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return (folder / name).absolute()
    sys.stderr.write(text)
    return Path("stderr")


def _leave_stdout() -> None:
    # Python flushes stdout once more at exit, and would complain about the reader that is gone.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
