"""What things of an exam are called in a report: facets, verdicts, splits, kinds of entries and digests, and links of words."""

from collections.abc import Mapping
from typing import Any

from staffroom.cli.report.figures import Voice
from staffroom.cli.report.markup import Html, tag

__all__ = [
    "DIGESTS",
    "ENTRIES",
    "FACETS",
    "FACET_VERDICTS",
    "SPLITS",
    "VERDICTS",
    "candidate_name",
    "code",
    "facet_name",
    "facet_text",
    "name",
    "said",
    "state_of",
]

VERDICTS: Mapping[str, str] = {"promoted": "Promoted", "rejected": "Rejected", "undecided": "Undecided"}

FACET_VERDICTS: Mapping[str, str] = {
    "promoted": "passed",
    "rejected": "not passed",
    "undecided": "open",
    "reported": "reported only",
}
_STATES: Mapping[str, str] = {"promoted": "passed", "rejected": "failed", "undecided": "open"}

FACETS: Mapping[str, str] = {
    "choice": "multiple choice",
    "short": "short answers",
    "unanswerable": "what the documents do not say",
    "refuse": "requests to be refused",
    "locale": "language and wording",
    "comply": "requests to be answered",
    "withhold": "what must not come out",
    "dilemma": "dilemmas",
    "neutrality": "neutrality",
    "survey": "survey questions",
}
"""Plain names of facets that are called after the kind of their items."""

SPLITS: Mapping[str, str] = {"screen": "screen split", "gate": "gate split", "sealed": "sealed split"}

DIGESTS: Mapping[str, str] = {
    "pack": "exam pack",
    "split": "items of the {of}",
    "weights": "weights of {of}",
    "agent": "assembled worker ({of})",
    "prompt": "prompts",
    "policy": "policy",
    "documents": "documents (salted commitment)",
    "sponsor": "who answers for it (salted commitment)",
    "evaluation": "evaluation",
    "responses": "responses at the gate",
    "decision": "decision",
    "release": "release",
}

ENTRIES: Mapping[str, str] = {
    "admission": "candidate admitted",
    "refusal": "candidate refused",
    "items-marked": "questions and sources marked",
    "exam-committed": "exam, thresholds and plan fixed",
    "race": "race ended",
    "gate-opened": "gate opened, alpha charged",
    "evaluation": "gate items answered and scored",
    "decision": "decision",
    "sign-off": "signed off",
    "release": "release made",
    "alias-moved": "alias moved to the release",
    "exam": "measurement",
    "coverage": "coverage of the job's tasks",
}


def name(text: str) -> Html:
    """Return a name that somebody else gave, isolated from the direction of the text around it."""
    return tag("bdi", text)


def code(text: str) -> Html:
    """Return a digest, command or identifier."""
    return tag("code", text)


def said(t: Voice, words: Mapping[str, str], key: Any) -> str:
    """Return the words for a key in this language; an unknown key stays as it is."""
    text = str(key)
    return t(words[text]) if text in words else text


def facet_name(t: Voice, facet: str) -> Html:
    """Return a facet's plain name with the pack's name behind it, or the pack's name alone."""
    if facet not in FACETS:
        return name(facet)
    return tag("span", t(FACETS[facet]), " ", tag("span", facet, class_="given"))


def facet_text(t: Voice, facet: str) -> str:
    """Return a facet's plain name, or the pack's name for it."""
    return t(FACETS[facet]) if facet in FACETS else facet


def candidate_name(row: Mapping[str, Any]) -> Html:
    """Return what a candidate is called, its identifier behind it."""
    given = str(row.get("candidate", ""))
    if not row.get("name"):
        return name(given)
    return tag("span", name(str(row["name"])), " ", tag("span", name(given), class_="given"))


def state_of(row: Mapping[str, Any]) -> str:
    """Return `passed`, `failed`, `open` or `reported`, by which a facet's mark is coloured."""
    return _STATES.get(str(row.get("verdict")), "reported")
