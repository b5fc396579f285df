"""`staffroom exam unseal`: open the sealed split of a pack, once for ever, for one worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["unseal"]


def unseal(
    context: typer.Context,
    alias: Annotated[str, typer.Argument(help="The worker's alias.", metavar="WORKER")],
    pack: Annotated[Path, typer.Argument(help="Folder of the exam pack.", metavar="PACK")],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="Office or name of the person who opens it; the log gets a commitment to it, not the name.",
            metavar="NAME",
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let a released worker sit the sealed split, which works once for ever; results are sums."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.cli.progress import ShownProgress, progress_for
    from staffroom.pipeline.sealed import preview_unseal
    from staffroom.pipeline.sealed import unseal as open_sealed

    home = home_of(terminal)
    if not by.strip():
        raise WrongUse(
            terminal.t("a sealed split is opened by a named person"),
            hint=f'staffroom exam unseal {alias} {pack} --by "office or name"',
        )
    _confirm(terminal, preview_unseal(home, alias, pack), alias, pack, by, yes)
    how: Literal["terminal", "--yes"] = "--yes" if yes else "terminal"

    async def sit(progress: ShownProgress) -> dict[str, Any]:
        return await open_sealed(home, alias, pack, by, how, progress)

    with WorkLoop() as loop, progress_for(terminal) as progress:
        value = loop.run(sit(progress))
    terminal.give(value, lambda: _show(terminal, value))


def _confirm(
    terminal: Terminal, value: Mapping[str, Any], alias: str, pack: Path, by: str, yes: bool
) -> None:
    t = terminal.t
    if value["goes_on"]:
        terminal.note(t("It was opened for this worker before and not finished: it goes on."))
        return
    if value["committed_in"] is None:
        terminal.note(
            t(
                "No run has published its commitment yet, so it will not prove that the items were fixed beforehand."
            ),
            "yellow",
        )
    if yes:
        return
    if not terminal.asks:
        raise WrongUse(
            t("a sealed split opens once for ever, and there is no terminal to ask at"),
            hint=f'staffroom exam unseal {alias} {pack} --by "{by}" --yes',
        )
    terminal.note(
        t(
            "The sealed split of {name} ({count} items) opens once for ever, now for {alias}. Type its alias to confirm:",
            name=value["name"],
            count=value["items"],
            alias=alias,
        ),
        "bold",
    )
    if input().strip() != alias:
        raise WrongUse(t("not confirmed; nothing was changed"), hint=f"staffroom exam alpha {pack}")


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    title = t(
        "{alias} on the sealed split of {name}: {count} items",
        alias=value["alias"],
        name=value["name"],
        count=value["items"],
    )
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(t("facet"))
    for name in (t("items"), t("score"), t("95 % interval"), t("threshold")):
        table.add_column(name, justify="right")
    table.add_column(t("shown"))
    for row in value["facets"]:
        bar = "–" if row["threshold"] is None else f"{row['threshold']:g}"
        interval = f"{row['low']:.2f}–{row['high']:.2f}"
        table.add_row(row["facet"], str(row["n"]), f"{row['score']:.2f}", interval, bar, t(row["shown"]))
    terminal.show(table)
    terminal.line(
        t(
            "Opened in entry {opened} of the log, result in entry {result}. The split is spent for ever.",
            opened=value["opened_in"],
            result=value["log_entry"],
        )
    )
