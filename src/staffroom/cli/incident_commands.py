"""`staffroom incident`: what happened, the clocks that run, and evidence that can no longer change."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.local_time import local_text, read_local, time_left
from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["INCIDENT_COMMANDS"]

_FAILED = 3

Name = Annotated[str, typer.Argument(help="The incident's name, or its beginning.", metavar="INCIDENT")]
Aware = Annotated[
    str,
    typer.Option("--aware", help="When somebody first knew, if not now: 2026-12-01 14:30.", metavar="TIME"),
]


def open_(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="What happened, in one line.", metavar="TITLE")],
    text: Annotated[str, typer.Option("--text", help="What is known of it.", metavar="TEXT")] = "",
    worker: Annotated[
        str, typer.Option("--worker", help="The worker that it is about.", metavar="WORKER")
    ] = "",
    audit: Annotated[
        str,
        typer.Option("--audit", help="The audit id of an answer; its record becomes evidence.", metavar="ID"),
    ] = "",
    aware: Aware = "",
    as_json: JsonFlag = False,
) -> None:
    """Open an incident; what is on record of the answer, the worker's release and the log's checkpoint are kept with it."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    from staffroom.pipeline.incidents import open_incident

    value = open_incident(
        home_of(terminal),
        title=title,
        by=operating_user(),
        text=text,
        worker=worker,
        audit_id=audit,
        aware=read_local(t, aware, "--aware"),
    )

    def draw() -> None:
        _show(terminal, value)
        name, alias = value["incident"], value["worker"]
        terminal.line(t("Say of which class it is: {command}", command=f"staffroom incident classify {name}"))
        if alias:
            terminal.line(t("To stop the worker: {command}", command=f"staffroom suspend {alias}"))
            terminal.line(t("Change nothing else about it before those who must be told have been told."))

    terminal.give(value, draw)


