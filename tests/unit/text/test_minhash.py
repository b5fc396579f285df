"""MinHash against the exact Jaccard index."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.text import estimated_jaccard, meeting_pairs, minhash, shingles

GRAMS = st.frozensets(st.text(max_size=5), max_size=30)


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 80), st.integers(0, 10**6))
def test_the_estimate_is_near_the_exact_index(both: int, left: int, right: int, start: int) -> None:
    size = 512
    names = [f"{start}:{number}" for number in range(both + left + right)]
    first = frozenset(names[: both + left])
    second = frozenset(names[:both] + names[both + left :])
    exact = jaccard(first, second)
    # Five standard errors of a share of `size` draws.
    room = 5 * math.sqrt(max(exact * (1 - exact), 1 / size) / size)
    assert abs(estimated_jaccard(minhash(first, size), minhash(second, size)) - exact) <= room


@given(GRAMS)
def test_a_set_is_like_itself_in_any_order_and_nothing_is_like_nothing(grams: frozenset[str]) -> None:
    assert (minhash(sorted(grams)) == minhash(sorted(grams, reverse=True))).all()
    assert estimated_jaccard(minhash(grams), minhash(grams)) == (1.0 if grams else 0.0)


@given(GRAMS, GRAMS)
def test_the_signature_of_two_sets_together_is_the_lesser_of_both(
    first: frozenset[str], second: frozenset[str]
) -> None:
    assert (minhash(first | second) == np.minimum(minhash(first), minhash(second))).all()


@given(st.lists(GRAMS, max_size=6), st.lists(GRAMS, max_size=6), st.sampled_from([1, 3, 8]))
def test_pairs_that_meet_are_those_that_share_a_band(
    first: list[frozenset[str]], second: list[frozenset[str]], rows: int
) -> None:
    left, right = [minhash(grams) for grams in first], [minhash(grams) for grams in second]
    expected = [
        (one, two)
        for one, a in enumerate(left)
        for two, b in enumerate(right)
        if first[one]
        and second[two]
        and any((a[k : k + rows] == b[k : k + rows]).all() for k in range(0, len(a) // rows * rows, rows))
    ]
    assert list(meeting_pairs(left, right, rows)) == expected


def test_signatures_are_the_same_everywhere() -> None:
    assert minhash(["甲乙丙丁戊", "乙丙丁戊己"], 2).tolist() == [4744704553394108392, 7807971405450249493]


@given(st.text(max_size=30), st.integers(1, 9))
def test_shingles(text: str, size: int) -> None:
    found = shingles(text, size)
    assert found == (
        {text[start : start + size] for start in range(len(text) - size + 1)}
        if len(text) >= size
        else {text} - {""}
    )
