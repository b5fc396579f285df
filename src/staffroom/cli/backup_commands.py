"""`staffroom backup` and `staffroom restore`: the home in a safe place, and back."""

from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["backup", "restore"]

_FAILED = 3

Expect = Annotated[
    str,
    typer.Option(
        "--expect",
        help="The manifest's digest, as it was printed when the backup was made.",
        metavar="DIGEST",
    ),
]


def backup(
    context: typer.Context,
    place: Annotated[
        Path,
        typer.Argument(
            help="A folder, in which the backup gets a folder of its own, or a file that ends in .tar or .tar.gz.",
            metavar="FOLDER|FILE",
        ),
    ],
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys", help="Take the private keys along: whoever has the backup can then sign."
        ),
    ] = False,
    with_models: Annotated[
        bool, typer.Option("--with-models", help="Take the model files along; they are large.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Copy the home consistently while it works; a backup is whole or not there."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.backup import back_up

    with progress_for(terminal) as progress:
        row = back_up(home_of(terminal), place, progress, keys=with_keys, models=with_models)
    terminal.give(row, lambda: _show_backup(terminal, row))
    raise typer.Exit(_FAILED if row["damaged"] else 0)


def restore(
    context: typer.Context,
    place: Annotated[Path, typer.Argument(help="A backup: a folder or a tar file.", metavar="BACKUP")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="A copy of the folder keys/ that was kept elsewhere.", metavar="FOLDER"),
    ] = None,
    expect: Expect = "",
    revoke_keys: Annotated[
        bool,
        typer.Option(
            "--revoke-keys", help="Revoke all clients' keys: one revoked since may come back valid."
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only check that the backup is whole and could be restored.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a home of a backup where there is none; nothing in it runs, and its log signs nothing until it is reconciled."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline import backup as backups

    t = terminal.t
    with progress_for(terminal) as progress:
        if check:
            row = backups.check_backup(home_of(terminal), place, progress, expected=expect)
        else:
            row = backups.restore(
                home_of(terminal), place, progress, keys_from=keys, expected=expect, revoke_keys=revoke_keys
            )
    if check:
        terminal.give(
            row, lambda: terminal.line(t("The backup of {at} is whole: {files} files.", **row), "green")
        )
    else:
        terminal.give(row, lambda: _show_restored(terminal, row))
    raise typer.Exit(_FAILED if row["damaged"] else 0)


def _show_backup(terminal: Terminal, row: dict[str, Any]) -> None:
    t = terminal.t
    terminal.line(t("Backed up: {files} files, {bytes} bytes, in {place}", **row), "bold")
    terminal.line(t("Keep this digest elsewhere: {manifest}", **row))
    terminal.line(t("It holds what people asked and were answered: keep it as closed as the home itself."))
    if row["keys"]:
        terminal.line(t("It holds the private keys: whoever has it can sign as this home."), "bold yellow")
    else:
        terminal.line(t("The private keys are not in it. Keep a copy of the folder keys/ in another place."))
    if row["models_left_out"]:
        terminal.line(t("Model files are not in it: {names}", names=", ".join(row["models_left_out"])))
    _show_damage(terminal, row)
    for path in row["skipped"]:
        terminal.line(t("Left out, because it is a link: {path}", path=path), "yellow")


def _show_restored(terminal: Terminal, row: dict[str, Any]) -> None:
    t = terminal.t
    terminal.line(t("Restored to {home}, as it was at {at}: {files} files.", **row), "bold")
    if not row["signing_keys"]:
        terminal.line(t("The keys that sign are not there: put your copy of keys/ into the home."), "yellow")
    if row["log"]["size"]:
        terminal.line(
            t("The log can be read and signs nothing until: {command}", command="staffroom log reconcile")
        )
    if row["running"]:
        names = ", ".join(row["running"])
        terminal.line(t("Nobody works. These did, and need `staffroom resume`: {names}", names=names))
    if row["models_missing"]:
        names = ", ".join(row["models_missing"])
        terminal.line(t("Model files to bring back (`staffroom models get` or `add`): {names}", names=names))
    if row["keys_revoked"]:
        terminal.line(t("Clients' keys revoked: {count}.", count=row["keys_revoked"]))
    else:
        terminal.line(t("What was revoked or erased after {at} is back: revoke and erase it again.", **row))
    _show_damage(terminal, row)


def _show_damage(terminal: Terminal, row: dict[str, Any]) -> None:
    if row["damaged"]:
        names = ", ".join(row["damaged"])
        terminal.line(terminal.t("Damaged already in the home: {names}", names=names), "bold red")
