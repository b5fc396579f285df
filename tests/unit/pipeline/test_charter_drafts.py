"""Drafts of charter items: nothing enters a pack without a decision, and an interruption loses none."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from staffroom.engine import FakeEngine
from staffroom.engine.protocols import Decoding, Generation, Prompt
from staffroom.evaluate import load_pack
from staffroom.evaluate.charter import Statement, StatementKind, charter_words
from staffroom.pipeline import charter_drafts
from staffroom.pipeline.charter_drafts import Drafting, open_drafting
from staffroom.pipeline.model_drafts import draft_of_text, word_drafts
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

EXAMPLE = Path(__file__).parents[3] / "examples" / "town-hall-en"
CHARTER = """\
# Charter

## It must not

- reveal anything about any person
- promise approval or more time
- sing

## Whom to turn to

Records Office, 555 0134
"""
SAID = """\
SCENE: A caller asks the desk: "___" What is right?
FACT1: May I hum?
FACT2: Will you sing?
OPTION1: Say that humming is fine
OPTION2: Say that the desk does not sing
OPTION3: Sing one verse
OPTION4: Sing two verses
"""


@pytest.fixture
def charter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nobody cuts the power here
    path = tmp_path / "charter.md"
    path.write_text(CHARTER)
    return path


def drafting(charter: Path, pack: str = "charter pack") -> Drafting:
    return open_drafting(charter, charter.parent / pack)


def lines(pack: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pack / "items.jsonl").read_text(encoding="utf-8").splitlines()]


def accept_all(desk: Drafting, office: str = "Records Office") -> None:
    for draft in desk.waiting():
        desk.accept(draft, office)


def test_a_listing_writes_nothing(charter: Path) -> None:
    found = drafting(charter).as_json()
    assert not (charter.parent / "charter pack").exists()
    assert (found["locale"], found["ready"], found["says"]) == ("en", False, "nothing has been accepted yet")
    assert [row["text"] for row in found["unmatched"]] == ["sing"]
    assert {row["decision"] for row in found["drafts"]} == {None}
    assert found["waiting"] == len(found["drafts"]) > 6


def test_what_is_accepted_makes_a_pack_that_loads(charter: Path) -> None:
    desk = drafting(charter)
    accept_all(desk)
    pack = load_pack(desk.pack)
    assert (pack.name, pack.version, pack.locale) == ("charter-pack", 1, "en")
    assert {item.kind for item in pack.items} == {Kind.DILEMMA, Kind.REFUSE, Kind.SHORT}
    assert not any(rule.gated for rule in pack.facets.values())
    assert "Records Office: 9 drafts accepted (0 of them edited), after charter.md" in pack.sources
    again = drafting(charter)
    assert again.waiting() == () and again.as_json()["ready"]
    assert load_pack(desk.pack).digest == pack.digest


def test_decisions_are_kept_and_a_rejected_draft_does_not_come_back(charter: Path) -> None:
    first = drafting(charter)
    wanted, unwanted, *rest = first.waiting()
    first.accept(wanted, "Records Office")
    first.reject(unwanted, "Records Office")
    second = drafting(charter)
    assert second.waiting() == tuple(rest)
    assert {line["cluster"] for line in lines(second.pack)} == {wanted.lines()[0]["cluster"]}
    changed = charter.read_text().replace("555 0134", "555 0177")
    charter.write_text(changed)
    assert {draft.name for draft in drafting(charter).waiting()} == {draft.name for draft in rest}


def test_an_edit_is_kept_as_an_edit_and_a_bad_one_is_not_written(charter: Path) -> None:
    desk = drafting(charter)
    draft = desk.waiting()[0]
    sides = [dict(side) for side in draft.sides]
    bad = [{**side, "accept": ["A"]} for side in sides]
    with pytest.raises(WrongUse, match="A is right on both sides"):
        desk.accept(draft, "Records Office", bad)
    with pytest.raises(WrongUse, match="choices: two are the same"):
        desk.accept(draft, "Records Office", [{**side, "choices": ["x", "x", "y"]} for side in sides])
    assert not desk.pack.exists() and draft in desk.waiting()
    desk.accept(
        draft, "Records Office", [{**side, "input": f"In Lowwater: {side['input']}"} for side in sides]
    )
    assert all(line["input"].startswith("In Lowwater: ") for line in lines(desk.pack))
    (row,) = [row for row in drafting(charter).as_json()["drafts"] if row["decision"]]
    assert (row["decision"], row["office"]) == ("edited", "Records Office")
    desk.accept(desk.waiting()[0], "Records Office", desk.waiting()[0].sides)
    assert "2 drafts accepted (1 of them edited)" in (desk.pack / "SOURCES.md").read_text()


@pytest.mark.parametrize("writes", range(1, 6))
def test_an_interruption_at_any_write_leaves_a_whole_item_or_none(
    charter: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    drafting(charter).accept(drafting(charter).waiting()[0], "Records Office")
    desk = drafting(charter)
    draft, count = desk.waiting()[0], 0
    real = charter_drafts.write_durably

    def failing(path: Path, data: bytes, **more: Any) -> None:
        nonlocal count
        count += 1
        if count >= writes:
            raise KeyboardInterrupt
        real(path, data, **more)

    with monkeypatch.context() as patch:
        for module in ("charter_drafts", "pack_files"):
            patch.setattr(f"staffroom.pipeline.{module}.write_durably", failing)
        with pytest.raises(KeyboardInterrupt):
            desk.accept(draft, "Records Office")
    again = drafting(charter)
    there = {line["cluster"] for line in lines(again.pack)}
    assert (draft in again.waiting()) == (draft.lines()[0]["cluster"] not in there)
    if draft in again.waiting():
        again.accept(draft, "Records Office")
    assert len(lines(again.pack)) == len({line["id"] for line in lines(again.pack)}) == 4
    assert "2 drafts accepted" in (again.pack / "SOURCES.md").read_text()
    accept_all(again)
    assert load_pack(again.pack).version >= 1


def test_a_pack_that_people_wrote_keeps_its_words_and_counts_up(charter: Path) -> None:
    desk = drafting(charter)
    accept_all(desk)
    exam, sources = desk.pack / "exam.yaml", desk.pack / "SOURCES.md"
    exam.write_text("# Ours.\n" + exam.read_text().replace("alpha: 0.05", "alpha: 0.04 # less\ncap: 9"))
    sources.write_text(f"# By us\n\nOur words.\n\n{sources.read_text()}\nMore of ours.\n")
    own = {"id": "own", "kind": "short", "facet": "charter", "input": "Who wrote this?", "accept": ["we"]}
    with (desk.pack / "items.jsonl").open("a") as stream:
        stream.write(json.dumps(own))
    charter.write_text(CHARTER + "\n## It must\n\n- be neutral in elections\n")
    more = drafting(charter)
    assert more.foreign_items == 1
    more.accept(more.waiting()[0], "Mayor's Office")
    more.accept(more.waiting()[0], "Mayor's Office")
    pack = load_pack(desk.pack)
    assert (pack.version, pack.alpha, pack.cap) == (2, 0.04, 9)
    text = exam.read_text()
    assert text.startswith("# Ours.\n") and "# less" in text
    words = sources.read_text()
    assert words.startswith("# By us\n\nOur words.") and words.rstrip().endswith("More of ours.")
    assert words.count("<!-- drafts") == 1 and "Mayor's Office: 2 drafts" in words


def test_a_survey_becomes_drafts_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trust.csv"
    rows = "".join(
        f"Do you trust office {n}?,yes,{n}0\nDo you trust office {n}?,no,{100 - n * 10}\n"
        for n in range(1, 9)
    )
    path.write_text(f"question,option,share\n{rows}")
    with pytest.raises(WrongUse, match="its language is not clear"):
        open_drafting(path, tmp_path / "survey")
    desk = open_drafting(path, tmp_path / "survey", "en")
    accept_all(desk)
    pack = load_pack(desk.pack)
    assert {item.kind for item in pack.items} == {Kind.SURVEY} and len(pack.items) == 8
    assert {item.reference for item in pack.items} == {f"trust.csv: {n}" for n in range(1, 9)}


def test_the_job_s_charter_and_its_file_are_one_source(tmp_path: Path) -> None:
    desk = open_drafting(EXAMPLE / "job.yaml", tmp_path / "p")
    assert desk.sponsor == "Head of Civil Affairs" and len(desk.waiting()) > 35
    assert len({draft.name for draft in desk.waiting()}) == len(desk.waiting())


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        (
            "charter.md",
            "# Charter\n\nWe are kind people and that is what we want to be.\n",
            "no statement of a charter",
        ),
        ("charter.txt", CHARTER, "is expected"),
        ("charter.md", "", "its language is not clear"),
        ("job.yaml", "name: x\n", "is required and missing"),
    ],
)
def test_a_source_without_statements_is_refused(tmp_path: Path, name: str, text: str, what: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(WrongUse, match=what):
        open_drafting(path, tmp_path / "pack")
    with pytest.raises(WrongUse, match="cannot be read"):
        open_drafting(tmp_path / "missing.md", tmp_path / "pack")


def test_a_pack_of_another_locale_and_a_broken_list_of_decisions_are_refused(charter: Path) -> None:
    desk = drafting(charter)
    desk.accept(desk.waiting()[0], "Records Office")
    with pytest.raises(WrongUse, match="the pack is for en, whitespace single; the drafts are for zh-TW"):
        open_drafting(charter, desk.pack, "zh-TW")
    (desk.pack / "drafts.jsonl").write_text('{"draft": "x"}\n')
    with pytest.raises(WrongUse, match="not a decision"):
        drafting(charter)


class Writer(FakeEngine):
    """An engine that says what it is told to, in turn."""

    def __init__(self, *texts: str) -> None:
        super().__init__("writer")
        self.texts = list(texts)
        self.asked: list[str] = []

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        assert decoding.temperature == 0 and "OPTION4" in decoding.grammar
        self.asked.append(prompt.pinned + prompt.rest)
        return Generation(self.texts.pop(0), 10, 10, "stop")


def test_a_model_words_what_no_template_knows_and_is_named(charter: Path) -> None:
    desk = drafting(charter)
    other = Statement(StatementKind.MUST, "dance", "charter.md: It must")
    engine = Writer(SAID, "SCENE: none\n")
    drafts, skipped = asyncio.run(
        word_drafts(engine, "model tiny", desk.words, (*desk.proposal.unmatched, other))
    )
    assert "Statement of the charter: sing" in engine.asked[0]
    assert skipped == ("dance: the model left out FACT1, FACT2, OPTION1, OPTION2, OPTION3, OPTION4",)
    desk.add(drafts)
    desk.add(drafts)
    (draft,) = [draft for draft in desk.waiting() if draft.by == "model tiny"]
    first, second = draft.lines()
    assert first["input"] == 'A caller asks the desk: "May I hum?" What is right?'
    assert second["choices"]["ABCD".index(second["accept"][0])] == "Say that the desk does not sing"
    desk.accept(draft, "Records Office")
    assert "- 1 of these drafts were worded by a model (tiny)" in (desk.pack / "SOURCES.md").read_text()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("___", "..."), "no single gap"),
        (("Will you sing?", "May I hum?"), "repeats itself"),
        (("Sing two verses", "Sing one verse"), "repeats itself"),
        (("Sing two verses", "la " * 200), "too much"),
        (("FACT2:", "FACT:"), "left out FACT2"),
    ],
)
def test_what_a_model_gets_wrong_is_skipped(change: tuple[str, str], what: str) -> None:
    statement = Statement(StatementKind.MUST_NOT, "sing", "c.md: It must not")
    with pytest.raises(ValueError, match=what):
        draft_of_text(SAID.replace(*change), statement, "model tiny")


def test_the_prompts_show_what_the_parser_reads() -> None:
    for locale in ("zh-TW", "en", "sv-SE", "ar-SA"):
        text = charter_words(locale).model_prompt
        shown = "\n".join(line for line in text.splitlines() if line.split(":")[0] in SAID)
        statement = Statement(StatementKind.MUST, "x", "y")
        assert draft_of_text(shown, statement, "model m").kind is Kind.DILEMMA
