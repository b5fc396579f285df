"""Nearly equal texts: the fast search finds exactly the pairs that comparing all pairs finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate.checks import alike_pairs
from staffroom.text import character_ngrams, comparable

WORDS = st.lists(st.sampled_from(["海濱", "公園", "park", "幾點", "開門", "fee", "7", "。"]), max_size=8)


def jaccard(first: str, second: str) -> float:
    a, b = (character_ngrams(text, 3) or frozenset({comparable(text)} - {""}) for text in (first, second))
    return len(a & b) / len(a | b) if a | b else 0.0


@settings(max_examples=120, deadline=None)
@given(st.lists(WORDS.map("".join), max_size=9), st.sampled_from([0.1, 0.35, 0.7, 0.9, 1.0]))
def test_it_finds_what_comparing_every_pair_finds(texts: list[str], least: float) -> None:
    found = {(pair.first, pair.second): pair.share for pair in alike_pairs(texts, least)}
    expected = {
        (i, j): jaccard(texts[i], texts[j])
        for j in range(len(texts))
        for i in range(j)
        if jaccard(texts[i], texts[j]) >= least
    }
    assert found == expected


def test_thousands_of_questions_with_one_beginning_are_quick() -> None:
    texts = [f"請問依照本鎮公告，第{number}號碼頭每天要繳多少錢？" for number in range(3000)]
    distinct = [
        f"請問依照本鎮公告{chr(0x4E00 + n) * 2}{chr(0x5E00 + n) * 3}{chr(0x6E00 + n) * 9}"
        for n in range(3000)
    ]
    assert not list(alike_pairs(distinct, 0.7))
    assert next(alike_pairs(texts, 0.7)).share >= 0.7
