"""`staffroom key`: keys with which clients call the workers; a key is shown once and kept as a salted hash."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from staffroom.store import ApiKey

__all__ = ["create", "list_", "revoke"]


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who or what will use the key.", metavar="NAME")],
    worker: Annotated[
        list[str] | None,
        typer.Option("--worker", help="Open this worker only; may be given several times.", metavar="WORKER"),
    ] = None,
    days: Annotated[int | None, typer.Option("--days", help="Days until the key expires.", min=1)] = None,
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Accept the key from this machine only.")
    ] = False,
    role: Annotated[
        str,
        typer.Option(
            "--role", help="user (asks), sponsor (also sees budgets), auditor (only sees), operator."
        ),
    ] = "user",
    as_json: JsonFlag = False,
) -> None:
    """Make a key; it is shown this once."""
    terminal = terminal_of(context, as_json)
    from staffroom.store import ApiKeys, Database, KeyRole

    if role not in list(KeyRole):
        raise WrongUse(
            terminal.t("`{word}` is not a role", word=role), hint="--role user, sponsor, auditor or operator"
        )

    lifetime = None if days is None else timedelta(days=days)
    with Database(home_of(terminal).ensure().database) as database:
        key, token = ApiKeys(database).create(
            name, aliases=worker or (), lifetime=lifetime, loopback=loopback, role=KeyRole(role)
        )

    def draw() -> None:
        terminal.line(token)
        terminal.note(terminal.t("Keep it now: it is not shown again. Its id is {id}.", id=key.id))

    terminal.give({**_as_json(key), "key": token}, draw)


def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, from `staffroom key list`.", metavar="ID")],
    as_json: JsonFlag = False,
) -> None:
    """Revoke a key; running gateways refuse it from the next request on."""
    terminal = terminal_of(context, as_json)
    from staffroom.store import ApiKeys, Database

    with Database(home_of(terminal).ensure().database) as database:
        key = ApiKeys(database).revoke(key_id)
    text = terminal.t("The key {id} ({name}) is revoked.", id=key.id, name=key.name)
    terminal.give(_as_json(key), lambda: terminal.line(text))


def list_(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all keys, the revoked ones too; the keys themselves are not kept."""
    terminal = terminal_of(context, as_json)
    from staffroom.store import ApiKeys, Database

    with Database(home_of(terminal).ensure().database) as database:
        keys = ApiKeys(database).list()
    terminal.give({"keys": [_as_json(key) for key in keys]}, lambda: _show(terminal, keys))


def _show(terminal: Terminal, keys: list["ApiKey"]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    if not keys:
        terminal.line(t("There is no key yet. To make one: {command}", command="staffroom key create NAME"))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (t("id"), t("name"), t("role"), t("workers"), t("made"), t("expires"), t("revoked")):
        table.add_column(name)
    for key in keys:
        row = _as_json(key)
        aliases = ", ".join(key.aliases) or t("all")
        times = [str(row[name] or "–")[:10] for name in ("created", "expires", "revoked")]
        table.add_row(key.id, key.name, t(key.role.value), aliases, *times)
    terminal.show(table)


def _as_json(key: "ApiKey") -> dict[str, Any]:
    from staffroom.store import to_text

    def at(time: Any) -> str | None:
        return None if time is None else to_text(time)

    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "workers": list(key.aliases),
        "loopback": key.loopback,
        "created": at(key.created),
        "expires": at(key.expires),
        "revoked": at(key.revoked),
    }
