"""`staffroom audit`: the record of every request: find rows, show one, prove it to an outsider, check them all, erase, prune."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.signing import operating_user
from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from staffroom.serve.duty_lookup import DutyQuery

__all__ = ["AUDIT_COMMANDS", "erase", "find", "prove", "prune", "show", "verify"]

_FAILED = 3
_GIST = 60

Alias = Annotated[str, typer.Option("--worker", help="Of this worker or plain model.", metavar="WORKER")]
Key = Annotated[str, typer.Option("--key", help="Asked with this key.", metavar="ID")]
User = Annotated[
    str, typer.Option("--user", help="Asked for this person, as the client named them.", metavar="NAME")
]
AuditId = Annotated[
    str, typer.Argument(help="The audit id, from an answer or from `staffroom audit find`.", metavar="ID")
]


def find(
    context: typer.Context,
    worker: Alias = "",
    key: Key = "",
    user: User = "",
    contains: Annotated[
        str, typer.Option("--text", help="Question or answer contains this.", metavar="TEXT")
    ] = "",
    outcome: Annotated[
        str, typer.Option("--outcome", help="Ended so: answered, declined, client_gone …", metavar="CODE")
    ] = "",
    since: Annotated[str, typer.Option("--since", help="From this day on.", metavar="DATE")] = "",
    until: Annotated[str, typer.Option("--until", help="Up to this day.", metavar="DATE")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many, newest first.", min=1)] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Find requests that were made, newest first."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit
    from staffroom.serve.duty_lookup import DutyQuery

    for name, day in (("--since", since), ("--until", until)):
        _check_day(terminal, name, day)
    query = DutyQuery(worker, outcome, key, user, contains, since, until)
    rows = duty_audit.find(home_of(terminal), query, limit)
    terminal.give({"rows": rows}, lambda: _show_rows(terminal, rows))


def show(context: typer.Context, audit_id: AuditId, as_json: JsonFlag = False) -> None:
    """Show all that is kept of one request."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit

    value = duty_audit.show(home_of(terminal), audit_id)
    terminal.give(value, lambda: _show_one(terminal, value))


