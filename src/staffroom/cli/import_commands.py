"""`staffroom import`: models of another gateway become plain models here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from staffroom.pipeline.litellm_import import Planned

__all__ = ["litellm"]


def litellm(
    context: typer.Context,
    config: Annotated[
        Path, typer.Argument(help="The proxy's configuration, such as config.yaml.", metavar="CONFIG")
    ],
    sponsor: Annotated[str, typer.Option("--sponsor", help="The person who answers for the models.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what maps and what does not.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take over the models of a LiteLLM proxy; keys in variables stay there, and no key is shown."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.litellm_import import carry_out, plan_import

    if not dry_run and len(sponsor.strip()) < 2:
        raise WrongUse(
            terminal.t("somebody must answer for the models"),
            hint="staffroom import litellm CONFIG.yaml --sponsor NAME, or --dry-run to look first",
        )
    planned = plan_import(config)
    done: list[dict[str, Any]] = []
    if not dry_run:
        with progress_for(terminal) as progress:
            done = carry_out(home_of(terminal), planned, sponsor, operating_user(), progress)
    terminal.give(_as_json(planned, done), lambda: _show(terminal, planned, done))


def _as_json(planned: "Planned", done: list[dict[str, Any]]) -> dict[str, Any]:
    models = [
        {
            "line": model.line,
            "name": model.name,
            "alias": model.alias,
            "target": model.target,
            "engine": model.engine,
            "endpoints": list(model.endpoints),
            "context": model.context,
            "max_output": model.max_output,
            "slots": model.slots,
            "images": model.images,
            "currency": model.currency,
            "price_read": f"{model.price_read:f}",
            "price_written": f"{model.price_written:f}",
            "key": model.key_shown,
            "notes": list(model.notes),
        }
        for model in planned.mapped
    ]
    left = [{"line": each.line, "name": each.name, "reason": each.reason} for each in planned.unmapped]
    return {"models": models, "left_behind": left, "done": done}


def _show(terminal: Terminal, planned: "Planned", done: list[dict[str, Any]]) -> None:
    t = terminal.t
    if planned.mapped:
        terminal.table(
            (t("line"), t("name"), t("becomes"), t("server and model"), t("key"), t("note")),
            (
                (str(each.line), each.name, each.alias, each.target, each.key_shown, "; ".join(each.notes))
                for each in planned.mapped
            ),
        )
    if planned.unmapped:
        terminal.line(t("What has no place here:"), "bold")
        terminal.table(
            (t("line"), t("name"), t("reason")),
            ((str(each.line), each.name, each.reason) for each in planned.unmapped),
        )
    for row in done:
        if row["admitted"]:
            terminal.line(
                t("{name} may be served as it is. Nobody examined it: it is no worker.", name=row["alias"])
            )
        else:
            terminal.line(
                t("{name} was not taken over: {reason}", name=row["alias"], reason=row["reason"]), "red"
            )
    if any(each.key_shown.startswith("env:") for each in planned.mapped):
        terminal.line(t("Keys in variables stay there: set them for `staffroom serve` too."))
    if not done:
        terminal.line(t("Nothing was changed."))
