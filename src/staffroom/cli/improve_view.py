"""How an improvement looks on the screen, before and after; it only draws what it is given."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from staffroom.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_cost", "show_due", "show_improvement"]

_STYLES: Mapping[str, str] = {"promoted": "bold green", "rejected": "bold red", "undecided": "bold yellow"}

Row = Mapping[str, Any]


def show_cost(terminal: Terminal, value: Row) -> None:
    """Draw what an improvement would try, ask and spend."""
    t, line = terminal.t, terminal.line
    corrections = value["corrections"]
    line(
        t(
            "Corrections: {train} may be learnt from, {kept} are examined and never learnt.",
            train=corrections["train"],
            kept=corrections["regression"],
        )
    )
    _show_proposals(terminal, value["proposals"])
    _show_not_tried(terminal, value["not_tried"])
    if not value["proposals"]:
        line(_reason(terminal, value), "bold")
        line(
            t("To give it corrections: {command}", command=f"staffroom feedback import {value['alias']} FILE")
        )
        return
    cost, outlook = value["cost"], value["outlook"]
    line(
        t(
            "Answers to be asked: at most {screen} on the screen split, {gate} at the gate (worker and candidate).",
            screen=cost["screen_answers"],
            gate=cost["gate_answers"],
        )
    )
    if cost["seconds"] is not None:
        minutes, tokens = max(1, round(cost["seconds"] / 60)), f"{cost['tokens']:,}"
        line(
            t("At the worker's pace about {minutes} min and {tokens} tokens.", minutes=minutes, tokens=tokens)
        )
    line(
        t(
            "This would be use {use} of the gate; it may err with probability {alpha}.",
            use=value["use"],
            alpha=f"{value['alpha']:.4f}",
        )
    )
    for test in value["tests"]:
        line(f"  {test['name']}: {test['reason']}")
    if outlook["probability"] is not None:
        needed = "–" if outlook["needed"] is None else str(outlook["needed"])
        line(
            t(
                "A true gain of {gain} would be shown with probability {probability} on {sources} sources; "
                "{needed} sources make it 0.80.",
                gain=f"{outlook['gain']:.2f}",
                probability=f"{outlook['probability']:.2f}",
                sources=outlook["sources"],
                needed=needed,
            )
        )


def show_improvement(terminal: Terminal, value: Row) -> None:
    """Draw the object of `improve --json` after a run."""
    t, line = terminal.t, terminal.line
    if value.get("unchanged"):
        line(t("Nothing changed since the last run; every step was kept."), "bold")
    _show_proposals(terminal, value["proposals"])
    _show_not_tried(terminal, value["not_tried"])
    table = _table(t("On the screen split (score, 95 % interval)"), t("agent"), t("items"), t("mean"), "")
    for row in value["candidates"]:
        interval = f"{row['mean']:.2f} ({row['low']:.2f}–{row['high']:.2f})"
        mark = t("to the gate") if row["candidate"] == value["winner"] else row.get("left") or ""
        if row["candidate"] == "incumbent":
            mark = t("in service")
        table.add_row(row["candidate"], str(row["items"]), interval, mark)
    terminal.show(table)
    for row in (value["forgetting"] or {}).get("rows", ()):
        if row["holds"]:
            line(t("not forgotten: {pack}: {reason}", pack=row["name"], reason=row["reason"]))
        else:
            line(t("forgotten: {pack}: {reason}", pack=row["name"], reason=row["reason"]), "red")
    if value["tests"]:
        _show_tests(terminal, value["tests"])
    line()
    verdict = str(value["verdict"])
    line(_reason(terminal, value), _STYLES.get(verdict, "bold"))
    alias = value["alias"]
    if value.get("release"):
        line(t("Release {digest}", digest=value["release"]))
        if value.get("state") == "suspended":
            resume = f"staffroom resume {alias}"
            line(t("This worker is suspended and stays so until: {command}", command=resume), "yellow")
        line(t("Back to the release before: {command}", command=f"staffroom rollback {alias}"))
    else:
        line(t("The worker in service goes on as it was."))
    line(t("check the log") + ": staffroom log verify")


def show_due(terminal: Terminal, rows: Sequence[Row]) -> None:
    """Draw which workers are due, and why; all that were looked at otherwise."""
    t = terminal.t
    if not rows:
        terminal.line(t("There is no worker here yet."))
    for row in rows:
        state = t("due") if row["due"] else t("not due")
        terminal.line(f"{row['alias']}: {state}", "bold yellow" if row["due"] else "bold")
        for trigger in row["triggers"]:
            mark = "!" if trigger["due"] else "·"
            terminal.line(f"  {mark} {t(trigger['name'])}: {trigger['detail']}")
        if row["due"]:
            command = f"staffroom improve {row['alias']} --explain"
            terminal.line("  " + t("What it would cost: {command}", command=command))


def _show_proposals(terminal: Terminal, rows: Sequence[Row]) -> None:
    if not rows:
        return
    t = terminal.t
    table = _table(t("Proposals, cheapest first"), t("rung"), t("name"), t("why"))
    for row in rows:
        table.add_row(t(row["rung"]), row["name"], row["reason"])
    terminal.show(table)
    for row in rows:
        _show_training(terminal, row)
    left_out = [text for row in rows for text in row["left_out"]]
    if left_out:
        terminal.line(t("Corrections that make no example: {count}", count=len(left_out)))
        for text in left_out:
            terminal.line(f"  {text}")


def _show_training(terminal: Terminal, row: Row) -> None:
    """Say what a training took, or what it would take."""
    training = row.get("training")
    if not training:
        return
    t = terminal.t
    if "estimate" not in training:
        minutes, energy = max(1, round(training["seconds"] / 60)), f"{training['watt_hours']:.1f}"
        said = t(
            "{name}: trained in {minutes} min, about {energy} Wh at an assumed power",
            name=row["name"],
            minutes=minutes,
            energy=energy,
        )
        terminal.line(said)
        return
    estimate = training["estimate"]
    terminal.line(t("To train {name}: {estimate}", name=row["name"], estimate=estimate["told"]))
    if estimate["against"]:
        against = t("It would not be begun: {reason}", reason=estimate["against"])
        terminal.line(against, "yellow")


def _show_not_tried(terminal: Terminal, rows: Sequence[Row]) -> None:
    t = terminal.t
    for row in rows:
        terminal.line(t("Not tried: {rung}: {reason}", rung=t(row["rung"]), reason=row["reason"]), "yellow")
        if row["hint"]:
            terminal.line("  " + t("hint: {hint}", hint=row["hint"]))


def _show_tests(terminal: Terminal, rows: Sequence[Row]) -> None:
    t = terminal.t
    table = _table(
        t("Gate: candidate less worker, on the same items"),
        t("test"), t("sources"), t("difference"), t("95 % interval"), t("verdict"),
    )  # fmt: skip
    words = {
        "promoted": t("passed"),
        "rejected": t("not passed"),
        "undecided": t("open"),
        "reported": t("reported"),
    }
    for row in rows:
        compared = row["form"] in ("superior", "non-inferior") and row["low"] is not None
        mean = f"{row['mean_low']:+.3f}" if compared else "–"
        interval = f"{row['low']:+.2f} – {row['high']:+.2f}" if compared else "–"
        table.add_row(row["name"], str(row["clusters"]), mean, interval, words[row["verdict"]])
    terminal.show(table)


def _reason(terminal: Terminal, value: Row) -> str:
    return str(value.get("reasons", {}).get(terminal.t.language) or value.get("reason", ""))


def _table(title: str, *columns: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
