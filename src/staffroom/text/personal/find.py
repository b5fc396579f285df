"""All kinds together: fold once, look for each kind, and let a place belong to one finding only."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType

from staffroom.text.personal.addresses import find_addresses
from staffroom.text.personal.fold import fold
from staffroom.text.personal.identity import find_arcs, find_national_ids, find_ubns
from staffroom.text.personal.kinds import PersonalDatum, PersonalKind, Span
from staffroom.text.personal.mail import find_emails
from staffroom.text.personal.papers import find_health_cards, find_passports, find_plates
from staffroom.text.personal.payment import find_cards, find_ibans
from staffroom.text.personal.phones import find_landlines, find_mobiles

__all__ = ["find_personal", "may_hold_personal"]

# The order decides whose a place is: what has a check digit first, addresses before the numbers in them.
_FINDERS: Mapping[PersonalKind, Callable[[str], Iterator[Span]]] = MappingProxyType(
    {
        PersonalKind.EMAIL: find_emails,
        PersonalKind.IBAN: find_ibans,
        PersonalKind.CARD: find_cards,
        PersonalKind.NATIONAL_ID: find_national_ids,
        PersonalKind.ARC: find_arcs,
        PersonalKind.HEALTH_CARD: find_health_cards,
        PersonalKind.MOBILE: find_mobiles,
        PersonalKind.LANDLINE: find_landlines,
        PersonalKind.UBN: find_ubns,
        PersonalKind.PASSPORT: find_passports,
        PersonalKind.PLATE: find_plates,
        PersonalKind.ADDRESS: find_addresses,
    }
)
_EVERY = frozenset(PersonalKind)
_MAYBE = re.compile(r"[\d@＠號]|[〇零一二三四五六七八九壹貳參肆伍陸柒捌玖]{3}")


def may_hold_personal(text: str) -> bool:
    """Say quickly whether a text can hold a finding at all; most sentences cannot."""
    return _MAYBE.search(text) is not None


def find_personal(text: str, kinds: Collection[PersonalKind] = _EVERY) -> tuple[PersonalDatum, ...]:
    """Return the personal data of a text in order, none within another."""
    if not may_hold_personal(text):
        return ()
    folded = fold(text)
    found: list[tuple[int, int, PersonalKind, str]] = []
    for kind, finder in _FINDERS.items():
        if kind in kinds:
            found += [
                (span.start, span.end, kind, span.value)
                for span in finder(folded.text)
                if not any(span.start < end and start < span.end for start, end, _, _ in found)
            ]
    return tuple(
        PersonalDatum(kind, *folded.span(start, end), value) for start, end, kind, value in sorted(found)
    )
