"""`staffroom exam retire`: end a gate split for ever, so that its answers may be shown."""

from pathlib import Path
from typing import Annotated

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["retire"]


def retire(
    context: typer.Context,
    pack: Annotated[Path, typer.Argument(help="Folder of the exam pack.", metavar="PACK")],
    by: Annotated[
        str, typer.Option("--by", help="Office or name of the person who decides it.", metavar="NAME")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Retire a pack's gate for ever: its answers may be shown, and no gate asks its questions again."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    from staffroom.pipeline.alpha import alpha_report, retire_gate

    home = home_of(terminal)
    value = alpha_report(home, pack)
    if not yes:
        if not terminal.asks:
            raise WrongUse(
                t("to retire a gate is for ever, and there is no terminal to ask at"),
                hint=f"staffroom exam retire {pack} --yes",
            )
        terminal.note(
            t(
                "The gate of {name} ({count} items) will never be opened again. Type the pack's name to confirm:",
                name=value["name"],
                count=value["items"],
            ),
            "bold",
        )
        if input().strip() != value["name"]:
            raise WrongUse(t("not confirmed; nothing was changed"), hint=f"staffroom exam alpha {pack}")
    done = retire_gate(home, pack, by.strip() or operating_user(), "--yes" if yes else "terminal")

    def draw() -> None:
        terminal.line(
            t(
                "The gate of {name} is retired since {date} (entry {entry} of the log). Its answers may be shown.",
                name=done["name"],
                date=done["at"][:10],
                entry=done["entry"],
            )
        )
        if done["unfinished"]:
            runs = ", ".join(done["unfinished"])
            terminal.line(t("Runs that had opened it and can no longer decide: {runs}", runs=runs), "yellow")

    terminal.give(done, draw)
