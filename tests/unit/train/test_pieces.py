"""Pieces: every run of sentences that could be a question is one, whatever surrounds it."""

from hypothesis import given
from hypothesis import strategies as st

from staffroom.text import folded
from staffroom.train.pieces import decoded, pieces, size_of

SENTENCE = st.text(alphabet="甲乙丙丁申請文件", min_size=6, max_size=12).map(lambda text: text + "。")


@given(st.lists(SENTENCE, min_size=1, max_size=8), st.data())
def test_each_run_of_up_to_four_sentences_is_a_piece(sentences: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sentences) - 1))
    end = data.draw(st.integers(start + 1, min(len(sentences), start + 4)))
    wanted = "".join(sentences[start:end])
    assert wanted in set(pieces("".join(sentences), size_of(folded(wanted))))


@given(st.text(alphabet="甲乙丙丁，。？ab ", max_size=200), st.integers(6, 60))
def test_no_piece_is_longer_than_asked(text: str, longest: int) -> None:
    for piece in pieces(text, longest):
        assert size_of(folded(piece)) <= longest


def test_a_translation_is_a_piece_though_it_has_more_letters() -> None:
    said = "I bought a coat online and just don't like its colour. Within how many days can I cancel without giving a reason?"
    assert said in set(pieces(f"First. {said} Last.", 60))


@given(st.text(alphabet="甲乙丙丁戊己庚辛", min_size=120, max_size=200), st.integers(0, 100))
def test_a_question_in_a_text_without_sentences_shares_most_of_a_slice(text: str, place: int) -> None:
    wanted = set(range(place, place + 20))
    best = 0.0
    for piece in pieces(text, 40):
        start = text.find(piece)
        best = max(best, len(wanted & set(range(start, start + len(piece)))) / 20)
    assert best >= 0.5


@given(st.text(alphabet="甲乙丙丁戊己庚辛", min_size=1, max_size=30), st.sampled_from(["x", "Zz"]))
def test_letters_between_characters_are_taken_out(text: str, letters: str) -> None:
    assert len(text) == 1 or text in list(decoded(letters.join(text)))


@given(st.text(alphabet="甲乙丙丁戊己庚辛?,. ", max_size=30))
def test_a_text_without_a_disguise_has_one_reading(text: str) -> None:
    assert list(decoded(text)) == []
