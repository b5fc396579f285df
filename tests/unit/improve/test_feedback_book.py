"""The feedback book: quarantine, decisions, sides, erasure, broken files, files that are read in."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.improve import (
    FeedbackBook,
    SideOfCase,
    assign_side,
    cases_of,
    feedback_of,
    personal_data_in,
    read_feedback_file,
)
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.feedback import Correction, Feedback, FeedbackKind, FeedbackState, Side

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "tw-law" / "exam" / "corrections.jsonl"


def said(number: int, **more: Any) -> Feedback:
    row = {
        "question": f"What is due for case {number}?",
        "edited_answer": f"{number} crowns are due.",
        "by": "Head",
    }
    return feedback_of({**row, "answer": "Nothing.", **more}, "counter", source="test", now=NOW)


@pytest.fixture
def book(tmp_path: Path) -> FeedbackBook:
    return FeedbackBook(tmp_path / "feedback")


def accept(book: FeedbackBook, names: list[str]) -> None:
    book.decide(names, FeedbackState.ACCEPTED, by="Head", how="person", passages={})


def test_feedback_waits_until_somebody_decides(book: FeedbackBook) -> None:
    new, known = book.add([said(1), said(2), said(1)])
    assert len(new) == 2 and known == [new[0]]
    assert book.add([said(2)]) == ([], [new[1]])
    assert [entry.state for entry in book.entries()] == [FeedbackState.QUARANTINED] * 2
    assert book.corrections("counter", Side.TRAIN) == book.corrections("counter", Side.REGRESSION) == []
    accept(book, [new[0]])
    book.decide([new[1]], FeedbackState.REJECTED, by="Head", how="person", passages={})
    first, second = book.entries("counter")
    assert first.decided is not None and (first.decided.by, first.decided.how) == ("Head", "person")
    assert first.side in (Side.TRAIN, Side.REGRESSION) and second.side is None
    with pytest.raises(WrongUse, match="was accepted before"):
        book.decide([new[0]], FeedbackState.REJECTED, by="Head", how="person", passages={})
    size = (book._path).stat().st_size
    accept(book, [new[0]])
    assert book._path.stat().st_size == size, "the same decision again adds nothing"


def test_thumbs_correct_nothing(book: FeedbackBook) -> None:
    new, _ = book.add([feedback_of({"question": "Q?", "rating": "up"}, "counter", source="test", now=NOW)])
    accept(book, new)
    entry = book.find(new[0])
    assert entry.feedback.kind is FeedbackKind.UP and entry.side is None and not entry.is_correction
    with pytest.raises(ValueError, match="corrects nothing"):
        entry.correction()


def test_words_are_kept_apart_and_can_be_erased(book: FeedbackBook, tmp_path: Path) -> None:
    new, _ = book.add([said(1, person="Ann Reader", note="she was upset")])
    accept(book, new)
    events = (tmp_path / "feedback" / "book.jsonl").read_text()
    for word in ("crowns", "Ann", "upset", "Head"):
        assert word not in events
    for path in (tmp_path / "feedback" / "texts").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        path.unlink()
    entry = book.find(new[0])
    assert entry.erased and entry.side is not None and not entry.is_correction
    assert book.corrections("counter", Side.TRAIN) == book.corrections("counter", Side.REGRESSION) == []


def test_half_a_line_is_no_event_and_a_broken_one_is_named(book: FeedbackBook, tmp_path: Path) -> None:
    book.add([said(1)])
    path = tmp_path / "feedback" / "book.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "rec')
    assert len(book.entries()) == 1
    book.add([said(2)])
    assert len(book.entries()) == 2
    path.write_bytes(b"{broken\n" + whole)
    with pytest.raises(StaffroomError, match="line 1 cannot be read"):
        book.entries()


def test_ids_are_found_by_their_beginning(book: FeedbackBook) -> None:
    new, _ = book.add([said(1)])
    assert book.find(new[0][:9]).id == new[0]
    for name in ("fb-", "nothing"):
        with pytest.raises(WrongUse, match=f"no feedback called `{name}`"):
            book.find(name)


def test_seven_in_ten_may_train() -> None:
    sides = [assign_side(f"sha256:{number}", frozenset([str(number)]), []) for number in range(3000)]
    assert 0.67 < sides.count(Side.TRAIN) / 3000 < 0.73
    assert Side.ASIDE not in sides


CASES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=30, unique=True
)


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_one_case_never_sits_on_both_sides(rows: list[tuple[int, int, int]]) -> None:
    """Person, passage and question: whatever two corrections share, they are on one side, or set aside."""
    earlier: list[SideOfCase] = []
    for person, passage, number in rows:
        one = Correction(
            "id", f"question {number}", "", f"answer {number}", person=f"p{person}" if person else ""
        )
        cases = cases_of(one, f"page {passage}" if passage else "")
        earlier.append(SideOfCase(assign_side(one.digest, cases, earlier), cases))
    for one in earlier:
        for other in earlier:
            if one.cases & other.cases:
                assert {one.side, other.side} != {Side.TRAIN, Side.REGRESSION}


def test_the_same_question_in_other_words_of_punctuation_is_one_case() -> None:
    one = Correction("a", "How much is it?", "", "Ten.")
    other = Correction("b", "  how much is IT ?", "", "Eleven.")
    assert cases_of(one) & cases_of(other)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to ann.reader@example.org please", ("email",)),
        ("我的身分證是A123456789", ("national_id",)),
        ("A123456788", ()),
        ("call 0912-345-678", ("mobile",)),
        ("call +46 8 508 29 000", ("telephone",)),
        ("統一編號 04595257", ()),
        ("card 4111 1111 1111 1111", ("card",)),
        ("中正路二段12號", ("address",)),
        ("借書證遺失，補發工本費30元", ()),
        ("the year 2026 and 1,234,567 crowns", ()),
    ],
)
def test_personal_data_is_flagged(text: str, kinds: tuple[str, ...]) -> None:
    assert personal_data_in(text) == kinds


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "Q?", "rating": "sideways"}, "`rating` is `up` or `down`"),
        ({"question": "Q?", "verdict": "wrong"}, "needs the name"),
        ({"question": "Q?", "verdict": "maybe", "by": "Head"}, "`verdict` is"),
        ({"rating": "up"}, "`question` is missing"),
        ({"question": "Q?"}, "it says nothing"),
        ({"question": "Q?", "rating": "up", "colour": "red"}, "`colour` is no column"),
        ({"question": 3, "rating": "up"}, "`question` must be text"),
        ({"question": "Q" * 20_001, "rating": "up"}, "longer than"),
    ],
)
def test_what_says_nothing_is_not_taken(row: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        feedback_of(row, "counter", source="test", now=NOW)


def test_files_are_read_whole_or_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "feedback.csv"
    path.write_text("question,edited_answer,by\nWhat is due?,Ten crowns.,Head\nWhen?,,\n")
    with pytest.raises(WrongUse, match=r"feedback.csv:3: it says nothing"):
        read_feedback_file(path, "counter", "", NOW)
    path.write_text('question,edited_answer\n"What, then?","Ten,\ntwenty."\n')
    (one,) = read_feedback_file(path, "counter", "Clerk", NOW)
    assert (one.question, one.edited, one.by) == ("What, then?", "Ten,\ntwenty.", "Clerk")
    for content, words in (("", "holds no feedback"), ("question,edited_answer\n", "holds no feedback")):
        path.write_text(content)
        with pytest.raises(WrongUse, match=words):
            read_feedback_file(path, "counter", "", NOW)
    lines = tmp_path / "feedback.jsonl"
    lines.write_text('{"question": "Q?", "rating": "down"}\n[1]\n{"x"\n')
    with pytest.raises(WrongUse, match="a JSON object is expected") as caught:
        read_feedback_file(lines, "counter", "", NOW)
    assert "feedback.jsonl:3: not valid JSON" in str(caught.value)
    lines.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongUse, match="not UTF-8"):
        read_feedback_file(lines, "counter", "", NOW)
    with pytest.raises(WrongUse, match="no such file"):
        read_feedback_file(tmp_path / "none.csv", "counter", "", NOW)


@pytest.mark.skipif(not DATA.is_file(), reason="the acceptance data is not here: ../shared/data/tw-law")
def test_a_supervisors_corrections_of_the_statutes_are_read(book: FeedbackBook) -> None:
    rows = read_feedback_file(DATA, "statutes", "Legal Affairs", NOW)
    assert len(rows) == 160 and all(row.kind is FeedbackKind.EDIT for row in rows)
    assert json.loads(DATA.read_text("utf-8").split("\n")[0])["law"] in rows[0].passage
    new, _ = book.add(rows)
    accept(book, new)
    sides = [entry.side for entry in book.entries("statutes")]
    assert sides.count(Side.TRAIN) + sides.count(Side.REGRESSION) == 160
    assert 90 <= sides.count(Side.TRAIN) <= 130
