"""`staffroom serve`: the workers of this home behind an OpenAI-compatible address."""

from typing import Annotated

import typer

from staffroom.cli.terminal import JsonFlag, home_of, terminal_of

__all__ = ["serve"]


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8321,
    as_json: JsonFlag = False,
) -> None:
    """Serve all permitted workers behind an OpenAI-compatible address, until Ctrl-C or SIGTERM."""
    terminal = terminal_of(context, as_json)
    import asyncio

    from staffroom.pipeline import service

    t, home = terminal.t, home_of(terminal)

    def on_ready(url: str) -> None:
        def draw() -> None:
            terminal.line(t("Serving at {url}/v1 (Ctrl-C ends it)", url=url.removesuffix("/v1")), "bold")
            terminal.line(t("A key for this machine is in {path}", path=home.keys / "loopback.key"))
            terminal.line(t("A key for other clients: {command}", command="staffroom key create NAME"))

        terminal.give({"url": url}, draw)

    def on_trouble(reason: str) -> None:
        terminal.note(t("Trouble while serving: {reason}", reason=reason), "red")

    asyncio.run(service.serve(home, host, port, on_ready, on_trouble))
    terminal.note(t("ended: no answer is under way any more"))
