"""The race between candidates: who was refused before it, who left when, and what each cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from staffroom.cli.report.charts import bar_row, chart, interval_row, key
from staffroom.cli.report.figures import NONE, Voice, cost, count, interval, score, size
from staffroom.cli.report.markup import Html, join, tag
from staffroom.cli.report.names import candidate_name, facet_name, name, said
from staffroom.cli.report.tables import numeric, table

__all__ = ["race"]

Row = Mapping[str, Any]

_ENDINGS: Mapping[str, str] = {
    "separated": "{winner} scored higher than each other candidate on the same items; the probability that this is false is at most {alpha}.",
    "tied": "The candidates that were left differ by less than {margin}; {winner} goes on by the order fixed beforehand: cheaper, more open, smaller.",
    "not_separated": "{items} items did not tell the candidates that were left apart; {winner} goes on with the highest mean. That is no finding that it is the best.",
    "alone": "{winner} was the only candidate, so there was no race.",
    "other": "{winner} goes on.",
}

_REASONS: Mapping[str, str] = {
    "endpoint": "it is behind a server, which the job does not allow",
    "missing": "its file is not there",
    "digest": "its file is not the one that was named",
    "format": "its file is of no admitted format",
    "header": "the header of its file is damaged or not allowed",
    "kind": "it is no model that answers in text",
    "split": "its file is one part of several",
    "architecture": "the engine does not know its architecture",
    "tokenizer": "the engine does not know its tokenizer",
    "quantisation": "the engine does not know its quantisation",
    "context": "its context is too short for the job",
    "template": "it has no chat template: a base model, which goes on with a text but does not answer",
    "license": "its licence is not among those that the job allows",
    "memory": "this machine has too little memory for it",
}


def race(t: Voice, value: Row) -> list[Html]:
    """Return the race on the screen split."""
    found = value["race"]
    if found is None:
        return [tag("p", t("The race has not been finished."))]
    rows: Sequence[Row] = found["candidates"]
    drawn = [
        interval_row(
            t,
            candidate_name(row),
            {**row, "score": row["mean"]},
            _state(row, found),
            note=_outcome(t, row, found),
        )
        for row in rows
    ]
    most = max([int(row["items"]) for row in rows], default=0) or 1
    bars = [
        bar_row(
            name(str(row["candidate"])),
            int(row["items"]) / most,
            t("{items} items asked", items=row["items"]),
            count(row["items"]),
            _state(row, found),
        )
        for row in rows
    ]
    told = [
        tag("p", _ending(t, found)),
        chart(
            drawn,
            t("Mean score on the screen split"),
            key(t, [("dot", t("mean")), ("interval", t("95 % interval"))]),
        ),
    ]
    if len(rows) > 1:
        told.append(chart(bars, t("How long each stayed: items asked"), axis=False))
    return [
        *told,
        _table(t, rows, found),
        tag("p", _note(t, found), class_="note"),
        *_facets(t, rows),
        *_refused(t, found["refused"]),
    ]


def _ending(t: Voice, found: Row) -> Html:
    outcome = str(found["outcome"])
    own = t.rich(
        _ENDINGS.get(outcome, _ENDINGS["other"]),
        winner=tag("strong", name(str(found["winner"]))),
        items=str(found["items"]),
        alpha=f"{found['alpha']:g}",
        margin=f"{found['margin']:g}",
    )
    if outcome != "tied":
        return own
    # Only the log's own sentence says which rule of the order settled a tie.
    return join([own, " ", t("In the words of the log:"), " ", tag("q", str(found["reason"]), lang="en")])


def _state(row: Row, found: Row) -> str:
    if row["candidate"] == found["winner"]:
        return "chosen"
    return "failed" if row.get("left") else "reported"


def _outcome(t: Voice, row: Row, found: Row) -> str:
    if row["candidate"] == found["winner"]:
        return t("went to the gate")
    left = row.get("left")
    if left:
        return t(
            "left after {items} items; {better} was ahead", items=left["items"], better=left["beaten_by"]
        )
    return t("stayed to the end, not chosen")


def _table(t: Voice, rows: Sequence[Row], found: Row) -> Html:
    columns = (
        t("Candidate"),
        numeric(t("Items")),
        numeric(t("Mean")),
        numeric(t("95 % interval")),
        numeric(t("Tokens")),
        numeric(t("Cost of 100 answers")),
        numeric(t("Size of the file")),
        t("Licence"),
        t("Maker"),
    )
    lines = [
        (
            name(str(row["candidate"])),
            count(row["items"]),
            score(row["mean"]),
            interval(row),
            count(row["tokens_in"] + row["tokens_out"]),
            cost(row["cost"], row["items"], str(row["currency"])),
            t("behind a server") if row["endpoint"] else size(row["bytes"]),
            tag(
                "span",
                str(row["license"]) or t("not stated"),
                class_="nowrap" if len(row["license"]) < 16 else None,
            ),
            str(row["maker"]) or t("not stated"),
        )
        for row in rows
    ]
    return table(t("Candidates on the screen split"), columns, lines, class_="wide")


def _note(t: Voice, found: Row) -> str:
    return t(
        "All candidates still in are asked the same items. One leaves when the evidence that another is better "
        "(an e-value) exceeds a bar that follows from alpha = {alpha:g}; this holds however often one looks. "
        "Cost: tokens times the declared price.",
        alpha=float(found["alpha"]),
    )


def _facets(t: Voice, rows: Sequence[Row]) -> list[Html]:
    """Return each candidate's scores by facet, folded away: they are few items each and decide nothing."""
    facets = sorted({str(facet["facet"]) for row in rows for facet in row["facets"]})
    if not facets:
        return []
    lines = [
        (
            facet_name(t, facet),
            *(_share(next((item for item in row["facets"] if item["facet"] == facet), None)) for row in rows),
        )
        for facet in facets
    ]
    columns: list[str | tuple[str, bool]] = [t("Facet"), *(numeric(str(row["candidate"])) for row in rows)]
    summary = t("Scores of the race by facet (few items each)")
    return [tag("details", tag("summary", summary), table(t("Score and items asked"), columns, lines))]


def _share(row: Row | None) -> str:
    return NONE if row is None else f"{score(row['score'])} ({row['n']})"


def _refused(t: Voice, rows: Sequence[Row]) -> list[Html]:
    if not rows:
        return []
    lines = [tag("li", tag("strong", candidate_name(row)), t(": "), _why(t, row)) for row in rows]
    return [tag("h3", t("Refused before the exam")), tag("ul", *lines)]


def _why(t: Voice, row: Row) -> Html:
    parts = [
        said(t, _REASONS, reason.get("code"))
        if reason.get("code") in _REASONS
        else tag("span", str(reason.get("text")), lang="en")
        for reason in row["reasons"]
    ]
    return join([join(parts, t("; ")), t(".")])
