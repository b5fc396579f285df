"""`staffroom workers`, `show`, `suspend`, `resume`, `retire`, `rollback`: the workers of a home and their permits."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["resume", "retire", "rollback", "show", "suspend", "workers"]

_COLUMNS = ("alias", "title", "state", "candidate", "release", "since")
_FACT_ORDER = ("alias", "title", "state", "sponsor", "candidate", "release", "agent", "documents")

Alias = Annotated[str, typer.Argument(help="The worker's alias.", metavar="WORKER")]


def workers(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the workers of this home and whether they are running."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.workers import list_workers

    rows = list_workers(home_of(terminal))
    terminal.give({"workers": rows}, lambda: _show_list(terminal, rows))


def show(context: typer.Context, alias: Alias, as_json: JsonFlag = False) -> None:
    """Show one worker: what it is made of, how it scored, who signed, and its history."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.workers import show_worker

    value = show_worker(home_of(terminal), alias)
    terminal.give(value, lambda: _show_facts(terminal, value))


def suspend(
    context: typer.Context,
    alias: Annotated[str | None, typer.Argument(help="The worker's alias.", metavar="WORKER")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Stop every worker of this home.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop a worker, or all of them, at once; the log records it afterwards."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    if (alias is None) != everyone:
        raise WrongUse(t("name one worker, or all of them"), hint="staffroom suspend WORKER | --all")
    from staffroom.pipeline.workers import suspend as stop

    rows = stop(home_of(terminal), alias, operating_user())

    def draw() -> None:
        for row in rows:
            terminal.line(t("{alias} is stopped.", alias=row.get("alias", alias)))
        if not rows:
            terminal.line(t("No worker was running."))
        terminal.line(t("To let it work again: {command}", command=f"staffroom resume {alias or 'WORKER'}"))

    terminal.give({"suspended": rows}, draw)


def resume(
    context: typer.Context,
    alias: Annotated[str | None, typer.Argument(help="The worker's alias.", metavar="WORKER")] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Let every suspended worker of this home run again.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let a suspended worker, or all of them, run again; the log records it first."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    if (alias is None) != everyone:
        raise WrongUse(t("name one worker, or all of them"), hint="staffroom resume WORKER | --all")
    from staffroom.pipeline import workers as pipeline

    home = home_of(terminal)
    if alias is not None:
        row = pipeline.resume(home, alias, operating_user())
        terminal.give(_object(row), lambda: terminal.line(t("{alias} may work again.", alias=alias)))
        return
    rows = pipeline.resume_all(home, operating_user())

    def draw() -> None:
        for each in rows:
            terminal.line(t("{alias} may work again.", alias=each["alias"]))
        if not rows:
            terminal.line(t("No worker was suspended."))

    terminal.give({"resumed": rows}, draw)


def retire(
    context: typer.Context,
    alias: Alias,
    successor: Annotated[
        str,
        typer.Option(
            "--successor", help="The worker that takes over, for the certificate.", metavar="WORKER"
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop a worker for ever, revoke its keys and write its certificate; its records stay, its alias is never used again."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    if not yes:
        if not terminal.asks:
            raise WrongUse(
                t("to retire a worker is for ever, and there is no terminal to ask at"),
                hint=f"staffroom retire {alias} --yes",
            )
        terminal.note(t("{alias} will be stopped for ever. Type its alias to confirm:", alias=alias), "bold")
        if input().strip() != alias:
            raise WrongUse(t("not confirmed; nothing was changed"), hint=f"staffroom suspend {alias}")
    from staffroom.pipeline.retire import retire_worker

    row = retire_worker(home_of(terminal), alias, operating_user(), successor)

    def draw() -> None:
        terminal.line(t("{alias} is retired.", alias=alias))
        terminal.line(t("Keys revoked: {count}.", count=len(row["keys_revoked"])))
        if row["keys_left"]:
            keys = " ".join(row["keys_left"])
            terminal.line(t("These keys open other workers too and stay: {keys}", keys=keys))
        terminal.line(t("Certificate: {path}", path=row["certificate"]))

    terminal.give(row, draw)


def rollback(context: typer.Context, alias: Alias, as_json: JsonFlag = False) -> None:
    """Go back to the release before; it passed its own gate and is what is served from now on."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.workers import rollback as back

    row = back(home_of(terminal), alias, operating_user())
    value = _object(row)

    def draw() -> None:
        release = str(value.get("release") or value.get("to") or "")
        terminal.line(
            terminal.t("{alias} is served by the release before: {release}", alias=alias, release=release)
        )

    terminal.give(value, draw)


def _object(row: object) -> dict[str, Any]:
    return dict(row) if isinstance(row, Mapping) else {"changes": row}


def _show_list(terminal: Terminal, rows: Sequence[Mapping[str, Any]]) -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("There is no worker here yet."))
        terminal.line(t("To hire one: {command}", command="staffroom init, then staffroom hire job.yaml"))
        return
    columns = [name for name in _COLUMNS if any(row.get(name) for row in rows)]
    cells = ([_cell(terminal, name, row.get(name)) for name in columns] for row in rows)
    terminal.table([t(name) for name in columns], cells)


def _cell(terminal: Terminal, name: str, value: Any) -> str:
    if value is None:
        return "–"
    text = str(value)
    if name == "state":
        return terminal.t(text)
    return text[:19] + "…" if name == "release" and len(text) > 20 else text


def _show_facts(terminal: Terminal, value: Mapping[str, Any]) -> None:
    order = [name for name in _FACT_ORDER if name in value]
    for name in [*order, *(name for name in value if name not in order)]:
        _show_fact(terminal, name, value[name], 0)


def _show_fact(terminal: Terminal, name: str, value: Any, depth: int) -> None:
    """Draw whatever there is as an indented outline: what a worker is made of differs between releases."""
    label = f"{'  ' * depth}{terminal.t(name)}"
    if isinstance(value, Mapping):
        terminal.line(f"{label}:", "bold" if depth == 0 else "")
        for inner, item in value.items():
            _show_fact(terminal, str(inner), item, depth + 1)
    elif isinstance(value, (list, tuple)):
        terminal.line(f"{label}:", "bold" if depth == 0 else "")
        for item in value:
            terminal.line(f"{'  ' * (depth + 1)}- {_inline(item)}")
    else:
        shown = "–" if value is None or value == "" else str(value)
        terminal.line(f"{label}: {terminal.t(shown) if name in ('state', 'verdict') else shown}")


def _inline(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    return ", ".join(
        f"{name} {_short(value)}" for name, value in item.items() if value not in (None, "", [], {})
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
