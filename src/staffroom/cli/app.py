"""The tree of commands, built for one language; each command's file says what it does."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from staffroom import __version__
from staffroom.cli import (
    audit_commands,
    backup_commands,
    budget_commands,
    bundle_command,
    chat_command,
    doctor_command,
    drill_commands,
    exam_commands,
    feedback_commands,
    hire_command,
    home_commands,
    import_commands,
    improve_command,
    incident_commands,
    init_command,
    key_commands,
    log_commands,
    model_commands,
    route_commands,
    schema_command,
    serve_command,
    tool_commands,
    worker_commands,
)
from staffroom.cli.language import Words

__all__ = ["build_command"]

_Named = tuple[str, Callable[..., None]]

_COMMANDS: Sequence[_Named] = (
    ("init", init_command.init),
    ("hire", hire_command.hire),
    ("improve", improve_command.improve),
    ("workers", worker_commands.workers),
    ("show", worker_commands.show),
    ("chat", chat_command.chat),
    ("serve", serve_command.serve),
    ("suspend", worker_commands.suspend),
    ("resume", worker_commands.resume),
    ("retire", worker_commands.retire),
    ("rollback", worker_commands.rollback),
)
_GROUPS: Sequence[tuple[str, str, Sequence[_Named]]] = (
    (
        "exam",
        "Check an exam pack, or let a worker sit one.",
        exam_commands.EXAM_COMMANDS,
    ),
    (
        "feedback",
        "What people say of answers: take it in, look at it, accept or reject it.",
        feedback_commands.FEEDBACK_COMMANDS,
    ),
    (
        "models",
        "Model files of this machine: add, fetch, check, list.",
        (
            ("add", model_commands.add),
            ("get", model_commands.get),
            ("check", model_commands.check),
            ("list", model_commands.list_),
        ),
    ),
    (
        "log",
        "The decision log: verify it, read it, prove an entry, print the checkpoint, reconcile a restored one.",
        (
            ("verify", log_commands.verify),
            ("show", log_commands.show),
            ("proof", log_commands.proof),
            ("checkpoint", log_commands.checkpoint),
            ("reconcile", log_commands.reconcile),
        ),
    ),
    (
        "home",
        "The folder where everything is kept.",
        (("upgrade", home_commands.upgrade),),
    ),
    (
        "audit",
        "The record of every request: find, show, prove, check, erase.",
        audit_commands.AUDIT_COMMANDS,
    ),
    (
        "drill",
        "Try out beforehand what must work when it matters.",
        (("stop", drill_commands.stop),),
    ),
    (
        "incident",
        "What went wrong: clocks that run, evidence that can no longer change.",
        incident_commands.INCIDENT_COMMANDS,
    ),
    (
        "key",
        "Keys with which clients call the workers.",
        (("create", key_commands.create), ("revoke", key_commands.revoke), ("list", key_commands.list_)),
    ),
    (
        "budget",
        "What a key, a worker or a sponsor may use.",
        (("set", budget_commands.set_), ("list", budget_commands.list_), ("remove", budget_commands.remove)),
    ),
    (
        "route",
        "Plain models behind the gateway, without exam and documents.",
        (("add", route_commands.add), ("list", route_commands.list_), ("remove", route_commands.remove)),
    ),
    (
        "tools",
        "The function tools of a job: list them, call one as the worker would.",
        (
            ("list", tool_commands.list_tools),
            ("call", tool_commands.call),
            ("carry-out", tool_commands.carry_out),
            ("ceiling", tool_commands.ceiling),
        ),
    ),
    (
        "approvals",
        "Tool calls that wait for a person.",
        (
            ("list", tool_commands.list_calls),
            ("approve", tool_commands.approve),
            ("refuse", tool_commands.refuse),
        ),
    ),
    (
        "import",
        "Take over what another gateway has.",
        (("litellm", import_commands.litellm),),
    ),
)
_LAST: Sequence[_Named] = (
    ("backup", backup_commands.backup),
    ("restore", backup_commands.restore),
    ("bundle", bundle_command.bundle),
    ("schema", schema_command.schema),
    ("doctor", doctor_command.doctor),
)


def build_command(t: Words) -> Any:
    """Return the command `staffroom` (a Typer group, which is private there, hence `Any`)."""
    app = typer.Typer(
        name="staffroom", add_completion=False, no_args_is_help=True, rich_markup_mode=None, help=_HELP
    )
    app.callback()(_root)
    for name, work in _COMMANDS:
        app.command(name)(work)
    for name, text, commands in _GROUPS:
        group = typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)
        for inner, work in commands:
            group.command(inner)(work)
        app.add_typer(group)
    for name, work in _LAST:
        app.command(name)(work)
    command = typer.main.get_command(app)
    _translate(command, t)
    return command


_HELP = (
    "The exam board and personnel file for AI workers that an organisation owns: "
    "recruit one by a job description, examine it, put it to work, and check every decision afterwards."
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"staffroom {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    del version


_root.__doc__ = _HELP


def _translate(command: Any, t: Words) -> None:
    """Put every help text of the tree into the language of the user."""
    if command.help:
        command.help = t(" ".join(command.help.split()))
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = t(parameter.help)
    for inner in getattr(command, "commands", {}).values():
        _translate(inner, t)
