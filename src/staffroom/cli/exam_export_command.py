"""`staffroom exam export`: an evaluation as a log of Inspect, or as a record of Every Eval Ever."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["ExportForm", "export"]


class ExportForm(StrEnum):
    """The forms in which an evaluation leaves the house."""

    INSPECT = "inspect"
    EVERY_EVAL_EVER = "eee"


def export(
    context: typer.Context,
    evaluation: Annotated[
        str,
        typer.Argument(help="Digest of the evaluation, or its beginning.", metavar="EVALUATION"),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            help="Where to write: .json or .eval for inspect; .json or a folder for eee.", metavar="FILE"
        ),
    ],
    to: Annotated[ExportForm, typer.Option("--to", help="The form: Inspect's log, or Every Eval Ever.")],
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack",
            help="Folder of the pack that was examined; without it only sums are written.",
            metavar="FOLDER",
        ),
    ] = None,
    organisation: Annotated[
        str, typer.Option("--organisation", help="Who answers for the evaluation, as the record shall say.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Write an evaluation in another program's form; single answers only where they may be shown."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.exam_exchange import export_evaluation

    value = export_evaluation(
        home_of(terminal), evaluation, to.value, file, folder=pack, organisation=organisation
    )
    terminal.give(value, lambda: _show(terminal, value))


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    for name in value["files"]:
        terminal.line(f"  {name}")
    if value["items"]:
        terminal.line(t("{count} items of the {split} split", count=value["items"], split=t(value["split"])))
    else:
        terminal.line(t("sums only: {why}", why=value["sums_only"]))
    if value["to"] == "inspect":
        terminal.line(t("Look at it: {command}", command="inspect view"))
