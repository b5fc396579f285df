"""`staffroom models`: add, fetch, check and list model files and servers."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["add", "check", "get", "list_"]

_FAILED = 3


def add(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(
            help="A GGUF file, an address, owner/repository:file on a hub, or server:URL#model.",
            metavar="REFERENCE",
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="The name by which jobs ask for it.")] = "",
    license_: Annotated[
        str, typer.Option("--license", help="Its licence, where the file does not say.")
    ] = "",
    maker: Annotated[str, typer.Option("--maker", help="Who made it, where the file does not say.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Put a model file or a server on the shelf; a file is bound by its SHA-256 and never loaded to look."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.models import add_model

    with progress_for(terminal) as progress:
        row = add_model(home_of(terminal), reference, progress, name=name, license=license_, maker=maker)
    terminal.give(row, lambda: _show_added(terminal, row))


def get(
    context: typer.Context,
    starter: Annotated[
        str, typer.Argument(help="A starter model, from `staffroom models list`.", metavar="STARTER")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Fetch a starter model, unless this machine has it; only the file with the right SHA-256 is accepted."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.models import get_model

    with progress_for(terminal) as progress:
        row = get_model(home_of(terminal), starter, progress)
    terminal.give(row, lambda: _show_added(terminal, row))


def check(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Hash every model file anew and read its header; exit code 3 where one is not in order."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.models import check_models

    rows: list[dict[str, Any]] = []
    for row in check_models(home_of(terminal)):
        rows.append(row)
        if not terminal.as_json:
            terminal.line(f"{_mark(row['ok'])} {row['id']}: {row['text']}")
    ok = all(row["ok"] for row in rows)

    def draw() -> None:
        if not rows:
            terminal.line(terminal.t("There is no model here yet."))

    terminal.give({"models": rows, "ok": ok}, draw)
    raise typer.Exit(0 if ok else _FAILED)


def list_(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the models of this home, and the starter models that can be fetched."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.models import list_models

    value = list_models(home_of(terminal))
    terminal.give(value, lambda: _show_list(terminal, value))


def _show_added(terminal: Terminal, row: Mapping[str, Any]) -> None:
    t, model = terminal.t, row.get("model")
    terminal.line(t("{name} is on the shelf.", name=row["id"]))
    if model is None:
        terminal.line(t("A server: its weights cannot be bound by digest, and a release will say so."))
        return
    terminal.line(f"  {model['digest']}  {_size(model['bytes'])}")
    terminal.line(t("  from: {source}", source=model["source"]))
    if row.get("checked_against") == "nothing":
        terminal.line(
            t("  no digest was given to compare with: it vouches only that the file stays the same")
        )


def _show_list(terminal: Terminal, value: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    table = Table(
        title=t("Models here"), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column(t("name"), overflow="fold")
    table.add_column(t("size"), justify="right", no_wrap=True)
    for name in (t("licence"), t("maker"), t("from")):
        table.add_column(name, overflow="fold")
    for row in value["models"]:
        model = row["model"] or {}
        source = model.get("source") or row.get("endpoint") or ""
        size = _size(model["bytes"]) if model else t("server")
        table.add_row(row["id"], size, model.get("license") or "–", model.get("maker") or "–", source)
    if value["models"]:
        terminal.show(table)
    else:
        terminal.line(t("There is no model here yet."))
    waiting = [row for row in value["starters"] if not row["here"]]
    if waiting:
        terminal.line()
        terminal.line(t("Starter models that `staffroom models get NAME` fetches:"), "bold")
        for row in waiting:
            terminal.line(
                f"  {row['id']}  {_size(row['bytes'])}, {row['license']}, {row['maker']}; {row['note']}"
            )


def _mark(ok: bool) -> str:
    return "ok " if ok else "NOT"


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
