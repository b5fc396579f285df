"""`staffroom exam rerun`: ask some of an evaluation's items again, or judge its kept answers again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["rerun"]

_DIFFERS = 1
_ENGINES = ("build", "settings", "template", "model")


def rerun(
    context: typer.Context,
    evaluation: Annotated[
        str, typer.Argument(help="Digest of the evaluation, or its beginning.", metavar="EVALUATION")
    ],
    sample: Annotated[int, typer.Option("--sample", help="How many items are asked again.", min=1)] = 50,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Draws the sample; else a random one, which is shown.", min=0),
    ] = None,
    judge_only: Annotated[
        bool,
        typer.Option("--judge-only", help="Ask nothing: judge all kept answers again."),
    ] = False,
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack",
            help="Folder of the exam pack, where it lies elsewhere than at that time.",
            metavar="PACK",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask a sample of an evaluation again: on the same engine each choice must be the same; exit code 1 where one is not."""
    terminal = terminal_of(context, as_json)
    home = home_of(terminal)
    if judge_only:
        from staffroom.pipeline.exam_rerun import rejudge_exam

        value = rejudge_exam(home, evaluation, pack=pack)
        terminal.give(value, lambda: _show_judged(terminal, value))
    else:
        from staffroom.cli.interrupts import WorkLoop
        from staffroom.cli.progress import progress_for
        from staffroom.pipeline.exam_rerun import rerun_exam

        with WorkLoop() as loop, progress_for(terminal) as progress:
            value = loop.run(rerun_exam(home, evaluation, progress, sample=sample, seed=seed, pack=pack))
        terminal.give(value, lambda: _show_asked(terminal, value))
    raise typer.Exit(_DIFFERS if value["ok"] is False else 0)


def _show_asked(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    terminal.line(
        t(
            "{name}: {count} of {items} items asked again, drawn by seed {seed}",
            name=value["name"],
            count=value["sample"],
            items=value["answered"],
            seed=value["seed"],
        ),
        "bold",
    )
    terminal.line(t("the same: {same} of {count}", same=value["same"], count=value["sample"]))
    if value["largest_shift_nats"] is not None:
        terminal.line(
            t("largest shift of a margin: {shift} nats", shift=f"{value['largest_shift_nats']:.4f}")
        )
    for row in value["differ"]:
        terminal.line(_difference(terminal, row))
    _say_hidden(terminal, value)
    if value["ok"]:
        terminal.line(t("The same engine gives the same choices, all of them."))
    elif value["ok"] is False:
        terminal.line(t("The same engine does NOT give the same choices."), "bold red")
    elif value["engine"] == "unbound":
        terminal.line(
            t("It was asked at an endpoint, whose weights nothing binds: a difference proves nothing.")
        )
    else:
        terminal.line(t("Another engine or machine than at that time: a difference is no fault."))
        _show_engines(terminal, value)


def _difference(terminal: Terminal, row: Mapping[str, Any]) -> str:
    t = terminal.t
    if row["failed"]:
        return t("  {item}: no answer this time", item=row["item"])
    told = "" if "then" not in row else f" {_short(row['then'])} → {_short(row['now'])}"
    if row["margin_then"] is None or row["margin_now"] is None:
        return t("  {item}: another answer", item=row["item"]) + told
    return (
        t(
            "  {item}: another choice, margin {then} nats then, {now} now",
            item=row["item"],
            then=f"{row['margin_then']:.3f}",
            now=f"{row['margin_now']:.3f}",
        )
        + told
    )


def _show_engines(terminal: Terminal, value: Mapping[str, Any]) -> None:
    then, now = value["engine_then"], value["engine_now"]
    if then is None:
        terminal.line(terminal.t("What engine it was then is kept as a digest only."))
        return
    for name in _ENGINES:
        if then.get(name) != now.get(name):
            terminal.line(f"  {name}: {then.get(name)} → {now.get(name)}")


def _show_judged(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t = terminal.t
    terminal.line(
        t("{name}: {count} kept answers judged again", name=value["name"], count=value["items"]), "bold"
    )
    for item in value["answers_changed"]:
        terminal.line(t("  {item}: the kept answer is not the one that the evaluation names", item=item))
    for row in value["differ"]:
        told = f" {row['then']['value']:g} → {row['now']['value']:g}" if "then" in row else ""
        terminal.line(t("  {item}: another score", item=row["item"]) + told)
    _say_hidden(terminal, value)
    if value["ok"]:
        terminal.line(t("Bit for bit the same evaluation: {digest}", digest=value["evaluation"]))
        return
    terminal.line(
        t("NOT the same evaluation; what differs: {fields}", fields=", ".join(value["fields"])), "bold red"
    )


def _say_hidden(terminal: Terminal, value: Mapping[str, Any]) -> None:
    if not value["shown"] and (value["differ"] or value.get("answers_changed")):
        terminal.line(
            terminal.t("Items appear as digests, without their answers, because this split is not retired.")
        )


def _short(text: str) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 60 else f"{line[:59]}…"
