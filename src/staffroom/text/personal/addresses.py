"""Addresses of Taiwan: in Chinese read backwards from the house number, in English forwards from `No.`.

An address is at least a road, lane or village with a house number (文化路一段12號); city, district, village, lane,
alley, floor and room belong to it where they stand there. A road alone, an exit, a bus or an article has none. The name of a
road without anything before it is taken to be at most four characters, so a verb may be taken for a part of it.
(Ministry of the Interior, rules for numbering houses; Chunghwa Post, addresses in English.)
"""

import re
from collections.abc import Iterator

from staffroom.text.personal.kinds import Span

__all__ = ["find_addresses"]

_HAN = "一二三四五六七八九十百零〇"
_NUMBER = rf"(?:[0-9]{{1,4}}|[{_HAN}]{{1,6}})"
# Each is read on the reversed text, so its parts stand in reverse.
_HOUSE = re.compile(rf" ?(?:{_NUMBER} ?[-之] ?)?{_NUMBER} ?(?:臨)?")
_STEPS: tuple[re.Pattern[str], ...] = (
    re.compile(rf" ?弄{_NUMBER}"),
    re.compile(rf" ?巷(?:{_NUMBER}|[一-鿿]{{1,4}})"),
    re.compile(rf" ?段(?:[0-9]{{1,2}}|[{_HAN}]{{1,3}})"),
)
_ROAD = re.compile(r" ?(?:路|街|道大)(?P<name>[一-鿿]{1,5})")
_NEIGHBOURHOOD = re.compile(rf" ?鄰{_NUMBER}")
_VILLAGE = re.compile(r" ?[村里](?P<name>[一-鿿]{1,3})")
_LOCALITY = re.compile(r" ?(?P<name>[一-鿿]{2,4})(?=[區鄉鎮市])")
_DISTRICT = re.compile(r" ?[區鄉鎮市](?P<name>[一-鿿]{1,3})")
_CITIES = (
    "臺北市|台北市|新北市|桃園市|臺中市|台中市|臺南市|台南市|高雄市|基隆市|新竹市|嘉義市|新竹縣|苗栗縣|彰化縣|南投縣|雲林縣|嘉義縣"
    "|屏東縣|宜蘭縣|花蓮縣|臺東縣|台東縣|澎湖縣|金門縣|連江縣|臺北縣|台北縣|桃園縣|臺灣省|台灣省|福建省|臺北|台北|新北|桃園|臺中|台中"
    "|臺南|台南|高雄|基隆|新竹|苗栗|彰化|南投|雲林|嘉義|屏東|宜蘭|花蓮|臺東|台東|澎湖|金門"
)
_CITY = re.compile(" ?(?:" + "|".join(name[::-1] for name in _CITIES.split("|")) + ")")
_POSTCODE = re.compile(r" ?(?:[0-9]{2}-?)?[0-9]{3}(?![0-9])")
# Verbs and particles that stand before an address and in no name of a road, village or district.
_NO_NAME = re.compile(r"[在到住寄址於往從的是為給送達點處：，、「（()]")
_TAIL = re.compile(
    rf"(?:[-之](?:[0-9]{{1,3}}|[{_HAN}]{{1,3}}))?(?:[, ]?(?:地下)?(?:[0-9]{{1,2}}|[{_HAN}]{{1,3}})(?:樓|層)(?:[-之](?:[0-9]{{1,3}}|[{_HAN}]{{1,3}}))?"
    r"|[, ]?[Bb]?[0-9]{1,2}[Ff](?:-[0-9]{1,3})?(?![A-Za-z0-9])|[, ]?[Bb][0-9](?![A-Za-z0-9]))?(?:[, ]?[A-Za-z]?[0-9]{1,4}室)?"
)
_NO_HOUSE = re.compile(
    r" ?(?:出口|線|公車|月台|颱風|機|函|令|判決|解釋|公告|議案|提案|公園|水門|碼頭|球場|電梯)"
)
_REACH = 56
_ENGLISH = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{1,2}F\.?(?:-[0-9]{1,2})?, ?)?No\. ?[0-9]{1,4}(?:-[0-9]{1,3})?,? ?"
    r"(?:(?:Aly|Alley)\.? ?[0-9]{1,4}, ?)?(?:(?:Ln|Lane)\.? ?[0-9]{1,4}, ?)?(?:Sec\.? ?[0-9]{1,2}, ?)?"
    r"[A-Z][A-Za-z' .-]{1,30}?(?:Rd|St|Road|Street|Blvd|Boulevard|Ave|Avenue)\b\.?"
    r"(?:, ?[A-Z][A-Za-z'’ .-]{1,25}?(?:Dist|District|City|County|Township|Village|Vil)\b\.?(?: [0-9]{3,6})?){0,3}"
    r"(?:, ?Taiwan(?: ?\(R\.?O\.?C\.?\))?)?"
)


def find_addresses(text: str) -> Iterator[Span]:
    """Yield the addresses of a folded text."""
    free = 0
    sign = text.find("號")
    while sign >= 0:
        start = _start(text, sign, free)
        if start is not None and not _NO_HOUSE.match(text, sign + 1):
            tail = _TAIL.match(text, sign + 1)
            free = tail.end() if tail else sign + 1
            yield Span(start, free, text[start:free].replace(" ", "").replace("台", "臺"))
        sign = text.find("號", sign + 1)
    for match in _ENGLISH.finditer(text):
        yield Span(match.start(), match.end(), match.group().casefold())


def _start(text: str, sign: int, free: int) -> int | None:
    """Return where the address whose house number ends at `sign` begins, None where there is no address."""
    back = text[max(free, sign - _REACH) : sign][::-1]
    house = _HOUSE.match(back)
    if house is None:
        return None
    place, anchored = house.end(), False
    for step in _STEPS:
        found = step.match(back, place)
        if found is not None:
            place, anchored = found.end(), True
    place, road = _name(back, place, _ROAD)
    place = _after(back, place, _NEIGHBOURHOOD)
    place, village = _name(back, place, _VILLAGE)
    if not (anchored or road or village):
        locality, _ = _name(back, place, _LOCALITY)
        district, named = _name(back, locality, _DISTRICT)
        city = _after(back, district, _CITY)
        if not named or city == district:
            return None
        place = city
    else:
        place, _ = _name(back, place, _DISTRICT)
        place = _after(back, place, _CITY)
        if not road and not village and place == house.end():
            return None
    place = _after(back, place, _CITY)
    place = _after(back, place, _POSTCODE)
    start = sign - place
    return start + (len(text[start:sign]) - len(text[start:sign].lstrip()))


def _after(back: str, place: int, step: re.Pattern[str]) -> int:
    found = step.match(back, place)
    return found.end() if found else place


def _name(back: str, place: int, step: re.Pattern[str]) -> tuple[int, bool]:
    """Return where a named part ends (read backwards), and whether there is one.

    The name stops at a word that is no part of names, and where another part of an address ends (臺北市|中山路).
    """
    found = step.match(back, place)
    if found is None:
        return place, False
    start, name = found.start("name"), found.group("name")
    limit = len(name)
    for length, sign in enumerate(name, start=1):
        part = length > 1 and sign in "市縣區鄉鎮村里鄰" and not name.startswith("民市")
        if part or _NO_NAME.match(sign):
            limit = length - 1
            break
    return (start + limit, True) if limit else (place, False)
