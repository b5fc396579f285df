"""The report's end: what it does not prove, digests and entries, how a stranger checks it, and room for a signature."""

from collections.abc import Mapping, Sequence
from typing import Any

from staffroom.cli.report.figures import Voice, moment
from staffroom.cli.report.markup import Html, join, tag
from staffroom.cli.report.names import DIGESTS, ENTRIES, SPLITS, code, name, said
from staffroom.cli.report.tables import facts, table

__all__ = ["checking", "evidence", "limits", "made_by", "signature"]

Row = Mapping[str, Any]

LIMITS: Sequence[tuple[str, str]] = (
    (
        "It does not say that the next answer is right.",
        "A score is a rate over many questions. A worker with 0.90 is wrong one time in ten, and it does not sound any less sure then. For the answer in front of you, open the citation and read.",
    ),
    (
        "It says nothing about questions unlike the exam's.",
        "If the exam asks about fees and the public asks about grief, the exam was not about your public. The cure is items taken from questions that people really asked.",
    ),
    (
        "It does not say that the documents or the exam are right.",
        "Answers are judged by what the documents state. An old fee is repeated with a perfect citation and a perfect score; a wrong key marks right answers wrong.",
    ),
    (
        "Declining is not honesty, and refusing a list of bad requests is not safety.",
        "Look at both: how often it declines where it should, and where it should not. Somebody who wants to get round it has all day.",
    ),
    (
        "Few items decide little.",
        "Facets that are reported only must not be quoted without their interval. Undecided is not nearly passed, and rejected is not useless.",
    ),
    (
        "The best of several looks better than it is.",
        "The winner of a race owes part of its mean to luck. That is why the gate asks other items, and why only the gate decides.",
    ),
    (
        "It does not compare across exams, and it does not last.",
        "0.74 here and 0.70 there, with other items, are no order of merit. When the documents are replaced, the score belongs to something that no longer serves.",
    ),
    (
        "It does not say that the model never saw the items.",
        "Open models are trained on what lies about on the internet, and a published item is a used item. That is why a part of the exam stays sealed.",
    ),
    (
        "The log proves order and integrity, not truth.",
        "It does not show that the exam was fair, that whoever signed read anything, or that a second run was not thrown away on another machine. Keep a checkpoint outside the department that is being checked.",
    ),
    (
        "It is no legal finding.",
        "A score may be evidence for something that a law asks. Whether it suffices is for the authority that applies that law.",
    ),
)


def limits(t: Voice, value: Row) -> list[Html]:
    """Return what a score does not prove."""
    return [
        tag(
            "ul",
            *(tag("li", tag("strong", t(lead)), t.gap, t(rest)) for lead, rest in LIMITS),
            class_="limits",
        )
    ]


def evidence(t: Voice, value: Row) -> list[Html]:
    """Return the digests that bind what was examined, and the log's entries about it."""
    digests = [(_digest_name(t, row), code(str(row["digest"]))) for row in value["digests"]]
    entries = [
        (str(row["index"]), said(t, ENTRIES, row["type"]), moment(t, row["at"])) for row in value["entries"]
    ]
    return [
        tag(
            "p",
            t(
                "Each digest is a SHA-256 fingerprint: whoever changes one byte of the thing gets another one."
            ),
        ),
        facts(digests),
        table(
            t("Entries of the log about this run"),
            (t("Entry"), t("What"), t("When")),
            entries,
            class_="entries",
        ),
    ]


def _digest_name(t: Voice, row: Row) -> Html:
    of = said(t, SPLITS, row["of"]) if row["what"] == "split" else name(str(row["of"]))
    words = DIGESTS.get(str(row["what"]))
    if words is None:
        return join([str(row["what"]), " ", of])
    if row["what"] == "evaluation" and row["of"]:
        return t.rich("evaluation of the {of}", of=said(t, SPLITS, row["of"]))
    return t.rich(words, of=of)


def checking(t: Voice, value: Row) -> list[Html]:
    """Return how somebody who trusts nobody checks this report."""
    log = value["log"]
    steps = [
        tag(
            "li",
            t(
                "Ask the office for the log's folder and, over a channel that you trust, for its verifier keys. Do not take the keys from this page."
            ),
            _commands("staffroom log checkpoint --keys"),
        ),
        tag(
            "li",
            t(
                "Recompute the log with nothing but Python, or with the program in the office's own home. The old checkpoint is one that you kept from earlier, for instance the one below."
            ),
            _commands(
                "python3 verify.py LOGDIR --vkey VKEY --vkey VKEY --old-checkpoint kept.txt",
                "staffroom log verify --since kept.txt",
            ),
        ),
        tag(
            "li",
            t("Read the entries that this page rests on, and get the proof of any one of them."),
            _commands(*_entry_commands(value)),
        ),
        *_again(t, value),
        tag(
            "li",
            t("Make this report's figures anew."),
            _commands(f"staffroom exam report {value['run']} --json"),
        ),
    ]
    if log["ok"]:
        state = t(
            "When this page was made, the whole log was recomputed: {size} entries, all hashes and signatures good.",
            size=log["size"],
        )
    else:
        found = "; ".join(f"{row['where']}: {row['what']}" for row in log["problems"])
        state = t("When this page was made, the log was NOT in order: {problems}", problems=found)
    kept = t(
        "The signed checkpoint of the log: keep this page, and you can show later that nothing before it was changed"
    )
    return [
        tag("ol", *steps, class_="steps"),
        tag("p", state, class_="good" if log["ok"] else "bad"),
        facts(
            [
                (t("Log"), code(str(log["origin"]))),
                (t("Entries"), str(log["size"])),
                (t("Root"), code(str(log["root"]))),
            ]
        ),
        tag(
            "details",
            tag("summary", kept),
            tag("pre", code(str(log["checkpoint"]).strip())),
            class_="screen-only",
        ),
    ]


def _entry_commands(value: Row) -> list[str]:
    rule = value["protocol"]
    index = rule.get("entry", value["entries"][0]["index"])
    return [f"staffroom log show {index}", f"staffroom log proof {index}"]


def _again(t: Voice, value: Row) -> list[Html]:
    digests = [str(row["digest"]) for row in value["digests"] if row["what"] == "evaluation"]
    if not digests:
        return []
    text = t("Let fifty items be asked again on the same engine: the choices must be the same, all of them.")
    return [
        tag("li", text, _commands(*(f"staffroom exam rerun {digest} --sample 50" for digest in digests[:1])))
    ]


def _commands(*lines: str) -> Html:
    return tag("pre", tag("code", "\n".join(lines)), class_="command")


def signature(t: Voice, value: Row) -> Html:
    """Return the lines on which somebody signs the printed page."""
    lines = [
        tag("div", tag("span", "", class_="ink"), tag("span", label, class_="under"))
        for label in (t("Name and office"), t("Signature"), t("Date"))
    ]
    text = t("Read and taken note of. What counts for a release is the signature in the log, not this one.")
    return tag("section", tag("p", text), tag("div", *lines, class_="lines"), class_="signature")


def made_by(t: Voice, value: Row) -> str:
    """Return how and when the page was made."""
    return t(
        "Made by Staffroom {version} on {at}. One file, no scripts, nothing fetched.",
        version=value["staffroom"],
        at=moment(t, value["made"]),
    )
