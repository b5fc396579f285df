"""The race between candidates: who leaves, who wins and why, from scores alone.

Procedure:
1. Clusters of items in an order that the seed decides; a batch is whole clusters, about eight items.
2. After each batch, for each pair still in, an e-value that the one scores higher than the other on the same items
   (`stats.pairwise`). A candidate leaves when any other's e-value against it exceeds (K - 1) / alpha for K starters,
   so the best one is lost with probability at most alpha, whenever one looks.
3. One left: separated. All left equivalent within the margin: a tie, settled by cost, openness and size.
   Items or cap used up: not separated, the highest mean goes on.

It asks nobody and stores nothing: feeding it the same scores again gives the same race.
"""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from staffroom.records.errors import StaffroomError
from staffroom.stats import (
    DifferenceTest,
    EquivalenceTest,
    cluster_interval,
    discordant_log_e_value,
)

__all__ = [
    "Batch",
    "Elimination",
    "Entrant",
    "ItemScore",
    "Race",
    "RaceOutcome",
    "RaceState",
    "Standing",
]

_BATCH_ITEMS = 8


@dataclass(frozen=True, slots=True)
class Entrant:
    """A candidate as the race knows it.

    Prices are declared, per million tokens, in one currency for all.  openness: rank of the licence, higher is more
    open.  size_bytes: of the model file, 0 where it is unknown.
    """

    name: str
    price_in: Decimal = Decimal(0)
    price_out: Decimal = Decimal(0)
    openness: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ItemScore:
    """What one candidate scored on one item, in [0, 1], with the tokens it took; unscored counts as 0."""

    candidate: str
    item: str
    value: float
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The items that each candidate still in is to answer next; `number` counts from 1."""

    number: int
    candidates: tuple[str, ...]
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Elimination:
    """Why a candidate left: who beat it, after how many items, with which log e-value and means on them."""

    candidate: str
    beaten_by: str
    items: int
    log_e_value: float
    mean: float
    mean_of_better: float

    @property
    def reason(self) -> str:
        """The reason as one English phrase."""
        return (
            f"left after {self.items} items with {self.mean:.2f} against {self.mean_of_better:.2f} of "
            f"{self.beaten_by} (e-value {math.exp(min(self.log_e_value, 700.0)):.3g})"
        )


class RaceOutcome(StrEnum):
    """How a race ended."""

    RUNNING = "running"
    SEPARATED = "separated"
    TIED = "tied"
    NOT_SEPARATED = "not_separated"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate's line in the table, over the items it answered; cost in the declared currency."""

    candidate: str
    items: int
    mean: float
    low: float
    high: float
    tokens_in: int
    tokens_out: int
    cost: Decimal
    still_in: bool


@dataclass(frozen=True, slots=True)
class RaceState:
    """The race as it stands; `winner` is set when it is over. Standings come best first."""

    outcome: RaceOutcome
    winner: str | None
    reason: str
    standings: tuple[Standing, ...]
    eliminations: tuple[Elimination, ...]
    items: int
    alpha: float
    margin: float

    @property
    def finished(self) -> bool:
        """Whether no batch is left to ask."""
        return self.outcome is not RaceOutcome.RUNNING

    @property
    def separated(self) -> bool:
        """Whether the winner was told apart (or was alone); a tie is settled, not told apart."""
        return self.outcome in (RaceOutcome.SEPARATED, RaceOutcome.ALONE)

    def as_json(self) -> dict[str, Any]:
        """Return the race for the log."""
        return {
            "outcome": self.outcome.value,
            "winner": self.winner,
            "separated": self.separated,
            "reason": self.reason,
            "items": self.items,
            "alpha": self.alpha,
            "margin": self.margin,
            "standings": [
                {
                    "candidate": row.candidate,
                    "items": row.items,
                    "mean": row.mean,
                    "low": row.low,
                    "high": row.high,
                    "tokens_in": row.tokens_in,
                    "tokens_out": row.tokens_out,
                    "cost": str(row.cost),
                    "still_in": row.still_in,
                }
                for row in self.standings
            ],
            "eliminations": [
                {
                    "candidate": row.candidate,
                    "beaten_by": row.beaten_by,
                    "items": row.items,
                    "reason": row.reason,
                }
                for row in self.eliminations
            ],
        }


