"""Finding personal data in text: numbers of Taiwan with their check digits, and what is used everywhere.

Pure functions in linear time. Each kind is a file: what its numbers look like, what their check digits are, and
which words beside them are needed or speak against them. It finds what is written as people write it; it does not
find names, birthdays, or a number that somebody hides on purpose in words or pictures.
"""

from staffroom.text.personal.cuts import LONGEST_PIECE, cuts
from staffroom.text.personal.find import find_personal
from staffroom.text.personal.identity import UbnRule, is_arc, is_national_id, ubn_rule
from staffroom.text.personal.kinds import CONTACTS, IDENTIFIERS, PersonalDatum, PersonalKind
from staffroom.text.personal.payment import is_card, is_iban

__all__ = [
    "CONTACTS",
    "IDENTIFIERS",
    "LONGEST_PIECE",
    "PersonalDatum",
    "PersonalKind",
    "UbnRule",
    "cuts",
    "find_personal",
    "is_arc",
    "is_card",
    "is_iban",
    "is_national_id",
    "ubn_rule",
]
