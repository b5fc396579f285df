"""Releases as manifests of digests: made only from a promotion, and compared with what is about to serve."""

from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision, Release, Verdict
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation

__all__ = ["build_release", "differences"]

_ENDPOINT = "endpoint:"


def build_release(
    alias: str,
    spec: AgentSpec,
    decision: Decision,
    evaluation: Evaluation,
    *,
    sponsor_commitment: str,
    parent: str | None = None,
) -> Release:
    """Return the release that a promotion allows.

    sponsor_commitment: salted commitment to who signed off.  parent: digest of the release before it.
    Raises StaffroomError where the decision is no promotion, or where the agent, the evaluation and the decision are not
    about the same thing.
    """
    if decision.verdict is not Verdict.PROMOTED:
        raise StaffroomError(
            f"the gate said {decision.verdict.value}; only a promotion becomes a release",
            hint=f"read why with `staffroom show {alias}`",
        )
    if not decision.agent == evaluation.agent == spec.digest:
        raise StaffroomError(
            "the agent to be released is not the one that was examined",
            hint="run `staffroom hire` again with the job description",
        )
    if decision.pack != evaluation.pack:
        raise StaffroomError(
            "the decision and the evaluation are about different exam packs",
            hint="run `staffroom hire` again with the job description",
        )
    return Release(
        alias=alias,
        agent=spec.as_json(),
        decision=digest_value(decision.as_json()),
        evaluation=evaluation.digest,
        sponsor_commitment=sponsor_commitment,
        parent=parent,
        weights_bound=not spec.base.startswith(_ENDPOINT),
    )


def differences(release: Release, spec: AgentSpec) -> tuple[str, ...]:
    """Return one line per field in which an agent differs from the released one; empty means it may serve."""
    now = spec.as_json()
    return tuple(
        f"{name}: released {release.agent.get(name)!r}, found {now.get(name)!r}"
        for name in sorted({*release.agent, *now})
        if release.agent.get(name) != now.get(name)
    )
