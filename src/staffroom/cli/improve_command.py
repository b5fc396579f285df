"""`staffroom improve`: a better worker in the place of the one that serves, or the reason why not."""

from pathlib import Path
from typing import Annotated

import typer

from staffroom.cli.terminal import JsonFlag, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["improve"]


def improve(
    context: typer.Context,
    alias: Annotated[
        str | None, typer.Argument(help="The worker's alias.", metavar="WORKER", show_default=False)
    ] = None,
    job: Annotated[
        Path | None,
        typer.Option("--job", help="The job description, where it lies elsewhere now.", metavar="JOB.yaml"),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what would be tried, asked and spent, and stop there.")
    ] = False,
    due: Annotated[
        bool, typer.Option("--due", help="Say which workers are due, by the triggers of their jobs.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign off without asking; the log records who ran the command.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run every step again.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Try what could make a worker better, and replace it only by one that is shown to be better on the same items.

    Exit code: 0 promoted, 1 rejected, 4 undecided.
    """
    terminal = terminal_of(context, as_json)
    from staffroom.cli.improve_view import show_cost, show_due, show_improvement
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.cli.progress import progress_for
    from staffroom.cli.signing import Signing, require_signer

    home = home_of(terminal)
    if due:
        from staffroom.pipeline.triggers import workers_due

        rows = workers_due(home, alias)
        terminal.give({"due": rows}, lambda: show_due(terminal, rows))
        return
    if alias is None:
        raise WrongUse(terminal.t("name the worker to improve"), hint="staffroom workers")
    if not explain:
        require_signer(terminal, yes=yes, job=alias, verb="improve")
    from staffroom.pipeline.improve import ImproveOrder
    from staffroom.pipeline.improve import improve as run_improve

    order = ImproveOrder(alias=alias, job=job, explain=explain, force=force)
    with WorkLoop() as loop, progress_for(terminal) as progress:
        sign = Signing(terminal, progress, yes, loop.interrupted)
        result = loop.run(run_improve(order, home, progress, sign))
    value = result.json
    if explain or value.get("verdict") == "unchanged":
        terminal.give(value, lambda: show_cost(terminal, value))
    else:
        terminal.give(value, lambda: show_improvement(terminal, value))
    raise typer.Exit(result.exit_code)
