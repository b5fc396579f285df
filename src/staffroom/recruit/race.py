"""The race between candidates: who leaves, who wins and why, from scores alone.

What is asked: which candidate has the highest mean over clusters drawn like those of the exam, each cluster (an article,
a page; an item without a source is its own) counting once. Clusters come in an order that the seed decides.

Procedure:
1. A batch is whole clusters, about eight items, the same for each candidate still in.
2. For each candidate an e-value that another one is better: a bet, cluster by cluster, on whoever of the others had
   scored highest before (`race_evidence`). It leaves when that exceeds 2 / alpha and another one is ahead of it. So the
   best one is lost with probability at most alpha / 2, however often one looks; and where several are equally good,
   one of them is named the winner with probability at most alpha.
3. One left: separated. All left within the margin of one another, by two e-values a pair above 2 * (K - 1) / alpha
   for K starters: a tie, settled by cost, openness and size; one that is worse than the best by the margin is in it
   with probability at most alpha / 2. Items or cap used up: not separated, the highest mean goes on.

It asks nobody and stores nothing: feeding it the same scores again gives the same race. `design/race.md` has the proofs.
"""

import hashlib
import itertools
import math
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from staffroom.records.errors import StaffroomError
from staffroom.recruit.race_evidence import race_stakes
from staffroom.stats import StakeMixture, cluster_interval

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
    """Why a candidate left: who led, after how many items, with which log e-value that it is not the best.

    mean, mean_of_better: of it and of who led, over the clusters that both answered.
    """

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
    """One candidate's line in the table, over the items it answered; cost in the declared currency.

    mean, low, high: over clusters, each counting once, as the race compares them.
    """

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
                    "log_e_value": row.log_e_value,
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
    ) -> None:
        """Set up a race.

        clusters: cluster of each item id.  alpha: probability at most that what the race says in the end is false.
        margin: difference of means within which candidates count as equivalent.  cap: most items per candidate
        (all if None).
        """
        if not entrants or len({entrant.name for entrant in entrants}) != len(entrants):
            raise ValueError("a race needs candidates with different names")
        if not 0 < alpha < 1 or not 0 < margin < 1:
            raise ValueError("alpha and margin lie strictly between 0 and 1")
        self._entrants = {entrant.name: entrant for entrant in entrants}
        self._alpha, self._margin = alpha, margin
        self._clusters = dict(clusters)
        self._batches = _batches(self._clusters, seed, cap, batch_items)
        self._log_bar = math.log(2 / alpha)
        self._log_tie_bar = math.log(2 * max(1, len(entrants) - 1) / alpha)
        count = len({self._clusters[item] for batch in self._batches for item in batch})
        stakes = race_stakes(count, self._log_bar)
        self._in = sorted(self._entrants)
        self._doubts = {name: StakeMixture(stakes) for name in self._in}
        self._ties = {pair: _Tie(stakes, margin) for pair in itertools.combinations(self._in, 2)}
        self._means: dict[str, list[float]] = {name: [] for name in self._in}
        self._totals = dict.fromkeys(self._in, 0.0)
        self._items = dict.fromkeys(self._in, 0)
        self._tokens = dict.fromkeys(self._in, (0, 0))
        self._eliminations: list[Elimination] = []
        self._done = 0
        self._end = self._judge()

    @property
    def outcome(self) -> RaceOutcome:
        """How the race stands; `state` has the intervals too, and takes longer."""
        return self._end[0]

    @property
    def winner(self) -> str | None:
        """Who goes on, None while the race runs."""
        return self._end[1]

    @property
    def eliminations(self) -> tuple[Elimination, ...]:
        """Who has left so far, in that order."""
        return tuple(self._eliminations)

    def next_batch(self) -> Batch | None:
        """Return what to ask next, None when the race is over."""
        if self._end[0] is not RaceOutcome.RUNNING:
            return None
        return Batch(self._done + 1, tuple(self._in), self._batches[self._done])

    def feed(self, scores: Iterable[ItemScore]) -> None:
        """Take the scores of the whole batch.

        Raises StaffroomError where they are not exactly the batch's candidates and items, or not in [0, 1].
        """
        batch, given = self.next_batch(), list(scores)
        rows = {(score.candidate, score.item): score for score in given}
        expected = set(itertools.product(batch.candidates, batch.items)) if batch is not None else set()
        if batch is None or rows.keys() != expected or len(given) != len(expected):
            raise StaffroomError(
                "the scores are not those of the race's next batch",
                hint="run the same `staffroom hire` again: it goes on where it stopped",
            )
        for score in given:
            if not 0 <= score.value <= 1:
                raise StaffroomError(
                    f"{score.candidate} scored {score.value:g} on {score.item}; scores lie between 0 and 1",
                    hint="correct the scorer, then run the same `staffroom hire` again",
                )
        for score in given:
            read, written = self._tokens[score.candidate]
            self._tokens[score.candidate] = read + score.tokens_in, written + score.tokens_out
            self._items[score.candidate] += 1
        self._settle(batch, rows)
        self._done += 1
        self._eliminate()
        self._end = self._judge()

    def state(self) -> RaceState:
        """Return the race as it stands, with intervals (some milliseconds of work per candidate)."""
        outcome, winner, reason = self._end
        rows = sorted((self._standing(name) for name in self._entrants), key=_standing_rank)
        return RaceState(
            outcome=outcome,
            winner=winner,
            reason=reason,
            standings=tuple(rows),
            eliminations=self.eliminations,
            items=max(self._items.values()),
            alpha=self._alpha,
            margin=self._margin,
        )

    def _settle(self, batch: Batch, rows: Mapping[tuple[str, str], ItemScore]) -> None:
        groups: dict[str, list[str]] = {}
        for item in batch.items:
            groups.setdefault(self._clusters[item], []).append(item)
        columns = [
            [sum(rows[name, item].value for item in items) / len(items) for items in groups.values()]
            for name in batch.candidates
        ]
        totals = [self._totals[name] for name in batch.candidates]
        bets: list[Counter[float]] = [Counter() for _ in totals]
        places = range(len(totals))
        for row in zip(*columns, strict=True):
            # The rival is chosen before its score on this cluster is looked at: that is what makes the bet fair.
            ahead, second = sorted(places, key=totals.__getitem__, reverse=True)[:2]
            for place in places:
                bets[place][row[second if place == ahead else ahead] - row[place]] += 1
            totals = [total + mean for total, mean in zip(totals, row, strict=True)]
        for name, column, total, bet in zip(batch.candidates, columns, totals, bets, strict=True):
            self._means[name] += column
            self._totals[name] = total
            for difference, times in bet.items():
                self._doubts[name].settle(difference, times)
        by_name = zip(batch.candidates, columns, strict=True)
        for (one, its_means), (other, other_means) in itertools.combinations(by_name, 2):
            self._ties[one, other].note(its_means, other_means)

    def _eliminate(self) -> None:
        ranked = sorted(self._in, key=self._preference)
        out = []
        for name in ranked[1:]:
            log_e, mean, best = self._doubts[name].log_value, self._mean(name), self._mean(ranked[0])
            # Whoever leads stays, whatever was bet on the way: so the field is never empty.
            if log_e >= self._log_bar and mean < best:
                out.append(Elimination(name, ranked[0], self._items[name], log_e, mean, best))
        self._eliminations.extend(sorted(out, key=lambda row: row.candidate))
        gone = {row.candidate for row in out}
        self._in = [name for name in self._in if name not in gone]

    def _judge(self) -> tuple[RaceOutcome, str | None, str]:
        """Return how the race stands after the last batch, the winner if it is over, and why."""
        name = min(self._in, key=self._preference)
        if len(self._entrants) == 1:
            return RaceOutcome.ALONE, name, f"{name} is the only candidate"
        if len(self._in) == 1:
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
        others = ", ".join(other for other in self._in if other != name)
        return (
            RaceOutcome.NOT_SEPARATED,
            name,
            f"{self._items[name]} items did not tell {name} from {others}; {name} goes on with "
            f"{self._lead(name)} ({self._mean(name):.2f})",
        )

    def _lead(self, name: str) -> str:
        level = [other for other in self._in if self._mean(other) == self._mean(name)]
        if len(level) == 1:
            return "the highest mean"
        return f"the same highest mean as others, because it is {self._settle_tie(level)[1]}"

    def _all_equivalent(self) -> bool:
        if not self._done:
            return False
        ranked = sorted(self._in, key=self._mean)
        lowest, highest = ranked[0], ranked[-1]
        # No fortune can have grown on a pair whose means lie further apart than the margin.
        if self._mean(highest) - self._mean(lowest) >= self._margin:
            return False
        pairs = [(lowest, highest), *itertools.combinations(ranked, 2)]
        return all(self._ties[min(pair), max(pair)].log_value >= self._log_tie_bar for pair in pairs)

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
        # Rounded, so that sums of the same fractions in another order are the same mean.
        return round(self._totals[name] / max(1, len(self._means[name])), 12)

    def _cost(self, name: str) -> Decimal:
        entrant, (read, written) = self._entrants[name], self._tokens[name]
        return (read * entrant.price_in + written * entrant.price_out) / 1_000_000

    def _cost_per_item(self, name: str) -> Decimal:
        return self._cost(name) / max(1, self._items[name])

    def _standing(self, name: str) -> Standing:
        means = self._means[name]
        interval = cluster_interval(means, range(len(means)))
        read, written = self._tokens[name]
        return Standing(
            candidate=name,
            items=self._items[name],
            mean=interval.mean,
            low=interval.low,
            high=interval.high,
            tokens_in=read,
            tokens_out=written,
            cost=self._cost(name),
            still_in=name in self._in,
        )


class _Tie:
    """Evidence that two candidates differ by less than the margin: the lesser of two fortunes, one each way.

    Differences are counted as they come and settled when somebody asks, which is seldom.
    """

    def __init__(self, stakes: tuple[float, ...], margin: float) -> None:
        self._margin = margin
        self._above, self._below = StakeMixture(stakes), StakeMixture(stakes)
        self._noted: Counter[float] = Counter()

    def note(self, one: Sequence[float], other: Sequence[float]) -> None:
        """Take the scores of both on the same clusters."""
        self._noted.update(map(operator.sub, one, other))

    @property
    def log_value(self) -> float:
        """Natural logarithm of the e-value of "they differ by less than the margin"."""
        noted, self._noted = self._noted, Counter()
        for difference, times in noted.items():
            self._above.settle(self._margin - difference, times)
            self._below.settle(self._margin + difference, times)
        return min(self._above.log_value, self._below.log_value)


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
