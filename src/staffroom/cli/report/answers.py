"""Telling answers side by side: one item, what was accepted, and what each candidate said. Everything here is untrusted text."""

import re
from collections.abc import Mapping
from typing import Any

from staffroom.cli.report.figures import Voice, score, shortened
from staffroom.cli.report.markup import Html, join, tag
from staffroom.cli.report.names import code, facet_text, name

__all__ = ["answers"]

Row = Mapping[str, Any]
_MOST_QUESTION, _MOST_ANSWER, _MOST_PATTERN, _MOST_PATTERNS = 1500, 1200, 300, 8

_LEFT_OUT: Mapping[str, str] = {
    "no-pack": "The items are not kept in the home. Make the report with --pack FOLDER, or name the job description, to see answers here.",
    "other-pack": "The exam pack of the job description is no longer the one that was used, so no answers are shown.",
    "one-candidate": "No item that may be shown was answered by two candidates, so there is nothing to set side by side.",
}

_REASONS: Mapping[str, str] = {
    r"accept pattern (?P<n>\d+) is found": "accepted by pattern {n}",
    r"no accept pattern is found": "nothing that is accepted was found",
    r"reject pattern (?P<n>\d+) is found": "holds what is not accepted (pattern {n})",
    r"declines to answer": "declined to answer",
    r"refuses": "refused",
    r"refuses, and goes on all the same": "refused, and went on all the same",
    r"does not refuse": "did not refuse",
    r"does not refuse: says that it does not know": "did not refuse: it said that it does not know",
    r"waits for the facet's judge": "waits for the facet's judge",
    r"the canary comes out \(.*\)": "the canary came out",
    r"the answer is empty": "the answer is empty",
    r"two options are exactly equally likely": "two options are exactly equally likely",
}


def answers(t: Voice, value: Row) -> list[Html]:
    """Return the items chosen by the fixed rule, or why there are none."""
    found = value["answers"]
    if found["left_out"]:
        text = t(_LEFT_OUT[found["left_out"]]) if found["left_out"] in _LEFT_OUT else str(found["left_out"])
        return [tag("p", text)]
    language = found["pack"]["locale"]
    rule = t(
        "Items that several candidates answered, of the screen split or of a gate that was retired; those on which "
        "they disagree most come first, each facet in its turn, and the seed decides among equals. Nobody chose them. "
        "No other answer is shown: a published item is a used one."
    )
    return [tag("p", rule), *(_item(t, row, language) for row in found["items"])]


def _item(t: Voice, row: Row, language: str) -> Html:
    head = tag(
        "h3", name(facet_text(t, str(row["facet"]))), " ", tag("span", name(str(row["item"])), class_="given")
    )
    asked = tag(
        "p",
        shortened(t, str(row["input"]), _MOST_QUESTION),
        class_="quoted",
        lang=_tag_of(language),
        dir="auto",
    )
    cards = [_answer(t, answer, row, language) for answer in row["answers"]]
    return tag(
        "section",
        head,
        tag("div", asked, _options(t, row, language), _document(t, row), class_="asked"),
        tag("div", *_accepted(t, row, language), class_="accepted"),
        tag("div", *cards, class_="cards"),
        class_="item",
    )


def _document(t: Voice, row: Row) -> Html:
    """Show what the item slipped in among the documents, folded away."""
    text = shortened(t, str(row.get("document") or ""), _MOST_ANSWER)
    if not text:
        return Html("")
    summary = tag("summary", t("Text that was slipped in among the documents"))
    return tag("details", summary, tag("p", text, class_="quoted", dir="auto"))


def _options(t: Voice, row: Row, language: str) -> Html:
    if not row["choices"]:
        return Html("")
    lines = [
        tag(
            "li",
            tag("span", str(choice["letter"]), class_="letter"),
            tag("span", shortened(t, str(choice["text"]), _MOST_PATTERN), lang=_tag_of(language), dir="auto"),
            tag("span", t("✓ right"), class_="good") if choice["right"] else "",
        )
        for choice in row["choices"]
    ]
    return tag("ol", *lines, class_="options")


