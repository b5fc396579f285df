"""The race: who leaves and who goes on, and how often it errs."""

import math
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.errors import StaffroomError
from staffroom.recruit.race import Batch, Entrant, ItemScore, Race, RaceOutcome, RaceState


def run(
    race: Race,
    score: dict[str, list[float]] | None = None,
    rates: dict[str, float] | None = None,
    seed: int = 0,
) -> RaceState:
    """Race to the end; `score[name][i]` is the score on item i, else answers are drawn at `rates`."""
    chance = random.Random(seed)
    while (batch := race.next_batch()) is not None:
        race.feed(
            [
                ItemScore(
                    name,
                    item,
                    score[name][int(item)] if score else float(chance.random() < (rates or {})[name]),
                    tokens_in=100,
                    tokens_out=10,
                )
                for name in batch.candidates
                for item in batch.items
            ]
        )
    return race.state()


def own_clusters(count: int) -> dict[str, str]:
    return {str(index): str(index) for index in range(count)}


def test_a_clear_loser_leaves_after_8_to_16_items() -> None:
    race = Race([Entrant("good"), Entrant("bad")], own_clusters(52), seed=1)
    state = run(race, {"good": [1.0] * 52, "bad": [0.0] * 52})
    assert state.outcome is RaceOutcome.SEPARATED
    assert state.separated
    assert state.winner == "good"
    assert state.eliminations[0].items == 8
    assert state.eliminations[0].beaten_by == "good"
    assert "8 items" in state.eliminations[0].reason
    assert [row.candidate for row in state.standings] == ["good", "bad"]


def test_losers_of_a_real_gap_leave_in_the_median_after_16() -> None:
    left: list[int] = []
    for seed in range(21):
        race = Race([Entrant("good"), Entrant("bad")], own_clusters(52), seed=seed)
        state = run(race, rates={"good": 0.75, "bad": 0.25}, seed=seed)
        left.append(state.eliminations[0].items if state.eliminations else 99)
        assert state.winner == "good"
    assert sorted(left)[10] <= 16


@pytest.mark.parametrize("rates", [(0.75, 0.75), (0.7, 0.7, 0.7), (0.75, 0.73, 0.7, 0.5)])
def test_the_best_is_lost_with_probability_at_most_alpha(rates: tuple[float, ...]) -> None:
    runs, lost = 60, 0
    for seed in range(runs):
        names = [f"c{index}" for index in range(len(rates))]
        race = Race([Entrant(name) for name in names], own_clusters(52), seed=seed, alpha=0.05)
        state = run(race, rates=dict(zip(names, rates, strict=True)), seed=seed)
        lost += any(row.candidate == "c0" for row in state.eliminations)
    assert lost / runs <= 0.05


def test_clusters_are_bet_on_by_their_means_and_never_split() -> None:
    """Copies of one item are no more evidence than the item: ten copies of 3 clusters separate nobody."""
    clusters = {str(index): str(index % 3) for index in range(30)}
    race = Race([Entrant("a"), Entrant("b")], clusters, seed=0)
    batches: list[Batch] = []
    while (batch := race.next_batch()) is not None:
        batches.append(batch)
        race.feed([ItemScore(n, item, float(n == "a")) for n in batch.candidates for item in batch.items])
    for batch in batches:
        inside = {clusters[item] for item in batch.items}
        assert sum(clusters[item] in inside for item in clusters) == len(batch.items)
    assert race.state().outcome is RaceOutcome.NOT_SEPARATED
    assert race.state().winner == "a"


def test_a_mean_is_over_clusters_as_the_race_compares_them() -> None:
    """Three copies of one question do not outweigh another question."""
    clusters = {"0": "x", "1": "x", "2": "x", "3": "y"}
    state = run(Race([Entrant("a"), Entrant("b")], clusters, seed=0), {"a": [1, 1, 1, 0], "b": [0, 0, 0, 1]})
    assert [(row.candidate, row.items, row.mean) for row in state.standings] == [("a", 4, 0.5), ("b", 4, 0.5)]


def test_fractions_separate_too() -> None:
    scores = {"a": [0.8, 0.6] * 100, "b": [0.5, 0.4] * 100, "c": [0.3] * 200}
    state = run(Race([Entrant(name) for name in "abc"], own_clusters(200), seed=0), scores)
    assert (state.outcome, state.winner) == (RaceOutcome.SEPARATED, "a")
    assert {row.beaten_by for row in state.eliminations} == {"a"}


def test_a_copy_of_the_best_is_never_beaten_by_it() -> None:
    """Whoever answers exactly alike is equivalent, and the price decides."""
    chance = random.Random(3)
    best = [float(chance.random() < 0.8) for _ in range(400)]
    scores = {"a": best, "b": best, "c": [float(chance.random() < 0.4) for _ in range(400)]}
    entrants = [Entrant("a", price_in=Decimal(2)), Entrant("b", price_in=Decimal(1)), Entrant("c")]
    state = run(Race(entrants, own_clusters(400), seed=0, margin=0.1), scores)
    assert (state.outcome, state.winner) == (RaceOutcome.TIED, "b")
    assert [row.candidate for row in state.eliminations] == ["c"]


