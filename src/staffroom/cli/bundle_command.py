"""`staffroom bundle`: everything that a machine without the internet needs, in one folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["bundle"]


def bundle(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="The folder to make; it must not be there yet.", metavar="FOLDER")
    ],
    wheels: Annotated[
        Path,
        typer.Option(
            "--wheels",
            help="A folder with the wheels, as pip downloaded them, and Staffroom's own.",
            metavar="FOLDER",
        ),
    ],
    requirements: Annotated[
        Path, typer.Option("--requirements", help="The lock file with versions and hashes.", metavar="FILE")
    ] = Path("requirements/run.txt"),
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model to take along; may be given several times.", metavar="NAME"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a folder from which Staffroom is installed where there is no internet: packages, models, instructions, digests."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.bundle import make_bundle

    with progress_for(terminal) as progress:
        row = make_bundle(home_of(terminal), folder, wheels, requirements, model or (), progress)
    terminal.give(row, lambda: _show(terminal, row))


def _show(terminal: Terminal, row: dict[str, Any]) -> None:
    t = terminal.t
    terminal.line(t("Bundled in {folder}: {wheels} wheels, {bytes} bytes.", **row), "bold")
    terminal.line(t("The digest of its SHA256SUMS: {sums}", **row))
    for model in row["models"]:
        terminal.line(f"  {model['id']}  {model['digest']}  {model['license']}")
    if row["wheels_left_out"]:
        terminal.line(
            t("Not in the lock file, so left out: {names}", names=", ".join(row["wheels_left_out"]))
        )
    if row["without_wheel"]:
        terminal.line(
            t("For other systems, so without a wheel: {names}", names=", ".join(row["without_wheel"]))
        )
    terminal.line(t("On the other machine: {command}", command="sh install.sh"))
