"""Parity figures, and reading the engine's traces by token id."""

from collections.abc import Mapping, Sequence

import pytest

from staffroom.engine import TracedToken
from staffroom.engine.llama_trace import traced
from staffroom.engine.training import TrainingSequence
from staffroom.gguf import AdapterTensors
from staffroom.train.parity import Probe, compare, difference, probe_prompts


class Fixed:
    """A reference that always says the same of each token: (its best, that one's value, the chosen one's value)."""

    def __init__(self, best: int, best_value: float, value: float) -> None:
        self._said = best, best_value, value

    def follow(
        self, prompt: Sequence[int], chosen: Sequence[int], tensors: AdapterTensors | None
    ) -> list[tuple[int, float, Mapping[int, float]]]:
        best, best_value, value = self._said
        return [(best, best_value, {token: value}) for token in chosen]


def probe(count: int, value: float = -0.1) -> Probe:
    return Probe((5, 6), tuple(TracedToken(9, {9: value}) for _ in range(count)))


def test_agreement_needs_both_choices_and_probabilities() -> None:
    assert compare(Fixed(9, -0.1, -0.1), [probe(64)], None).holds
    far = compare(Fixed(9, -0.2, -0.2), [probe(64)], None)
    assert (far.agreed, far.holds) == (64, False) and far.mean == pytest.approx(0.1)
    other = compare(Fixed(8, -0.02, -0.14), [probe(64)], None)
    assert (other.agreed, other.strict, other.holds) == (0, 0, False)
    tie = compare(Fixed(8, -0.08, -0.1), [probe(64)], None)
    assert (tie.agreed, tie.strict, tie.holds) == (64, 0, True)


def test_nothing_compared_does_not_hold() -> None:
    assert not compare(Fixed(9, 0.0, 0.0), [Probe((5,), (TracedToken(9, {}),))], None).holds
    assert not compare(Fixed(9, 0.0, 0.0), [], None).holds


def test_differences_between_two_sets_of_probes() -> None:
    assert difference([probe(3)], [probe(3)]) == 0
    assert difference([probe(3)], [probe(3, -0.4)]) == pytest.approx(0.3)
    other = Probe((5, 6), (TracedToken(7, {7: -0.1}),) * 3)
    assert difference([probe(3)], [other]) == float("inf")


def test_prompts_are_spread_over_the_sequences() -> None:
    made = [TrainingSequence((number, 50, 60), (False, False, True)) for number in range(10)]
    assert probe_prompts(made, 5) == [(0, 50), (2, 50), (4, 50), (6, 50), (8, 50)]
    assert probe_prompts([made[0], made[0]], 5) == [(0, 50)]


def entry(token: int) -> dict[str, object]:
    return {"id": token, "top_logprobs": [{"id": token, "logprob": -0.5}, {"id": 99, "logprob": None}]}


def test_probabilities_find_their_token_although_half_characters_have_none() -> None:
    """Tokens 1 and 2 make one character: the server reports the second alone."""
    found = traced({"tokens": [1, 2, 3], "completion_probabilities": [entry(2), entry(3)]})
    assert [token.id for token in found] == [1, 2, 3]
    assert [dict(token.log_probabilities) for token in found] == [{}, {2: -0.5}, {3: -0.5}]


def test_a_place_that_is_not_certain_is_left_out() -> None:
    found = traced({"tokens": [1, 2, 2, 3], "completion_probabilities": [entry(2), entry(3)]})
    assert [dict(token.log_probabilities) for token in found] == [{}, {}, {}, {3: -0.5}]
    assert traced({"tokens": [1]}) == (TracedToken(1, {}),)
