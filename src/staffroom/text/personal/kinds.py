"""The kinds of personal data that are looked for, and what a finding is."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CONTACTS", "IDENTIFIERS", "PersonalDatum", "PersonalKind", "Span"]


class PersonalKind(StrEnum):
    """A kind of personal data; `arc` is the number of a resident certificate, `ubn` that of a business."""

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


CONTACTS: frozenset[PersonalKind] = frozenset(
    [
        PersonalKind.MOBILE,
        PersonalKind.LANDLINE,
        PersonalKind.EMAIL,
        PersonalKind.ADDRESS,
        PersonalKind.UBN,
    ]
)
"""By which a person or an office is reached: an authority's documents are full of its own."""

IDENTIFIERS: frozenset[PersonalKind] = frozenset(set(PersonalKind) - CONTACTS)
"""What names one person and nobody else."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a folded text, with the value in one notation."""

    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class PersonalDatum:
    """A finding at `start`..`end` (characters); `value` is the same for all ways of writing the same."""

    kind: PersonalKind
    start: int
    end: int
    value: str
