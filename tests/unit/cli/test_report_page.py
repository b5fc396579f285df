"""The report as a page: sound HTML in two languages, safe with hostile texts, legible for everybody."""

import itertools
import json
import re
import string
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_sample import hire_value, measurement_value

from staffroom.cli.report import LANGUAGES, render
from staffroom.cli.report.charts import bar_row, interval_row, zones_row
from staffroom.cli.report.page import voice_of

HOSTILE = (
    "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e{x}<a href=javascript:x>"
)
VOID = {"br", "input", "meta"}
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "article",
        "section",
        "nav",
        "footer",
    ),
    *(
        "a",
        "fieldset",
        "legend",
        "input",
        "label",
        "span",
        "bdi",
        "div",
        "p",
        "h1",
        "h2",
        "h3",
        "strong",
        "q",
        "code",
    ),
    *(
        "pre",
        "ol",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
    ),
    *("figure", "figcaption", "details", "summary", "svg", "line", "rect", "circle", "text"),
}
# What decides how a report is drawn, and is one of a few words of ours; everything else may hold anything.
WORDS_OF_OURS = {"kind", "verdict"}


class Page(HTMLParser):
    """A page as elements in order; raises where an end tag does not close what was opened last."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None], str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes), "/".join(self.open)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes, _ in self.elements if found == name]

    @property
    def visible(self) -> str:
        return "".join(text for where, text in self.texts if where != "style")


def variants() -> list[dict[str, Any]]:
    """Values of every shape that a report has."""
    hire = hire_value()
    unfinished = {**hire, "decision": None, "facets": [], "measured": None, "race": None, "coverage": None}
    broken = {
        **hire,
        "dry_run": True,
        "log": {**hire["log"], "ok": False, "problems": [{"where": "tile/0", "what": "changed"}]},
        "protocol": {**hire["protocol"], "seed_holds": False},
    }
    rejected = json.loads(json.dumps(hire))
    rejected["decision"] |= {"verdict": "rejected", "signed": None, "release": None, "reason": "Rejected: x."}
    rejected["facets"][0] |= {"verdict": "rejected", "passed": 3}
    undecided = json.loads(json.dumps(hire))
    undecided["decision"] |= {"verdict": "undecided", "signed": None, "release": None}
    undecided["facets"][0] |= {"verdict": "undecided", "passed": 12}
    undecided["race"] |= {"outcome": "tied"}
    betting = json.loads(json.dumps(hire))
    betting["facets"][0] |= {"method": "betting", "least": None, "passed": 19.5}
    betting["protocol"]["facets"][0] |= {"method": "betting", "least": None, "most": None}
    without = {**hire, "answers": {"items": [], "left_out": "no-pack", "most": 6}}
    return [hire, measurement_value(), unfinished, broken, rejected, undecided, betting, without]


@pytest.mark.parametrize("value", variants(), ids=range(8))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shape_is_a_sound_page(value: dict[str, Any], language: str) -> None:
    text = render(value, language=language)
    page = Page(text)
    assert {name for name, _, _ in page.elements} <= ALLOWED
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(one["href"])[1:] for one in page.of("a")} <= set(ids)
    assert {str(one["for"]) for one in page.of("label")} <= set(ids)
    labelled = [one["aria-labelledby"] for _, one, _ in page.elements if "aria-labelledby" in one]
    assert labelled and set(labelled) <= set(ids)


def test_it_fetches_and_runs_nothing() -> None:
    text = render(hire_value())
    page = Page(text)
    policy = next(
        one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not re.search(r"https?://|url\(|@import|<script|javascript:", text)
    assert text.index("Content-Security-Policy") < text.index("<style")


def leaves(value: Any, change: Callable[[str], str]) -> Any:
    """Return the value with every text changed, save the few that say what kind of thing something is."""
    if isinstance(value, dict):
        return {
            key: one if key in WORDS_OF_OURS and isinstance(one, str) else leaves(one, change)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [leaves(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


@pytest.mark.parametrize("value", variants(), ids=range(8))
def test_hostile_texts_everywhere_stay_texts(value: dict[str, Any]) -> None:
    page = Page(render(leaves(value, lambda text: HOSTILE + text), language="zh-TW"))
    assert {name for name, _, _ in page.elements} <= ALLOWED
    for _, attributes, _ in page.elements:
        assert not {
            name for name in attributes if name.startswith("on") or name in ("src", "style", "srcdoc")
        }
    assert all(str(one["href"]).startswith("#") for one in page.of("a"))
    assert [name for name, _, _ in page.elements].count("style") == 1
    assert "\u202e" not in page.visible and "⟨U+202E⟩" in page.visible


@settings(max_examples=6, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_any_text_anywhere_is_shown_and_not_obeyed(text: str) -> None:
    page = Page(render(leaves(hire_value(), lambda _: text)))
    assert {name for name, _, _ in page.elements} <= ALLOWED


def test_both_languages_are_there_and_one_is_shown() -> None:
    for language in LANGUAGES:
        page = Page(render(hire_value(), language=language))
        articles = page.of("article")
        assert [(one["lang"], one["data-language"]) for one in articles] == [
            ("zh-Hant-TW", "zh-TW"),
            ("en", "en"),
        ]
        assert [one["id"] for one in page.of("input") if "checked" in one] == [f"show-{language}"]
        assert page.of("html")[0]["lang"] == {"zh-TW": "zh-Hant-TW", "en": "en"}[language]
        rules = render(hire_value())
        for one in LANGUAGES:
            assert f"#show-{one}:checked" in rules


def test_everybody_can_read_it() -> None:
    page = Page(render(hire_value()))
    assert len(page.of("main")) == 1 and len(page.of("nav")) == 2
    assert all(one.get("aria-label") for one in page.of("nav"))
    for one in page.of("svg"):
        assert (one.get("role") == "img" and one.get("aria-label")) or one.get("aria-hidden") == "true"
    for _, one, where in page.elements:
        if "role" in one and one["role"] in ("row", "cell"):
            assert "table" in where
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(one.get("scope") in ("col", "row") for one in page.of("th"))
    assert all(one.get("data-label") for one in page.of("td"))
    for article in ("zh-TW", "en"):
        levels = [
            int(name[1])
            for name, one, where in page.elements
            if re.fullmatch(r"h[1-6]", name) and "article" in where
        ]
        assert levels[0] == 1 and article
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_figures_of_the_data_are_on_the_page() -> None:
    for language, words in (
        (
            "en",
            [
                "Promoted",
                "the pass rests on them",
                "20 of 24",
                "1.3 × 10⁻⁴",
                "went to the gate",
                "left after 16 items; large was ahead",
            ],
        ),
        (
            "zh-TW",
            ["錄用", "能通過，靠的是這些題目", "20／24", "1.3 × 10⁻⁴", "進入門檻考試", "不會擋下任何人"],
        ),
    ):
        text = Page(render(hire_value(), language=language)).visible
        assert not [word for word in words if word not in text]
    text = Page(render(hire_value())).visible
    for said in (
        "0.323 SEK",
        "1.12 GB",
        "Apache-2.0",
        "Mill (SE)",
        "0.00340 SEK",
        "0–5 fails",
        "16–24 passes",
        "a new reason",
    ):
        assert said in text, said


def test_what_went_wrong_is_said_first() -> None:
    value = variants()[3]
    for language, words in (("en", "did NOT verify"), ("zh-TW", "沒有通過查核")):
        text = Page(render(value, language=language)).visible
        assert text.index(words) < text.index("Fixed before" if language == "en" else "第一題之前")


def test_a_measurement_has_neither_race_nor_decision() -> None:
    text = Page(render(measurement_value())).visible
    assert "decided nothing" in text and "The race between" not in text and "The decision" not in text


# ---- charts -----------------------------------------------------------------------------------------------------------


NUMBER = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1)


@given(NUMBER, NUMBER, NUMBER, NUMBER)
def test_marks_stay_in_the_drawing(score: float, low: float, high: float, threshold: float) -> None:
    row = {"score": score, "low": low, "high": high, "threshold": threshold}
    drawn = interval_row(voice_of("en"), "x", row, "passed") + bar_row("x", score, "said", "1", "passed")
    places = [float(found) for found in re.findall(r'(?:x1|x2|cx|x|width)="([^"%]*)%"', drawn)]
    assert places and all(0 <= place <= 100 for place in places)


@given(
    st.integers(1, 200).flatmap(
        lambda tested: st.tuples(st.just(tested), st.integers(1, tested), st.integers(0, tested))
    ),
    st.booleans(),
)
def test_zones_cover_every_count_once(sizes: tuple[int, int, int], can_fail: bool) -> None:
    tested, least, passed = sizes
    most = least - 1 if can_fail else None
    row = {"tested": tested, "least": least, "passed": passed, "most": most}
    drawn = zones_row(voice_of("en"), "x", row, "open")
    widths = [
        float(width) for width in re.findall(r'class="zone [a-z]+" x="[^"]*" y="6" width="([^"%]*)%"', drawn)
    ]
    assert sum(widths) == pytest.approx(100, abs=0.01)
    said = re.search(r'aria-label="([^"]*)"', drawn)
    assert said and (least == tested or f"{least}–{tested} passes" in said[1])


# ---- texts and colours ------------------------------------------------------------------------------------------------


def test_every_text_is_there_in_chinese_and_keeps_its_fields() -> None:
    from report_texts import report_texts

    from staffroom.text.locale import check

    t = voice_of("zh-TW")
    texts = report_texts()
    assert not {text for text in texts if t(text) == text}
    for text in texts:
        assert fields(t(text)) == fields(text), text
        found = check(t(text), "zh-TW")
        assert not found.simplified and not found.wording, (t(text), found)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def themes() -> Iterator[dict[str, str]]:
    """The colours of the light, the dark and the printed page."""
    css = re.search(r"<style>(.*?)</style>", render(hire_value()), re.S)
    assert css
    blocks = re.findall(r":root\s*\{(.*?)\}", css[1], re.S)
    assert len(blocks) == 3
    base: dict[str, str] = {}
    for block in blocks:
        base = {**base, **dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{3,6})", block))}
        yield base


def luminance(colour: str) -> float:
    text = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
    parts = [int(text[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_texts_have_contrast_in_light_dark_and_print() -> None:
    """WCAG 2.2, 1.4.3 (4.5 for text) and 1.4.11 (3 for marks)."""
    for colours in themes():
        for name in ("ink", "soft", "accent", "passed", "failed", "open", "measured"):
            for ground in ("paper", "card"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground, colours)
        for name in ("passed", "failed", "open", "measured"):
            assert contrast(colours[name], colours[f"wash-{name}"]) >= 4.5, name
            assert contrast(colours["ink"], colours[f"wash-{name}"]) >= 4.5, name
        for name in ("fails", "open", "passes"):
            assert contrast(colours["ink"], colours[f"zone-{name}"]) >= 3, name
        assert contrast(colours["ink"], colours["faint"]) >= 4.5
        assert contrast(colours["paper"], colours["accent"]) >= 4.5
