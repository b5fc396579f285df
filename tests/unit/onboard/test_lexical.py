"""The lexical arm: its score against BM25 written out, what a query costs, what a question cannot break."""

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.onboard import lexical
from staffroom.onboard.lexical import coverages, gram_row, parted_terms
from staffroom.text.ngrams import ngram_terms

TEXTS = st.lists(st.text(alphabet="甲乙丙丁戊 a1", min_size=1, max_size=12), min_size=1, max_size=12)


@contextmanager
def table(texts: list[str]) -> Iterator[sqlite3.Connection]:
    """The two tables that the arm reads, made as the index makes them."""
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE grams USING fts5(head, body, content='', tokenize='unicode61 remove_diacritics 0')"
    )
    for number, text in enumerate(texts, start=1):
        database.execute(
            "INSERT INTO grams (rowid, head, body) VALUES (?, ?, ?)", (number, *gram_row([], text))
        )
    database.execute("CREATE TABLE terms (term TEXT PRIMARY KEY, chunks INTEGER NOT NULL) WITHOUT ROWID")
    database.execute("CREATE VIRTUAL TABLE temp.counted USING fts5vocab(main, grams, row)")
    database.execute("INSERT INTO terms SELECT term, doc FROM counted")
    yield database
    database.close()


def written_out(texts: list[str], question: str) -> dict[int, float]:
    """Coverage of each text by the formulas, without a budget."""
    counts = [Counter(ngram_terms(text)) for text in texts]
    held = {term: sum(term in count for count in counts) for term in dict.fromkeys(ngram_terms(question))}
    limit = max(3, len(texts) / 5)
    known = [term for term in held if held[term]]
    kept = [term for term in known if held[term] <= limit] or known
    asked = [term for term in held if term in kept or not held[term]]
    weight = {
        term: max(math.log((len(texts) - number + 0.5) / (number + 0.5)), 1e-6)
        for term, number in held.items()
    }
    lengths = [count.total() + 1 for count in counts]
    mean = sum(lengths) / len(lengths)
    result = {}
    for number, (count, length) in enumerate(zip(counts, lengths, strict=True), start=1):
        score = sum(
            weight[term] * count[term] * 2.2 / (count[term] + 1.2 * (0.25 + 0.75 * length / mean))
            for term in kept
        )
        if any(count[term] for term in kept):
            result[number] = score / sum(weight[term] for term in asked)
    return result


@given(TEXTS, st.text(alphabet="甲乙丙丁戊己 ab1", max_size=12))
@settings(max_examples=100, deadline=None)
def test_coverage_is_bm25_over_what_the_question_asks(texts: list[str], question: str) -> None:
    with table(texts) as database:
        found = coverages(database, len(texts), question, 100)
    assert found == pytest.approx(written_out(texts, question))
    assert list(found.items()) == sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))


def test_coverage_tells_how_much_of_the_question_a_chunk_says() -> None:
    texts = [
        "小型車每小時收費三十元",
        "圖書館每人最多借十冊",
        "市場每週五開市",
        *(["其他事項由本所另行公告之"] * 20),
    ]
    with table(texts) as database:
        same = coverages(database, len(texts), "小型車每小時收費三十元", 5)
        part = coverages(database, len(texts), "小型車過夜停放可不可以用信用卡付", 5)
    assert same[1] > 0.9 > 0.2 > part[1] > 0


def test_terms_beyond_the_budget_count_but_find_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["甲乙", "甲丙", "甲丁", "丁乙", *(["戊"] * 20)]
    with table(texts) as database:
        free = coverages(database, len(texts), "丙甲", 10)
        monkeypatch.setattr(lexical, "FOUND_ROWS", 2)
        bound = coverages(database, len(texts), "丙甲", 10)
        assert set(free) == {1, 2, 3} and set(bound) == {2}
        assert bound[2] == pytest.approx(free[2], abs=1e-5)


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 50_000), max_size=40))
@settings(max_examples=100, deadline=None)
def test_what_finds_stands_in_few_rows_unless_it_is_one_term(held: dict[str, int]) -> None:
    finders, others = parted_terms(held, 50_000)
    assert bool(finders) == bool(held)
    assert len(finders) <= 1 or sum(held[term] for term in finders) <= lexical.FOUND_ROWS
    ordered = [*finders, *others]
    assert ordered == sorted(ordered, key=lambda term: (held[term], term))
    left = held.keys() - {*ordered}
    assert all(held[term] > 10_000 for term in left)
    assert not left or all(held[term] <= 10_000 for term in ordered)


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_question_names_the_word_that_every_chunk_has(question: str) -> None:
    assert lexical._EVERY_CHUNK not in ngram_terms(question + lexical._EVERY_CHUNK + question)


def test_a_very_long_question_is_answered_by_its_beginning() -> None:
    question = "甲乙" + "".join(chr(0x4E00 + place) for place in range(20_000))
    with table(["甲乙", "丙丁"] + ["戊"] * 5) as database:
        assert next(iter(coverages(database, 7, question, 3))) == 1


def test_nothing_asked_or_nothing_held_covers_nothing() -> None:
    with table(["甲"]) as database:
        assert coverages(database, 1, "", 5) == coverages(database, 1, "？！", 5) == {}
        assert coverages(database, 1, "乙", 5) == {}
    with table([]) as database:
        assert coverages(database, 0, "甲", 5) == {}
