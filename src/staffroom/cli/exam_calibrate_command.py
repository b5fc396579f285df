"""`staffroom exam calibrate`: measure how often the judge of a facet errs, on answers that people have settled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of

__all__ = ["calibrate"]

_UNFIT = 1
_MOST_SHOWN = 20


def calibrate(
    context: typer.Context,
    pack: Annotated[Path, typer.Argument(help="Folder of the exam pack.", metavar="PACK")],
    facet: Annotated[str, typer.Argument(help="The facet whose judge is measured.", metavar="FACET")],
    settled: Annotated[
        Path,
        typer.Argument(
            help="Answers that people have settled: JSON lines with question, answer and yes (true or false).",
            metavar="FILE",
        ),
    ],
    source: Annotated[
        str,
        typer.Option("--source", help="Who wrote the answers and who settled them; stands in the record."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Measure a facet's judge and print its calibration record; exit code 1 where it is not fit for a gate."""
    terminal = terminal_of(context, as_json)
    from staffroom.cli.interrupts import WorkLoop
    from staffroom.cli.progress import progress_for
    from staffroom.pipeline.judge_calibration import calibrate_judge

    with WorkLoop() as loop, progress_for(terminal) as progress:
        value = loop.run(calibrate_judge(home_of(terminal), pack, facet, settled, source, progress))
    terminal.give(value, lambda: _show(terminal, value))
    raise typer.Exit(0 if value["ok"] else _UNFIT)


def _show(terminal: Terminal, value: Mapping[str, Any]) -> None:
    t, record = terminal.t, value["record"]
    terminal.line(
        t(
            "of {count} answers settled as yes it says so of {share} (at least {low} of all such answers)",
            count=record["positives"],
            share=f"{value['sensitivity']:.3f}",
            low=f"{value['sensitivity_low']:.3f}",
        )
    )
    terminal.line(
        t(
            "of {count} answers settled as no it says so of {share} (at least {low} of all such answers)",
            count=record["negatives"],
            share=f"{value['specificity']:.3f}",
            low=f"{value['specificity_low']:.3f}",
        )
    )
    for row in value["wrong"][:_MOST_SHOWN]:
        named = row["id"] or t("line {number}", number=row["line"])
        said = t("neither word") if row["said"] is None else t("yes") if row["said"] else t("no")
        terminal.line(
            t(
                "  {item}: settled as {settled}, the judge says {said}",
                item=named,
                settled=t("yes") if row["settled"] else t("no"),
                said=said,
            )
        )
    if len(value["wrong"]) > _MOST_SHOWN:
        terminal.line(t("  … and {count} more", count=len(value["wrong"]) - _MOST_SHOWN))
    if value["unfit"]:
        terminal.line(t("Not fit for a gate: {why}", why=value["unfit"]), "yellow")
    else:
        terminal.line(t("Fit for a gate. Put this under `judge` of the facet in exam.yaml:"), "bold")
    terminal.line("calibration:")
    for name, said in record.items():
        terminal.line(f"  {name}: {_yaml(said)}")


def _yaml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
