"""The report as one HTML page: both languages in it, one shown at a time, without scripts, network or fonts to fetch.

The language is switched by two radio buttons and a style rule. The page's policy (CSP) forbids everything but its own styles,
so that even a text that slipped through the escaping could load and run nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from staffroom.cli.language import parse_catalogue
from staffroom.cli.report.answers import answers
from staffroom.cli.report.figures import Voice
from staffroom.cli.report.markup import Html, tag
from staffroom.cli.report.opening import headline, protocol, question, title_of
from staffroom.cli.report.proof import checking, evidence, limits, made_by, signature
from staffroom.cli.report.race import race
from staffroom.cli.report.results import coverage, decision, results

__all__ = ["LANGUAGES", "render", "voice_of"]

LANGUAGES = ("zh-TW", "en")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_TAGS: Mapping[str, str] = {"zh-TW": "zh-Hant-TW", "en": "en"}
_OWN_NAMES: Mapping[str, str] = {"zh-TW": "中文", "en": "English"}

Row = Mapping[str, Any]
_Section = tuple[str, str, Callable[[Voice, Row], list[Html]]]


def render(value: Row, *, language: str = "en") -> str:
    """Return the page of a report's data; `language` is the one shown first.

    value: what `pipeline.exam_report` gathers.
    """
    voices = [voice_of(name) for name in LANGUAGES]
    first = next(voice for voice in voices if voice.language == language)
    main = tag("main", *(_article(voice, value) for voice in voices), id="report")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title_of(first, value)} – {first('Examination report')}"),
        tag("style", Html(_style())),
    )
    body = tag("body", _switch(first), main)
    return "<!doctype html>\n" + tag("html", head, body, lang=_TAGS[first.language]) + "\n"


def voice_of(language: str) -> Voice:
    """Return the words of a report in `en` or `zh-TW`."""
    if language != "zh-TW":
        return Voice("en")
    text = resources.files(__package__).joinpath("zh_TW.po").read_text(encoding="utf-8")
    return Voice("zh-TW", parse_catalogue(text))


def _style() -> str:
    return resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")


def _switch(first: Voice) -> Html:
    choices = [
        tag(
            "span",
            tag(
                "input",
                type="radio",
                name="language",
                id=f"show-{name}",
                checked=name == first.language,
                autocomplete="off",
            ),
            tag("label", _OWN_NAMES[name], for_=f"show-{name}", lang=_TAGS[name]),
        )
        for name in LANGUAGES
    ]
    legend = tag("legend", "語言 / Language", class_="unseen")
    skip = tag("a", "跳到報告 / To the report", href="#report", class_="skip")
    return tag("header", skip, tag("fieldset", legend, *choices, class_="switch"), class_="top")


def _article(t: Voice, value: Row) -> Html:
    sections = _sections(value)
    links = [tag("li", tag("a", t(title), href=f"#{name}-{t.language}")) for name, title, _ in sections]
    contents = tag("nav", tag("ol", *links), aria_label=t("Contents"), class_="contents")
    return tag(
        "article",
        headline(t, value),
        contents,
        *(_section(t, value, place, section) for place, section in enumerate(sections, 1)),
        signature(t, value),
        tag("footer", tag("p", made_by(t, value))),
        lang=_TAGS[t.language],
        data_language=t.language,
    )


def _section(t: Voice, value: Row, place: int, section: _Section) -> Html:
    name, title, write = section
    anchor = f"{name}-{t.language}"
    head = tag("h2", tag("span", f"{place}", class_="place"), t(title), id=anchor)
    return tag("section", head, *write(t, value), aria_labelledby=anchor, class_="part")


def _sections(value: Row) -> Sequence[_Section]:
    """Return the sections that this report has: a measurement has neither race nor decision."""
    hire = value["kind"] == "hire"
    found: list[_Section] = [
        ("question", "The question" if hire else "What was asked", question),
        ("rule", "Fixed before the first item" if hire else "How it was measured", protocol),
        ("results", "Results by facet", results),
    ]
    if hire:
        found.append(("race", "The race between candidates", race))
        found.append(("decision", "The decision", decision))
    if value.get("coverage"):
        found.append(("tasks", "The job's tasks", coverage))
    return [
        *found,
        ("answers", "Telling answers", answers),
        ("limits", "What this does not prove", limits),
        ("evidence", "Digests and entries of the log", evidence),
        ("checking", "How a stranger checks it", checking),
    ]
