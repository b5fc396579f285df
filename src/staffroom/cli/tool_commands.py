"""`staffroom tools` and `staffroom approvals`: what a job's tools may do by themselves, and the calls that wait for a person."""

from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["approve", "call", "carry_out", "ceiling", "list_calls", "list_tools", "refuse"]

Job = Annotated[Path, typer.Argument(help="The job description.", metavar="JOB.yaml")]
CallId = Annotated[str, typer.Argument(help="The call's id, from `staffroom approvals list`.", metavar="ID")]
By = Annotated[str, typer.Option("--by", help="The name of the person who decides.")]


def list_tools(context: typer.Context, job: Job, as_json: JsonFlag = False) -> None:
    """List the tools of a job, with the risk of each and who may approve its calls."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import list_tools as listed

    value = listed(home_of(terminal), job)
    terminal.give(value, lambda: _show_tools(terminal, value))


def call(
    context: typer.Context,
    job: Job,
    tool: Annotated[str, typer.Argument(help="The tool's name.", metavar="TOOL")],
    arguments: Annotated[str, typer.Argument(help="Its arguments as a JSON object.", metavar="JSON")] = "{}",
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="As if a document had been read before: only reading is free.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Call a tool as the worker would: checked, allowed or put before a person, on record."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import call_tool

    value = call_tool(home_of(terminal), job, tool, arguments, untrusted=untrusted)
    terminal.give(value, lambda: _show_outcome(terminal, value))


def carry_out(context: typer.Context, job: Job, call_id: CallId, as_json: JsonFlag = False) -> None:
    """Carry an approved call out, once, with the arguments that were approved."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import carry_out as carried_out

    value = carried_out(home_of(terminal), job, call_id)
    terminal.give(value, lambda: _show_outcome(terminal, value))


def ceiling(
    context: typer.Context,
    job: Job,
    level: Annotated[int, typer.Argument(help="1 to 5.", metavar="LEVEL")],
    sponsor: Annotated[str, typer.Option("--sponsor", help="The sponsor's name, as it stands in the job.")],
    as_json: JsonFlag = False,
) -> None:
    """Set how much a worker may do by itself, whatever its job says; the sponsor's decision, on record."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import set_ceiling

    value = set_ceiling(home_of(terminal), job, level, sponsor)
    t = terminal.t
    terminal.give(
        value,
        lambda: terminal.line(
            t(
                "{name} may act at autonomy {level} at most; its job asks for {asked}.",
                name=value["alias"],
                level=value["ceiling"],
                asked=value["autonomy"],
            )
        ),
    )


def list_calls(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Those that were decided, too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the tool calls that wait for a person, with their exact arguments."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import list_calls as listed

    rows = listed(home_of(terminal), waiting_only=not all_)
    terminal.give({"calls": rows}, lambda: _show_calls(terminal, rows))


def approve(context: typer.Context, call_id: CallId, by: By, as_json: JsonFlag = False) -> None:
    """Approve one call: with exactly these arguments, once, before it expires."""
    _decide(context, call_id, by, as_json, approve=True)


def refuse(context: typer.Context, call_id: CallId, by: By, as_json: JsonFlag = False) -> None:
    """Refuse one call."""
    _decide(context, call_id, by, as_json, approve=False)


def _decide(context: typer.Context, call_id: str, by: str, as_json: bool, *, approve: bool) -> None:
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.tools import decide_call

    row = decide_call(home_of(terminal), call_id, by, approve=approve)
    terminal.give({"calls": [row]}, lambda: _show_calls(terminal, [row]))


def _show_tools(terminal: Terminal, value: dict[str, Any]) -> None:
    t = terminal.t
    if not value["tools"]:
        terminal.line(t("This job declares no tools."))
        return
    asked, allowed = value["autonomy"], value["ceiling"]
    terminal.line(
        t("Autonomy: the job asks for {asked}, the sponsor allows {level}.", asked=asked, level=allowed)
    )
    terminal.table(
        (t("name"), t("kind"), t("risk"), t("approver")),
        ((row["name"], row["kind"], t(row["risk"]), t(row["approver"])) for row in value["tools"]),
    )


def _show_outcome(terminal: Terminal, value: dict[str, Any]) -> None:
    terminal.line(f"{terminal.t(str(value['end']))}: {value['reason']}")
    terminal.line(value["text"])


def _show_calls(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("No tool call waits for a person."))
        return
    for row in rows:
        terminal.line(f"{row['id']}  {t(row['state'])}  {row['worker']}  {row['tool']}")
        terminal.line(f"  {t('arguments')}: {row['arguments']}")
        terminal.line(f"  {t('reason')}: {row['reason']}")
        terminal.line(
            f"  {t('expires')}: {row['expires']}"
            + (f"  {t('sponsor')}: {row['only_by']}" if row["only_by"] else "")
        )
