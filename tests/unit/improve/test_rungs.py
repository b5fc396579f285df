"""What each rung proposes from corrections, on a workshop of words alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from staffroom.improve import (
    Expected,
    Parts,
    Workshop,
    propose_examples,
    propose_index,
    propose_prompt,
)
from staffroom.records.agent import Retrieved
from staffroom.records.feedback import Correction
from staffroom.records.policy import AgentPolicy, ExampleBook, PromptBook

BOOK = PromptBook(
    "en", "You are the clerk.", "yes", "no", "refuse", "[{number}] {text}", "{question}", "", "", ()
)
POLICY = AgentPolicy(
    "en",
    "room 4",
    "An AI.",
    "Not said.",
    "Refused.",
    1,
    40,
    0.3,
    30.0,
    0.885,
    -0.8,
    -2.0,
    2.0,
    0.85,
    120,
    True,
)
PARTS = Parts("sha256:index", BOOK, POLICY)
FIRST = "Renewals are free. "
FAR = "A loan ends after twenty-one days, and a reminder costs thirty crowns."


def chunk(text: str) -> Retrieved:
    return Retrieved("c", "d", "d.md", (), text, None, 0, len(text), None, 1.0)


@dataclass
class Words:
    """A workshop without a home: every question finds the same two chunks."""

    corrections: Sequence[Correction]
    incumbent: Parts = PARTS
    released: Parts = PARTS
    current: Parts = PARTS
    examples_shown: int = 2
    like: str = ""
    strange: str = "ninety"

    def find(self, index: str, question: str, limit: int) -> Sequence[Retrieved]:
        return [chunk(FIRST * 3), chunk(FAR), chunk("Nothing else.")][:limit]

    def show(self, found: Sequence[Retrieved], parts: Parts, characters: int) -> str:
        return "\n".join(item.text[:characters] for item in found)

    def expected(self, correction: Correction) -> Expected:
        if "cannot help" in correction.corrected:
            return Expected.REFUSE
        return Expected.NOTHING if "do not say" in correction.corrected else Expected.ANSWER

    def objection(self, correction: Correction, found: Sequence[Retrieved], characters: int) -> str:
        needs = "thirty crowns" in correction.corrected
        if self.strange in correction.corrected:
            return "stands in no excerpt"
        return "not there" if needs and not any("thirty" in item.text[:characters] for item in found) else ""

    def exam_item_like(self, text: str) -> str:
        return "c7" if self.like and self.like in text else ""


def cases(
    count: int, corrected: str, wrong: str = "Something else altogether, at length."
) -> list[Correction]:
    return [Correction(f"fb-{n}", f"Question {n}?", wrong, corrected) for n in range(count)]


def test_it_is_a_workshop() -> None:
    shop: Workshop = Words([])
    assert [propose(shop) for propose in (propose_index, propose_prompt, propose_examples)] == [[], [], []]


def test_changed_documents_are_proposed_and_the_least_reading_that_helps() -> None:
    shop = Words(cases(10, "A loan ends after twenty-one days, and a reminder costs thirty crowns."))
    (shown,) = propose_index(shop)
    assert shown.name == "excerpts" and shown.parts.policy.excerpts == 2
    assert shown.parts.policy.excerpt_characters in (40, 60, 80) and "hold" in shown.reason
    documents, again = propose_index(replace(shop, current=replace(PARTS, index="sha256:new")))
    assert (documents.name, documents.parts.index) == ("documents", "sha256:new")
    assert again.parts.index == "sha256:new"
    assert propose_index(Words(cases(10, "Renewals are free."))) == [], "nothing is missing"
    assert propose_index(Words(cases(5, FAR))) == [], "five cases say too little"


def test_sentences_are_added_against_faults_that_are_shown_often() -> None:
    shop = Words(cases(12, "Under Article 5 the documents do not say."))
    (found,) = propose_prompt(shop)
    added = found.parts.book.system.removeprefix(BOOK.system)
    assert "article" in added and '"no"' in added and "article in 12" in found.reason
    again = replace(shop, incumbent=found.parts)
    assert propose_prompt(again) == [], "what it says already is not added twice"


def test_a_charter_that_changed_keeps_what_earlier_improvements_added() -> None:
    improved = replace(PARTS, book=replace(BOOK, system=BOOK.system + "\nAnswer shortly."))
    now = replace(
        PARTS, book=replace(BOOK, system="You are the registrar."), policy=replace(POLICY, turn_to="room 5")
    )
    (found,) = propose_prompt(Words([], incumbent=improved, current=now))
    assert found.name == "charter" and found.parts.policy.turn_to == "room 5"
    assert found.parts.book.system == "You are the registrar.\nAnswer shortly."
    same = Words([], incumbent=improved, released=PARTS, current=PARTS)
    assert propose_prompt(same) == []


def test_examples_bring_the_fewest_excerpts_that_hold_their_answer() -> None:
    rows = [
        *cases(4, "Renewals are free."),
        *cases(1, "It is thirty crowns."),
        *cases(1, "It is ninety."),
    ]
    wide = replace(PARTS, policy=replace(POLICY, excerpt_characters=80))
    (found,) = propose_examples(Words(rows, incumbent=wide))
    book = found.parts.examples
    assert book is not None and len(book.examples) == 5 and book.shown == 2
    assert "thirty" not in book.examples[0].excerpts and "thirty" in book.examples[4].excerpts
    assert found.left_out == ("fb-0: not in the excerpts",)
    (narrow,) = propose_examples(Words(rows))
    assert len(narrow.left_out) == 2, "what is cut off cannot be shown to rest on anything"


def test_verdicts_of_examples_are_those_of_the_corrections() -> None:
    rows = [
        *cases(1, "Renewals are free."),
        *cases(1, "The documents do not say."),
        *cases(1, "We cannot help with that."),
    ]
    (found,) = propose_examples(Words(rows))
    assert found.parts.examples is not None
    assert [one.verdict for one in found.parts.examples.examples] == ["yes", "no", "refuse"]


def test_no_exam_item_is_ever_an_example() -> None:
    shop = Words(cases(6, "Renewals are free."), like="Question 3")
    (found,) = propose_examples(shop)
    assert found.parts.examples is not None and len(found.parts.examples.examples) == 5
    assert found.left_out == ("fb-3: asks what exam item c7 asks",)
    assert propose_examples(replace(shop, like="Question")) == []


def test_the_same_agent_has_the_same_key_whatever_its_model_leans_to() -> None:
    leaning = replace(PARTS, policy=replace(POLICY, nothing_middle=1.5))
    assert leaning.key() == PARTS.key()
    other = replace(PARTS, examples=ExampleBook(1, ()))
    assert other.key() != PARTS.key()


@pytest.mark.parametrize("locale", ["en", "zh-TW"])
def test_sentences_are_there_in_both_languages(locale: str) -> None:
    book = replace(BOOK, locale=locale)
    parts = replace(PARTS, book=book)
    shop = Words(cases(12, "Under Article 5 it is free."), incumbent=parts, released=parts, current=parts)
    (found,) = propose_prompt(shop)
    assert len(found.parts.book.system) > len(BOOK.system) + 5
