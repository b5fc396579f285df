"""Personal data in a piece of feedback, so that whoever accepts it looks twice: a flag, never a verdict.

What is found is what guardrails find (`staffroom.text.personal`), and telephone numbers of other countries besides, which have no form that
could be masked safely in an answer. Names and stories of people have no form at all, and are not found.
"""

import re
import unicodedata

from staffroom.text.personal import PersonalKind, find_personal

__all__ = ["personal_data_in"]

_KINDS: frozenset[PersonalKind] = frozenset(set(PersonalKind) - {PersonalKind.UBN})
_ABROAD = re.compile(r"\+(?!886)\d{1,3}[- ]?\d(?:[- ]?\d){7,11}(?!\d)")


def personal_data_in(text: str) -> tuple[str, ...]:
    """Return the kinds of personal data that a text seems to hold, in alphabetical order; a firm's number is none."""
    found = {datum.kind.value for datum in find_personal(text, _KINDS)}
    if _ABROAD.search(unicodedata.normalize("NFKC", text)):
        found.add("telephone")
    return tuple(sorted(found))
