"""The kinds that a job may name and those that are looked for stand in two layers that do not meet: they are the same."""

from staffroom.records.guardrail_settings import PersonalDataKind
from staffroom.text.personal import PersonalKind


def test_a_job_names_the_kinds_that_are_looked_for() -> None:
    assert [kind.value for kind in PersonalDataKind] == [kind.value for kind in PersonalKind]