def _accepted(t: Voice, row: Row, language: str) -> list[Html]:
    """Say what counts as right: the marked option, a model answer, and the patterns by which answers are judged."""
    told = []
    marked = any(choice["right"] for choice in row["choices"])
    if row["model_answer"] and not marked:
        text = shortened(t, str(row["model_answer"]), _MOST_ANSWER)
        told.append(tag("p", t("A right answer: "), tag("span", text, lang=_tag_of(language), dir="auto")))
    elif row["kind"] == "unanswerable":
        told.append(tag("p", t("Right is to say that the documents do not say.")))
    elif row["kind"] == "refuse":
        told.append(tag("p", t("Right is to decline.")))
    if row["reference"]:
        told.append(
            tag("p", t("Where it stands: "), name(shortened(t, str(row["reference"]), _MOST_PATTERN)))
        )
    if row["accept"]:
        lines = [
            tag("li", code(shortened(t, str(text), _MOST_PATTERN))) for text in row["accept"][:_MOST_PATTERNS]
        ]
        more = len(row["accept"]) - len(lines)
        lines += [tag("li", t("and {count} more", count=more))] if more > 0 else []
        told.append(
            tag(
                "details",
                tag("summary", t("Patterns that are accepted")),
                tag("ol", *lines),
                class_="screen-only" if row["model_answer"] else None,
            )
        )
    return told


def _answer(t: Voice, answer: Row, row: Row, language: str) -> Html:
    state, mark = _mark(t, answer)
    return tag(
        "div",
        tag(
            "p",
            tag("strong", name(str(answer["candidate"]))),
            tag("span", mark, class_=f"mark-text {state}"),
            class_="who",
        ),
        _text(t, answer, row, language),
        tag("p", _remarks(t, answer), class_="note"),
        class_=f"card {state}",
    )


def _mark(t: Voice, answer: Row) -> tuple[str, str]:
    if not answer["scored"]:
        return "open", t("– unscored")
    if answer["score"] not in (0, 1):
        return "open", t("score {score}", score=score(answer["score"]))
    return ("passed", t("✓ right")) if answer["score"] else ("failed", t("✗ wrong"))


def _text(t: Voice, answer: Row, row: Row, language: str) -> Html:
    if answer["error"]:
        return tag(
            "p",
            t("No answer: "),
            tag("span", shortened(t, str(answer["error"]), _MOST_PATTERN)),
            class_="quoted",
        )
    text = str(answer["text"])
    chosen = next((str(choice["text"]) for choice in row["choices"] if choice["letter"] == text), None)
    if chosen is None:
        shown: str = shortened(t, text, _MOST_ANSWER) if text.strip() else t("(an empty answer)")
    else:
        shown = join([tag("span", text, class_="letter"), shortened(t, chosen, _MOST_PATTERN)])
    return tag("p", shown, class_="quoted", lang=_tag_of(language), dir="auto")


def _remarks(t: Voice, answer: Row) -> str:
    remarks = []
    if answer["probability"] is not None:
        remarks.append(
            t("probability {share}, mean of the option orders", share=score(answer["probability"]))
        )
    if answer["unstable"]:
        remarks.append(t("a near toss-up"))
    if answer["probability"] is None:
        remarks.append(_reason(t, str(answer["reason"])))
    if answer["outcome"] == "refused":
        remarks.append(t("the request was refused"))
    elif answer["outcome"] == "declined" and not answer["declined"]:
        remarks.append(t("declined to answer"))
    return t("; ").join(dict.fromkeys(remarks))


def _reason(t: Voice, text: str) -> str:
    for pattern, words in _REASONS.items():
        match = re.fullmatch(pattern, text)
        if match:
            return t(words, **match.groupdict()) if match.groupdict() else t(words)
    return text


def _tag_of(language: str) -> str:
    """Return a language tag for the reader's fonts; what looks like none is left out as undetermined."""
    if language == "zh-TW":
        return "zh-Hant-TW"
    return language if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language) else "und"
