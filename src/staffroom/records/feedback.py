"""Values of feedback: what people said of an answer, what became of it, and the corrections that were accepted."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value

__all__ = ["Correction", "Feedback", "FeedbackKind", "FeedbackState", "Side"]


class FeedbackKind(StrEnum):
    """What was said: a thumb, an edited answer, or a supervisor's verdict with a name."""

    UP = "up"
    DOWN = "down"
    EDIT = "edit"
    VERDICT = "verdict"


class FeedbackState(StrEnum):
    """All feedback is in quarantine until a person or a rule of the job decides on it."""

    QUARANTINED = "quarantined"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Side(StrEnum):
    """Where a correction went, once: it may train, or it is examined ever after and never trains.

    aside: its person's cases and its passage's went to different sides before, so it goes to neither.
    """

    TRAIN = "train"
    REGRESSION = "regression"
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One word on one answer, with the texts it is about.

    audit_id, release: of the answer in the duty record, empty for imported cases.  edited: how it should have been
    answered.  verdict: `right` or `wrong`.  fault: what is wrong, in a word.  by: who says it.  person: whose case it is.
    passage: the article, page or chunk that the case is about.  flags: kinds of personal data found in the texts.
    """

    alias: str
    kind: FeedbackKind
    question: str
    answer: str
    at: datetime
    source: str
    audit_id: str = ""
    release: str = ""
    edited: str = ""
    verdict: str = ""
    fault: str = ""
    by: str = ""
    person: str = ""
    passage: str = ""
    note: str = ""
    flags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name made of what was said, so that the same said twice is one."""
        said = [self.alias, self.kind.value, self.audit_id, self.question, self.answer, self.edited]
        return f"fb-{digest_value([*said, self.verdict, self.by, self.note])[7:23]}"

    def texts(self) -> dict[str, Any]:
        """Return what is kept apart, so that it can be erased: everything that people wrote, and their names."""
        names = ("question", "answer", "edited", "verdict", "fault", "by", "person", "passage", "note")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Correction:
    """An accepted answer in the place of a wrong one; `id` names the feedback that it came from."""

    id: str
    question: str
    wrong: str
    corrected: str
    fault: str = ""
    passage: str = ""
    person: str = field(default="", repr=False)

    @property
    def digest(self) -> str:
        """What the case is, whoever said it: by this it is assigned to a side, once."""
        return digest_value({"question": self.question, "corrected": self.corrected})
