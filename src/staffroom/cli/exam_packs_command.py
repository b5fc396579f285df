"""`staffroom exam packs`: the exams that are known by name, and a pack for another locale to start from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["packs"]


def packs(
    context: typer.Context,
    new_locale: Annotated[
        Path | None,
        typer.Option(
            "--new-locale",
            help="Write a pack for another locale into this new folder, to start from; --locale names it.",
            metavar="FOLDER",
        ),
    ] = None,
    locale: Annotated[
        str, typer.Option("--locale", help="Language and country of the new pack.", metavar="fi-FI")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """List the exams that are known by name: packs that come with the program, and public sets."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.exam_targets import known_exams, new_locale_pack

    if new_locale is None:
        if locale:
            raise WrongUse(
                terminal.t("--locale belongs to --new-locale"),
                hint=f"staffroom exam packs --new-locale FOLDER --locale {locale}",
            )
        rows = known_exams()
        terminal.give({"packs": rows}, lambda: _show(terminal, rows))
        return
    if not locale:
        raise WrongUse(
            terminal.t("a new pack needs a locale"),
            hint=f"staffroom exam packs --new-locale {new_locale} --locale fi-FI",
        )
    value = new_locale_pack(new_locale, locale)
    terminal.give(value, lambda: _show_new(terminal, value))


def _show(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (t("name"), t("locale")):
        table.add_column(name, no_wrap=True)
    table.add_column(t("items"), justify="right")
    table.add_column(t("terms"))
    table.add_column(t("what is in it, or which files it needs"))
    for row in rows:
        facets = ", ".join(f"{name} {count}" for name, count in row["facets"].items())
        table.add_row(
            row["name"], row["locale"], str(row["items"]), row["license"], facets or ", ".join(row["files"])
        )
    terminal.show(table)
    for row in rows:
        if row["kind"] == "public":
            terminal.line(f"{row['name']}: {row['source']}")
    terminal.line(t("A public set is sat with: staffroom exam run WORKER {name} --data FOLDER", name="ttqa"))


def _show_new(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    for name in value["files"]:
        terminal.line(str(Path(value["folder"]) / name))
    terminal.line(
        t(
            "Replace what is marked EXAMPLE, then run: staffroom exam check {folder}",
            folder=value["folder"],
        )
    )
