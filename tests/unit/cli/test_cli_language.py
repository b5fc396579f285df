import json
import string

import pytest
from cli_messages import help_texts, said_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.cli.language import Words, choose_language, parse_catalogue, words_of
from staffroom.text.locale import check

TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_TW.UTF-8"}, "zh-TW"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "STAFFROOM_LANG": "zh-TW"}, "zh-TW"),
        ({"STAFFROOM_LANG": "", "LC_ALL": "zh"}, "zh-TW"),
        ({"LANG": "sv_SE.UTF-8"}, "en"),
    ],
)
def test_the_language_comes_from_the_environment(environment: dict[str, str], language: str) -> None:
    assert choose_language(environment) == language


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXT, TEXT, max_size=6))
def test_a_catalogue_gives_what_was_written(messages: dict[str, str]) -> None:
    lines = ["# a comment", 'msgid ""', 'msgstr ""', '"Language: zh_TW\\n"', ""]
    for text, said in messages.items():
        # JSON strings are strings of a .po file too, as long as they hold no surrogates.
        half = len(said) // 2
        lines += [f"msgid {json.dumps(text, ensure_ascii=False)}", 'msgstr ""']
        lines += [json.dumps(part, ensure_ascii=False) for part in (said[:half], said[half:])] + [""]
    assert parse_catalogue("\n".join(lines)) == messages


def test_a_broken_catalogue_names_the_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_catalogue('msgid "a"\nmsgstr b\n')


def test_every_text_is_there_in_chinese() -> None:
    t = words_of("zh-TW")
    missing = {text for text in said_texts() | help_texts() if t(text) == text and not _is_a_name(text)}
    assert not missing


def _is_a_name(text: str) -> bool:
    return text in {"OCR", "Python"}


def test_translations_keep_their_fields_and_are_taiwanese() -> None:
    t = words_of("zh-TW")
    for text in said_texts() | help_texts():
        assert _fields(t(text)) == _fields(text), text
        found = check(t(text), "zh-TW")
        assert not found.simplified, (t(text), found)
        assert not found.wording, (t(text), found)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_what_the_catalogue_lacks_stays_english() -> None:
    assert Words("zh-TW", {"a": "甲"})("b {n}", n=1) == "b 1"
