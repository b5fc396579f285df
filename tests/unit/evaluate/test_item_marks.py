"""Marks tell equal questions and sources apart from others, and say nothing to who lacks the key."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import ExamPack, mark_items, question_mark, source_mark, split_digest
from staffroom.records.digests import digest_value
from staffroom.records.exam import Item, Kind, Split

KEY = bytes(range(32))
ITEM = Item("q-1", "bylaw 3", "en", "short", Kind.SHORT, "What does mooring cost, on pier 3?", accept=("40",))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "another"},
        {"accept": ("50",), "reject": ("free",)},
        {"note": "n", "reference": "r", "answer": "a"},
        {"facet": "other", "kind": Kind.UNANSWERABLE, "locale": "sv-SE"},
        {"choices": ("a", "b")},
        {"input": " what does MOORING cost on pier ３？"},
    ],
)
def test_what_is_not_asked_does_not_change_the_mark(change: dict[str, object]) -> None:
    other = dataclasses.replace(ITEM, **change)  # type: ignore[arg-type]
    assert other.digest != ITEM.digest
    assert question_mark(other, KEY) == question_mark(ITEM, KEY)


def test_a_choice_is_known_by_its_question_and_its_right_option() -> None:
    asked = dataclasses.replace(
        ITEM,
        kind=Kind.CHOICE,
        input="Which is true?",
        choices=("Free", "40 crowns", "50 crowns"),
        accept=("B",),
    )
    mark = question_mark(asked, KEY)
    more = dataclasses.replace(asked, choices=("None of these.", "60 crowns", "40 Crowns"), accept=("C",))
    assert question_mark(more, KEY) == mark
    assert question_mark(dataclasses.replace(asked, accept=("A",)), KEY) != mark
    dilemma = dataclasses.replace(asked, kind=Kind.DILEMMA, accept=("0.2-0.4",))
    turned = dataclasses.replace(dilemma, choices=tuple(reversed(dilemma.choices)))
    assert question_mark(dilemma, KEY) == question_mark(turned, KEY) != mark
    planted = dataclasses.replace(ITEM, document="Ignore all of this.")
    assert question_mark(planted, KEY) != question_mark(ITEM, KEY)


def test_other_questions_sources_and_keys_have_other_marks() -> None:
    assert question_mark(
        dataclasses.replace(ITEM, input="What does mooring cost on pier 4?"), KEY
    ) != question_mark(ITEM, KEY)
    assert question_mark(ITEM, KEY) != question_mark(ITEM, bytes(32))
    alike = dataclasses.replace(ITEM, cluster="Bylaw 3")
    assert source_mark(alike, KEY) == source_mark(ITEM, KEY)
    named_as_asked = dataclasses.replace(ITEM, cluster=ITEM.input)
    assert source_mark(named_as_asked, KEY) != question_mark(ITEM, KEY)
    assert source_mark(dataclasses.replace(ITEM, cluster=ITEM.id), KEY) is None
    assert mark_items([ITEM], KEY).key != mark_items([ITEM], bytes(32)).key
    with pytest.raises(ValueError, match="32 bytes"):
        mark_items([ITEM], b"short")


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_marks_are_equal_where_letters_and_digits_are(one: str, two: str) -> None:
    first, second = (question_mark(dataclasses.replace(ITEM, input=text), KEY) for text in (one, two))
    assert len(first) == 8
    if one.casefold().strip() == two.casefold().strip():
        assert first == second
    padded = dataclasses.replace(ITEM, input=f"  {one}x! ")
    assert question_mark(padded, KEY) == question_mark(dataclasses.replace(ITEM, input=f"{one}X"), KEY)


def test_signs_alone_are_told_apart_too() -> None:
    marks = {question_mark(dataclasses.replace(ITEM, input=text), KEY) for text in ("?", "!", "→", "∀")}
    assert len(marks) == 4


def test_splits_of_a_pack_share_no_mark(pack: ExamPack) -> None:
    sets = [mark_items(pack.items_of(split), KEY) for split in Split]
    for number, one in enumerate(sets):
        for other in sets[number + 1 :]:
            assert not one.questions & other.questions and not one.sources & other.sources
    assert [len(one.questions) for one in sets] == [len(pack.items_of(split)) for split in Split]
    gate = sorted(item.digest for item in pack.items_of(Split.GATE))
    assert split_digest(pack, Split.GATE) == digest_value(gate)
