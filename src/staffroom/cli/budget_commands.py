"""`staffroom budget`: what a key, a worker or a sponsor may use, in tokens or money."""

from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["list_", "remove", "set_"]

_PERIODS = ("day", "month", "total")

Key = Annotated[str | None, typer.Option("--key", help="A key's id, from `staffroom key list`.")]
Worker = Annotated[
    str | None, typer.Option("--worker", help="The alias of a worker or of a plain model.", metavar="WORKER")
]
Sponsor = Annotated[str | None, typer.Option("--sponsor", help="The name of a sponsor.")]


def set_(
    context: typer.Context,
    key: Key = None,
    worker: Worker = None,
    sponsor: Sponsor = None,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Tokens, read and written.", min=0)] = None,
    money: Annotated[str, typer.Option("--money", help="Money with its currency, such as '100 TWD'.")] = "",
    per: Annotated[str, typer.Option("--per", help="day, month (of UTC) or total.")] = "day",
    as_json: JsonFlag = False,
) -> None:
    """Set what may be used in a period; a running gateway obeys it from the next request on."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.budgets import set_budget

    if per not in _PERIODS:
        raise WrongUse(
            terminal.t("`{word}` is not a period", word=per), hint="--per day, --per month or --per total"
        )
    scope, subject = _subject(terminal, key, worker, sponsor)
    row = set_budget(home_of(terminal), scope, subject, per, tokens=tokens, money=money)
    terminal.give(row, lambda: _show(terminal, [row]))


def list_(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the budgets and what was spent of them in the present period."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.budgets import list_budgets

    rows = list_budgets(home_of(terminal))
    terminal.give({"budgets": rows}, lambda: _show(terminal, rows))


def remove(
    context: typer.Context,
    key: Key = None,
    worker: Worker = None,
    sponsor: Sponsor = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove all budgets of a key, a worker or a sponsor."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.budgets import remove_budget

    scope, subject = _subject(terminal, key, worker, sponsor)
    count = remove_budget(home_of(terminal), scope, subject)
    terminal.give(
        {"scope": scope, "subject": subject, "removed": count},
        lambda: terminal.line(terminal.t("{subject} has no budget any more.", subject=subject)),
    )


def _subject(terminal: Terminal, key: str | None, worker: str | None, sponsor: str | None) -> tuple[str, str]:
    given = [
        (scope, subject)
        for scope, subject in (("key", key), ("worker", worker), ("sponsor", sponsor))
        if subject
    ]
    if len(given) != 1:
        raise WrongUse(
            terminal.t("name one key, one worker or one sponsor"),
            hint="--key ID, --worker WORKER or --sponsor NAME",
        )
    return given[0]


def _show(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("There is no budget here."))
        return
    terminal.table(
        (t("of"), t("name"), t("period"), t("spent"), t("at most"), t("unit")),
        (
            (
                t(row["scope"]),
                row["subject"],
                t(row["period"]),
                str(row["spent"]),
                str(row["cap"]),
                t(row["unit"]),
            )
            for row in rows
        ),
    )
