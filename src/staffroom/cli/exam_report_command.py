"""`staffroom exam report`: one page that says what was asked, how it was decided, and what it does not prove."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["report"]

_FAILED = 3
_ENDINGS = (".html", ".htm")


def report(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            help="A run (its id, its job description or its job's name), a worker's alias, or the digest of an evaluation.",
            metavar="TARGET",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            help="The page to write (.html), `-` for stdout; else exam-report-RUN.html here.",
            metavar="FILE",
        ),
    ] = "",
    lang: Annotated[
        Literal["zh-TW", "en"] | None,
        typer.Option(
            "--lang",
            help="Language that is shown first; both are in the page. Else that of the terminal.",
            metavar="zh-TW|en",
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack",
            help="Folder of the exam pack that was used, for answers side by side; a job description names its own.",
            metavar="PACK",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the report of a hire or a measurement as one page that needs no network; exit code 3 where the log is broken."""
    terminal = terminal_of(context, as_json)
    if out not in ("", "-") and not out.lower().endswith(_ENDINGS):
        raise WrongUse(
            terminal.t("a report is a web page, so its name ends in .html"),
            where=out,
            hint="staffroom exam report TARGET --out report.html",
        )
    from staffroom.pipeline.exam_report import exam_report

    value = exam_report(home_of(terminal), target, pack=pack)
    if as_json:
        terminal.print_json(value)
    elif out == "-":
        terminal.write(_page(terminal, value, lang))
    if out != "-" and (out or not as_json):
        _write(terminal, value, lang, out)
    raise typer.Exit(0 if value["log"]["ok"] else _FAILED)


def _page(terminal: Terminal, value: dict[str, Any], lang: str | None) -> str:
    from staffroom.cli.report import render

    return render(value, language=lang or terminal.t.language)


def _write(terminal: Terminal, value: dict[str, Any], lang: str | None, out: str) -> None:
    from staffroom.store import write_durably

    run = re.sub(r"[^A-Za-z0-9-]", "", str(value["run"]))
    path = Path(out or f"exam-report-{run}.html").expanduser()
    write_durably(path, _page(terminal, value, lang).encode("utf-8"))
    t = terminal.t
    if terminal.as_json:
        return
    terminal.line(t("The report is in {path}: one file, for any browser and for paper.", path=path))
    if value["answers"]["left_out"] == "no-pack":
        terminal.line(t("It shows no answers: name the exam pack with --pack, or the job description."))
    if not value["log"]["ok"]:
        terminal.line(t("The log is NOT in order, and the report says so."), "bold red")
