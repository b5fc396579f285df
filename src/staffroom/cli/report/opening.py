"""The report's beginning: what was to be decided, how it ended, and which rules were fixed beforehand."""

from collections.abc import Mapping
from typing import Any

from staffroom.cli.report.figures import NONE, Voice, count, moment
from staffroom.cli.report.markup import Html, join, tag
from staffroom.cli.report.names import SPLITS, VERDICTS, code, facet_name, facet_text, name, said
from staffroom.cli.report.tables import facts, numeric, table

__all__ = ["headline", "protocol", "question", "reason_of", "title_of"]

Row = Mapping[str, Any]


def title_of(t: Voice, value: Row) -> str:
    """Return what the report is about, in a few words."""
    asked = value["question"]
    return str(
        asked.get("title") or asked.get("job") or asked.get("alias") or asked.get("pack") or value["run"]
    )


def headline(t: Voice, value: Row) -> Html:
    """Return title, warnings and the outcome in one sentence."""
    asked = value["question"]
    parts = [part for part in (asked.get("alias"), _pack_name(t, asked)) if part]
    about = join((name(str(part)) for part in parts), " · ")
    when = moment(t, asked["ended"])
    return tag(
        "header",
        tag(
            "p",
            t("Examination report") if value["kind"] == "hire" else t("Report of a measurement"),
            class_="over",
        ),
        tag("h1", name(title_of(t, value))),
        tag("p", about, " · " if parts else "", tag("span", when, class_="nowrap"), class_="about"),
        *_warnings(t, value),
        _outcome(t, value),
        class_="headline",
    )


def _pack_name(t: Voice, asked: Row) -> str:
    if not asked.get("pack"):
        return ""
    version = asked.get("version")
    return (
        t("exam {name}, version {version}", name=asked["pack"], version=version)
        if version
        else str(asked["pack"])
    )


def _warnings(t: Voice, value: Row) -> list[Html]:
    found = []
    if value["dry_run"]:
        found.append(t("A dry run with a fake engine: its scores say nothing about any model."))
    if not value["log"]["ok"]:
        found.append(t("The log did NOT verify when this page was made. Do not rely on anything below."))
    rule = value["protocol"]
    if value["kind"] == "hire" and not (rule["seed_holds"] and rule["order_holds"]):
        found.append(
            t("Seed or order of the entries do NOT agree with the log. Do not rely on the decision.")
        )
    return [tag("p", text, class_="warning", role="note") for text in found]


def _outcome(t: Voice, value: Row) -> Html:
    decision = value["decision"]
    if decision is None and value["kind"] == "hire":
        word, state = t("No decision yet"), "undecided"
        sentence = t(
            "The run has not been finished: the gate has said nothing. The same `staffroom hire` goes on from there."
        )
    elif decision is None:
        word, state = t("Measured, not decided"), "measured"
        sentence = t(
            "This worker sat an exam outside a hire. It opened no gate, charged no alpha and decided nothing."
        )
    else:
        verdict = str(decision["verdict"])
        word, state = said(t, VERDICTS, verdict), verdict
        sentence = reason_of(t, decision)
    return tag(
        "div",
        tag("p", word, class_="word"),
        tag("p", sentence, class_="reason"),
        *_caveat(t, value),
        class_=f"outcome {state if state in (*VERDICTS, 'measured') else 'undecided'}",
    )


def _caveat(t: Voice, value: Row) -> list[Html]:
    """Say beside a promotion that it rests on near toss-ups, where it does."""
    decision = value["decision"]
    resting = [
        facet_text(t, str(row["facet"]))
        for row in value["facets"]
        if row.get("passed_against") is not None
        and row.get("least") is not None
        and row["passed_against"] < row["least"] <= row["passed"]
    ]
    if decision is None or decision["verdict"] != "promoted" or not resting:
        return []
    text = t(
        "Beside the result: {facets} would not pass if every near toss-up counted as wrong (see the results).",
        facets=t(", ").join(resting),
    )
    return [tag("p", text, class_="caveat")]


