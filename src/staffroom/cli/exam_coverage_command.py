"""`staffroom exam coverage`: which of a job's tasks a worker can do, at which error and cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["coverage", "show_coverage"]

_STYLES: Mapping[str, str] = {"reached": "green", "short": "red"}


def coverage(
    context: typer.Context,
    alias: Annotated[str, typer.Argument(help="The worker's alias.", metavar="WORKER")],
    job: Annotated[Path, typer.Argument(help="The job description, with its tasks.", metavar="JOB.yaml")],
    as_json: JsonFlag = False,
) -> None:
    """Show which of a job's tasks a worker can do, at which error and cost, from exams that it has sat."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.coverage import job_coverage

    value = job_coverage(home_of(terminal), alias, job)
    terminal.give(value, lambda: show_coverage(terminal, value))


def show_coverage(terminal: Terminal, value: Mapping[str, Any]) -> None:
    """Draw the tasks as a table, with their sums and what is missing."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(t("task"), overflow="fold", min_width=12)
    for name in (
        t("items"),
        t("score (95 % interval)"),
        t("needed"),
        t("cost of a right answer"),
        t("person's minutes"),
        t("cases a month"),
    ):
        table.add_column(name, justify="right")
    table.add_column(t("result"), min_width=12)
    table.columns[2].no_wrap = True
    for row in value["tasks"]:
        shown = row["score"] is not None
        table.add_row(
            row["name"],
            str(row["items"]),
            f"{row['score']:.2f} ({row['low']:.2f}–{row['high']:.2f})" if shown else "–",
            f"{row['needed']:g}",
            _money(row),
            f"{row['minutes']:g}",
            str(row["cases"]),
            _result(terminal, row["verdict"]),
            style=_STYLES.get(row["verdict"]),
        )
    terminal.show(table)
    _show_sums(terminal, value)
    for row in value["tasks"]:
        _show_need(terminal, row)
    for row in value["exams"]:
        if row["hint"]:
            terminal.line(
                t(
                    "Never sat: {name}. Let it: {command}",
                    name=row["name"],
                    command=row["hint"].replace("WORKER", value["alias"]),
                ),
                "yellow",
            )
    if any(row["cost_basis"] == "choices" and _money(row) != "–" for row in value["tasks"]):
        terminal.line(t("* by choice items, which are read once for each order of their options"), "dim")
    terminal.line(
        t("The minutes are the sponsor's word. A right answer on the exam is no promise of the next one."),
        "dim",
    )


def _show_sums(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    by_cases = value["share_of_cases"]
    terminal.line(
        t("{reached} of {of} tasks reach what the job needs", reached=value["reached"], of=value["of"])
        + (f" ({t('{share} of the cases', share=f'{by_cases:.0%}')})" if by_cases is not None else ""),
        "bold",
    )
    if value["reached"]:
        terminal.line(
            t(
                "{count} of them also do at once, with 95 % confidence for all together.",
                count=value["reached_together"],
            )
        )


def _show_need(terminal: Terminal, row: Mapping[str, Any]) -> None:
    t = terminal.t
    if row["verdict"] in ("reached", "short"):
        return
    share = f"{row['assumed_share']:.2f}"
    if row["more"] is None:
        text = t(
            "{name}: a true share of {share} is too near to {needed} for any exam of this size to tell",
            name=row["name"],
            share=share,
            needed=f"{row['needed']:g}",
        )
    else:
        text = t(
            "{name}: about {more} more sources would decide, if the true share is {share}",
            name=row["name"],
            more=row["more"],
            share=share,
        )
    terminal.line(f"  {text}")


def _result(terminal: Terminal, verdict: str) -> str:
    t = terminal.t
    return {
        "reached": t("reached"),
        "short": t("falls short"),
        "open": t("open"),
        "too few items": t("too few items"),
        "not examined": t("not examined"),
    }[verdict]


def _money(row: Mapping[str, Any]) -> str:
    costs = [
        row[name] for name in ("cost_per_accepted", "machine_cost_per_accepted") if row[name] is not None
    ]
    if not costs:
        return "–"
    star = "*" if row["cost_basis"] == "choices" else ""
    return "\n".join(f"{float(cost):.3g} {row['currency']}{star}" for cost in costs)