class Race:
    """A race in progress: ask for a batch, feed its scores, until the state is finished."""

    def __init__(
        self,
        entrants: Sequence[Entrant],
        clusters: Mapping[str, str],
        *,
        seed: int | str,
        alpha: float = 0.05,
        margin: float = 0.05,
        cap: int | None = None,
        batch_items: int = _BATCH_ITEMS,
        fractional: bool = False,
    ) -> None:
        """Set up a race.

        clusters: cluster of each item id.  alpha: probability at most of losing the best.  margin: difference of
        means within which candidates count as equivalent.  cap: most items per candidate (all if None).
        fractional: scores other than 0 and 1 occur; also bet on differences, as clusters of several items do.
        """
        if not entrants or len({entrant.name for entrant in entrants}) != len(entrants):
            raise ValueError("a race needs candidates with different names")
        if not 0 < alpha < 1:
            raise ValueError("alpha lies between 0 and 1")
        self._entrants = {entrant.name: entrant for entrant in entrants}
        self._alpha, self._margin = alpha, margin
        self._log_bar = math.log(max(1, len(entrants) - 1) / alpha)
        self._clusters = dict(clusters)
        self._batches = _batches(self._clusters, seed, cap, batch_items)
        several = len(set(self._clusters.values())) < len(self._clusters)
        self._binary = not (fractional or several)
        self._pairs = {
            pair: _Pair(self._binary, margin) for pair in itertools.combinations(sorted(self._entrants), 2)
        }
        self._scores: dict[str, dict[str, float]] = {name: {} for name in self._entrants}
        self._tokens = dict.fromkeys(self._entrants, (0, 0))
        self._in = sorted(self._entrants)
        self._eliminations: list[Elimination] = []
        self._done = 0

    def next_batch(self) -> Batch | None:
        """Return what to ask next, None when the race is over."""
        if self._outcome()[0] is not RaceOutcome.RUNNING:
            return None
        return Batch(self._done + 1, tuple(self._in), self._batches[self._done])

    def feed(self, scores: Iterable[ItemScore]) -> None:
        """Take the scores of the whole batch.

        Raises StaffroomError where they are not exactly the batch's candidates and items.
        """
        batch = self.next_batch()
        rows = {(score.candidate, score.item): score for score in scores}
        if batch is None or set(rows) != set(itertools.product(batch.candidates, batch.items)):
            raise StaffroomError(
                "the scores are not those of the race's next batch",
                hint="run the same `staffroom hire` again: it goes on where it stopped",
            )
        for score in rows.values():
            if not 0 <= score.value <= 1 or (self._binary and score.value not in (0.0, 1.0)):
                raise StaffroomError(
                    f"{score.candidate} scored {score.value:g} on {score.item}, which this race cannot take",
                    hint="start a race of fractional scores, or correct the scorer",
                )
            self._scores[score.candidate][score.item] = score.value
            read, written = self._tokens[score.candidate]
            self._tokens[score.candidate] = read + score.tokens_in, written + score.tokens_out
        self._settle(batch)
        self._done += 1
        self._eliminate()

    def state(self) -> RaceState:
        """Return the race as it stands, with intervals (some milliseconds of work per candidate)."""
        outcome, winner, reason = self._outcome()
        rows = sorted((self._standing(name) for name in self._entrants), key=_standing_rank)
        return RaceState(
            outcome=outcome,
            winner=winner,
            reason=reason,
            standings=tuple(rows),
            eliminations=tuple(self._eliminations),
            items=max((len(values) for values in self._scores.values()), default=0),
            alpha=self._alpha,
            margin=self._margin,
        )

    def _settle(self, batch: Batch) -> None:
        groups: dict[str, list[str]] = {}
        for item in batch.items:
            groups.setdefault(self._clusters[item], []).append(item)
        for first, second in itertools.combinations(batch.candidates, 2):
            one, other = self._scores[first], self._scores[second]
            differences = Counter(
                sum(one[item] - other[item] for item in items) / len(items) for items in groups.values()
            )
            self._pairs[first, second].add(differences)

    def _eliminate(self) -> None:
        out: dict[str, Elimination] = {}
        for first, second in itertools.combinations(self._in, 2):
            for better, worse, log_e in (
                (first, second, self._pairs[first, second].log_first_better),
                (second, first, self._pairs[first, second].log_second_better),
            ):
                if log_e > self._log_bar and (worse not in out or log_e > out[worse].log_e_value):
                    out[worse] = Elimination(
                        worse,
                        better,
                        len(self._scores[worse]),
                        log_e,
                        self._mean(worse),
                        self._mean(better),
                    )
        # Circles of beaten candidates (a beats b beats c beats a) cannot empty the field: the highest mean stays.
        if len(out) == len(self._in):
            del out[min(self._in, key=self._preference)]
        self._eliminations.extend(out[name] for name in sorted(out))
        self._in = [name for name in self._in if name not in out]

    def _outcome(self) -> tuple[RaceOutcome, str | None, str]:
        if len(self._entrants) == 1:
            return RaceOutcome.ALONE, self._in[0], f"{self._in[0]} is the only candidate"
        if len(self._in) == 1:
            name = self._in[0]
            return (
                RaceOutcome.SEPARATED,
                name,
                f"{name} scored higher than each other candidate on the same items "
                f"(error probability at most {self._alpha:g})",
            )
        if self._all_equivalent():
            name, why = self._settle_tie(self._in)
            return (
                RaceOutcome.TIED,
                name,
                f"{', '.join(self._in)} differ by less than {self._margin:g}; {name} is taken because it is {why}",
            )
        if self._done < len(self._batches):
            return RaceOutcome.RUNNING, None, f"{len(self._in)} candidates are still in"
        name = min(self._in, key=self._preference)
        others = ", ".join(other for other in self._in if other != name)
        asked = len(self._scores[name])
        return (
            RaceOutcome.NOT_SEPARATED,
            name,
            f"{asked} items did not tell {name} from {others}; {name} goes on with {self._lead(name)} "
            f"({self._mean(name):.2f})",
        )

    def _lead(self, name: str) -> str:
        level = [other for other in self._in if self._mean(other) == self._mean(name)]
        if len(level) == 1:
            return "the highest mean"
        return f"the same highest mean as others, because it is {self._settle_tie(level)[1]}"

    def _all_equivalent(self) -> bool:
        bar = self._alpha / max(1, len(self._entrants) - 1)
        return self._done > 0 and all(
            self._pairs[pair].equivalence.p_value <= bar for pair in itertools.combinations(self._in, 2)
        )

    def _settle_tie(self, names: Sequence[str]) -> tuple[str, str]:
        """Return the first of the tied by cost, openness, size and name, and what told it apart."""
        ranked = sorted(names, key=self._tie_rank)
        first, second = self._tie_rank(ranked[0]), self._tie_rank(ranked[1])
        words = ("cheaper", "under a more open licence", "smaller", "first by name")
        return ranked[0], next(word for word, a, b in zip(words, first, second, strict=True) if a != b)

    def _tie_rank(self, name: str) -> tuple[Decimal, int, int, str]:
        entrant = self._entrants[name]
        # An unknown size is no advantage.
        return self._cost_per_item(name), -entrant.openness, entrant.size_bytes or (1 << 62), name

    def _preference(self, name: str) -> tuple[float, tuple[Decimal, int, int, str]]:
        return -self._mean(name), self._tie_rank(name)

    def _mean(self, name: str) -> float:
        values = self._scores[name].values()
        return sum(values) / len(values) if values else 0.0

    def _cost(self, name: str) -> Decimal:
        entrant, (read, written) = self._entrants[name], self._tokens[name]
        return (read * entrant.price_in + written * entrant.price_out) / 1_000_000

    def _cost_per_item(self, name: str) -> Decimal:
        return self._cost(name) / max(1, len(self._scores[name]))

    def _standing(self, name: str) -> Standing:
        scores = self._scores[name]
        interval = cluster_interval(list(scores.values()), [self._clusters[item] for item in scores])
        read, written = self._tokens[name]
        return Standing(
            candidate=name,
            items=len(scores),
            mean=interval.mean,
            low=interval.low,
            high=interval.high,
            tokens_in=read,
            tokens_out=written,
            cost=self._cost(name),
            still_in=name in self._in,
        )