def reason_of(t: Voice, decision: Row) -> str:
    """Return the decision's reason in this language, without the verdict that stands above it."""
    text = str(decision["reasons"].get(t.language) or decision["reason"])
    word = said(t, VERDICTS, decision["verdict"])
    for colon in (": ", "："):
        if text.startswith(word + colon):
            rest = text[len(word + colon) :]
            return rest if t.chinese else rest[:1].upper() + rest[1:]
    return text


def question(t: Voice, value: Row) -> list[Html]:
    """Return what was to be decided, by what, and who answers for it."""
    asked = value["question"]
    exam = name(str(asked.get("pack") or ""))
    alias = name(str(asked.get("alias") or asked.get("job") or ""))
    if value["kind"] == "exam":
        first = t.rich(
            "How well does {alias} answer the items of this exam? Nobody is hired or refused by it.",
            alias=alias,
        )
        pack = exam if asked.get("pack") else code(str(value["protocol"]["pack"]))
        return [
            tag("p", first),
            facts([(t("Worker"), alias), (t("Exam"), pack), (t("Run"), code(value["run"]))]),
        ]
    whom = t.rich(" as {alias}", alias=alias) if alias != name("") else ""
    candidates = int(asked["examined"])
    first = t.rich(
        "Is one of {count} candidates good enough at the exam {exam} to serve{whom}?"
        if candidates != 1
        else "Is the one candidate good enough at the exam {exam} to serve{whom}?",
        count=str(candidates),
        exam=exam,
        whom=whom,
    )
    second = t(
        "The rules stand in the next section and were fixed before the first item was asked. They decide whether a worker may be released; "
        "a person then signs, or does not."
    )
    commitment = t("The log names persons and documents by salted commitments only.")
    rows = [
        (t("Job"), name(str(asked["job"])) if asked["job"] else ""),
        (t("Language"), name(str(asked["locale"]))),
        (
            t("Candidates"),
            t(
                "{examined} examined, {refused} refused before the exam",
                examined=candidates,
                refused=asked["refused"],
            ),
        ),
        (t("Who answers for it"), code(str(asked["sponsor"])) if asked["sponsor"] else ""),
        (t("Documents"), code(str(asked["documents"])) if asked["documents"] else ""),
        (t("Begun"), moment(t, asked["begun"])),
        (t("Ended"), moment(t, asked["ended"])),
        (t("Run"), code(value["run"])),
    ]
    return [tag("p", first), tag("p", second), facts(rows), tag("p", commitment, class_="note")]


def protocol(t: Voice, value: Row) -> list[Html]:
    """Return the rules, and how the log shows that they came first."""
    rule = value["protocol"]
    if value["kind"] == "exam":
        text = t(
            "Nothing was committed to beforehand: this is a description, and no test. The log holds it since it was made."
        )
        rows = [
            (t("Exam pack"), code(str(rule["pack"]))),
            (t("Seed of the answers"), code(str(rule["seed"]))),
        ]
        return [tag("p", text), facts(rows), _splits(t, rule["splits"])]
    return [
        _proof(t, rule),
        _rules(t, rule),
        tag(
            "p",
            t(
                "Every facet that counts must pass; one that is shown to be below its threshold rejects; anything else leaves the matter undecided."
            ),
            class_="note",
        ),
        facts(_settings(t, rule)),
        _splits(t, rule["splits"]),
        *_checkpoint(t, rule),
    ]


def _proof(t: Voice, rule: Row) -> Html:
    text = t.rich(
        "Entry {entry} of the log, written on {at}, holds all that this section says. "
        "The seed was derived from the log's root after that entry, so nobody could know it before; the first item was asked after it.",
        entry=tag("strong", str(rule["entry"])),
        at=moment(t, rule["at"]),
    )
    holds = rule["seed_holds"] and rule["order_holds"]
    checked = (
        t("Recomputed when this page was made: root, seed and order of the entries agree.")
        if holds
        else t("Recomputed when this page was made: they do NOT agree.")
    )
    return tag(
        "p", text, t.gap, tag("span", ("✓ " if holds else "✗ ") + checked, class_="good" if holds else "bad")
    )


