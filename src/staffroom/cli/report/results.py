"""Results of each facet against what was asked of it, the decision and how near it was, and the job's tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

from staffroom.cli.report.charts import chart, interval_row, key, zones_row
from staffroom.cli.report.figures import NONE, Voice, count, interval, money, p_value, score
from staffroom.cli.report.markup import Html, tag
from staffroom.cli.report.names import (
    FACET_VERDICTS,
    VERDICTS,
    code,
    facet_name,
    facet_text,
    name,
    said,
    state_of,
)
from staffroom.cli.report.opening import reason_of
from staffroom.cli.report.tables import facts, numeric, table

__all__ = ["coverage", "decision", "results"]

Row = Mapping[str, Any]


def results(t: Voice, value: Row) -> list[Html]:
    """Return the facets as a chart and as a table, and the check on near toss-ups."""
    rows: Sequence[Row] = value["facets"]
    if not rows:
        return [tag("p", t("The gate has not been answered, so there is nothing to show."))]
    hire = value["kind"] == "hire"
    marks = [("dot", t("score")), *([("hollow", t("score, reported only"))] if hire else [])]
    marks += [("interval", t("95 % interval")), *([("threshold", t("threshold"))] if hire else [])]
    drawn = [
        interval_row(
            t,
            facet_name(t, str(row["facet"])),
            row,
            state_of(row) if hire else "measured",
            note=_mark(t, row, hire),
        )
        for row in rows
    ]
    told = [
        chart(drawn, t("Share of right answers, by facet"), key(t, marks)),
        _table(t, rows) if hire else _plain_table(t, rows),
        tag("p", _reading(t, hire), class_="note"),
    ]
    if value["measured"]:
        told.append(_measured(t, value))
    return [*told, *_sensitivity(t, rows)]


def _mark(t: Voice, row: Row, hire: bool) -> str:
    return said(t, FACET_VERDICTS, row.get("verdict")) if hire and row.get("verdict") else ""


def _table(t: Voice, rows: Sequence[Row]) -> Html:
    columns = (
        t("Facet"),
        numeric(t("Items")),
        numeric(t("Score")),
        numeric(t("95 % interval")),
        numeric(t("Threshold")),
        numeric(t("Right of drawn")),
        numeric(t("Needed")),
        numeric(t("p-value")),
        t("Verdict"),
    )
    return table(t("Results on the gate split"), columns, [_line(t, row) for row in rows], class_="wide")


def _line(t: Voice, row: Row) -> tuple[str, ...]:
    gated = bool(row.get("gated"))
    drawn = t("{passed:g} of {tested}", passed=float(row["passed"]), tested=row["tested"]) if gated else NONE
    return (
        facet_name(t, str(row["facet"])),
        count(row["n"]),
        score(row["score"]),
        interval(row),
        f"{row['threshold']:g}" if row.get("threshold") is not None else NONE,
        drawn,
        count(row.get("least")) if gated else NONE,
        p_value(row.get("p_value")) if gated else NONE,
        tag(
            "span",
            said(t, FACET_VERDICTS, row.get("verdict") or "reported"),
            class_=f"verdict {state_of(row)}",
        ),
    )


def _plain_table(t: Voice, rows: Sequence[Row]) -> Html:
    columns = (
        t("Facet"),
        numeric(t("Items")),
        numeric(t("Sources")),
        numeric(t("Score")),
        numeric(t("95 % interval")),
        numeric(t("Unscored")),
    )
    lines = [
        (
            facet_name(t, str(row["facet"])),
            count(row["n"]),
            count(row.get("clusters")),
            score(row["score"]),
            interval(row),
            count(row.get("unscored")),
        )
        for row in rows
    ]
    return table(t("Results"), columns, lines)


def _reading(t: Voice, hire: bool) -> str:
    first = t(
        "Intervals: cluster-robust, 95 %; several items of one source count as the fewer they are worth. Unscored items count as wrong in the score."
    )
    if not hire:
        return first
    second = t(
        "p-value: how probable so many right answers would be if the true share were no better than the threshold; a facet passes if it is at most alpha. "
        "Facets that are reported only cannot bar anybody."
    )
    return first + t.gap + second


def _measured(t: Voice, value: Row) -> Html:
    found = value["measured"]
    return facts(
        [
            (
                t("Tokens read and written"),
                t("{read} and {written}", read=count(found["tokens_in"]), written=count(found["tokens_out"])),
            ),
            (t("Answers in another language or script"), count(found.get("wrong_language"))),
        ]
    )


def _sensitivity(t: Voice, rows: Sequence[Row]) -> list[Html]:
    """Say of each facet what near toss-ups mean for it; a pass that rests on them is said to rest on them."""
    doubtful = [row for row in rows if row.get("unstable")]
    if not doubtful:
        return []
    lines = [
        tag("li", tag("strong", facet_text(t, str(row["facet"]))), t(": "), _doubt(t, row))
        for row in doubtful
    ]
    intro = t(
        "A choice whose two best options are less than 0.2 nats apart can turn out differently on another machine. "
        "This is what is left where each of them counts as wrong; it is a check beside the result and decides nothing."
    )
    return [tag("h3", t("If near toss-ups count as wrong")), tag("p", intro), tag("ul", *lines)]


def _doubt(t: Voice, row: Row) -> str:
    first = t(
        "{unstable} of {n} items are near toss-ups; with all of them wrong the score is {score}.",
        unstable=row["unstable"],
        n=row["n"],
        score=score(row["score_against"]),
    )
    if row.get("passed_against") is None or row.get("least") is None:
        return first
    left = t(
        "{passed:g} of {tested} drawn items remain right",
        passed=float(row["passed_against"]),
        tested=row["tested"],
    )
    if row.get("verdict") != "promoted":
        second = t("{left}.", left=left)
    elif row["passed_against"] >= row["least"]:
        second = t("{left}, {least} are needed: the facet would still pass.", left=left, least=row["least"])
    else:
        second = t("{left}, {least} are needed: the pass rests on them.", left=left, least=row["least"])
    return first + t.gap + second


# ---- the decision -----------------------------------------------------------------------------------------------------


def decision(t: Voice, value: Row) -> list[Html]:
    """Return the decision with its reason, how near it was, and who signed."""
    found = value["decision"]
    if found is None:
        return [tag("p", t("The gate has not decided."))]
    word = said(t, VERDICTS, found["verdict"])
    told = [
        tag(
            "p",
            tag("strong", word, class_=f"verdict {state_of(found)}"),
            t(": "),
            reason_of(t, found),
            class_="sentence",
        )
    ]
    gated = [row for row in value["facets"] if row.get("gated")]
    counted = [_with_most(row, value) for row in gated if row.get("least") is not None]
    if counted:
        marks = [
            ("fails", t("fails")),
            ("open", t("leaves it open")),
            ("passes", t("passes")),
            ("dot", t("as it came out")),
        ]
        drawn = [zones_row(t, facet_name(t, str(row["facet"])), row, state_of(row)) for row in counted]
        told.append(
            chart(drawn, t("How near it was: right answers among the items drawn"), key(t, marks), axis=False)
        )
    told.append(tag("p", _nearness(t, found, counted)))
    told += [
        tag(
            "p",
            t(
                "“{facet}”: p-value {p} against alpha {alpha}.",
                facet=facet_text(t, str(row["facet"])),
                p=p_value(row.get("p_value")),
                alpha=f"{found['alpha']:.3g}",
            ),
        )
        for row in gated
        if row.get("least") is None
    ]
    return [*told, facts(_signed(t, found))]


def _with_most(row: Row, value: Row) -> dict[str, Any]:
    plans = {plan["facet"]: plan for plan in value["protocol"]["facets"]}
    return {**row, "most": plans.get(row["facet"], {}).get("most")}


def _nearness(t: Voice, found: Row, rows: Sequence[Row]) -> str:
    """Say by how many answers the outcome would have been another one."""
    if not rows:
        return ""
    verdict = str(found["verdict"])
    if verdict == "promoted":
        least = min(rows, key=lambda row: row["passed"] - row["least"])
        spare = int(least["passed"] - least["least"])
        return t(
            "Nearest was “{facet}”: {spare} more right than needed; {turn} fewer would have left the matter undecided.",
            facet=facet_text(t, str(least["facet"])),
            spare=spare,
            turn=spare + 1,
        )
    if verdict == "rejected":
        failed = [row for row in rows if row.get("verdict") == "rejected" and row.get("most") is not None]
        return t(
            "More right answers that would have left the matter undecided: {parts}.",
            parts=t(", ").join(
                t(
                    "{missing} in “{facet}”",
                    facet=facet_text(t, str(row["facet"])),
                    missing=int(row["most"] + 1 - row["passed"]),
                )
                for row in failed
            ),
        )
    wanting = [row for row in rows if row.get("verdict") != "promoted"]
    parts = [
        t(
            "{missing} in “{facet}”",
            facet=facet_text(t, str(row["facet"])),
            missing=int(row["least"] - row["passed"]),
        )
        for row in wanting
        if row["least"] > row["passed"]
    ]
    return (
        t("Right answers that were missing for a pass: {parts}.", parts=t(", ").join(parts)) if parts else ""
    )


def _signed(t: Voice, found: Row) -> list[tuple[str, str]]:
    signed = found.get("signed")
    rows = [(t("Error probability (alpha)"), f"{found['alpha']:.3g}")]
    if signed:
        how = (
            t.rich(
                "with {option}: nobody was asked, and the log says who ran the command",
                option=tag("code", "--yes", class_="nowrap"),
            )
            if signed["how"] == "--yes"
            else t("by typing the sponsor's name at a terminal")
        )
        rows += [(t("Signed off"), tag("span", code(str(signed["signed_by"])), tag("br"), how))]
    if found.get("release"):
        rows.append((t("Release"), code(str(found["release"]))))
    elif found["verdict"] == "promoted":
        rows.append((t("Release"), t("none was made yet: the signature is missing")))
    else:
        rows.append((t("Release"), t("none was made")))
    return rows


# ---- the job's tasks --------------------------------------------------------------------------------------------------


_TASK_VERDICTS: Mapping[str, str] = {
    "reached": "reached",
    "short": "short of it",
    "open": "open",
    "too few items": "too few items",
    "not examined": "not examined",
}
_TASK_STATES: Mapping[str, str] = {"reached": "passed", "short": "failed"}


def coverage(t: Voice, value: Row) -> list[Html]:
    """Return which of the job's tasks the worker can do, at which error and cost."""
    found = value["coverage"]
    rows: Sequence[Row] = found["tasks"]
    drawn = [
        interval_row(
            t,
            name(str(row["name"] or row["task"])),
            {**row, "threshold": row.get("needed")},
            _TASK_STATES.get(str(row["verdict"]), "open"),
            note=said(t, _TASK_VERDICTS, row["verdict"]),
        )
        for row in rows
    ]
    marks = [("dot", t("score")), ("interval", t("95 % interval")), ("threshold", t("what the job needs"))]
    sums = t(
        "{reached} of {of} tasks reach the accuracy that the job needs.",
        reached=found["reached"],
        of=found["of"],
    )
    columns = (
        t("Task"),
        numeric(t("Items")),
        numeric(t("Score")),
        numeric(t("95 % interval")),
        numeric(t("Needed")),
        numeric(t("Cost of a right answer")),
        numeric(t("Minutes of a person")),
        t("Verdict"),
    )
    note = t(
        "The minutes are what the sponsor states; they are not measured. "
        "The interval of each task holds for that task alone. Below three sources no share is shown."
    )
    return [
        tag("p", sums),
        chart(drawn, t("Share of right answers, by task"), key(t, marks)),
        table(t("The job's tasks"), columns, [_task(t, row) for row in rows], class_="wide"),
        tag("p", note, class_="note"),
    ]


def _task(t: Voice, row: Row) -> tuple[str, ...]:
    state = _TASK_STATES.get(str(row["verdict"]), "open")
    return (
        name(str(row["name"] or row["task"])),
        count(row["items"]),
        score(row.get("score")),
        interval(row),
        f"{row['needed']:g}" if row.get("needed") is not None else NONE,
        _money(row),
        count(row.get("minutes")),
        tag("span", said(t, _TASK_VERDICTS, row["verdict"]), class_=f"verdict {state}"),
    )


def _money(row: Row) -> str:
    amount = row.get("cost_per_accepted") or row.get("machine_cost_per_accepted")
    return money(amount, str(row.get("currency") or ""))
