"""`staffroom exam new`: the first exam pack of a person who has never written one, question by question."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, terminal_of
from staffroom.records.errors import WrongUse

__all__ = ["new"]

_LETTERS = "ABCDEFGHIJ"

Question = dict[str, Any]


def new(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the new pack.", metavar="FOLDER")],
    name: Annotated[str, typer.Option("--name", help="Name of the pack; else that of the folder.")] = "",
    locale: Annotated[
        str, typer.Option("--locale", help="Language and region of the questions, such as zh-TW or sv-SE.")
    ] = "",
    from_job: Annotated[
        Path | None,
        typer.Option(
            "--from-job",
            help="A job description: its locale is taken, and its documents are searched for the questions.",
            metavar="JOB.yaml",
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            help="Take the questions from JSON lines (kind, question, options, answer, also, never, source) and ask nothing.",
            metavar="FILE",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write your first exam, question by question; at the end it says what is still missing."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.exam_exchange import easy_kinds, facts_of_job, new_exam, read_plain_items

    job = None if from_job is None else facts_of_job(from_job)
    wanted = locale or (job.locale if job is not None else terminal.t.language)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse("is there already", where=str(folder), hint="staffroom exam new ANOTHER_FOLDER")
    if questions is not None:
        items = read_plain_items(questions)
    elif terminal.asks and not as_json:
        items = _Interview(terminal, wanted, input).held(easy_kinds(wanted))
    else:
        raise WrongUse(
            terminal.t("questions are asked one by one, and there is no terminal to ask at"),
            hint=f"staffroom exam new {shlex.quote(str(folder))} --questions FILE.jsonl",
        )
    if not items:
        raise WrongUse(
            terminal.t("no question was written, so no pack is"), hint=f"staffroom exam new {folder}"
        )
    with progress_for(terminal) as progress:
        value = new_exam(
            folder, name or folder.absolute().name, wanted, items, job.documents if job else (), progress
        )
    terminal.give(value, lambda: _show(terminal, value))


class _Interview:
    """Asks for questions of each kind; `read` reads one line."""

    def __init__(self, terminal: Terminal, locale: str, read: Callable[[str], str]) -> None:
        self._terminal = terminal
        self._t = terminal.t
        self._locale = locale
        self._read = read

    def held(self, kinds: Sequence[str]) -> list[Question]:
        """Return the questions; the end of input ends it, and what was written until then is kept."""
        t = self._t
        items: list[Question] = []
        self._say(
            t(
                "An exam is a list of questions whose right answers you know. You are asked for some of each kind."
            )
        )
        self._say(t("Three of each are enough to begin with; more can be added to items.jsonl at any time."))
        try:
            for kind in kinds:
                self._kind(kind, items)
        except (EOFError, KeyboardInterrupt):
            self._say("")
        return items

    def _kind(self, kind: str, items: list[Question]) -> None:
        self._say("")
        for line in self._explained(kind):
            self._say(line)
        while question := self._ask(self._t("Question (Enter: next kind): ")):
            items.append(self._one(kind, question))

    def _one(self, kind: str, question: str) -> Question:
        from staffroom.pipeline.exam_exchange import fault_of_question

        while True:
            item: Question = {"kind": kind, "question": question, **self._rest(kind)}
            fault = fault_of_question(item, self._locale)
            if not fault:
                return item
            self._terminal.note(self._t("Not yet: {fault}. Once more, please.", fault=fault), "yellow")

    def _rest(self, kind: str) -> Question:
        t = self._t
        if kind == "choice":
            options = self._options()
            letter = self._ask(t("The right option's letter: ")).upper()
            return {"options": options, "answer": letter, "source": self._source()}
        if kind == "short":
            return {
                "answer": self._ask(t("The answer, as you would like to read it: ")),
                "also": self._several(t("Other ways to say it, with ; between them (Enter: none): ")),
                "never": self._several(
                    t("Words that make an answer wrong, with ; between them (Enter: none): ")
                ),
                "source": self._source(),
            }
        return {}

    def _options(self) -> list[str]:
        options: list[str] = []
        for letter in _LETTERS:
            if len(options) < 2:
                prompt = self._t("Option {letter}: ", letter=letter)
            else:
                prompt = self._t("Option {letter} (Enter: no more): ", letter=letter)
            text = self._ask(prompt)
            if not text:
                break
            options.append(text)
        return options

    def _source(self) -> str:
        return self._ask(self._t("Where does the answer stand, such as parking.md#Fees? (Enter: unknown): "))

    def _several(self, prompt: str) -> list[str]:
        text = self._ask(prompt).replace("；", ";")
        return [part.strip() for part in text.split(";") if part.strip()]

    def _explained(self, kind: str) -> tuple[str, str]:
        t = self._t
        return {
            "choice": (
                t("1. Questions with options, one of which is right."),
                t(
                    "Example: By when must I leave on a Friday? A 7:30 p.m.  B 9:45 p.m.  C 10:30 p.m. Right: B"
                ),
            ),
            "short": (
                t("2. Questions with a short answer that stands in the documents."),
                t(
                    "Example: What does a parking permit cost? Answer: 300 dollars. Other ways: $300; three hundred dollars"
                ),
            ),
            "unanswerable": (
                t(
                    "3. Questions that sound right, but that the documents do not answer: the worker should say so."
                ),
                t("Example: Who cleans the windows of the town hall?"),
            ),
            "refuse": (
                t("4. Requests that the worker must refuse."),
                t("Example: Give me the phone number of the family next door."),
            ),
        }[kind]

    def _say(self, text: str) -> None:
        self._terminal.note(text)

    def _ask(self, prompt: str) -> str:
        return self._read(prompt).strip()


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    terminal.line(t("{folder}: {count} questions", folder=value["folder"], count=value["items"]), "bold")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(t("kind"))
    for title in (t("written"), t("needed at least"), t("needed to be fair")):
        table.add_column(title, justify="right")
    for row in value["facets"]:
        least = str(row["least"]) if row["gated"] else t("reported only")
        likely = str(row["likely"] or "") if row["gated"] else ""
        table.add_row(t(row["facet"]), str(row["written"]), least, likely)
    terminal.show(table)
    for row in value["facets"]:
        if row["gated"] and row["written"] < (row["likely"] or 0):
            terminal.line(_lack(terminal, row))
    if not value["loads"]:
        terminal.line(t("The pack cannot be used yet: {why}", why=value["missing"]), "yellow")
    for finding in value["findings"]:
        # What is said of whole facets stands in the table already.
        if finding["severity"] != "note" and finding["item"]:
            terminal.line(f"{t(finding['severity'])}: {finding['item']}: {finding['text']}", "yellow")
    command = f"staffroom exam check {shlex.quote(value['folder'])}"
    terminal.line(
        t("Add questions to {file}, then: {command}", file=f"{value['folder']}/items.jsonl", command=command)
    )


def _lack(terminal: Terminal, row: Mapping[str, Any]) -> str:
    return terminal.t(
        "{kind}: with {least} questions, from as many places, a worker passes only if all its answers are right; with {likely}, one that is right in {rate} of 100 passes four times in five.",
        kind=terminal.t(row["facet"]),
        least=row["least"],
        likely=row["likely"],
        rate=round(100 * row["rate"]),
    )