class _Pair:
    """Evidence on one pair, in both directions, and on their equivalence."""

    def __init__(self, binary: bool, margin: float) -> None:
        self._binary = binary
        self._wins = self._losses = 0
        self._first, self._second = DifferenceTest(), DifferenceTest()
        self.equivalence = EquivalenceTest(margin)

    def add(self, differences: Mapping[float, int]) -> None:
        """Take one batch: how often each difference occurred in it."""
        for difference, times in differences.items():
            self.equivalence.add(difference, times)
            if not self._binary:
                self._first.add(difference, times)
                self._second.add(-difference, times)
        self._wins += differences.get(1.0, 0)
        self._losses += differences.get(-1.0, 0)

    @property
    def log_first_better(self) -> float:
        return discordant_log_e_value(self._wins, self._losses) if self._binary else self._first.log_e_value

    @property
    def log_second_better(self) -> float:
        return discordant_log_e_value(self._losses, self._wins) if self._binary else self._second.log_e_value


def _standing_rank(row: Standing) -> tuple[bool, int, float, str]:
    return not row.still_in, -row.items, -row.mean, row.candidate


def _batches(
    clusters: Mapping[str, str], seed: int | str, cap: int | None, size: int
) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for item in sorted(clusters):
        groups.setdefault(clusters[item], []).append(item)

    def rank(cluster: str) -> str:
        return hashlib.sha256(f"{seed}|{cluster}".encode()).hexdigest()

    batches: list[tuple[str, ...]] = []
    current: list[str] = []
    asked = 0
    for cluster in sorted(groups, key=rank):
        if cap is not None and asked + len(groups[cluster]) > cap:
            break
        current.extend(groups[cluster])
        asked += len(groups[cluster])
        if len(current) >= size:
            batches.append(tuple(current))
            current = []
    if current:
        batches.append(tuple(current))
    if not batches:
        raise ValueError("a race needs items, and a cap that admits the first cluster")
    return tuple(batches)
