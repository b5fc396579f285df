"""Corrections that differ in every word, and a workshop on them, for tests of what an adapter learns from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest
from hire_world import Town

from staffroom.pipeline import training_set
from staffroom.pipeline.incumbents import open_incumbent
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.feedback import Correction
from staffroom.store import Database, ObjectStore
from staffroom.train.leaks import LeakRules, find_leaks
from staffroom.train.question_space import Closeness

SUBJECTS = (
    "kite", "organ", "lantern", "ferry", "orchard", "bakery", "quarry", "chapel", "sledge", "tavern", "windmill", "cellar",
    "bridge", "pasture", "theatre", "smithy", "allotment", "gallery", "stable", "fountain", "brewery", "abbey", "tunnel", "meadow",
)  # fmt: skip
ASKED = (
    "May I fly a {} on Sunday?", "Who tunes the {}?", "Is a {} allowed indoors?", "When does the {} close?",
    "Where do I hire a {}?", "How is the {} heated?",
)  # fmt: skip


def by_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find leaks by their words, because the tests' embedder knows no meaning."""
    rules = LeakRules(closeness=Closeness(2.0, 2.0))
    monkeypatch.setattr(training_set, "find_leaks", partial(find_leaks, rules=rules))


def corrections(count: int = len(SUBJECTS), answer: str = "Ask the keeper of the {}.") -> list[Correction]:
    """Return corrections about different things, in different words; the answers name no number."""
    return [
        Correction(
            f"fb-{place:016x}",
            ASKED[place % len(ASKED)].format(subject),
            "No.",
            answer.format(subject),
            passage=f"page {place}",
        )
        for place, subject in enumerate(SUBJECTS[:count])
    ]


@contextmanager
def workshop(town: Town, known: Sequence[Correction]) -> Iterator[HomeWorkshop]:
    """Open the workshop of a town's worker in service."""
    with Database(town.home.database) as database:
        incumbent = open_incumbent(town.home, database, ObjectStore(town.home.objects), "counter", None)
    shop = HomeWorkshop(
        town.home,
        town.embedder,
        incumbent.assembly,
        incumbent.job,
        incumbent.prepared.job,
        incumbent.assembly.index,
        incumbent.prepared.pack,
        known,
    )
    try:
        yield shop
    finally:
        shop.close()
