"""`staffroom exam alpha`: what the uses of a gate have spent, and whether the next one could decide anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["alpha", "show_alpha"]

_MOST_NAMED = 8


def alpha(
    context: typer.Context,
    pack: Annotated[Path, typer.Argument(help="Folder of the exam pack.", metavar="PACK")],
    as_json: JsonFlag = False,
) -> None:
    """Show how often a pack's gate was opened in this home, what that spent, and what the next use could decide."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.alpha import alpha_report

    value = alpha_report(home_of(terminal), pack)
    terminal.give(value, lambda: show_alpha(terminal, value))


def show_alpha(terminal: Terminal, value: Mapping[str, Any]) -> None:
    """Draw the report: uses, what is left, and per facet whether the next use can decide."""
    t = terminal.t
    terminal.line(
        t(
            "Gate of {name}, version {version}: {count} items",
            name=value["name"],
            version=value["version"],
            count=value["items"],
        ),
        "bold",
    )
    _show_uses(terminal, value)
    if value["closed"] is None:
        _show_next(terminal, value)
    for text, items in (
        (t("Items whose question or source was at a gate before: {items}"), value["used_before"]),
        (
            t("Items that were asked on the screen before, where answers are shown: {items}"),
            value["seen_on_screen"],
        ),
    ):
        if 0 < len(items) < value["items"]:
            more = f" … (+{len(items) - _MOST_NAMED})" if len(items) > _MOST_NAMED else ""
            terminal.line(text.format(items=", ".join(items[:_MOST_NAMED]) + more))
    _show_end(terminal, value)
    _show_sealed(terminal, value["sealed"])


def _show_sealed(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    if value["opened"] is not None:
        terminal.line(
            t("The sealed split was opened {said}; it is spent.", said=_said(terminal, value["opened"]))
        )
    elif value["items"]:
        terminal.line(t("The sealed split has {count} items; nobody has opened it.", count=value["items"]))


def _said(terminal: Terminal, closed: Mapping[str, Any]) -> str:
    t = terminal.t
    return t(
        "on {date} by {name} (entry {entry} of the log)",
        date=closed["at"][:10],
        name=closed["name"] or t("a person whose name is no longer kept"),
        entry=closed["entry"],
    )


def _show_uses(terminal: Terminal, value: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    if not value["uses"]:
        terminal.line(t("It was never opened in this home."))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (t("use"), t("alpha"), t("entry")):
        table.add_column(name, justify="right")
    for name in (t("date"), t("run"), t("questions")):
        table.add_column(name)
    for row in value["uses"]:
        items = t("the same") if row["same_items"] else t("some are shared")
        run = row["run"] if row["decided"] else f"{row['run']} {t('(not decided)')}"
        table.add_row(str(row["use"]), f"{row['alpha']:.4g}", str(row["entry"]), row["at"][:10], run, items)
    terminal.show(table)
    terminal.line(
        t(
            "Spent: {spent} of {lifetime}; left for all uses to come: {left}",
            spent=f"{value['spent']:.4f}",
            lifetime=f"{value['lifetime']:g}",
            left=f"{value['left']:.4f}",
        )
    )


def _show_next(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t, following = terminal.t, value["next"]
    terminal.line(
        t(
            "The next use is number {use}, at alpha {alpha}:",
            use=following["use"],
            alpha=f"{following['alpha']:.4g}",
        )
    )
    for row in following["facets"]:
        name, clusters = row["facet"], row["clusters"]
        if not row["gated"]:
            text = t("{facet}: reported only", facet=name)
        elif not row["can_pass"]:
            text = t(
                "{facet}: cannot pass, it has {count} sources and needs {needs}",
                facet=name,
                count=clusters,
                needs=row["needs"],
            )
        elif row["least"] is None:
            text = t("{facet}: can pass, by betting on {count} sources", facet=name, count=clusters)
        else:
            text = t(
                "{facet}: passes with {least} of {count} right",
                facet=name,
                least=row["least"],
                count=clusters,
            )
        terminal.line(f"  {text}", "" if row["can_pass"] or not row["gated"] else "yellow")


def _show_end(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t, closed = terminal.t, value["closed"]
    if closed is not None:
        terminal.line(
            t("Closed for good: its questions were retired {said}.", said=_said(terminal, closed))
            if closed["why"] == "retired"
            else t("Closed for good: its questions were unsealed {said}.", said=_said(terminal, closed)),
            "red",
        )
    elif value["used_up"]:
        terminal.line(
            t(
                "Used up: nobody could be promoted any more. Add items from new sources, or take new ones altogether."
            ),
            "red",
        )
    elif value["uses_in_all"] == 0:
        terminal.line(t("No facet has items enough to decide, not even at the first use."), "yellow")
    elif value["uses_in_all"] is None:
        terminal.line(t("With these items it can be used more than a thousand times."))
    else:
        terminal.line(t("With these items it can be used {count} times in all.", count=value["uses_in_all"]))
