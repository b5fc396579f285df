"""The guardrails of a job: what its policy says of each, with the topics and phrases of its charter."""

from collections.abc import Iterator

from staffroom.records.guardrails import (
    GUARDRAIL_VERSIONS,
    Guardrail,
    GuardrailPlan,
    RequiredText,
    Stage,
    Topic,
    Verdict,
)
from staffroom.records.job_description import JobDescription

__all__ = ["guardrail_plan"]


def guardrail_plan(job: JobDescription) -> GuardrailPlan:
    """Return the plan of a job; a rule that allows everything is left out."""
    charter = job.charter
    return GuardrailPlan(
        locale=job.locale,
        rules=tuple(rule for rule in _rules(job) if rule.verdict is not Verdict.ALLOW),
        kinds=tuple(sorted(kind.value for kind in job.policy.guardrails.personal_data)),
        topics=tuple(Topic(topic.name, topic.words) for topic in charter.forbidden_topics),
        required=tuple(RequiredText(phrase.text, phrase.about) for phrase in charter.required_phrases),
        known=(charter.turn_to, charter.ai_notice, *(phrase.text for phrase in charter.required_phrases)),
    )


def _rules(job: JobDescription) -> Iterator[Guardrail]:
    settings, charter = job.policy.guardrails, job.charter
    for name, verdicts in (
        ("identifiers", settings.identifiers),
        ("contacts", settings.contacts),
        ("secrets", settings.secrets),
    ):
        for stage in (Stage.INPUT, Stage.RETRIEVAL, Stage.OUTPUT):
            yield _rule(name, stage, getattr(verdicts, stage.value))
    if charter.forbidden_topics:
        for stage in (Stage.INPUT, Stage.OUTPUT):
            yield _rule("forbidden_topics", stage, getattr(settings.forbidden_topics, stage.value), "charter")
    if charter.required_phrases:
        yield _rule("required_phrases", Stage.OUTPUT, Verdict.MASK, "charter")
    yield _rule("locale", Stage.OUTPUT, Verdict.MASK if charter.repair_locale else Verdict.FLAG, "charter")
    yield _rule("cited_chunks", Stage.OUTPUT, Verdict.MASK, "always")
    yield _rule("cited_numbers", Stage.OUTPUT, settings.citations.numbers)
    yield _rule("cited_quotations", Stage.OUTPUT, settings.citations.quotations)


def _rule(name: str, stage: Stage, verdict: Verdict, reason: str = "policy") -> Guardrail:
    return Guardrail(name, GUARDRAIL_VERSIONS[name], stage, verdict, reason)
