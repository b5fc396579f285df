"""Values that cross stages: JSON and back, digests that depend on content alone, errors that end in a hint."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffroom.pipeline.revive import revive
from staffroom.records.agent import AgentSpec
from staffroom.records.digests import canonical_json, digest_bytes, digest_file, digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Kind, Score, ScoreStatus
from staffroom.records.job_description import JobDescription
from staffroom.records.policy import Demonstration, PromptBook, RequestGuardModel

SPEC = AgentSpec("w", "b", "e", "i", "p", "q", "g", "en")


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "base",
        "engine",
        "index",
        "prompt",
        "policy",
        "guardrails",
        "locale",
        "adapter",
        "candidate",
        "examples",
    ],
)
def test_every_part_of_an_agent_is_in_its_name(name: str) -> None:
    assert replace(SPEC, **{name: "other"}).digest != SPEC.digest
    whole = replace(SPEC, examples="e").as_json()
    assert set(whole) == set(AgentSpec.__dataclass_fields__)
    assert set(whole) - set(SPEC.as_json()) == {"examples"}, (
        "an agent without examples has the name it always had"
    )


def test_a_prompt_book_is_named_by_its_wording() -> None:
    book = PromptBook("en", "s", "a", "n", "r", "e", "q", "c", "d", (Demonstration("x", "y", "v", "z"),))
    assert book.digest == replace(book).digest != replace(book, demonstrations=()).digest
    assert isinstance(book.as_json()["demonstrations"], list)
    model = RequestGuardModel("e", "p", (0.5, 1.0), 0.1)
    assert model.digest != replace(model, weights=(1.0, 0.5)).digest


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(-9, 9), max_size=5))
def test_the_order_of_fields_does_not_count(value: dict[str, int]) -> None:
    assert digest_value(value) == digest_value(dict(reversed(value.items())))
    assert digest_value(value) == digest_bytes(canonical_json(value))


def test_a_file_is_named_as_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * (2 << 20) + b"b")
    assert digest_file(path) == digest_bytes(path.read_bytes())


def test_errors_say_where_and_what_next() -> None:
    assert str(StaffroomError("m", where="w", hint="h")) == "w: m\nhint: h"
    assert str(StaffroomError("m")) == "m"
    assert (StaffroomError("m").exit_code, WrongUse("m").exit_code) == (3, 2)


def test_kept_values_come_back_or_say_what_is_wrong() -> None:
    score = Score("i", "c", "f", Kind.SHORT, 1.0, ScoreStatus.SCORED, "s", "r", declined=True)
    assert revive(Score, score.as_json()) == score
    for wrong in ({**score.as_json(), "kind": "other"}, {"item_id": "i"}, None):
        with pytest.raises(StaffroomError, match="--force"):
            revive(Score, wrong)


def test_settings_of_an_adapter_change_a_job_only_where_they_are_declared() -> None:
    job = {
        "name": "w",
        "title": "T",
        "sponsor": "Office",
        "locale": "en",
        "charter": {"turn_to": "room 4", "ai_notice": "An AI."},
        "documents": [{"path": "d"}],
        "candidates": ["c"],
        "exam": "e",
        "alias": "w",
    }
    assert "improvement" not in JobDescription.model_validate(job).as_json()
    shown = JobDescription.model_validate({**job, "improvement": {"examples_shown": 3}}).as_json()
    assert "adapter" not in shown["improvement"], "it keeps the name it had before there were adapters"
    named = JobDescription.model_validate({**job, "improvement": {"adapter": {"examples": ["x.csv"]}}})
    assert named.as_json()["improvement"]["adapter"]["examples"] == ["x.csv"]
    assert canonical_json(named.as_json())