def test_no_tie_of_candidates_that_differ_by_the_margin() -> None:
    """The gap is the margin itself: at most alpha / 2 of the races may call that a tie."""
    ties = 0
    for seed in range(60):
        race = Race([Entrant("a"), Entrant("b")], own_clusters(300), seed=seed, margin=0.2)
        ties += run(race, rates={"a": 0.9, "b": 0.7}, seed=seed).outcome is RaceOutcome.TIED
    assert ties <= 4


def test_an_unseparated_race_sends_its_highest_mean_with_the_reason() -> None:
    scores = {"a": [1.0, 0.0] * 10, "b": [1.0, 0.0] * 9 + [0.0, 0.0]}
    state = run(Race([Entrant("a"), Entrant("b")], own_clusters(20), seed=3), scores)
    assert state.outcome is RaceOutcome.NOT_SEPARATED
    assert not state.separated
    assert state.winner == "a"
    assert "did not tell a from b" in state.reason
    assert state.as_json()["separated"] is False


def test_equal_means_go_to_the_cheaper_then_more_open_then_smaller() -> None:
    scores = {name: [1.0, 0.0] * 8 for name in "abc"}
    cheap = Entrant("b", price_in=Decimal("1"))
    dear = Entrant("a", price_in=Decimal("2"), openness=3)
    state = run(Race([dear, cheap], own_clusters(16), seed=0), scores)
    assert state.winner == "b"
    assert "cheaper" in state.reason
    assert state.standings[0].cost == Decimal("0.0032")
    state = run(Race([Entrant("a"), Entrant("b", openness=1)], own_clusters(16), seed=0), scores)
    assert (state.winner, "more open" in state.reason) == ("b", True)
    sized = [Entrant("a"), Entrant("b", size_bytes=9), Entrant("c", size_bytes=5)]
    state = run(Race(sized, own_clusters(16), seed=0), scores)
    assert (state.winner, "smaller" in state.reason) == ("c", True)


def test_a_tie_needs_equivalence_and_ends_the_race() -> None:
    scores = {"a": [1.0] * 400, "b": [1.0] * 400}
    race = Race([Entrant("a"), Entrant("b", openness=1)], own_clusters(400), seed=0, margin=0.1)
    state = run(race, scores)
    assert state.outcome is RaceOutcome.TIED
    assert state.items < 200
    assert state.winner == "b"
    assert "differ by less than 0.1" in state.reason


def test_the_cap_and_a_single_candidate() -> None:
    state = run(
        Race([Entrant("a"), Entrant("b")], own_clusters(50), seed=0, cap=20),
        {"a": [1.0] * 50, "b": [1.0] * 50},
    )
    assert state.items == 20
    alone = Race([Entrant("a")], own_clusters(50), seed=0)
    assert alone.next_batch() is None
    assert alone.state().winner == "a"
    assert alone.state().separated


def test_foreign_scores_are_refused_and_the_order_is_the_seeds() -> None:
    race = Race([Entrant("a"), Entrant("b")], own_clusters(20), seed=5)
    batch = race.next_batch()
    assert batch is not None
    with pytest.raises(StaffroomError, match="not those of the race's next batch"):
        race.feed([ItemScore("a", batch.items[0], 1.0)])
    whole = [ItemScore(n, item, 0.5) for n in batch.candidates for item in batch.items]
    with pytest.raises(StaffroomError, match="not those of the race's next batch"):
        race.feed([*whole, whole[0]])
    for wrong in (1.5, -0.1, math.nan, math.inf):
        with pytest.raises(StaffroomError, match="between 0 and 1"):
            race.feed([*whole[1:], ItemScore(whole[0].candidate, whole[0].item, wrong)])
    assert race.state().items == 0
    again = Race([Entrant("b"), Entrant("a")], dict(reversed(own_clusters(20).items())), seed=5).next_batch()
    assert again == batch
    with pytest.raises(ValueError, match="different names"):
        Race([Entrant("a"), Entrant("a")], own_clusters(3), seed=0)
    with pytest.raises(ValueError, match="margin"):
        Race([Entrant("a"), Entrant("b")], own_clusters(3), seed=0, margin=0.0)
    with pytest.raises(ValueError, match="cap"):
        Race([Entrant("a"), Entrant("b")], {}, seed=0)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_race_ends_with_one_of_those_still_in(data: st.DataObject) -> None:
    names = ["a", "b", "c"][: data.draw(st.integers(1, 3))]
    count = data.draw(st.integers(1, 30))
    clusters = {str(index): data.draw(st.sampled_from("pqrstuvw")) for index in range(count)}
    scores = {
        name: data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=count, max_size=count))
        for name in names
    }
    state = run(Race([Entrant(name) for name in names], clusters, seed=data.draw(st.integers(0, 9))), scores)
    assert state.finished
    assert state.winner in names
    assert state.winner not in {row.candidate for row in state.eliminations}
    assert state.as_json()["winner"] == state.winner
    top = max(row.mean for row in state.standings if row.still_in)
    assert (
        all(row.mean < top for row in state.standings if not row.still_in)
        or state.outcome is RaceOutcome.TIED
    )
