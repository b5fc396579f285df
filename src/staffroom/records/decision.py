"""Values of the gate: facet verdicts, the decision, and the release that a decision may allow."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value

__all__ = ["Decision", "FacetVerdict", "Release", "Verdict"]


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


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's word on one agent, with the reason in one sentence."""

    verdict: Verdict
    reason: str
    agent: str
    pack: str
    alpha: float
    facets: tuple[FacetVerdict, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the decision as it goes into the log."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "agent": self.agent,
            "pack": self.pack,
            "alpha": self.alpha,
            "facets": [facet.as_json() for facet in self.facets],
        }


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
