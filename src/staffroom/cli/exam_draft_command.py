"""`staffroom exam draft`: items drawn from an organisation's own charter, which a person accepts one by one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from staffroom.pipeline.charter_drafts import Draft, Drafting

__all__ = ["draft"]

Sides = list[dict[str, Any]]


def draft(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="The job description (.yaml), the charter (.md) or a survey (.csv).",
            metavar="JOB|CHARTER|SURVEY",
        ),
    ],
    pack: Annotated[
        Path,
        typer.Argument(help="Folder of the pack; a new one is best, for the charter alone.", metavar="PACK"),
    ],
    locale: Annotated[
        str,
        typer.Option("--locale", help="Language and region of the drafts, where the source does not say."),
    ] = "",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A model of this machine that words a dilemma for each statement without a template.",
            metavar="NAME",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose exam items for the statements of your charter; nothing enters the pack unless you accept it."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline.charter_drafts import open_drafting

    if not as_json and not terminal.asks:
        raise WrongUse(
            terminal.t("drafts are accepted one by one, and there is no terminal to ask at"),
            hint=f"staffroom exam draft {source} {pack} --json",
        )
    drafting = open_drafting(source, pack, locale)
    skipped = _worded_by_model(terminal, drafting, model) if model is not None else []
    if as_json:
        terminal.print_json({**drafting.as_json(), "skipped": skipped})
        return
    for reason in skipped:
        terminal.note(reason, "dim")
    _Desk(terminal, drafting, input).go_through()


def _worded_by_model(terminal: Terminal, drafting: "Drafting", name: str) -> list[str]:
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.pipeline.model_drafts import drafts_by_model

    with WorkLoop() as loop:
        drafts, skipped = loop.run(drafts_by_model(home_of(terminal), name, drafting))
    drafting.add(drafts)
    return list(skipped)


class _Desk:
    """Shows one draft at a time and takes the person's word on it; `read` reads one line."""

    def __init__(self, terminal: Terminal, drafting: "Drafting", read: Callable[[str], str]) -> None:
        self._terminal = terminal
        self._drafting = drafting
        self._read = read
        self._office = ""

    def go_through(self) -> None:
        """Ask about each waiting draft until the person stops."""
        terminal, t = self._terminal, self._terminal.t
        waiting = self._drafting.waiting()
        if self._drafting.foreign_items:
            terminal.note(
                t(
                    "This pack has other items. New ones may move them to other splits: if anybody has sat it, stop and "
                    "use a new folder."
                ),
                "yellow",
            )
        try:
            for number, item in enumerate(waiting, 1):
                self._show(item, number, len(waiting))
                if not self._decide(item):
                    break
        except (EOFError, KeyboardInterrupt):
            terminal.line()
        self._show_end()

    def _decide(self, item: "Draft") -> bool:
        """Return whether to go on to the next draft."""
        t, terminal = self._terminal.t, self._terminal
        while True:
            typed = self._read(t("[a]ccept, [e]dit, [r]eject, [s]top: ")).strip().lower()[:1]
            if typed == "s":
                return False
            if typed == "r":
                self._drafting.reject(item, self._who())
                return True
            if typed not in ("a", "e"):
                terminal.line(t("Type a, e, r or s."))
                continue
            sides = self._edited(item) if typed == "e" else None
            try:
                ids = self._drafting.accept(item, self._who(), sides)
            except WrongUse as error:
                terminal.line(str(error), "red")
                continue
            terminal.line(t("In the pack as {ids}.", ids=", ".join(ids)), "green")
            return True

    def _who(self) -> str:
        """Return the office that answers for the items, asked once."""
        while not self._office:
            known = self._drafting.sponsor
            question = self._terminal.t("Which office accepts these items?")
            self._office = self._read(f"{question}{f' [{known}]' if known else ''} ").strip() or known
        return self._office

    def _edited(self, item: "Draft") -> Sides:
        """Return the sides as the person rewrites them, line by line; an empty line keeps what there is."""
        t = self._terminal.t
        self._terminal.line(t("Enter keeps a line as it is."), "dim")
        sides: Sides = [dict(side) for side in item.sides]
        for number, side in enumerate(sides, 1):
            label = t("question") if len(sides) == 1 else t("question {number}", number=number)
            side["input"] = self._asked(label, side["input"])
        if "choices" in sides[0]:
            options = [
                self._asked(f"  {'ABCDEFGHIJ'[index]}", text)
                for index, text in enumerate(sides[0]["choices"])
            ]
            for number, side in enumerate(sides, 1):
                side["choices"] = options
                label = t("right for question {number}", number=number)
                if item.kind.is_paired:
                    typed = self._asked(label, ", ".join(side["accept"]))
                    side["accept"] = [letter for letter in typed.upper() if letter.isalpha()]
        elif sides[0].get("answer"):
            answer = self._asked(t("model answer"), sides[0]["answer"])
            for side in sides:
                side["answer"] = answer
        return sides

    def _asked(self, label: str, known: str) -> str:
        self._terminal.line(f"{label}: {known}")
        return self._read("> ").strip() or known

    def _show(self, item: "Draft", number: int, of: int) -> None:
        terminal, t = self._terminal, self._terminal.t
        terminal.line()
        terminal.line(
            t("Draft {number} of {of}: {kind}", number=number, of=of, kind=_kind(terminal, item.kind.value)),
            "bold",
        )
        terminal.line(f"{item.statement.where}: {item.statement.text}", "dim")
        if item.by != "template":
            terminal.line(t("Worded by {who}; read it twice.", who=item.by), "yellow")
        for place, side in enumerate(item.sides, 1):
            mark = f"{place}. " if len(item.sides) > 1 else ""
            right = "/".join(side["accept"]) if item.kind.value == "dilemma" else ""
            terminal.line(f"  {mark}{side['input']}{f'  → {right}' if right else ''}")
        first = item.sides[0]
        for letter, option in zip("ABCDEFGHIJ", first.get("choices", ()), strict=False):
            terminal.line(f"     {letter}. {option}")
        if first.get("answer"):
            terminal.line(f"     {t('model answer')}: {first['answer']}")

    def _show_end(self) -> None:
        terminal, t = self._terminal, self._terminal.t
        value = self._drafting.as_json()
        counts = _counts(value["drafts"])
        terminal.line()
        terminal.line(
            t(
                "Accepted {accepted}, edited {edited}, rejected {rejected}, waiting {waiting}.",
                **counts,
                waiting=value["waiting"],
            ),
            "bold",
        )
        if value["unmatched"]:
            terminal.line(t("Without a template, so write these by hand:"))
            for statement in value["unmatched"]:
                terminal.line(f"  {statement['text']}")
        if value["ready"]:
            pack = self._drafting.pack
            terminal.line(t("Next: {command}", command=f"staffroom exam check {pack}"))
        else:
            terminal.line(t("The pack cannot be sat yet: {why}", why=value["says"]))


def _kind(terminal: Terminal, kind: str) -> str:
    t = terminal.t
    return {
        "dilemma": t("dilemma"),
        "neutrality": t("two mirror images"),
        "refuse": t("a request to refuse"),
        "short": t("short answer"),
        "survey": t("survey question"),
    }[kind]


def _counts(drafts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    words = [row["decision"] for row in drafts]
    return {name: words.count(name) for name in ("accepted", "edited", "rejected")}
