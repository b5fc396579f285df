"""`staffroom exam import`: a pack from a table of questions, or from a task file of lm-eval."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["import_"]

_MOST_SHOWN = 10


def import_(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="A table (.csv, .tsv), JSON lines (.jsonl, .json), or a task file of lm-eval (.yaml).",
            metavar="SOURCE",
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder of the new pack.", metavar="FOLDER")],
    locale: Annotated[
        str, typer.Option("--locale", help="Language and region of the questions, such as zh-TW or sv-SE.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the pack; else that of the source.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            help="Which column is what, such as question=item; may be given several times.",
            metavar="ROLE=NAME",
        ),
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", help="Encoding of a table that is not UTF-8, such as big5.")
    ] = "",
    delimiter: Annotated[
        str, typer.Option("--delimiter", help="Sign between the columns, where it is not found by itself.")
    ] = "",
    answers_from: Annotated[
        int | None,
        typer.Option(
            "--answers-from", help="Whether answers that are numbers count from 0 or 1.", min=0, max=1
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="Local data of a task's split, such as test=test.jsonl; may be given several times.",
            metavar="SPLIT=FILE",
        ),
    ] = None,
    filter_name: Annotated[
        str, typer.Option("--filter", help="Which of a task's filters takes the answer out; else its first.")
    ] = "",
    shots: Annotated[
        int | None, typer.Option("--shots", help="Worked examples in a task's prompts.", min=0, max=100)
    ] = None,
    for_worker: Annotated[
        bool,
        typer.Option(
            "--for-worker",
            help="Make a task's items questions for a worker; else they are prompts for a bare model, letter by letter.",
        ),
    ] = False,
    skip: Annotated[
        bool, typer.Option("--skip", help="Leave out rows that are no items; they are listed in SOURCES.md.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an exam pack of a table of questions or of a task of lm-eval; no code in it is run."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.exam_exchange import ImportOptions, import_exam

    options = ImportOptions(
        locale=locale or terminal.t.language,
        name=name,
        skip=skip,
        encoding=encoding,
        delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
        answers_from=answers_from,
        columns=dict(_pairs(column, "--column ROLE=NAME")),
        data=_files(data),
        filter_name=filter_name,
        shots=shots,
        for_worker=for_worker,
    )
    value = import_exam(source, folder, options)
    terminal.give(value, lambda: _show(terminal, value))


def _pairs(texts: Sequence[str] | None, form: str) -> list[tuple[str, str]]:
    pairs = []
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise WrongUse(f"`{text}` is not of the form NAME=VALUE", hint=form)
        pairs.append((name, value))
    return pairs


def _files(texts: Sequence[str] | None) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for split, path in _pairs(texts, "--data SPLIT=FILE"):
        files.setdefault(split, []).append(Path(path))
    return files


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    terminal.line(
        t(
            "{folder}: {items} items of {name}",
            folder=value["folder"],
            items=value["items"],
            name=value["name"],
        ),
        "bold",
    )
    for note in value["notes"]:
        terminal.line(f"  {note}")
    left = value["left_out"]
    if left:
        terminal.line(t("left out: {count} rows", count=len(left)), "yellow")
        for row in left[:_MOST_SHOWN]:
            terminal.line(f"  {row['line']}: {row['reason']}")
    if value["repeated"]:
        terminal.line(
            t("left out: {count} rows that ask what another asks", count=value["repeated"]), "yellow"
        )
    worse = [finding for finding in value["findings"] if finding["severity"] != "note"]
    if worse:
        command = f"staffroom exam check {value['folder']}"
        terminal.line(t("{count} findings: {command}", count=len(worse), command=command), "yellow")
    if value["asking"] == "continuation":
        command = f"staffroom exam run MODEL {value['folder']} --bare-model"
        terminal.line(t("Its inputs are prompts for a bare model: {command}", command=command))
    terminal.line(
        t(
            "No facet bars a promotion yet: set thresholds in {file}.",
            file=str(Path(value["folder"]) / "exam.yaml"),
        )
    )
