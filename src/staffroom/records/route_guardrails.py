"""The guardrails file of a plain model: what is masked, flagged or blocked of a model that has no job description.

Without a file the defaults here hold, so that a model that was admitted in haste is guarded all the same.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from staffroom.records.guardrail_settings import ForbiddenTopic, PersonalDataKind, TopicVerdicts
from staffroom.records.guardrails import GUARDRAIL_VERSIONS, Guardrail, GuardrailPlan, Stage, Topic, Verdict

__all__ = ["RouteGuardrails", "route_plan"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class _Masked(_Strict):
    input: Verdict = Field(Verdict.MASK, description="In requests; the model does not see what is masked.")
    output: Verdict = Field(Verdict.MASK, description="In answers.")


class _Flagged(_Strict):
    input: Verdict = Field(Verdict.FLAG, description="In requests.")
    output: Verdict = Field(Verdict.FLAG, description="In answers, where they do not stand in the request.")


class RouteGuardrails(_Strict):
    """What each guardrail of a plain model does with what it finds: allow, flag (record only), mask, or block."""

    locale: Literal["zh-TW", "sv-SE", "ar-SA", "en"] = Field(
        "zh-TW", description="Language of the words that stand where something was masked."
    )
    identifiers: _Masked = Field(
        _Masked(), description="National ID, certificate, passport, health card, plate, payment card, IBAN."
    )
    contacts: _Flagged = Field(
        _Flagged(), description="Telephone numbers, e-mail, addresses, business numbers."
    )
    personal_data: tuple[PersonalDataKind, ...] = Field(
        tuple(PersonalDataKind), description="Kinds of personal data that are looked for."
    )
    secrets: _Masked = Field(_Masked(), description="Keys, tokens, passwords, private-key blocks.")
    topics: tuple[ForbiddenTopic, ...] = Field((), description="Topics that are not spoken about.")
    forbidden_topics: TopicVerdicts = Field(TopicVerdicts(), description="What is done about them.")
    known: tuple[str, ...] = Field(
        (), description="Texts whose telephone numbers and addresses may be told; public ones only."
    )


def route_plan(settings: RouteGuardrails) -> GuardrailPlan | None:
    """Return the plan of a file; None where nothing is looked for."""
    rules = [
        Guardrail(name, GUARDRAIL_VERSIONS[name], stage, verdict, "route")
        for name, verdicts in (
            ("identifiers", settings.identifiers),
            ("contacts", settings.contacts),
            ("secrets", settings.secrets),
            ("forbidden_topics", settings.forbidden_topics if settings.topics else None),
        )
        if verdicts is not None
        for stage, verdict in ((Stage.INPUT, verdicts.input), (Stage.OUTPUT, verdicts.output))
        if verdict is not Verdict.ALLOW
    ]
    if not rules:
        return None
    return GuardrailPlan(
        locale=settings.locale,
        rules=tuple(rules),
        kinds=tuple(sorted(kind.value for kind in settings.personal_data)),
        topics=tuple(Topic(topic.name, topic.words) for topic in settings.topics),
        known=settings.known,
    )
