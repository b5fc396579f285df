"""The part of the job description that says what each guardrail does; field texts are shown by `staffroom schema job`."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from staffroom.records.guardrails import Verdict

__all__ = [
    "CitationVerdicts",
    "ContactVerdicts",
    "ForbiddenTopic",
    "GuardrailSettings",
    "IdentifierVerdicts",
    "PersonalDataKind",
    "RequiredPhrase",
    "SecretVerdicts",
    "TopicVerdicts",
]

_ALLOW, _FLAG, _MASK, _BLOCK = Verdict.ALLOW, Verdict.FLAG, Verdict.MASK, Verdict.BLOCK


class PersonalDataKind(StrEnum):
    """The kinds of personal data that can be looked for."""

    NATIONAL_ID = "national_id"
    ARC = "arc"
    PASSPORT = "passport"
    HEALTH_CARD = "health_card"
    PLATE = "plate"
    CARD = "card"
    IBAN = "iban"
    MOBILE = "mobile"
    LANDLINE = "landline"
    EMAIL = "email"
    ADDRESS = "address"
    UBN = "ubn"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class ForbiddenTopic(_Strict):
    """A topic that the worker does not speak about."""

    name: str = Field(min_length=1, description="What the topic is called in records.")
    words: tuple[Annotated[str, StringConstraints(min_length=2, max_length=60)], ...] = Field(
        min_length=1,
        description="Words and phrases that tell the topic; case, width and script do not matter.",
    )


class RequiredPhrase(_Strict):
    """A text that answers must contain; it is added where it is missing."""

    text: str = Field(min_length=2, description="The text, word for word.")
    about: tuple[str, ...] = Field(
        (), description="Only where question or answer has one of these words; empty means in every answer."
    )


class IdentifierVerdicts(_Strict):
    """Numbers that name one person: national ID, resident certificate, passport, health card, plate, card, IBAN."""

    input: Verdict = Field(
        _MASK, description="In what a person writes; the model does not see what is masked."
    )
    retrieval: Verdict = Field(_MASK, description="In excerpts of documents, before the model sees them.")
    output: Verdict = Field(_MASK, description="In answers.")


class ContactVerdicts(_Strict):
    """Telephone numbers, e-mail, addresses, business numbers; those of the charter, the excerpts and the question may be told."""

    input: Verdict = Field(_FLAG, description="In what a person writes.")
    retrieval: Verdict = Field(_ALLOW, description="In excerpts of documents.")
    output: Verdict = Field(_MASK, description="In answers, where they come from nowhere.")


class SecretVerdicts(_Strict):
    """Keys, tokens, passwords, private-key blocks."""

    input: Verdict = Field(_MASK, description="In what a person writes.")
    retrieval: Verdict = Field(_MASK, description="In excerpts of documents.")
    output: Verdict = Field(_MASK, description="In answers.")


class TopicVerdicts(_Strict):
    """The charter's forbidden topics."""

    input: Verdict = Field(_BLOCK, description="In a request; `block` refuses it.")
    output: Verdict = Field(_BLOCK, description="In an answer; `block` ends it before that clause.")


class CitationVerdicts(_Strict):
    """What an answer says beside what it cites."""

    numbers: Verdict = Field(
        _FLAG, description="A number beside a citation that stands in another excerpt than the cited one."
    )
    quotations: Verdict = Field(_BLOCK, description="A quotation that stands in no cited excerpt.")


class GuardrailSettings(_Strict):
    """What each guardrail does with what it finds: allow, flag (record only), mask, or block."""

    identifiers: IdentifierVerdicts = IdentifierVerdicts()
    contacts: ContactVerdicts = ContactVerdicts()
    personal_data: tuple[PersonalDataKind, ...] = Field(
        tuple(PersonalDataKind), description="Kinds of personal data that are looked for."
    )
    secrets: SecretVerdicts = SecretVerdicts()
    forbidden_topics: TopicVerdicts = TopicVerdicts()
    citations: CitationVerdicts = CitationVerdicts()
