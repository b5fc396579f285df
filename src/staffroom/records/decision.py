"""Values of the gate: facet verdicts, the decision, and the release that a decision may allow."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value

__all__ = [
    "ClaimForm",
    "Decision",
    "FacetVerdict",
    "PairedResult",
    "PairedVerdict",
    "Release",
    "Verdict",
]


class Verdict(StrEnum):
    """What a gate can say."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class FacetVerdict:
    """One facet at the gate.

    `n` items with mean `score` and 95 % interval `low`..`high`; the test uses one item per cluster:
    `tested` clusters of which `passed` scored 1; `p_value` of score <= threshold, `upper` the one-sided
    upper bound at the same alpha.
    """

    facet: str
    n: int
    score: float
    low: float
    high: float
    threshold: float | None
    gated: bool
    verdict: Verdict
    tested: int = 0
    passed: float = 0.0
    p_value: float | None = None
    upper: float | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the facet row of `hire --json`."""
        return {
            "facet": self.facet,
            "n": self.n,
            "score": self.score,
            "low": self.low,
            "high": self.high,
            "threshold": self.threshold,
            "gated": self.gated,
            "verdict": self.verdict.value,
            "tested": self.tested,
            "passed": self.passed,
            "p_value": self.p_value,
            "upper": self.upper,
            "reason": self.reason,
        }


class ClaimForm(StrEnum):
    """What one test of a later gate asks of the candidate."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non-inferior"
    THRESHOLD = "threshold"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class PairedVerdict:
    """One test of a gate at which a candidate stands against the incumbent.

    border: the margin of superiority or non-inferiority, the threshold, or the limit of violations.
    mean_low, mean_high: mean over clusters of candidate less incumbent (of the candidate's score, of violations),
    unscored items at their least and at their greatest.  low, high: 95 % interval of the mean over items, for readers.
    p_value: of the claim being false; p_against: of it being true.  tested, passed, upper: of an exact test of a
    threshold.  more: about how many new sources would decide an open test, None where no number would or none is needed.
    """

    name: str
    form: ClaimForm
    facets: tuple[str, ...]
    border: float
    gated: bool
    verdict: Verdict
    clusters: int
    items: int = 0
    mean_low: float | None = None
    mean_high: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_against: float | None = None
    decided_at: int | None = None
    tested: int = 0
    passed: float = 0.0
    upper: float | None = None
    more: int | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the test for the log."""
        return {
            "name": self.name,
            "form": self.form.value,
            "facets": list(self.facets),
            "border": self.border,
            "gated": self.gated,
            "verdict": self.verdict.value,
            "clusters": self.clusters,
            "items": self.items,
            "mean_low": self.mean_low,
            "mean_high": self.mean_high,
            "low": self.low,
            "high": self.high,
            "p_value": self.p_value,
            "p_against": self.p_against,
            "decided_at": self.decided_at,
            "tested": self.tested,
            "passed": self.passed,
            "upper": self.upper,
            "more": self.more,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class PairedResult:
    """What a candidate showed against the incumbent (an agent's digest) on the same items."""

    incumbent: str
    tests: tuple[PairedVerdict, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the result for the log."""
        return {"incumbent": self.incumbent, "tests": [test.as_json() for test in self.tests]}


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's word on one agent, with the reason in one sentence.

    paired: the tests against the incumbent, None at a first hire.
    """

    verdict: Verdict
    reason: str
    agent: str
    pack: str
    alpha: float
    facets: tuple[FacetVerdict, ...]
    paired: PairedResult | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the decision as it goes into the log."""
        value: dict[str, Any] = {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "agent": self.agent,
            "pack": self.pack,
            "alpha": self.alpha,
            "facets": [facet.as_json() for facet in self.facets],
        }
        return value if self.paired is None else {**value, "paired": self.paired.as_json()}


@dataclass(frozen=True, slots=True)
class Release:
    """A manifest of digests that passed the gate; only a release may serve."""

    alias: str
    agent: dict[str, Any]
    decision: str
    evaluation: str
    sponsor_commitment: str
    parent: str | None = None
    weights_bound: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the manifest."""
        return {
            "alias": self.alias,
            "agent": self.agent,
            "decision": self.decision,
            "evaluation": self.evaluation,
            "sponsor": self.sponsor_commitment,
            "parent": self.parent,
            "weights_bound": self.weights_bound,
        }

    @property
    def digest(self) -> str:
        """The release's name."""
        return digest_value(self.as_json())
