"""`staffroom feedback`: what people say of answers; in quarantine until a person or a rule of the job accepts it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse
from staffroom.records.feedback import FeedbackState

__all__ = ["FEEDBACK_COMMANDS", "accept", "add", "import_", "list_", "reject"]

_SHOWN = 60


class Rating(StrEnum):
    """A thumb."""

    UP = "up"
    DOWN = "down"


class Judged(StrEnum):
    """A supervisor's verdict."""

    RIGHT = "right"
    WRONG = "wrong"


Worker = Annotated[str, typer.Argument(help="The worker's alias.", metavar="WORKER")]
By = Annotated[
    str, typer.Option("--by", help="Name or office of whoever says or decides it.", metavar="NAME")
]


def add(
    context: typer.Context,
    alias: Worker,
    audit: Annotated[
        str, typer.Option("--audit", help="The answer's audit id; it stands in the answer.", metavar="ID")
    ] = "",
    question: Annotated[
        str, typer.Option("--question", help="The question, where no audit id is known.")
    ] = "",
    answer: Annotated[str, typer.Option("--answer", help="What the worker answered.")] = "",
    edited: Annotated[str, typer.Option("--edited", help="How it should have been answered.")] = "",
    rating: Annotated[Rating | None, typer.Option("--rating", help="A thumb up or down.")] = None,
    verdict: Annotated[
        Judged | None, typer.Option("--verdict", help="A supervisor's verdict; it needs --by.")
    ] = None,
    person: Annotated[
        str, typer.Option("--person", help="Whose case it is, so that one person's cases stay together.")
    ] = "",
    passage: Annotated[
        str, typer.Option("--passage", help="The article, page or passage that the case is about.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="A remark.")] = "",
    by: By = "",
    as_json: JsonFlag = False,
) -> None:
    """Say what was right or wrong about one answer, or how it should have been."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.feedback import add_feedback

    row = {
        "audit_id": audit,
        "question": question,
        "answer": answer,
        "edited_answer": edited,
        "rating": rating.value if rating else "",
        "verdict": verdict.value if verdict else "",
        "person": person,
        "passage": passage,
        "note": note,
        "by": by or operating_user(),
    }
    value = add_feedback(home_of(terminal), alias, row)
    terminal.give(value, lambda: _show_taken(terminal, value))


def import_(
    context: typer.Context,
    alias: Worker,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with a header, or JSONL; columns: question, answer (or bad_answer), edited_answer, rating, verdict, fault, "
            "by, person, passage (or law and article), audit_id, note.",
            metavar="FILE",
        ),
    ],
    by: By = "",
    as_json: JsonFlag = False,
) -> None:
    """Take in the feedback of a file, all of it or nothing; the same file a second time adds nothing."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.feedback import import_feedback

    value = import_feedback(home_of(terminal), alias, file, by or operating_user())
    terminal.give(value, lambda: _show_taken(terminal, value))


def list_(
    context: typer.Context,
    alias: Annotated[str | None, typer.Argument(help="The worker's alias.", metavar="WORKER")] = None,
    state: Annotated[
        FeedbackState | None, typer.Option("--state", help="Only what is in this state.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List feedback with its state; flagged where it seems to hold personal data."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.feedback import list_feedback

    rows = list_feedback(home_of(terminal), alias, state)
    terminal.give({"feedback": rows}, lambda: _show_list(terminal, rows))


def accept(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids from `staffroom feedback list`.", metavar="ID...")
    ] = None,
    everything: Annotated[
        str,
        typer.Option(
            "--all", help="Accept all of this worker that is in quarantine and not flagged.", metavar="WORKER"
        ),
    ] = "",
    by: By = "",
    as_json: JsonFlag = False,
) -> None:
    """Accept feedback: corrections may be learnt from, or are examined ever after, as their digest says."""
    _decide(terminal_of(context, as_json), ids, everything, FeedbackState.ACCEPTED, by)


def reject(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids from `staffroom feedback list`.", metavar="ID...")
    ] = None,
    by: By = "",
    as_json: JsonFlag = False,
) -> None:
    """Reject feedback: it stays in the book and is used for nothing."""
    _decide(terminal_of(context, as_json), ids, "", FeedbackState.REJECTED, by)


FEEDBACK_COMMANDS = (
    ("add", add),
    ("import", import_),
    ("list", list_),
    ("accept", accept),
    ("reject", reject),
)


def _decide(
    terminal: Terminal, ids: Sequence[str] | None, everything: str, state: FeedbackState, by: str
) -> None:
    t = terminal.t
    if bool(ids) == bool(everything):
        raise WrongUse(t("name the feedback that is meant"), hint="staffroom feedback list")
    from staffroom.pipeline.feedback import decide_feedback

    value = decide_feedback(
        home_of(terminal), list(ids or ()), state, by or operating_user(), alias=everything or None
    )

    def draw() -> None:
        count, sides = len(value["decided"]), value["sides"]
        if state is FeedbackState.REJECTED:
            terminal.line(t("Rejected: {count}.", count=count))
            return
        terminal.line(t("Accepted: {count}.", count=count))
        terminal.line(
            t(
                "Of the corrections {train} may be learnt from, {kept} are examined ever after, {aside} are set aside.",
                train=sides.get("train", 0),
                kept=sides.get("regression", 0),
                aside=sides.get("aside", 0),
            )
        )

    terminal.give(value, draw)


def _show_taken(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    terminal.line(
        t("Taken into quarantine: {new} new, {known} known.", new=value["new"], known=value["known"])
    )
    if value["accepted_by_rule"]:
        terminal.line(t("Accepted by the rule of the job: {count}.", count=len(value["accepted_by_rule"])))
    if value["flagged"]:
        terminal.line(
            t("Look at these first, they seem to hold personal data: {ids}", ids=" ".join(value["flagged"])),
            "yellow",
        )
    terminal.line(t("To see and accept it: {command}", command="staffroom feedback list --state quarantined"))


def _show_list(terminal: Terminal, rows: Sequence[Mapping[str, Any]]) -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("There is no such feedback."))
        return
    heads = ("id", "worker", "kind", "state", "side", "question", "edited answer", "flags")
    terminal.table([t(name) for name in heads], (_cells(terminal, row) for row in rows))


def _cells(terminal: Terminal, row: Mapping[str, Any]) -> tuple[str, ...]:
    t = terminal.t
    return (
        row["id"], row["alias"], t(row["kind"]), t(row["state"]), t(row["side"]) if row["side"] else "",
        _cut(row["question"]), _cut(row["edited_answer"]), " ".join(row["flags"]),
    )  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