def classify(
    context: typer.Context,
    name: Name,
    classes: Annotated[
        list[str] | None, typer.Argument(help="All classes that apply; none lists them.", metavar="CLASS")
    ] = None,
    aware: Aware = "",
    due: Annotated[
        str, typer.Option("--due", help="Until when, for classes whose rule sets no time.", metavar="TIME")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="Why.", metavar="TEXT")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Say of which classes an incident is, which starts their clocks; without a class, list the classes."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    from staffroom.pipeline import incidents

    home = home_of(terminal)
    if not classes:
        rules = [rule.model_dump(mode="json") for rule in incidents.incident_rules(home).values()]
        terminal.give({"classes": rules}, lambda: _show_rules(terminal, rules))
        return
    value = incidents.classify_incident(
        home,
        name,
        classes,
        by=operating_user(),
        aware=read_local(t, aware, "--aware"),
        due=read_local(t, due, "--due"),
        note=note,
    )
    terminal.give(value, lambda: _show(terminal, value))


def attach(
    context: typer.Context,
    name: Name,
    files: Annotated[list[Path], typer.Argument(help="Files to keep.", metavar="FILE")],
    note: Annotated[str, typer.Option("--note", help="What they show.", metavar="TEXT")] = "",
    report: Annotated[
        str,
        typer.Option(
            "--report", help="The class to whose duty this is the report; its clock stops.", metavar="CLASS"
        ),
    ] = "",
    sent: Annotated[
        str, typer.Option("--sent", help="When the report was sent, if not now.", metavar="TIME")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Copy files into an incident, where they can no longer change; with --report they are what was reported."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.incidents import attach_evidence

    value = attach_evidence(
        home_of(terminal),
        name,
        files,
        by=operating_user(),
        note=note,
        report=report,
        sent=read_local(terminal.t, sent, "--sent"),
    )
    terminal.give(value, lambda: _show(terminal, value))


def list_(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the incidents, those whose report is due first on top."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.incidents import list_incidents

    rows = list_incidents(home_of(terminal))
    terminal.give({"incidents": rows}, lambda: _show_list(terminal, rows))


def show(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Show one incident: its clocks with the time left, its evidence, what was said of it."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.incidents import show_incident

    value = show_incident(home_of(terminal), name)
    terminal.give(value, lambda: _show(terminal, value))


def verify(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Check every event and piece of evidence against the log; exit code 3 where a byte was changed."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    from staffroom.pipeline.incident_files import verify_incident_kept

    value = verify_incident_kept(home_of(terminal), name)

    def draw() -> None:
        for problem in value["problems"]:
            terminal.line(f"{problem['where']}: {problem['what']}", "red")
        if value["ok"]:
            counts = {"events": value["events"], "evidence": value["evidence"]}
            terminal.line(t("Unchanged: {events} events, {evidence} pieces of evidence.", **counts), "green")

    terminal.give(value, draw)
    raise typer.Exit(0 if value["ok"] else _FAILED)


def close(
    context: typer.Context,
    name: Name,
    note: Annotated[str, typer.Option("--note", help="What came of it.", metavar="TEXT")],
    unreported: Annotated[
        str,
        typer.Option(
            "--unreported", help="Why nothing was reported, where a clock still runs.", metavar="TEXT"
        ),
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Close an incident: nothing more can be said of it afterwards."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.incidents import close_incident

    value = close_incident(home_of(terminal), name, by=operating_user(), note=note, unreported=unreported)
    terminal.give(value, lambda: _show(terminal, value))


def export(
    context: typer.Context,
    name: Name,
    target: Annotated[
        Path, typer.Argument(help="A new folder, or a file that ends in .zip.", metavar="TARGET")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Write an incident, with all that is known of it, as one folder or zip that others can check without Staffroom."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    from staffroom.pipeline.incident_files import export_incident

    value = export_incident(home_of(terminal), name, target)

    def draw() -> None:
        terminal.line(t("Written: {path} ({count} files)", path=value["path"], count=value["files"]))
        terminal.line(t("It may hold personal data: hand it only to those who may know."), "yellow")
        terminal.line(t("README.txt in it says how to check it; these are the log's keys:"))
        for key in value["verifier_keys"]:
            terminal.line(f"  {key}")

    terminal.give(value, draw)


INCIDENT_COMMANDS = (
    ("open", open_),
    ("classify", classify),
    ("attach", attach),
    ("list", list_),
    ("show", show),
    ("verify", verify),
    ("close", close),
    ("export", export),
)


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t, language = terminal.t, terminal.t.language
    state = t("still open") if value["state"] == "open" else t("closed")
    terminal.line(f"{value['incident']}  {value['title']}  [{state}]", "bold")
    if value["text"]:
        terminal.line(value["text"])
    if value["worker"]:
        terminal.line(t("Worker: {alias}", alias=value["worker"]))
    terminal.line(
        t("Known since {time} ({by} opened it)", time=local_text(value["aware"], language), by=value["by"])
    )
    for row in value["clocks"]:
        _show_clock(terminal, row)
    for row in value["evidence"]:
        said = f" – {row['note']}" if row["note"] else ""
        terminal.line(f"  {row['number']:>3}  {row['name']}  {row['bytes']:,} B  {row['digest'][:19]}…{said}")
    if value["events"][-1]["kind"] == "closed":
        terminal.line(t("Closed: {note}", note=value["events"][-1]["note"]))


def _show_clock(terminal: Terminal, row: Mapping[str, Any]) -> None:
    t, language = terminal.t, terminal.t.language
    title = row["title_zh"] if language == "zh-TW" and row["title_zh"] else row["title"]
    terminal.line(f"{row['class']}: {title}", "bold")
    if row["due"] is None:
        terminal.line("  " + t("no time is set"))
    elif row["reported"] is not None:
        text = t("reported {time}", time=local_text(row["reported"], language))
        late = t("too late: it was due {time}", time=local_text(row["due"], language))
        terminal.line(f"  {text}" + (f"; {late}" if row["late"] else ""), "red" if row["late"] else "green")
    else:
        left = time_left(t, row["left_seconds"])
        due = t("report until {time}", time=local_text(row["due"], language))
        terminal.line(f"  {due} – {left}", "red" if row["left_seconds"] < 0 else "yellow")
    if row["status"]:
        terminal.line("  " + _source(terminal, row))
    if row["out_of_date"]:
        terminal.line("  " + t("This rule should have been looked at again: ask who knows the law."), "red")


def _source(terminal: Terminal, rule: Mapping[str, Any]) -> str:
    t = terminal.t
    states = {
        "in force": t("in force"),
        "draft": t("a draft"),
        "not yet in force": t("not yet in force"),
        "own rule": t("a rule of our own"),
    }
    state = states[rule["status"]]
    if t.language == "zh-TW":
        said = rule["note_zh"] or rule["note"]
        return f"{rule['source']}（{state}{'；' + said if said else ''}）"
    return f"{rule['source']} ({state}{'; ' + rule['note'] if rule['note'] else ''})"


def _show_rules(terminal: Terminal, rules: Sequence[Mapping[str, Any]]) -> None:
    t = terminal.t
    rows = []
    for rule in rules:
        title = rule["title_zh"] if t.language == "zh-TW" and rule["title_zh"] else rule["title"]
        hours = rule["hours"]
        if hours is None:
            left = "–"
        elif hours % 24 or hours < 48:
            left = t("{count} h", count=hours)
        else:
            left = t("{count} d", count=hours // 24)
        rows.append([rule["id"], left, title, _source(terminal, rule)])
    terminal.table([t("class"), t("time to report"), t("what it is"), t("source")], rows)


def _show_list(terminal: Terminal, rows: Sequence[Mapping[str, Any]]) -> None:
    t, language = terminal.t, terminal.t.language
    if not rows:
        terminal.line(t("There is no incident."))
        return
    cells = []
    for row in rows:
        running = [each for each in row["clocks"] if each["runs"]]
        first = min(running, key=lambda each: each["left_seconds"], default=None)
        due = "–"
        if first is not None and row["state"] == "open":
            due = f"{local_text(first['due'], language)} – {time_left(t, first['left_seconds'])}"
        state = t("still open") if row["state"] == "open" else t("closed")
        cells.append([row["incident"], state, row["worker"] or "–", row["title"], due])
    terminal.table([t("incident"), t("state"), t("worker"), t("what happened"), t("next report due")], cells)
