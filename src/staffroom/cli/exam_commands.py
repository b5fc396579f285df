"""`staffroom exam`: check a pack before anybody sits it, and let a worker sit one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.exam_alpha_command import alpha
from staffroom.cli.exam_calibrate_command import calibrate
from staffroom.cli.exam_coverage_command import coverage
from staffroom.cli.exam_draft_command import draft
from staffroom.cli.exam_export_command import export
from staffroom.cli.exam_import_command import import_
from staffroom.cli.exam_new_command import new
from staffroom.cli.exam_packs_command import packs
from staffroom.cli.exam_report_command import report
from staffroom.cli.exam_rerun_command import rerun
from staffroom.cli.exam_retire_command import retire
from staffroom.cli.exam_unseal_command import unseal
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["EXAM_COMMANDS", "check", "run"]

_FAILED = 3
_STYLES: Mapping[str, str] = {"error": "red", "warning": "yellow", "note": ""}


def run(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="The worker's alias.", metavar="TARGET")],
    pack: Annotated[
        Path,
        typer.Argument(help="Folder of the exam pack, or a name that `exam packs` lists.", metavar="PACK"),
    ],
    seed: Annotated[int, typer.Option("--seed", help="Seed of the answers.", min=0)] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder with the files of a public set; STAFFROOM_DATA names it too.",
            metavar="FOLDER",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", help="Ask so many items of a public set, always the same ones.", min=10, metavar="N"
        ),
    ] = None,
    other_locale: Annotated[
        bool, typer.Option("--other-locale", help="Allow an exam of another locale than the worker's.")
    ] = False,
    bare_model: Annotated[
        bool,
        typer.Option(
            "--bare-model",
            help="TARGET is a model of this home, asked by itself, for packs whose inputs are prompts for a bare model.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let a worker sit the screen and gate splits of a pack; it measures, and decides nothing."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.cli.progress import ShownProgress, progress_for
    from staffroom.pipeline.bare_models import open_bare_model
    from staffroom.pipeline.exam_targets import find_exam
    from staffroom.pipeline.exams import sit_exam
    from staffroom.pipeline.service import open_worker

    home = home_of(terminal)
    folder = find_exam(pack, home, data, limit, terminal.environment.get("STAFFROOM_DATA", ""))

    async def sit(progress: ShownProgress) -> dict[str, Any]:
        if bare_model:
            async with open_bare_model(home, target, folder) as model:
                return await sit_exam(model, target, folder, home, progress, seed=seed)
        async with open_worker(home, target) as worker:
            return await sit_exam(
                worker.agent, target, folder, home, progress, seed=seed, other_locale=other_locale
            )

    with WorkLoop() as loop, progress_for(terminal) as progress:
        value = loop.run(sit(progress))
    terminal.give(value, lambda: _show_run(terminal, value))


def check(
    context: typer.Context,
    pack: Annotated[Path, typer.Argument(help="Folder of the exam pack.", metavar="PACK")],
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--documents",
            help="A document or folder that workers answer from, to find questions that give themselves away; "
            "may be given several times.",
            metavar="PATH",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look for faults in a pack: leaks, weak patterns, facets that cannot decide; exit code 3 where there are errors."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.exams import check_exam

    with progress_for(terminal) as progress:
        value = check_exam(pack, documents or (), progress)
    terminal.give(value, lambda: _show_check(terminal, value, pack))
    raise typer.Exit(0 if value["ok"] else _FAILED)


def _show_run(terminal: Terminal, value: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    t = terminal.t
    title = t(
        "{alias} on {name}: {count} items", alias=value["alias"], name=value["name"], count=value["items"]
    )
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(t("facet"))
    for name in (t("items"), t("score"), t("95 % interval"), t("unscored")):
        table.add_column(name, justify="right")
    for row in value["facets"]:
        interval = f"{row['low']:.2f}–{row['high']:.2f}"
        table.add_row(row["facet"], str(row["n"]), f"{row['score']:.2f}", interval, str(row["unscored"]))
    terminal.show(table)
    corrected = {
        "refused": t("{facet}: {rate} refused, with the rule's own errors taken out ({interval})"),
        "refused_fully": t(
            "{facet}: {rate} refused outright, with the rule's own errors taken out ({interval})"
        ),
        "judged": t("{facet}: {rate}, with the judge's own errors taken out ({interval})"),
    }
    for rate in value["corrected"]:
        interval = f"{rate['low']:.2f}–{rate['high']:.2f}"
        text = corrected[rate["what"]]
        terminal.line(text.format(facet=rate["facet"], rate=f"{rate['rate']:.2f}", interval=interval))
    for facet in value["uncalibrated"]:
        terminal.line(
            t("{facet}: its judge has no calibration record, so its score is no evidence", facet=facet),
            "yellow",
        )
    terminal.line(t("wrong language: {count}", count=value["wrong_language"]))
    if (answers := value.get("locale_answers")) and answers["answers"]:
        terminal.line(
            t(
                "open answers not as {locale} writes: {raw} of {count} as the model wrote them, {served} as served",
                locale=answers["locale"],
                raw=answers["raw"]["faulty"],
                count=answers["answers"],
                served=answers["served"]["faulty"],
            )
        )
    terminal.line(
        t(
            "It is entry {index} of the log. It decides nothing: only `staffroom hire` opens a gate.",
            index=value["log_entry"],
        )
    )


def _show_check(terminal: Terminal, value: Mapping[str, Any], pack: Path) -> None:
    t = terminal.t
    terminal.line(
        t(
            "{name}, version {version}, {locale}: {items} items",
            name=value["name"],
            version=value["version"],
            locale=value["locale"],
            items=value["items"],
        ),
        "bold",
    )
    for name, row in value["splits"].items():
        terminal.line(f"  {t(name)}: {row['items']}")
    for facet, digest in value["judges"].items():
        terminal.line(t("judge of {facet}: {digest}", facet=facet, digest=digest))
    for finding in value["findings"]:
        place = f"{pack / 'items.jsonl'}:{finding['line']}: {finding['item']}: " if finding["item"] else ""
        severity = finding["severity"]
        terminal.line(f"{t(severity)}: {place}{finding['text']}", _STYLES[severity])
    if not value["documents"]:
        terminal.line(t("Leaks were not looked for: name the documents with --documents."))
    terminal.line(
        t("The pack is in order.")
        if value["ok"]
        else t("The pack has errors: mend them before anybody sits it.")
    )


EXAM_COMMANDS: Sequence[tuple[str, Callable[..., None]]] = (
    ("run", run),
    ("check", check),
    ("packs", packs),
    ("new", new),
    ("import", import_),
    ("export", export),
    ("alpha", alpha),
    ("retire", retire),
    ("unseal", unseal),
    ("draft", draft),
    ("coverage", coverage),
    ("report", report),
    ("rerun", rerun),
    ("calibrate", calibrate),
)
"""The commands of `staffroom exam`, in the order in which the help lists them."""