def _rules(t: Voice, rule: Row) -> Html:
    rows = [
        (
            facet_name(t, str(row["facet"])),
            count(row.get("clusters")),
            f"{row['threshold']:g}" if row.get("threshold") is not None else NONE,
            _needs(t, row),
            _fails(t, row),
            t("counts") if row.get("gated") else t("reported only"),
        )
        for row in sorted(rule["facets"], key=lambda row: not row.get("gated"))
    ]
    columns = (
        t("Facet"),
        numeric(t("Sources tested")),
        numeric(t("Threshold")),
        numeric(t("Passes with")),
        numeric(t("Fails with")),
        t("Part in the decision"),
    )
    return table(t("The rule of each facet"), columns, rows)


def _needs(t: Voice, row: Row) -> str:
    if not row.get("gated"):
        return NONE
    if row.get("least") is None:
        return t("a won bet")
    return t("{least} right or more", least=row["least"])


def _fails(t: Voice, row: Row) -> str:
    if not row.get("gated"):
        return NONE
    if row.get("least") is None:
        return t("a lost bet")
    if row.get("most") is None:
        return NONE
    return t("{most} right or fewer", most=row["most"]) if row["most"] else t("none right")


def _settings(t: Voice, rule: Row) -> list[tuple[str, str]]:
    asking = rule["asking"]
    alpha = t(
        "{alpha} for this opening of the gate, number {use} of this gate or one that shares items or sources with it; {lifetime} over all of them together",
        alpha=f"{rule['alpha']:.3g}",
        use=rule["use"],
        lifetime=f"{rule['lifetime_alpha']:g}",
    )
    betting = any(row.get("gated") and row.get("method") == "betting" for row in rule["facets"])
    test = (
        t(
            "exact one-sided binomial test, one item of each source drawn by the seed; facets marked by bets: anytime-valid betting on source means"
        )
        if betting
        else t("exact one-sided binomial test, one item of each source drawn by the seed")
    )
    how = t(", ").join(
        said(t, _ASKING, asking[part])
        for part in ("decoding", "option_orders", "pinning")
        if asking.get(part)
    )
    return [
        (t("Error probability (alpha)"), alpha),
        (t("Test"), test),
        (
            t("Most items asked in the race"),
            count(rule["cap"]) if rule.get("cap") else t("the whole screen split"),
        ),
        (t("Seed"), tag("span", code(str(rule["seed"])), " ", t("(from the root below)"))),
        (t("Root after entry {entry}", entry=rule["entry"]), code(str(rule["root"]))),
        (t("How items are asked"), how),
        (t("Scorers"), join((code(str(text)) for text in rule["scorers"]), " ")),
        (t("Exam pack"), code(str(rule["pack"]))),
    ]


_ASKING: Mapping[str, str] = {
    "greedy": "greedy decoding",
    "cyclic": "options in every cyclic order",
    "pinned-1": "pinned prefix (protocol pinned-1)",
}


def _splits(t: Voice, splits: Row) -> Html:
    """Return the parts of the exam; a measurement knows how many items it asked, and no more of them."""
    ordered = sorted(splits.items(), key=lambda pair: _place(pair[0]))
    bound = any(row.get("digest") or row.get("commitment") for row in splits.values())
    rows = [
        (
            said(t, SPLITS, split),
            count(row.get("items")),
            *((count(row.get("clusters")), _digest(t, row)) if bound else ()),
        )
        for split, row in ordered
    ]
    more = (numeric(t("Sources")), t("Digest of its items")) if bound else ()
    return table(
        t("Parts of the exam, disjoint by source"), (t("Part of the exam"), numeric(t("Items")), *more), rows
    )


def _place(split: str) -> int:
    return list(SPLITS).index(split) if split in SPLITS else len(SPLITS)


def _digest(t: Voice, row: Row) -> str:
    if row.get("commitment"):
        return tag("span", code(str(row["commitment"])), " ", t("(salted: nobody can guess the items)"))
    return code(str(row["digest"])) if row.get("digest") else NONE


def _checkpoint(t: Voice, rule: Row) -> list[Html]:
    if not rule.get("checkpoint"):
        return []
    summary = t("The signed checkpoint from before the first item")
    return [
        tag(
            "details",
            tag("summary", summary),
            tag("pre", code(str(rule["checkpoint"]).strip())),
            class_="screen-only",
        )
    ]