def prove(
    context: typer.Context,
    audit_id: AuditId,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the proof into this file.", metavar="FILE")
    ] = None,
    texts: Annotated[
        bool, typer.Option("--with-texts", help="Show who asked, question and answer with it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Prove one row to somebody who has nothing but the log's keys: by its batch, and the log's entry about that."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit
    from staffroom.pipeline.decision_log import DecisionLog
    from staffroom.store import write_durably

    home = home_of(terminal)
    proof = duty_audit.prove(home, audit_id, texts=texts)
    vkeys = list(DecisionLog(home).keys().vkeys)
    data = json.dumps(proof, ensure_ascii=False, indent=1) + "\n"
    if out is not None:
        write_durably(out.absolute(), data.encode())

    def draw() -> None:
        if out is None:
            terminal.write(data)
        keys = " ".join(f"--vkey {vkey}" for vkey in vkeys)
        terminal.note(
            terminal.t("To be checked with: {command}", command=f"verify_duty.py PROOF {keys[:200]}…")
        )

    file = "" if out is None else str(out)
    terminal.give({"audit_id": audit_id, "proof": proof, "verifier_keys": vkeys, "file": file}, draw)


def verify(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Seal what is not sealed yet, then check every row against the log, and words against rows; exit code 3 where one is wrong."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit

    home = home_of(terminal)
    duty_audit.seal_rows(home)
    report = duty_audit.verify(home).as_json()
    terminal.give(report, lambda: _show_report(terminal, report))
    raise typer.Exit(0 if report["ok"] else _FAILED)


def erase(
    context: typer.Context,
    audit_ids: Annotated[
        list[str] | None, typer.Argument(help="Audit ids of the requests.", metavar="[ID]...")
    ] = None,
    key: Key = "",
    user: User = "",
    until: Annotated[str, typer.Option("--until", help="Up to this day.", metavar="DATE")] = "",
    by: Annotated[
        str, typer.Option("--by", help="Who decides it; the log gets a commitment.", metavar="NAME")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Erase words and persons of requests, by audit ids, by key or by person; their rows stay, and so do all proofs."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit
    from staffroom.serve.duty_lookup import DutyQuery

    t, home = terminal.t, home_of(terminal)
    _check_day(terminal, "--until", until)
    if not (audit_ids or key or user):
        raise WrongUse(
            t("say what is to be erased"), hint="staffroom audit erase ID, --key ID or --user NAME"
        )
    query = DutyQuery(key=key, user=user, until=until) if key or user else None
    if not yes:
        _ask(terminal, audit_ids or [], query)
    value = duty_audit.erase(home, audit_ids or [], query, by.strip() or operating_user())
    terminal.give(
        value,
        lambda: terminal.line(
            t(
                "Erased: the words of {count} requests, and of {feedback} pieces of feedback on them.",
                count=value["erased"],
                feedback=value["feedback"],
            )
        ),
    )


def prune(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Take out the rows that their jobs keep no longer (`retention_days`); `serve` does it by itself once a day."""
    terminal = terminal_of(context, as_json)
    from staffroom.pipeline import duty_audit

    value = duty_audit.prune_old(home_of(terminal))
    terminal.give(value, lambda: terminal.line(terminal.t("Taken out: {count} rows.", count=value["rows"])))


AUDIT_COMMANDS = (
    ("find", find),
    ("show", show),
    ("prove", prove),
    ("verify", verify),
    ("erase", erase),
    ("prune", prune),
)


def _ask(terminal: Terminal, audit_ids: "Sequence[str]", query: "DutyQuery | None") -> None:
    t = terminal.t
    if not terminal.asks:
        raise WrongUse(
            t("what is erased is gone for good, and there is no terminal to ask at"),
            hint="staffroom audit erase ID --yes",
        )
    from staffroom.pipeline import duty_audit

    count = len(audit_ids)
    if query is not None:
        count += len(duty_audit.find(home_of(terminal), query, 1_000_000))
    terminal.note(
        t("The words of {count} requests will be gone for good. Type this number to confirm:", count=count),
        "bold",
    )
    if input().strip() != str(count):
        raise WrongUse(t("not confirmed; nothing was changed"), hint="staffroom audit find")


def _check_day(terminal: Terminal, name: str, day: str) -> None:
    from datetime import date

    try:
        if day:
            date.fromisoformat(day)
    except ValueError as error:
        raise WrongUse(terminal.t("`{word}` is no day", word=day), hint=f"{name} 2026-05-01") from error


def _show_rows(terminal: Terminal, rows: "Sequence[dict[str, Any]]") -> None:
    t = terminal.t
    if not rows:
        terminal.line(t("No request fits."))
        return
    heads = (t("when"), t("worker"), t("outcome"), t("tokens"), t("what was asked"), t("audit id"))
    terminal.table(
        heads,
        [
            (
                str(row["at"])[:19],
                str(row["alias"]),
                str(row["outcome"]),
                f"{row['tokens_in']}/{row['tokens_out']}",
                t("(erased)") if row["erased"] else _gist(row["question"]),
                str(row["audit_id"]),
            )
            for row in rows
        ],
    )


def _show_one(terminal: Terminal, value: dict[str, Any]) -> None:
    t, row, sealed = terminal.t, value["row"], value["sealed"]
    lines = [
        (t("when"), row.get("at")),
        (t("worker"), f"{row.get('alias')}  {row.get('release')}"),
        (t("outcome"), row.get("outcome")),
        (t("key"), value["key"]),
        (t("person"), value["user"]),
        (t("tokens"), f"{row.get('tokens_in')} / {row.get('tokens_out')} ({row.get('counted', '')})"),
        (t("cost"), f"{row.get('cost', '')} {row.get('currency', '')}".strip()),
        (t("seconds"), row.get("seconds")),
        (t("passages"), ", ".join(map(str, row.get("chunks") or []))),
        (t("guardrails"), json.dumps(row.get("guardrails") or [], ensure_ascii=False)),
        (t("problem"), value["problem"]),
        (t("sealed"), t("entry {index} of the log", index=sealed["entry"]) if sealed else t("not yet")),
    ]
    for name, text in lines:
        if text not in (None, "", "[]"):
            terminal.line(f"{name}: {text}")
    if value["erased"]:
        terminal.line(t("The words were erased at {at}.", at=value["erased"]), "yellow")
        return
    terminal.line(f"{t('what was asked')}: {value['question']}")
    terminal.line(f"{t('what was answered')}: {value['answer']}")
    for part, fits in value["commitments"].items():
        if fits is False:
            terminal.line(t("{part}: NOT what the row commits to", part=part), "bold red")


def _show_report(terminal: Terminal, report: dict[str, Any]) -> None:
    t = terminal.t
    if report["ok"]:
        text = t(
            "The record is whole: {rows} rows in {batches} sealed batches.",
            rows=report["rows"],
            batches=report["batches"],
        )
        terminal.line(text, "green")
    else:
        terminal.line(t("The record is NOT in order:"), "bold red")
        for problem in report["problems"]:
            terminal.line(f"  {problem['where']}: {problem['what']}")
    terminal.line(
        t(
            "under way: {open} · lost with the gateway: {lost} · erased: {erased} · kept no longer: {pruned}",
            open=report["open"],
            lost=report["lost"],
            erased=report["erased"],
            pruned=report["pruned"],
        )
    )


def _gist(text: str) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _GIST else line[: _GIST - 1] + "…"
