"""What a sponsor is shown before a release is signed off, and who signed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision
from staffroom.records.job_description import JobDescription

__all__ = ["SignOff", "SignOffRequest", "SignedBy", "what_is_signed"]


@dataclass(frozen=True, slots=True)
class SignOffRequest:
    """What is being signed: `lines` say it in full, `sponsor` is who must sign."""

    sponsor: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Who signed, and whether a person at a terminal did or the command carried `--yes`."""

    name: str
    how: Literal["terminal", "--yes"]


SignOff = Callable[[SignOffRequest], SignedBy | None]


def what_is_signed(
    job: JobDescription, spec: AgentSpec, decision: Decision, documents: Sequence[str], checkpoint: str
) -> SignOffRequest:
    """Return the lines that a sponsor signs."""
    lines = [
        f"worker    {job.title} ({job.name}), served as `{job.alias}`",
        f"sponsor   {job.sponsor}",
        f"model     {spec.candidate} ({spec.base})",
        f"documents {len(documents)} files, index {spec.index}",
        f"agent     {spec.digest}",
        f"exam      {decision.pack}",
        f"decision  {decision.verdict.value}: {decision.reason}",
    ]
    for test in decision.paired.tests if decision.paired is not None else ():
        lines.append(f"  {test.name:<14} {test.form.value}: {test.verdict.value}; {test.reason}")
    for facet in decision.facets:
        bar = f"threshold {facet.threshold:g}" if facet.threshold is not None else "reported"
        lines.append(
            f"  {facet.facet:<14} {facet.score:.2f} ({facet.low:.2f} to {facet.high:.2f}), "
            f"{facet.n} items, {bar}: {facet.verdict.value}"
        )
    lines.append(f"log       {' '.join(checkpoint.splitlines()[1:3])}")
    return SignOffRequest(job.sponsor, tuple(lines))
