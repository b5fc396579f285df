"""Payment cards (ISO/IEC 7812: issuer ranges, lengths, Luhn) and international accounts (ISO 13616: lengths, modulo 97)."""

import re
from collections.abc import Iterator

from staffroom.text.personal.kinds import Span
from staffroom.text.personal.labels import is_serial

__all__ = ["find_cards", "find_ibans", "is_card", "is_iban"]

# Stands behind the first character, so that a search can skip to what may be one.
_FIRST = r"(?<![0-9A-Za-z_].)(?<![0-9A-Za-z][-.].)"
_CARD = re.compile(rf"[2-6]{_FIRST}(?:[- ]?[0-9]){{12,18}}(?![0-9A-Za-z_])(?!-[0-9])")
_RANGES: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    # First and last beginning, and the lengths of the whole number.
    (4, 4, (13, 16, 19)),
    (51, 55, (16,)),
    (2221, 2720, (16,)),
    (34, 34, (15,)),
    (37, 37, (15,)),
    (3528, 3589, (16, 17, 18, 19)),
    (300, 305, (14, 15, 16)),
    (3095, 3095, (14, 15, 16)),
    (36, 36, (14, 15, 16)),
    (38, 39, (14, 15, 16)),
    (6011, 6011, (16, 19)),
    (644, 649, (16, 19)),
    (65, 65, (16, 19)),
    (62, 62, (16, 17, 18, 19)),
)
_IBAN_START = re.compile(r"[A-Za-z](?<![0-9A-Za-z_].)[A-Za-z][0-9]{2}")
# Country and length of the whole number (the SWIFT registry).
_IBAN_SHAPES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 "
    "NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 "
    "SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)


def is_card(value: str) -> bool:
    """Say whether digits lie in an issuer's range, have its length and keep the Luhn check digit."""
    if not re.fullmatch(r"[0-9]{13,19}", value) or len(value) not in _card_lengths(value):
        return False
    total = 0
    for place, digit in enumerate(reversed(value)):
        doubled = int(digit) << (place & 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_iban(value: str) -> bool:
    """Say whether letters and digits have their country's length and are 1 modulo 97."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}", value) or len(value) != _length(value[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in value[4:] + value[:4])) % 97 == 1


def find_cards(text: str) -> Iterator[Span]:
    """Yield the card numbers of a folded text."""
    for match in _CARD.finditer(text):
        written = match.group()
        digits = written.replace("-", "").replace(" ", "")
        # Digits that follow behind a blank may be an expiry date or the next number.
        ends = {len(digits): len(written)}
        for place, sign in enumerate(written):
            if sign == " ":
                ends[place - written.count(" ", 0, place) - written.count("-", 0, place)] = place
        for length in sorted(ends.keys() & _card_lengths(digits), reverse=True):
            if is_card(digits[:length]) and not is_serial(text, match.start()):
                yield Span(match.start(), match.start() + ends[length], digits[:length])
                break


def find_ibans(text: str) -> Iterator[Span]:
    """Yield the IBANs of a folded text; what stands behind the country's length is not looked at."""
    for match in _IBAN_START.finditer(text):
        length = _length(match.group()[:2].upper())
        signs: list[str] = []
        place = match.start()
        while place < len(text) and len(signs) < length:
            sign = text[place]
            if sign.isascii() and sign.isalnum():
                signs.append(sign)
            elif sign not in "- " or text[place - 1] in "- ":
                break
            place += 1
        value = "".join(signs).upper()
        follows = text[place : place + 1]
        if length and not (follows.isascii() and follows.isalnum()) and is_iban(value):
            yield Span(match.start(), place, value)


def _length(country: str) -> int:
    """Return how long a country's numbers are, 0 where it has none."""
    place = _IBAN_SHAPES.find(country)
    return int(_IBAN_SHAPES[place + 2 : place + 4]) if place >= 0 else 0


def _card_lengths(value: str) -> set[int]:
    """Return how long the numbers of an issuer are whose range the digits begin in."""
    return {
        length
        for first, last, lengths in _RANGES
        if first <= int(value[: len(str(first))]) <= last
        for length in lengths
    }
