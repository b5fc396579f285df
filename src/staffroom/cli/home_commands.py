"""`staffroom home`: the home itself, as a new version of the program finds it."""

from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["upgrade"]


def upgrade(
    context: typer.Context,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Only try it on a copy; the home stays as it is.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring a home of an older Staffroom up to this one; it is rehearsed on a copy before the home is touched."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.upgrade import upgrade_home

    row = upgrade_home(home_of(terminal), rehearse=rehearse)
    terminal.give(row, lambda: _show(terminal, row))


def _show(terminal: Terminal, row: dict[str, Any]) -> None:
    t = terminal.t
    if not row["steps"]:
        terminal.line(t("This home is up to date (schema {to}).", **row))
        return
    for step in row["steps"]:
        terminal.line(f"  {step['number']}  {step['what']}")
    terminal.line(t("Rehearsed on a copy: all {rows} rows are there, with the values they had.", **row))
    if row["upgraded"]:
        terminal.line(t("The home is upgraded from schema {from} to {to}.", **row), "bold")
        terminal.line(t("The index from before is kept: {kept}", **row))
    else:
        terminal.line(
            t("The home was not touched. To upgrade it: {command}", command="staffroom home upgrade")
        )
