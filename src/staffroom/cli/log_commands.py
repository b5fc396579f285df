"""`staffroom log`: verify the decision log, read it, prove one entry, print the checkpoint."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from staffroom.cli.terminal import JsonFlag, Terminal, home_of, terminal_of
from staffroom.records.errors import StaffroomError, WrongUse

if TYPE_CHECKING:
    from staffroom.ledger import VerifyReport
    from staffroom.pipeline.decision_log import DecisionLog, LoggedEntry

__all__ = ["checkpoint", "proof", "reconcile", "show", "verify"]

_FAILED = 3


def verify(
    context: typer.Context,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since", help="A checkpoint kept from earlier, which the log must extend.", metavar="FILE"
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute the whole log from its entries to the signed checkpoint; exit code 3 where anything is wrong."""
    terminal = terminal_of(context, as_json)
    log = _opened(terminal)
    report = log.verify()
    if since is not None and report.ok:
        report = _verify_since(terminal, log, since)
    terminal.give(_report_json(report), lambda: _show_report(terminal, report))
    raise typer.Exit(0 if report.ok else _FAILED)


def show(
    context: typer.Context,
    index: Annotated[
        int | None, typer.Argument(help="Show this entry in full.", metavar="INDEX", min=0)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the entries of the log, oldest first, or show one in full."""
    terminal = terminal_of(context, as_json)
    entries = _opened(terminal).entries()
    if index is not None:
        entry = _entry(terminal, entries, index)
        value = {"index": index, "entry": entry.entry}
        terminal.give(value, lambda: terminal.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n"))
        return
    rows = [{"index": item.index, "entry": item.entry} for item in entries]
    terminal.give({"entries": rows}, lambda: _show_entries(terminal, entries))


def proof(
    context: typer.Context,
    index: Annotated[
        int, typer.Argument(help="Number of the entry, from `staffroom log show`.", metavar="INDEX", min=0)
    ],
    as_json: JsonFlag = False,
) -> None:
    """Print the proof that an entry is in the log, for somebody who has nothing but the log's keys."""
    terminal = terminal_of(context, as_json)
    log = _opened(terminal)
    from staffroom.ledger import write_proof
    from staffroom.records.digests import canonical_json

    entry = _entry(terminal, log.entries(), index)
    text = write_proof(log.folder, index)
    data = canonical_json(entry.entry).decode("utf-8")
    value = {"index": index, "entry": data, "proof": text, "verifier_keys": list(log.vkeys())}

    def draw() -> None:
        terminal.write(text)
        terminal.note(terminal.t("It proves these bytes, and no others:"))
        terminal.note(data)

    terminal.give(value, draw)


def checkpoint(
    context: typer.Context,
    keys: Annotated[
        bool, typer.Option("--keys", help="Print the verifier keys instead, which others need to check it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the signed checkpoint: whoever keeps it can prove later that nothing before it was changed."""
    terminal = terminal_of(context, as_json)
    log = _opened(terminal)
    vkeys = list(log.vkeys())
    note = log.checkpoint()
    value = {"checkpoint": note, "size": log.size(), "verifier_keys": vkeys, "folder": str(log.folder)}
    terminal.give(value, lambda: terminal.write("\n".join(vkeys) + "\n" if keys else note))


def reconcile(
    context: typer.Context,
    copies: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A copy of the published log; entries that are missing here are taken in.",
            metavar="FOLDER",
        ),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", help="A checkpoint that somebody kept, the newest there is.", metavar="FILE"
        ),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option("--last-signed", help="`keys/decisions.last-signed` of the lost home.", metavar="FILE"),
    ] = None,
    nothing_since: Annotated[
        bool,
        typer.Option(
            "--nothing-since", help="Give your word, in the log, that nothing was signed after the backup."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Hold a restored log against what was signed since the backup; after that it signs again."""
    terminal = terminal_of(context, as_json)
    _opened(terminal)
    from staffroom.cli.signing import operating_user
    from staffroom.pipeline.reconcile import reconcile_log

    row = reconcile_log(
        home_of(terminal),
        operating_user(),
        copies=copies or (),
        checkpoints=checkpoints or (),
        records=records or (),
        nothing_since=nothing_since,
    )
    terminal.give(row, lambda: _show_reconciled(terminal, row))


def _opened(terminal: Terminal) -> "DecisionLog":
    """Return the home's log; asking for it must not make keys or folders."""
    from staffroom.pipeline.decision_log import DecisionLog

    home = home_of(terminal)
    log = DecisionLog(home)
    if not (log.folder / "checkpoint").exists() and log.size() == 0:
        raise StaffroomError(
            terminal.t("there is no log here yet"), where=str(log.folder), hint="staffroom hire JOB.yaml"
        )
    if not (home.keys / "decisions").exists():
        raise StaffroomError(
            terminal.t("the keys of this log are gone, so its signatures cannot be checked"),
            where=str(home.keys / "decisions"),
            hint=terminal.t("restore the folder keys/ from a backup"),
        )
    return log


def _verify_since(terminal: Terminal, log: "DecisionLog", since: Path) -> "VerifyReport":
    from staffroom.ledger import verify_log
    from staffroom.ledger.verify import open_signed

    vkeys = list(log.vkeys())
    try:
        earlier = open_signed(since.read_bytes(), vkeys)
    except OSError as error:
        raise WrongUse(
            terminal.t("cannot be read ({reason})", reason=error.strerror or str(error)),
            where=str(since),
            hint="staffroom log verify --since FILE",
        ) from error
    except ValueError as error:
        raise WrongUse(
            terminal.t("this is no checkpoint of this log: {reason}", reason=error),
            where=str(since),
            hint="staffroom log checkpoint > FILE",
        ) from error
    return verify_log(log.folder, vkeys, earlier)


def _entry(terminal: Terminal, entries: list["LoggedEntry"], index: int) -> "LoggedEntry":
    if index >= len(entries):
        raise WrongUse(
            terminal.t(
                "there is no entry {index}; the last one is {last}", index=index, last=len(entries) - 1
            ),
            hint="staffroom log show",
        )
    return entries[index]


def _report_json(report: "VerifyReport") -> dict[str, Any]:
    return {
        "ok": report.ok,
        "size": report.size,
        "root": report.root,
        "problems": [{"where": problem.where, "what": problem.what} for problem in report.problems],
        "pending": list(report.pending),
        "unchecked": list(report.unchecked),
    }


def _show_reconciled(terminal: Terminal, row: dict[str, Any]) -> None:
    t = terminal.t
    if not row["reconciled"]:
        terminal.line(t("This log was not restored from a backup: there is nothing to reconcile."))
        return
    terminal.line(t("The log is reconciled and signs again; entry {entry} says how.", **row), "green")
    if row["taken_in"]:
        terminal.line(t("Signed after the backup; what these entries speak of is not in this home:"), "bold")
        for entry in row["taken_in"]:
            terminal.line(f"  {str(entry['at'])[:19]}  {entry['type']}  {entry['about']}")


def _show_report(terminal: Terminal, report: "VerifyReport") -> None:
    t = terminal.t
    if report.ok:
        terminal.line(
            t("The log is whole: {size} entries, root {root}", size=report.size, root=report.root), "green"
        )
        terminal.line(
            t("It does not tell whether others were shown another log: compare checkpoints with them.")
        )
    else:
        terminal.line(t("The log is NOT in order:"), "bold red")
        for problem in report.problems:
            terminal.line(f"  {problem.where}: {problem.what}")
    if report.pending:
        terminal.line(t("Files that nothing has signed yet: {files}", files=", ".join(report.pending)))


def _show_entries(terminal: Terminal, entries: list["LoggedEntry"]) -> None:
    for item in entries:
        entry = item.entry
        head = f"{item.index:>5}  {str(entry.get('at', ''))[:19]}  {entry.get('type', '?'):<16}"
        terminal.line(f"{head} {entry.get('run', '')}  {_gist(entry.get('body', {}))}".rstrip())


def _gist(body: Any) -> str:
    """Return the plain values of an entry's body in one line; the rest is for `log show INDEX`."""
    if not isinstance(body, dict):
        return ""
    plain = [f"{name}={value}" for name, value in body.items() if isinstance(value, (str, int, float))]
    text = ", ".join(plain)
    return text if len(text) <= 120 else text[:119] + "…"
