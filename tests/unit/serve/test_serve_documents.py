import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.agent import Citation
from staffroom.serve.documents import (
    DocumentLinks,
    DocumentText,
    document_headers,
    document_page,
    missing_page,
    page_language,
)

words = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=60)


@settings(max_examples=80, deadline=None)
@given(text=words, name=words, data=st.data())
def test_the_page_shows_the_text_to_the_character_and_marks_the_span(
    text: str, name: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(-2, len(text) + 2))
    end = data.draw(st.integers(-2, len(text) + 2))
    html = document_page(DocumentText(name, text), start, end, "en")
    shown = re.search(r'<div class="text">(.*)</div></main>', html, re.S)
    assert shown is not None
    marked = re.search(r'<mark id="cited" tabindex="-1">(.*)</mark>', shown[1], re.S)
    if 0 <= start < end <= len(text):
        assert marked is not None
        assert unescape(marked[1]) == text[start:end]
        assert 'href="#cited"' in html
    else:
        assert marked is None
        assert 'role="status"' in html
    assert unescape(re.sub(r"</?mark[^>]*>", "", shown[1])) == text


def test_nothing_in_a_document_becomes_markup() -> None:
    evil = '</div><script>alert(1)</script><img src=x onerror="x">'
    html = document_page(DocumentText(evil, evil, evil, evil), 2, 9, "zh-TW")
    assert "<script" not in html
    assert "<img" not in html
    assert 'onerror="' not in html


def test_the_page_loads_nothing_from_elsewhere() -> None:
    html = document_page(DocumentText("n", "t"), 0, 1, "en") + missing_page("zh-TW")
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in document_headers("en")["content-security-policy"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-TW", "zh-TW"),
        ("zh-Hant-TW,en;q=0.5", "zh-TW"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.3, zh-tw;q=0.4", "zh-TW"),
        ("fr, sv;q=0.9", "en"),
        ("zh;q=0", "en"),
        ("zh;q=nonsense", "en"),
        (";;;,,=", "en"),
    ],
)
def test_the_reader_chooses_the_language(header: str, language: str) -> None:
    assert page_language(header) == language


@given(header=st.text(max_size=60))
def test_any_language_header_is_survived(header: str) -> None:
    assert page_language(header) in ("en", "zh-TW")


def test_links_are_bound_to_their_document(tmp_path: Path) -> None:
    links = DocumentLinks.of(tmp_path)
    assert (tmp_path / "document-links").stat().st_mode & 0o777 == 0o600
    again = DocumentLinks.of(tmp_path)
    signature = links.sign("sha256:a")
    assert again.opens("sha256:a", signature)
    assert not again.opens("sha256:b", signature)
    assert not again.opens("sha256:a", signature[:-1])
    assert not again.opens("sha256:a", "")
    assert not again.opens("sha256:a", "鑰")
    assert not DocumentLinks(b"x" * 32).opens("sha256:a", signature)
    with pytest.raises(ValueError, match="32 bytes"):
        DocumentLinks(b"short")
    citation = Citation(1, "c", "d", "sha256:a", "h", None, 3, 9)
    assert links.path(citation) == f"/documents/sha256:a?start=3&end=9&sig={signature}#cited"
