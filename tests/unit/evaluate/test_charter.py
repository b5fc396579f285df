"""Statements of a charter and the drafts that templates make of them: the same, whoever asks, and in order."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from exam_folder import write_pack
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import check_pack, load_pack
from staffroom.evaluate.charter import (
    CharterWords,
    Statement,
    StatementKind,
    charter_words,
    propose,
    read_statements,
    statements_of,
)
from staffroom.evaluate.pack import faults_of_rows
from staffroom.pipeline.pack_files import new_exam_file, sync_exam_file
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind
from staffroom.records.job_description import JobDescription
from staffroom.records.source_file import read_yaml_model
from staffroom.text.locale import check

EXAMPLES = Path(__file__).parents[3] / "examples"
LOCALES = ["zh-TW", "en", "sv-SE", "ar-SA"]


def all_statements(words: CharterWords) -> list[Statement]:
    """Return a statement for every topic of a language, and those that are asked outright."""
    found = []
    for topic in words.topics:
        text = re.sub(r"\\b|\(\?:|[()?\\]", "", topic.words.split("|")[0])
        found.append(
            Statement(StatementKind.MUST_NOT, {"party": "party", "part": "party"}.get(text, text), topic.id)
        )
    return [
        *found,
        Statement(StatementKind.NOTICE, "AI", "n"),
        Statement(StatementKind.TURN_TO, "Office 4, +886 1 778-6200 x 231", "t"),
    ]


@pytest.mark.parametrize("example", ["town-hall", "town-hall-en"])
def test_the_examples_charters_are_read_and_matched(example: str) -> None:
    job = read_yaml_model(EXAMPLES / example / "job.yaml", JobDescription, hint="")
    words = charter_words(job.locale)
    text = (EXAMPLES / example / "charter.md").read_text(encoding="utf-8")
    stated = read_statements(text, "charter.md", words)
    kinds = [statement.kind for statement in stated]
    assert kinds.count(StatementKind.MUST) == kinds.count(StatementKind.MUST_NOT) == 4
    assert kinds.count(StatementKind.REFUSE) == 6 and kinds.count(StatementKind.NEUTRAL) == 3
    (turn_to,) = [statement for statement in stated if statement.kind is StatementKind.TURN_TO]
    assert "778-6200" in turn_to.text
    (notice,) = [statement for statement in stated if statement.kind is StatementKind.NOTICE]
    assert notice.text == job.charter.ai_notice
    proposal = propose(words, [*statements_of(job.charter, "job.yaml"), *stated], job.title)
    assert len(proposal.drafts) > 35 and len(proposal.unmatched) <= 2
    assert proposal == propose(words, [*statements_of(job.charter, "job.yaml"), *stated], job.title)
    assert len({draft.name for draft in proposal.drafts}) == len(proposal.drafts)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_template_gives_a_sound_item(tmp_path: Path, locale: str) -> None:
    words = charter_words(locale)
    proposal = propose(words, all_statements(words))
    wanted = sum(len(topic.dilemmas) + len(topic.refuse) + len(topic.mirrors) for topic in words.topics) + 2
    assert len(proposal.drafts) == wanted and not proposal.unmatched
    lines = [line for draft in proposal.drafts for line in draft.lines()]
    assert faults_of_rows(lines, words.patterns) == []
    folder = write_pack(tmp_path / "p", lines, "")
    (folder / "exam.yaml").write_bytes(new_exam_file("all", words))
    sync_exam_file(folder / "exam.yaml", lines, words, count_up=False)
    assert [item for item in check_pack(load_pack(folder)) if item.severity != "note"] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_wording_is_that_of_the_locale(locale: str) -> None:
    words = charter_words(locale)
    for draft in propose(words, all_statements(words)).drafts:
        for side in draft.sides:
            text = " ".join([side["input"], *side.get("choices", ()), side.get("answer", "")])
            found = check(text, locale)
            assert not found.simplified and not found.wrong_language, text


def test_a_contact_is_recognised_however_its_number_is_grouped() -> None:
    words = charter_words("en")
    stated = [Statement(StatementKind.TURN_TO, "Civil Affairs, (01) 778-6200 extension 231", "job.yaml")]
    (draft,) = propose(words, stated).drafts
    (line,) = draft.lines()
    assert (draft.kind, line["reference"]) == (Kind.SHORT, "job.yaml")
    for text in ("call 01 778 6200", "7786200", "ask civil affairs".title()):
        assert any(re.search(pattern, text) for pattern in line["accept"]), text
    assert not any(re.search(pattern, "call 778 6201, Civil Defence") for pattern in line["accept"])


def test_another_wording_is_another_draft_and_options_keep_their_pair() -> None:
    words = charter_words("zh-TW")
    stated = [Statement(StatementKind.MUST_NOT, "答應延期", "charter.md: 不能做")]
    first, second = (propose(words, stated, desk).drafts[1] for desk in ("服務台", "櫃台"))
    assert first.name == second.name and first.digest != second.digest
    ids = [line["id"] for line in (*first.lines(), *second.lines())]
    assert len(set(ids)) == 4
    one, other = first.lines()
    assert one["choices"] == other["choices"] and one["accept"] != other["accept"]
    assert one["cluster"] == other["cluster"] != second.lines()[0]["cluster"]


def test_headings_below_a_known_one_go_on_with_it_and_others_end_it() -> None:
    words = charter_words("en")
    text = "# Charter\n\nIntro.\n\n## It must\n\n### Always\n\n- be *brief*;\n- be\n  kind\n\n## History\n\n- old\n"
    found = read_statements(text, "c.md", words)
    assert [(row.text, row.where) for row in found] == [
        ("be *brief*", "c.md: Always"),
        ("be kind", "c.md: Always"),
    ]
    assert {row.kind for row in found} == {StatementKind.MUST}
    assert read_statements("no heading\n\n- x\n", "c.md", words) == ()


@given(st.text(st.sampled_from("#-*1. \n「」“”、，。abcmustno我不能做\t>`|"), max_size=200))
@settings(max_examples=80, deadline=None)
def test_no_text_crashes_the_reader_and_nothing_empty_comes_out(text: str) -> None:
    for locale in ("en", "zh-TW"):
        found = read_statements(f"## It must not 不能做\n\n{text}", "c.md", charter_words(locale))
        assert all(statement.text.strip() for statement in found)


def test_a_language_without_templates_is_said() -> None:
    with pytest.raises(WrongUse, match="no templates of charter items for xx"):
        charter_words("xx")
    folder = files("staffroom.evaluate").joinpath("charters")
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{locale}.yaml" for locale in LOCALES)


@pytest.mark.parametrize(("example", "pairs"), [("town-hall", 17), ("town-hall-en", 14)])
def test_the_example_packs_are_in_order(example: str, pairs: int) -> None:
    pack = load_pack(EXAMPLES / example / "charter-exam")
    assert [item for item in check_pack(pack) if item.severity != "note"] == []
    assert len({item.cluster for item in pack.items if item.kind.is_paired}) == pairs
    assert 20 <= len(pack.items) <= 40 and not any(rule.gated for rule in pack.facets.values())
    assert all(item.reference and item.note for item in pack.items)
