"""The lexical arm: BM25 over characters and character pairs in FTS5, as a share of what a question asks for.

1. terms in over a fifth of all chunks are left out: they tell nothing and cost most;
2. the rarest terms find chunks, as many terms as stand in 10,000 rows together; the others only count for what these
   have found, because BM25 costs a microsecond for each row found;
3. BM25 is divided by the sum of the terms' inverse document frequencies, terms that no chunk holds included: the
   coverage is near 0 where a question shares few words with a chunk, and about 1 where one of average length says all.

It must not know vectors.
"""

import math
import sqlite3
from collections.abc import Mapping, Sequence

from staffroom.text.ngrams import ngram_terms

__all__ = ["FOUND_ROWS", "coverages", "gram_row", "parted_terms"]

FOUND_ROWS = 10_000
_COMMON_SHARE = 1 / 5
_COMMON_AT_LEAST = 3
_LEAST_WEIGHT = 1e-6
# In every row, so that terms which find nothing can be one side of an AND. Han and Latin in one word: no question
# has such a term, because `ngram_terms` parts them.
_EVERY_CHUNK = "每chunk"
# A question of twenty pages would keep the others waiting.
_MOST_TERMS = 1_000


def gram_row(heading_path: Sequence[str], text: str) -> tuple[str, str]:
    """Return the columns `head` and `body` of a chunk's row in the table `grams`."""
    head = " ".join([_EVERY_CHUNK, *ngram_terms(" ".join(heading_path))])
    return head, " ".join(ngram_terms(text))


def coverages(database: sqlite3.Connection, chunks: int, question: str, limit: int) -> dict[int, float]:
    """Return chunk number -> coverage of the question (0 to about 2), best first; ties go to the lower number.

    chunks: how many the index holds.  Raises sqlite3.Error where the tables cannot be read.
    """
    terms = list(dict.fromkeys(ngram_terms(question)))[:_MOST_TERMS]
    if not terms or not chunks:
        return {}
    marks = ",".join("?" * len(terms))
    held = dict(database.execute(f"SELECT term, chunks FROM terms WHERE term IN ({marks})", terms).fetchall())
    finders, others = parted_terms(held, chunks)
    if not finders:
        return {}
    common = held.keys() - {*finders, *others}
    asked = sum(_weight(held.get(term, 0), chunks) for term in terms if term not in common)
    expression = _any_of(finders)
    if others:
        expression = f"({expression}) AND ({_any_of([*others, _EVERY_CHUNK])})"
    rows = database.execute(
        "SELECT rowid, -bm25(grams) AS score FROM grams WHERE grams MATCH ? ORDER BY score DESC, rowid LIMIT ?",
        (expression, limit),
    )
    return {int(number): score / asked for number, score in rows}


def parted_terms(held: Mapping[str, int], chunks: int) -> tuple[list[str], list[str]]:
    """Return the terms that find chunks and those that only count, rarest first; common ones are in neither.

    held: term -> number of chunks that hold it.  Where all terms are common, none of them counts as common.
    """
    limit = max(_COMMON_AT_LEAST, chunks * _COMMON_SHARE)
    ordered = sorted(held, key=lambda term: (held[term], term))
    kept = [term for term in ordered if held[term] <= limit] or ordered
    rows = finders = 0
    for term in kept:
        rows += held[term]
        if finders and rows > FOUND_ROWS:
            break
        finders += 1
    return kept[:finders], kept[finders:]


def _weight(held: int, chunks: int) -> float:
    # As FTS5 weighs a term, so that numerator and denominator agree.
    return max(math.log((chunks - held + 0.5) / (held + 0.5)), _LEAST_WEIGHT)


def _any_of(terms: Sequence[str]) -> str:
    return " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)
