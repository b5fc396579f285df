"""How a hire ends on the screen: candidates, gate, decision, and what to do next; it only draws what it is given."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from staffroom.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_explained", "show_result"]

_ADDRESS = "http://127.0.0.1:8321/v1"
_MOST_COLUMNS = 4
_STYLES: Mapping[str, str] = {"promoted": "bold green", "rejected": "bold red", "undecided": "bold yellow"}

_FACET_WORDS: Mapping[str, str] = {"promoted": "passed", "rejected": "not passed", "undecided": "open"}
"""A facet passes; it is the worker that is promoted."""

Row = Mapping[str, Any]


def show_result(terminal: Terminal, value: Row, *, since: str = "") -> None:
    """Draw the object of `hire --json`; `since` is when the same result was reached (ISO 8601)."""
    t, line = terminal.t, terminal.line
    if value.get("unchanged"):
        line()
        line(t("Nothing changed since {time}; every step was kept.", time=since or t("the last run")), "bold")
    if value.get("dry_run"):
        line()
        line(t("A dry run with a fake engine: its scores say nothing about any model."), "yellow")
    _show_documents(terminal, value.get("documents") or {})
    _show_candidates(terminal, value)
    _show_gate(terminal, value)
    _show_decision(terminal, value)
    _show_next(terminal, value)


def show_explained(terminal: Terminal, value: Row) -> None:
    """Draw why each step would run, or is kept."""
    t = terminal.t
    table = _table(t("Steps"))
    for name in (t("step"), t("why"), t("what changed")):
        table.add_column(name, overflow="fold")
    for row in value.get("explained", ()):
        table.add_row(row["step"], t(row["reason"]), row.get("detail", ""))
    terminal.show(table)
    if value.get("unchanged"):
        terminal.line(t("Nothing would run: every step is kept."))
    else:
        terminal.line(t("Steps after the last one listed depend on its outcome."))


def _show_documents(terminal: Terminal, documents: Row) -> None:
    """Name what was left out: a worker that lacks a document must not look complete."""
    for name, _, message in documents.get("skipped", ()):
        terminal.line(terminal.t("Skipped document {name}: {reason}", name=name, reason=message), "yellow")
    for warning in documents.get("warnings", ()):
        terminal.line(terminal.t("Document: {warning}", warning=warning), "yellow")


def _show_candidates(terminal: Terminal, value: Row) -> None:
    """One column a candidate: names are long and facets many, so the table grows downwards."""
    t = terminal.t
    rows: Sequence[Row] = value.get("candidates", ())
    for start in range(0, len(rows), _MOST_COLUMNS):
        part = rows[start : start + _MOST_COLUMNS]
        table = _table(t("Candidates on the screen split (score, 95 % interval)"))
        table.add_column("", no_wrap=True)
        for row in part:
            won = row["candidate"] == value.get("winner")
            table.add_column(row["candidate"], style="bold" if won else "", overflow="fold")
        for label, cells in _candidate_lines(terminal, part, value):
            table.add_row(label, *cells)
        terminal.show(table)
    for row in rows:
        if not row.get("admitted", True):
            reasons = "; ".join(row.get("reasons", ()))
            terminal.line(t("{name} was refused: {reason}", name=row["candidate"], reason=reasons))
        elif row.get("left"):
            terminal.line(f"{row['candidate']}: {row['left']}")
    race = value.get("race") or {}
    if race.get("reason"):
        terminal.line(t("Race: {reason}", reason=race["reason"]))


def _candidate_lines(terminal: Terminal, rows: Sequence[Row], value: Row) -> list[tuple[str, list[str]]]:
    t = terminal.t
    facets = list(dict.fromkeys(facet["facet"] for row in rows for facet in row.get("facets", ())))
    lines = [(t("outcome"), [_outcome(terminal, row, value) for row in rows])]
    lines.append((t("items answered"), [_text(row.get("items")) for row in rows]))
    lines.append((t("mean"), [_interval(row, "mean") for row in rows]))
    for name in facets:
        cells = [
            next(
                (_interval(facet, "score") for facet in row.get("facets", ()) if facet["facet"] == name), "–"
            )
            for row in rows
        ]
        lines.append((f"  {name}", cells))
    lines.append((t("wrong language"), [_text(row.get("wrong_language")) for row in rows]))
    lines.append((t("tokens per 100 answers"), [_number(row.get("tokens_per_100")) for row in rows]))
    lines.append((t("cost per 100 answers"), [_cost(row) for row in rows]))
    lines.append((t("licence"), [row.get("license") or t("not stated") for row in rows]))
    lines.append((t("maker"), [row.get("maker") or t("not stated") for row in rows]))
    return lines


def _outcome(terminal: Terminal, row: Row, value: Row) -> str:
    t = terminal.t
    if not row.get("admitted", True):
        return t("refused")
    if row["candidate"] == value.get("winner"):
        return t("to the gate")
    return t("left the race") if row.get("left") else t("not chosen")


def _show_gate(terminal: Terminal, value: Row) -> None:
    t = terminal.t
    facets: Sequence[Row] = value.get("facets", ())
    if not facets:
        return
    table = _table(t("Gate: {name}", name=value.get("winner", "")))
    table.add_column(t("facet"))
    for name in (t("items"), t("score"), t("95 % interval"), t("threshold"), t("tested")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(t("verdict"))
    for row in facets:
        gated = bool(row.get("gated"))
        tested = f"{row['passed']:g}/{row['tested']}" if gated and row.get("tested") else "–"
        threshold = f"{row['threshold']:g}" if row.get("threshold") is not None else "–"
        interval = f"{row['low']:.2f}–{row['high']:.2f}"
        verdict = t(_FACET_WORDS.get(row["verdict"], row["verdict"]))
        table.add_row(
            row["facet"], str(row["n"]), f"{row['score']:.2f}", interval, threshold, tested, verdict
        )
    terminal.show(table)
    terminal.line(
        t("Reported facets cannot bar a promotion: they have no threshold, or too few items ever to decide.")
    )


def _show_decision(terminal: Terminal, value: Row) -> None:
    verdict = str(value.get("verdict", ""))
    reason = value.get("reasons", {}).get(terminal.t.language) or value.get("reason", "")
    word = terminal.t(verdict)
    # The reason begins with the verdict where both are in one language.
    said = reason if reason.lower().startswith(word.lower()) else f"{word}: {reason}"
    terminal.line()
    terminal.line(said, _STYLES.get(verdict, "bold"))
    if value.get("release"):
        terminal.line(terminal.t("Release {digest}", digest=value["release"]))


def _show_next(terminal: Terminal, value: Row) -> None:
    t, line, commands = terminal.t, terminal.line, value.get("commands", {})
    line()
    if value.get("release"):
        alias = value["alias"]
        if value.get("state") == "suspended":
            resume = f"staffroom resume {alias}"
            line(t("This worker is suspended and stays so until: {command}", command=resume), "yellow")
        line(t("Your worker's address: {address}, model = {alias}", address=_ADDRESS, alias=alias), "bold")
        rows = [
            (t("talk to it here"), commands.get("chat", f"staffroom chat {alias}")),
            (t("put it at its address"), commands.get("serve", "staffroom serve")),
            (t("stop it"), commands.get("stop", f"staffroom suspend {alias}")),
        ]
    elif value.get("dry_run"):
        rows = [(t("hire in earnest"), str(commands.get("again", "staffroom hire JOB.yaml")))]
    else:
        line(t("No release was made. The answers and the reasons are kept; the sealed items were not used."))
        rows = []
    rows.append((t("check the log"), commands.get("verify", "staffroom log verify")))
    for label, command in rows:
        line(f"  {label}: {command}")
    if value.get("checkpoint"):
        _show_checkpoint(terminal, str(value["checkpoint"]))


def _show_checkpoint(terminal: Terminal, note: str) -> None:
    """Show origin, size and root: the signatures are long, and `log checkpoint` prints the whole note."""
    origin, size, root = [*note.splitlines(), "", "", ""][:3]
    t, line = terminal.t, terminal.line
    line()
    line(t("Keep this checkpoint: with it anybody can prove later that nothing before it was changed."))
    line(t("  log {origin}, {size} entries, root {root}", origin=origin, size=size, root=root))
    line(t("  with its signatures: {command}", command="staffroom log checkpoint > checkpoint.txt"))


def _table(title: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)


def _interval(row: Row, name: str) -> str:
    if row.get(name) is None:
        return "–"
    return f"{row[name]:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def _cost(row: Row) -> str:
    return f"{row['cost_per_100']} {row.get('currency', '')}".strip() if row.get("cost_per_100") else "–"


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:,}"


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
