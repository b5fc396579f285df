"""`staffroom init`: a commented starter that a person changes into a job of their own; it never overwrites."""

import shlex
from collections.abc import Iterator
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, terminal_of
from staffroom.records.errors import StaffroomError, WrongUse

__all__ = ["StarterLocale", "init"]


class StarterLocale(StrEnum):
    """Languages of the starter."""

    TAIWAN = "zh-TW"
    ENGLISH = "en"


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Where to write; made if need be.", metavar="FOLDER")
    ] = Path(),
    locale: Annotated[
        StarterLocale | None,
        typer.Option("--locale", help="Language of the starter; else that of the terminal."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a commented starter: job description, charter, a sample document and a small exam."""
    terminal = terminal_of(context, as_json)
    t = terminal.t
    wanted = (locale or StarterLocale(t.language)).value
    files = dict(_files(resources.files("staffroom.cli").joinpath("starter", wanted), Path()))
    there = [str(folder / name) for name in files if (folder / name).exists()]
    if there:
        raise WrongUse(
            t("already there, and nothing is overwritten: {files}", files=", ".join(there)),
            hint=t("name another folder: {command}", command="staffroom init FOLDER"),
        )
    for name, content in files.items():
        _write(folder / name, content)
    job = folder / "job.yaml"
    command = f"staffroom hire {shlex.quote(str(job))}"
    value = {
        "folder": str(folder),
        "locale": wanted,
        "files": [str(folder / name) for name in files],
        "next": command,
    }
    terminal.give(value, lambda: _show(terminal, folder, list(files), command))


def _files(place: Traversable, name: Path) -> Iterator[tuple[Path, bytes]]:
    for inner in sorted(place.iterdir(), key=lambda item: item.name):
        if inner.is_dir():
            yield from _files(inner, name / inner.name)
        else:
            yield name / inner.name, inner.read_bytes()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise StaffroomError(
            f"cannot be written ({error.strerror})", where=str(path), hint="staffroom init FOLDER"
        ) from error


def _show(terminal: Terminal, folder: Path, files: list[Path], command: str) -> None:
    t = terminal.t
    for name in files:
        terminal.line(f"  {folder / name}")
    terminal.line(t("Change these files to your own: the sponsor, the documents and the exam before all."))
    terminal.line(t("Try it without any model: {command}", command=f"{command} --dry-run"))
    terminal.line(t("In earnest: {command}", command=command))
