"""The report's markup: what is shown can never become markup, and what deceives is made visible."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.cli.report.markup import Html, escape, filled, join, tag

HOSTILE = [
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- --><svg/onload=alert(1)>",
    "&lt;b&gt; &amp; &#x41;",
    "]]></title><iframe src=javascript:alert(1)>",
    "{name}{0}%s",
]


class Reader(HTMLParser):
    """What a browser would make of a fragment: elements with attributes, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(fragment: str) -> Reader:
    reader = Reader()
    reader.feed(fragment)
    reader.close()
    return reader


PLAIN = st.text(
    st.characters(blacklist_categories=["Cc", "Cs", "Cf", "Cn", "Zl", "Zp"], blacklist_characters="\ufeff")
)


@settings(max_examples=200, deadline=None)
@given(PLAIN | st.sampled_from(HOSTILE))
def test_a_text_comes_back_as_it_was_as_content_and_as_attribute(text: str) -> None:
    found = read(tag("p", text, data_label=text, class_="a"))
    assert found.elements == [("p", {"data-label": text, "class": "a"})]
    assert found.text == text


@given(st.text())
def test_any_text_can_be_encoded_and_opens_no_element(text: str) -> None:
    shown = tag("p", text, title=text)
    shown.encode("utf-8")
    assert [name for name, _ in read(shown).elements] == ["p"]


@pytest.mark.parametrize(
    "sign", ["\u202e", "\u2066", "\u0000", "\u001b", "\ufeff", "\ud800", "\u2028", "\u009b"]
)
def test_what_deceives_the_reader_is_shown_by_its_number(sign: str) -> None:
    assert escape(f"a{sign}b") == f"a⟨U+{ord(sign):04X}⟩b"


def test_line_ends_and_joiners_of_other_scripts_stay() -> None:
    assert escape("a\r\nb\rc\td") == "a\nb\nc\td"
    assert escape("می\u200cخواهم") == "می\u200cخواهم"


def test_html_is_not_escaped_twice_and_joins_with_text() -> None:
    inner = tag("b", "a & b")
    assert join(["<", inner], " / ") == "&lt; / <b>a &amp; b</b>"
    assert escape(inner) is inner


@pytest.mark.parametrize("text", HOSTILE)
def test_a_template_takes_texts_and_html(text: str) -> None:
    shown = filled("<i>{one}</i> {two}", one=text, two=Html("<b>x</b>"))
    assert [name for name, _ in read(shown).elements] == ["b"]
    assert read(shown).text == f"<i>{text}</i> x"


def test_only_names_can_be_names() -> None:
    with pytest.raises(ValueError, match="element"):
        tag("p onload=x", "")
    with pytest.raises(ValueError, match="attribute"):
        tag("p", **{"a b": "c"})
    assert tag("input", checked=True, hidden=False, name=None, value=0) == '<input checked value="0">'
    assert tag("line", x1="5%") == '<line x1="5%"></line>'
