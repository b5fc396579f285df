"""Releases: only a promotion of the very agent makes one, and any other agent is told apart."""

from dataclasses import replace

import pytest

from staffroom.records.agent import AgentSpec
from staffroom.records.decision import Decision, Verdict
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, Split
from staffroom.release import build_release, differences

SPEC = AgentSpec("clerk", "sha256:1", "sha256:e", "sha256:2", "sha256:3", "sha256:4", "sha256:5", "en")
EVALUATION = Evaluation(SPEC.digest, "sha256:p", Split.GATE, 1, (), (), (), 5, 6, 0, 1.0)
PROMOTION = Decision(Verdict.PROMOTED, "because", SPEC.digest, "sha256:p", 0.03, ())


def test_a_promotion_becomes_a_manifest_of_digests() -> None:
    release = build_release(
        "hall", SPEC, PROMOTION, EVALUATION, sponsor_commitment="sha256:s", parent="sha256:r"
    )
    assert release.agent == SPEC.as_json()
    assert release.decision == digest_value(PROMOTION.as_json())
    assert release.evaluation == EVALUATION.digest
    assert release.weights_bound
    assert release.parent == "sha256:r"
    assert differences(release, SPEC) == ()
    changed = differences(release, replace(SPEC, index="sha256:new"))
    assert changed == ("index: released 'sha256:2', found 'sha256:new'",)


def test_an_endpoint_is_said_not_to_be_bound() -> None:
    spec = replace(SPEC, base="endpoint:http://server.example#model")
    release = build_release(
        "hall",
        spec,
        replace(PROMOTION, agent=spec.digest),
        replace(EVALUATION, agent=spec.digest),
        sponsor_commitment="sha256:s",
    )
    assert not release.weights_bound


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.UNDECIDED])
def test_nothing_but_a_promotion_is_released(verdict: Verdict) -> None:
    with pytest.raises(StaffroomError, match="only a promotion becomes a release"):
        build_release("hall", SPEC, replace(PROMOTION, verdict=verdict), EVALUATION, sponsor_commitment="s")


def test_the_released_agent_is_the_examined_one() -> None:
    with pytest.raises(StaffroomError, match="not the one that was examined"):
        build_release("hall", replace(SPEC, prompt="sha256:x"), PROMOTION, EVALUATION, sponsor_commitment="s")
    with pytest.raises(StaffroomError, match="different exam packs"):
        build_release("hall", SPEC, PROMOTION, replace(EVALUATION, pack="sha256:q"), sponsor_commitment="s")


def test_wall_time_does_not_change_the_name_of_an_evaluation() -> None:
    assert replace(EVALUATION, seconds=99.0).digest == EVALUATION.digest
    assert replace(EVALUATION, tokens_in=4).digest != EVALUATION.digest
