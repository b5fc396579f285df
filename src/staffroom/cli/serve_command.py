"""`staffroom serve`: the workers of this home behind an OpenAI-compatible address."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from staffroom.serve import TlsFiles

__all__ = ["serve"]


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8321,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", help="Certificate with its chain (PEM): speak HTTPS.", metavar="FILE"),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="The certificate's private key (PEM).", metavar="FILE")
    ] = None,
    public_url: Annotated[
        str,
        typer.Option(
            "--public-url", help="How clients reach it through a proxy, such as https://ai.example.org."
        ),
    ] = "",
    print_unit: Annotated[
        bool,
        typer.Option("--print-unit", help="Print a systemd unit with these options instead of serving."),
    ] = False,
    seal_minutes: Annotated[
        float,
        typer.Option(
            "--seal-minutes", help="How often the rows of the duty record are sealed into the log.", min=0.05
        ),
    ] = 60.0,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Write one JSON line a request on stderr, without texts.")
    ] = False,
    spans_to: Annotated[
        str,
        typer.Option(
            "--spans-to",
            help="Send OpenTelemetry spans, without texts, to this collector; nothing is sent without it.",
            metavar="URL",
        ),
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Serve all permitted workers behind an OpenAI-compatible address, until Ctrl-C or SIGTERM."""
    terminal = terminal_of(context, as_json)
    _require_url(terminal, public_url)
    if print_unit:
        options = ["--host", host, "--port", str(port), "--seal-minutes", f"{seal_minutes:g}"]
        options += ["--log-requests"] * log_requests
        given = {"--tls-cert": _absolute(tls_cert), "--tls-key": _absolute(tls_key)}
        given |= {"--public-url": public_url, "--spans-to": spans_to}
        _print_unit(terminal, options + [part for pair in given.items() if pair[1] for part in pair])
        return
    import asyncio

    from staffroom.pipeline import service

    t, home = terminal.t, home_of(terminal)

    def on_ready(url: str) -> None:
        terminal.give({"url": url}, lambda: _draw_address(terminal, url))

    def on_trouble(reason: str) -> None:
        terminal.note(t("Something could not be done; the gateway goes on: {reason}", reason=reason), "red")

    tls = _tls(terminal, tls_cert, tls_key)
    asyncio.run(
        service.serve(
            home,
            host,
            port,
            on_ready,
            on_trouble,
            tls=tls,
            public_url=public_url,
            seal_seconds=60 * seal_minutes,
            spans_to=spans_to,
            request_log=sys.stderr if log_requests else None,
        )
    )
    terminal.note(t("ended: no answer is under way any more"))


def _draw_address(terminal: Terminal, url: str) -> None:
    t, home = terminal.t, home_of(terminal)
    terminal.line(t("Serving at {url}/v1 (Ctrl-C ends it)", url=url.removesuffix("/v1")), "bold")
    terminal.line(t("A key for this machine is in {path}", path=home.keys / "loopback.key"))
    terminal.line(t("A key for other clients: {command}", command="staffroom key create NAME"))


def _tls(terminal: Terminal, certificate: Path | None, key: Path | None) -> "TlsFiles | None":
    from staffroom.serve import TlsFiles

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise WrongUse(
            terminal.t("a certificate needs its key, and a key its certificate"),
            hint="staffroom serve --tls-cert FILE --tls-key FILE",
        )
    files = TlsFiles(certificate, key)
    files.context()  # before models are loaded, which takes a while
    return files


def _require_url(terminal: Terminal, url: str) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        raise WrongUse(
            terminal.t("`{word}` is not the address of a gateway", word=url),
            hint="--public-url https://ai.example.org",
        )


def _absolute(file: Path | None) -> str:
    return "" if file is None else str(file.absolute())


def _print_unit(terminal: Terminal, options: list[str]) -> None:
    from staffroom.cli.systemd_unit import Unit, unit_text

    unit = Unit.of(home_of(terminal).path, terminal.environment, options)
    text = unit_text(unit)
    terminal.give({"unit": text}, lambda: terminal.write(text))
