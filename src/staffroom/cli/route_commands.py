"""`staffroom route`: plain models behind the gateway, next to the workers and without their exam."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["add", "list_", "remove"]

Name = Annotated[str, typer.Argument(help="The name that clients ask for as `model`.", metavar="NAME")]


def add(
    context: typer.Context,
    name: Name,
    target: Annotated[
        str, typer.Argument(help="A model of this home, or server:URL#model.", metavar="MODEL")
    ],
    sponsor: Annotated[str, typer.Option("--sponsor", help="The person who answers for it.")],
    engine: Annotated[
        str,
        typer.Option(
            "--engine", help="What the server is: openai (any), vllm or llama; it tells of tokens so."
        ),
    ] = "openai",
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            "--endpoint",
            help="A route it has: chat, completions, embeddings, responses; may be given several times.",
        ),
    ] = None,
    images: Annotated[bool, typer.Option("--images", help="It can see images.")] = False,
    context_tokens: Annotated[int, typer.Option("--context", help="Tokens of its context.", min=256)] = 4096,
    max_output: Annotated[
        int, typer.Option("--max-output", help="Tokens that one answer may have at most.", min=1)
    ] = 1024,
    slots: Annotated[int, typer.Option("--slots", help="Answers at a time.", min=1)] = 4,
    waiting: Annotated[
        int, typer.Option("--waiting", help="Requests that may wait behind them.", min=0)
    ] = 64,
    price_in: Annotated[str, typer.Option("--price-in", help="Price of a million tokens read.")] = "0",
    price_out: Annotated[str, typer.Option("--price-out", help="Price of a million tokens written.")] = "0",
    currency: Annotated[str, typer.Option("--currency", help="Currency of the prices (ISO 4217).")] = "TWD",
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="A file with the server's key; it is kept in `keys/`.")
    ] = None,
    guardrails: Annotated[
        str,
        typer.Option(
            "--guardrails",
            help="What is masked of requests and answers: default, none, or a file (`staffroom schema guardrails`).",
        ),
    ] = "default",
    as_json: JsonFlag = False,
) -> None:
    """Serve a model as it is, without exam or documents; the log records who admitted it and who answers for it."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.plain_models import admit_plain

    with progress_for(terminal) as progress:
        row = admit_plain(
            home_of(terminal),
            name,
            target,
            sponsor,
            progress,
            engine=engine,
            endpoints=tuple(endpoint or ("chat", "completions")),
            images=images,
            context=context_tokens,
            max_output=max_output,
            slots=slots,
            waiting=waiting,
            currency=currency,
            price_read=_price(terminal, price_in),
            price_written=_price(terminal, price_out),
            key=_key(terminal, key_file),
            guardrails=guardrails,
            by=operating_user(),
        )

    terminal.give(row, lambda: _admitted(terminal, name, row))


def list_(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the plain models of this home."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.plain_models import list_plain

    rows = list_plain(home_of(terminal))
    terminal.give({"routes": rows}, lambda: _show(terminal, rows))


def remove(context: typer.Context, name: Name, as_json: JsonFlag = False) -> None:
    """Stop a plain model and take it out of service."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.plain_models import withdraw_plain

    row = withdraw_plain(home_of(terminal), name, operating_user())
    terminal.give(row, lambda: terminal.line(terminal.t("{name} is no longer served.", name=name)))


def _admitted(terminal: Terminal, name: str, row: dict[str, Any]) -> None:
    t = terminal.t
    terminal.line(t("{name} may be served as it is. Nobody examined it: it is no worker.", name=name))
    if row["guardrails"]:
        terminal.line(t("What its guardrails do with what they find: {verdicts}", verdicts=_verdicts(row)))
    else:
        terminal.line(t("It has no guardrails: personal data and keys pass through as they are."))
    terminal.line(t("To stop it: {command}", command=f"staffroom suspend {name}"))


def _verdicts(row: dict[str, Any]) -> str:
    return ", ".join(f"{rule['id']} ({rule['stage']}: {rule['verdict']})" for rule in row["guardrails"])


def _price(terminal: Terminal, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise WrongUse(
            terminal.t("`{word}` is not a price", word=text), hint="staffroom route add --help"
        ) from error


def _key(terminal: Terminal, path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(
            terminal.t("the key cannot be read ({reason})", reason=str(error)), where=str(path)
        ) from error


def _show(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("No plain model is served here."))
        return
    terminal.table(
        (t("name"), t("state"), t("model"), t("routes"), t("sponsor"), t("since")),
        (
            (
                row["alias"],
                t(row["state"]),
                row["source"],
                ", ".join(row["endpoints"]),
                row["sponsor"],
                row["admitted"][:10],
            )
            for row in rows
        ),
    )
