"""`staffroom hire`: from a job description to an answering worker."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, home_of, terminal_of

if TYPE_CHECKING:
    from staffroom.store import Home

__all__ = ["hire"]


def hire(
    context: typer.Context,
    job: Annotated[Path, typer.Argument(help="The job description (YAML).", metavar="JOB.yaml")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which steps would run and why, and stop there.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign off without asking; the log records who ran the command.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go through all steps with a fake engine; nothing is released.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run every step again.")] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Replace a worker that is in service by whoever passes, without comparing them; `staffroom improve` compares.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Recruit, onboard, examine and release a worker. Exit code: 0 promoted, 1 rejected, 4 undecided."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.hire_view import show_explained, show_result
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.cli.progress import progress_for
    from staffroom.cli.signing import Signing, require_signer

    if not (dry_run or explain):
        require_signer(terminal, yes=yes, job=str(job))
    from staffroom.pipeline.hire import HireOrder
    from staffroom.pipeline.hire import hire as run_hire

    home = home_of(terminal)
    order = HireOrder(job=job, dry_run=dry_run, force=force, explain=explain, anew=anew)
    with WorkLoop() as loop, progress_for(terminal) as progress:
        sign = Signing(terminal, progress, yes, loop.interrupted)
        result = loop.run(run_hire(order, home, progress, sign))
    value = _with_commands(result.json, job)
    if terminal.as_json:
        terminal.print_json(value)
    elif explain:
        show_explained(terminal, value)
    else:
        show_result(terminal, value, since=_since(home, value))
    raise typer.Exit(result.exit_code)


def _with_commands(value: dict[str, Any], job: Path) -> dict[str, Any]:
    alias = value.get("alias")
    commands = {"again": f"staffroom hire {job}", "verify": "staffroom log verify"}
    if alias and value.get("release"):
        commands |= {
            "chat": f"staffroom chat {alias}",
            "serve": "staffroom serve",
            "stop": f"staffroom suspend {alias}",
        }
    return {**value, "commands": {**commands, **value.get("commands", {})}}


def _since(home: "Home", value: dict[str, Any]) -> str:
    """Return when the log last recorded this run, empty where nothing was unchanged."""
    if not value.get("unchanged"):
        return ""
    from staffroom.pipeline.decision_log import DecisionLog

    times = [
        item.entry["at"] for item in DecisionLog(home).entries() if item.entry.get("run") == value.get("run")
    ]
    return str(times[-1]) if times else ""
