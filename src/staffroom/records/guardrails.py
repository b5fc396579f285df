"""Guardrails as values: what is looked for at which stage, what is done about a finding, and what was found.

A plan is part of a release: its digest goes into `AgentSpec.guardrails`, so what was examined is what is served.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from staffroom.records.digests import digest_value

__all__ = [
    "GUARDRAIL_VERSIONS",
    "Guardrail",
    "GuardrailPlan",
    "RequiredText",
    "Ruling",
    "Stage",
    "Topic",
    "Verdict",
]

GUARDRAIL_VERSIONS: Mapping[str, int] = MappingProxyType(
    {
        "identifiers": 1,
        "contacts": 1,
        "secrets": 1,
        "forbidden_topics": 2,
        "required_phrases": 1,
        "locale": 1,
        "cited_numbers": 1,
        "cited_quotations": 1,
        "cited_chunks": 1,
        "guard_model": 1,
    }
)
"""Each guardrail by its id; counted up when it comes to judge differently."""


class Stage(StrEnum):
    """Where a text is examined: what a person sends, what is retrieved, what a tool returns, what is served."""

    INPUT = "input"
    RETRIEVAL = "retrieval"
    TOOL = "tool"
    OUTPUT = "output"


class Verdict(StrEnum):
    """What is done: nothing; the place is replaced (or completed); nothing more is served; it is recorded only."""

    ALLOW = "allow"
    MASK = "mask"
    BLOCK = "block"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A rule at one stage: its verdict for what it finds, and the reason why that is the verdict."""

    id: str
    version: int
    stage: Stage
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a guardrail did to one text, and how often; `reason` is a code and never holds the text."""

    guardrail: str
    version: int
    stage: Stage
    verdict: Verdict
    reason: str
    count: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the ruling as JSON data."""
        return {
            "guardrail": self.guardrail,
            "version": self.version,
            "stage": self.stage.value,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that is not spoken about, by the words that tell it."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequiredText:
    """A text that an answer must contain; where `about` names words, only answers to what has one of them."""

    text: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardrailPlan:
    """All guardrails of a worker.

    rules: those that do something; what is not among them is allowed.
    kinds: the kinds of personal data that are looked for (`text.personal.PersonalKind`).
    known: texts of the charter whose telephone numbers and addresses are meant to be told.
    """

    locale: str
    rules: tuple[Guardrail, ...] = ()
    kinds: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()
    required: tuple[RequiredText, ...] = ()
    known: tuple[str, ...] = ()

    def verdict(self, guardrail: str, stage: Stage) -> Verdict:
        """Return what a guardrail does at a stage."""
        for rule in self.rules:
            if rule.id == guardrail and rule.stage is stage:
                return rule.verdict
        return Verdict.ALLOW

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON data."""
        return {
            "locale": self.locale,
            "rules": [asdict(rule) for rule in self.rules],
            "kinds": list(self.kinds),
            "topics": [{"name": topic.name, "words": list(topic.words)} for topic in self.topics],
            "required": [{"text": each.text, "about": list(each.about)} for each in self.required],
            "known": list(self.known),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "GuardrailPlan":
        """Return the plan that `as_json` gave."""
        return cls(
            locale=data["locale"],
            rules=tuple(
                Guardrail(
                    rule["id"],
                    rule["version"],
                    Stage(rule["stage"]),
                    Verdict(rule["verdict"]),
                    rule["reason"],
                )
                for rule in data["rules"]
            ),
            kinds=tuple(data["kinds"]),
            topics=tuple(Topic(topic["name"], tuple(topic["words"])) for topic in data["topics"]),
            required=tuple(RequiredText(each["text"], tuple(each["about"])) for each in data["required"]),
            known=tuple(data["known"]),
        )

    @property
    def digest(self) -> str:
        """Digest of the plan and of the versions of the guardrails that carry it out."""
        return digest_value({"plan": self.as_json(), "versions": dict(GUARDRAIL_VERSIONS)})
