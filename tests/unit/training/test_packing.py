"""Packed trees hold every sequence once, and nothing is learnt that was not, or twice."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.engine.packing import Packed, pack, split_by_size
from staffroom.engine.training import TrainingSequence

LONG = tuple(range(100, 120))


@st.composite
def sequences(draw: st.DrawFn) -> list[TrainingSequence]:
    made = []
    for _ in range(draw(st.integers(1, 6))):
        head = draw(st.sampled_from([(), LONG, (*LONG, *LONG), LONG[:5]]))
        tail = tuple(draw(st.lists(st.integers(0, 3), min_size=2, max_size=8)))
        tokens = (*head, *tail)
        learnt = (False, *draw(st.lists(st.booleans(), min_size=len(tokens) - 1, max_size=len(tokens) - 1)))
        made.append(TrainingSequence(tokens, learnt))
    return made


def histories(batch: Packed) -> dict[int, tuple[int, ...]]:
    """For each row, the tokens it sees: those of its chain and of its own segment up to itself."""
    found = {}
    for segment in batch.segments:
        above = tuple(
            token
            for number in segment.chain
            for token in batch.tokens[batch.segments[number].start : batch.segments[number].end]
        )
        for row in range(segment.start, segment.end):
            found[row] = (*above, *batch.tokens[segment.start : row + 1])
    return found


@settings(max_examples=80, deadline=None)
@given(sequences(), st.booleans())
def test_each_learnt_token_is_predicted_from_its_own_history_once(
    made: list[TrainingSequence], share: bool
) -> None:
    batch = pack(made, share=share)
    seen = histories(batch)
    got = Counter((seen[batch.wanted[place]], token) for place, token in batch.targets)
    wanted = Counter(
        (item.tokens[:place], item.tokens[place])
        for item in made
        for place in range(len(item.tokens))
        if item.learnt[place]
    )
    assert got == wanted
    assert all(batch.positions[row] == len(history) - 1 for row, history in seen.items())
    assert list(batch.wanted) == sorted(set(batch.wanted))


def test_what_is_shared_is_there_once() -> None:
    first = TrainingSequence((*LONG, 1, 2, 3), (False,) * 20 + (True,) * 3)
    second = TrainingSequence((*LONG, 1, 5), (False,) * 20 + (True,) * 2)
    assert len(pack([first, second]).tokens) == 21 + 2 + 1
    assert len(pack([first, second], share=False).tokens) == 23 + 22
    assert len(pack([first, first]).tokens) == 23
    assert len(pack([first, first]).targets) == 6


def test_a_short_common_beginning_does_not_hide_a_longer_one_of_some() -> None:
    pair = [TrainingSequence((7, *LONG, end), (False,) * 21 + (True,)) for end in (1, 2)]
    other = TrainingSequence((7, 8, 9), (False, False, True))
    assert len(pack([*pair, other]).tokens) == 21 + 2 + 3


@settings(max_examples=50, deadline=None)
@given(sequences(), st.integers(5, 120))
def test_groups_hold_all_and_keep_to_the_size(made: list[TrainingSequence], most: int) -> None:
    groups = split_by_size(made, most)
    assert Counter(item for group in groups for item in group) == Counter(made)
    assert all(len(group) == 1 or len(pack(group).tokens) <= most for group in groups)
