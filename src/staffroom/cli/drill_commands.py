"""`staffroom drill`: try out beforehand what must work when it matters."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["stop"]

_FAILED, _UNDECIDED = 3, 4


def stop(
    context: typer.Context,
    alias: Annotated[str | None, typer.Argument(help="The worker's alias.", metavar="WORKER")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Drill all workers that run, at once.")] = False,
    streams: Annotated[
        int, typer.Option("--streams", help="Answers to be under way, for each worker.", min=1, max=256)
    ] = 8,
    way: Annotated[
        str,
        typer.Option("--by", help="How it is stopped: command, or file (the permit is removed by hand)."),
    ] = "command",
    ask: Annotated[
        str, typer.Option("--ask", help="What is asked; it should take long to answer.", metavar="TEXT")
    ] = "",
    url: Annotated[
        str, typer.Option("--url", help="Where the gateway answers, if it is not found by itself.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Stop a worker in the middle of its answers, time it, start it again, and log the time; nobody is served meanwhile."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    if (alias is None) != everyone:
        raise WrongUse(t("name one worker, or all of them"), hint="staffroom drill stop WORKER | --all")
    if way not in ("command", "file"):
        raise WrongUse(t("`{word}` is no way to stop", word=way), hint="--by command, or --by file")
    import asyncio

    from staffroom.pipeline.drill import DrillOrder, DrillWay, drill_stop

    steps = {
        "asking once": t("asking once, so that the gateway keeps an answer"),
        "starting a gateway": t("no gateway runs here: starting one for the drill"),
        "opening streams": t("opening {count} streams", count=streams),
        "stopping": t("stopping"),
        "asking the stopped": t("asking the stopped"),
    }
    order = DrillOrder(alias, operating_user(), streams, DrillWay(way), url=url)
    if ask:
        order = DrillOrder(alias, operating_user(), streams, DrillWay(way), ask, url)
    value = asyncio.run(drill_stop(home_of(terminal), order, lambda step: terminal.note(steps[step])))
    terminal.give(value, lambda: _show(terminal, value))
    raise typer.Exit(0 if value["passed"] else _FAILED if value["under_way"] else _UNDECIDED)


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    style = "bold green" if value["passed"] else "bold red"
    if value["passed"]:
        text = t("The stop holds.")
    else:
        text = t("The stop does not hold.") if value["under_way"] else t("Nothing was shown.")
    terminal.line(text, style)
    terminal.line(
        t(
            "Last words {last} ms after the order (at most {goal}); all streams ended after {ended} ms.",
            last=value["last_token_ms"],
            goal=f"{value['goal_ms']:g}",
            ended=value["ended_ms"],
        )
    )
    terminal.line(
        t(
            "Streams: {streams}, under way: {under_way}, told of the stop: {told}",
            streams=value["streams"],
            under_way=value["under_way"],
            told=value["told"],
        )
    )
    if not value["under_way"]:
        terminal.line(t("Every answer had ended before the stop: ask something longer with --ask."))
    if not value["refused"]:
        terminal.line(t("A new request was not refused."), "red")
    if not value["kept_refused"]:
        terminal.line(t("A kept answer was given out again."), "red")
    for alias in value["resumed"]:
        terminal.line(t("{alias} may work again.", alias=alias))
    for alias in value["left_stopped"]:
        terminal.line(t("{alias} stays stopped: somebody else stopped it during the drill.", alias=alias))
    terminal.line(t("Entry {index} of the log", index=value["entry"]))
