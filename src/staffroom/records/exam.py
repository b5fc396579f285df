"""Exam values: items, what an agent answered, how it scored, and the evaluation that sums them up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value

__all__ = [
    "Evaluation",
    "FacetRule",
    "FacetSummary",
    "Item",
    "Kind",
    "LaterRule",
    "Response",
    "Role",
    "Score",
    "ScoreStatus",
    "Split",
    "items_digest",
]


class Kind(StrEnum):
    """The ways in which an item is asked and scored."""

    CHOICE = "choice"
    SHORT = "short"
    UNANSWERABLE = "unanswerable"
    REFUSE = "refuse"
    LOCALE = "locale"
    COMPLY = "comply"
    WITHHOLD = "withhold"
    DILEMMA = "dilemma"
    NEUTRALITY = "neutrality"
    SURVEY = "survey"
    MATCH = "match"
    CORRECTION = "correction"

    @property
    def has_options(self) -> bool:
        """Whether items of this kind are asked as a choice among their options; the others are answered openly."""
        return self in (Kind.CHOICE, Kind.DILEMMA, Kind.SURVEY)

    @property
    def has_patterns(self) -> bool:
        """Whether `accept` and `reject` are patterns; of the other kinds they are letters, shares, targets or answers."""
        return not self.has_options and self not in (Kind.MATCH, Kind.CORRECTION)

    @property
    def is_paired(self) -> bool:
        """Whether two items of this kind that share a cluster are scored as one."""
        return self in (Kind.DILEMMA, Kind.NEUTRALITY)


class Split(StrEnum):
    """The disjoint parts of an exam pack: `screen` for the race, `gate` for promotion, `sealed` unseen."""

    SCREEN = "screen"
    GATE = "gate"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class FacetRule:
    """What a pack asks of a facet; only a gated facet can bar a promotion.

    method: `exact` (one item per cluster, exact binomial test) or `betting` (cluster means, anytime-valid).
    """

    threshold: float | None
    gated: bool
    method: str = "exact"


class Role(StrEnum):
    """What a facet is for when a candidate stands against the incumbent: at every gate after the first.

    task: the candidate must be better over all items of such facets together.  guard: it may not be worse by a margin.
    hard-stop: an item scored below 1 is a violation, and violations must be rarer than a limit.
    """

    TASK = "task"
    GUARD = "guard"
    HARD_STOP = "hard-stop"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class LaterRule:
    """What a pack asks of a facet at every gate after the first; limit: of violations, for hard stops alone."""

    role: Role
    margin: float
    limit: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the rule for the log."""
        return {"role": self.role.value, "margin": self.margin, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class Item:
    """One exam item; an agent sees `input`, `choices` and `document` only, the rest is the examiner's.

    document: untrusted text that the agent finds first, as if its documents held it.  canary: a string that no
    answer may hold, in any form.
    """

    id: str
    cluster: str
    locale: str
    facet: str
    kind: Kind
    input: str
    choices: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    reference: str = ""
    note: str = ""
    answer: str = ""
    tags: tuple[str, ...] = ()
    document: str = ""
    canary: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the item as a JSON object, all but empty `tags`, `document`, `canary` (it is committed to)."""
        value: dict[str, Any] = {
            "id": self.id,
            "cluster": self.cluster,
            "locale": self.locale,
            "facet": self.facet,
            "kind": self.kind.value,
            "input": self.input,
            "choices": list(self.choices),
            "accept": list(self.accept),
            "reject": list(self.reject),
            "reference": self.reference,
            "note": self.note,
            "answer": self.answer,
        }
        # Items had none of these once: without any, their digests are what they were.
        later: dict[str, Any] = {"tags": list(self.tags), "document": self.document, "canary": self.canary}
        return {**value, **{name: content for name, content in later.items() if content}}

    @property
    def digest(self) -> str:
        """The digest by which the exam commitment names this item."""
        return digest_value(self.as_json())


def items_digest(items: Iterable[Item]) -> str:
    """Return the digest of the items' sorted digests: the name by which a set of items is frozen."""
    return digest_value(sorted(item.digest for item in items))


@dataclass(frozen=True, slots=True)
class Response:
    """What an agent answered to one item: evidence, stored as it comes and never rewritten.

    `text` is the answer as served, `raw_text` what the model wrote before repair. For a choice item
    `option_probabilities[k]` is the probability of option k (in the pack's order) averaged over the
    option orders, and `margin_nats` the log distance of the two best options.
    """

    item_id: str
    agent: str
    seed: int
    text: str
    raw_text: str = ""
    outcome: str = "answered"
    option_probabilities: tuple[float, ...] = ()
    margin_nats: float | None = None
    cited: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    error: str = ""
    details: dict[str, Any] = field(default_factory=dict, compare=False)


class ScoreStatus(StrEnum):
    """Whether a response could be scored; an unscored item is counted as such, never as NaN."""

    SCORED = "scored"
    UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Score:
    """One item's score in [0, 1] by a named scorer version, with the reason in one phrase."""

    item_id: str
    cluster: str
    facet: str
    kind: Kind
    value: float
    status: ScoreStatus
    scorer: str
    reason: str
    declined: bool = False
    unstable: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the score as a JSON object."""
        return {
            "item_id": self.item_id,
            "cluster": self.cluster,
            "facet": self.facet,
            "kind": self.kind.value,
            "value": self.value,
            "status": self.status.value,
            "scorer": self.scorer,
            "reason": self.reason,
            "declined": self.declined,
            "unstable": self.unstable,
        }


@dataclass(frozen=True, slots=True)
class FacetSummary:
    """A facet's (or kind's) mean score with a cluster-robust 95 % interval.

    `n` counts items, `clusters` distinct clusters; `unscored` items enter as 0.
    """

    facet: str
    n: int
    clusters: int
    score: float
    low: float
    high: float
    unscored: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        return {
            "facet": self.facet,
            "n": self.n,
            "clusters": self.clusters,
            "score": self.score,
            "low": self.low,
            "high": self.high,
            "unscored": self.unscored,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One agent's measured result on one split of a pack: it measures, it never decides."""

    agent: str
    pack: str
    split: Split
    seed: int
    scores: tuple[Score, ...]
    facets: tuple[FacetSummary, ...]
    kinds: tuple[FacetSummary, ...]
    tokens_in: int
    tokens_out: int
    wrong_language: int
    seconds: float = 0.0
    responses: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens read and written together."""
        return self.tokens_in + self.tokens_out

    def as_json(self) -> dict[str, Any]:
        """Return the evaluation as it is kept, without wall time: a re-run has the same digest."""
        return {
            "agent": self.agent,
            "pack": self.pack,
            "split": self.split.value,
            "seed": self.seed,
            "scores": [score.as_json() for score in self.scores],
            "facets": [facet.as_json() for facet in self.facets],
            "kinds": [kind.as_json() for kind in self.kinds],
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "wrong_language": self.wrong_language,
            "responses": list(self.responses),
        }

    @property
    def digest(self) -> str:
        """The evaluation's name in the log and in a release."""
        return digest_value(self.as_json())
