"""Find the date up to which a document says it holds, in Western and in Republic of China years."""

import datetime
import re

from staffroom.onboard.readers.statutes import number_of

__all__ = ["find_as_of"]

_HEAD, _TAIL = 2_000, 600
_ROC_OFFSET = 1911
_N = r"[0-9０-９〇零一二三四五六七八九十百]{1,6}"
_CHINESE_DATE = rf"(?P<era>中華民國|民國)?\s*(?P<y>{_N})\s*年\s*(?P<m>{_N})\s*月\s*(?P<d>{_N})\s*日"
_NUMERIC_DATE = r"(?P<Y>[0-9]{2,4})\s*[-/.]\s*(?P<M>[0-9]{1,2})\s*[-/.]\s*(?P<D>[0-9]{1,2})"
_COMPACT_DATE = r"(?P<c>(?:19|20)[0-9]{6}|(?:0|1)[0-9]{6})(?![0-9])"
_MONTH = r"(?P<{0}>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_ENGLISH_DATE = (
    rf"(?:(?P<ed>[0-9]{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH.format('em')},?\s+(?P<ey>[0-9]{{4}})"
    rf"|{_MONTH.format('fm')}\s+(?P<fd>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<fy>[0-9]{{4}}))"
)
_DATE = f"(?:{_CHINESE_DATE}|{_NUMERIC_DATE}|{_COMPACT_DATE}|{_ENGLISH_DATE})"
_KEYS = (
    r"最新異動(?:日期)?|資料(?:截止|基準)(?:日期?)?|as[ _-]of|最後(?:更新|修正|修訂)(?:日期)?|last (?:updated|revised|amended)",
    r"(?:修正|修訂|更新|異動)(?:公布|發布|日期|日|時間)*|updated|revised|amended|version of",
    r"(?:公布|發布|公告|訂定|頒布|製表|施行|生效|實施)(?:日期|日)?|published|issued|effective|in force|date",
)
_PATTERNS = tuple(
    re.compile(rf"(?:{key})(?:\s*(?:date|on|from|since))?\s*[:：為於自]?\s*[\"']?{_DATE}", re.IGNORECASE)
    for key in _KEYS
)
_BEFORE = re.compile(rf"{_DATE}\s*(?:起)?(?P<verb>修正|修訂|更新|公布|發布|訂定|施行|公告)", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def find_as_of(text: str) -> str | None:
    """Return the latest date that the beginning or end of a text names as its own, as YYYY-MM-DD, or None.

    Words such as 最新異動日期 go before 修正, and those before 公布; a date that merely occurs is not taken.
    """
    for part in (text[:_HEAD], text[-_TAIL:] if len(text) > _HEAD else ""):
        for number, pattern in enumerate(_PATTERNS):
            found = [_iso(match) for match in pattern.finditer(part)]
            if number == 1:
                found += [_iso(match) for match in _BEFORE.finditer(part)]
            if dates := [date for date in found if date is not None]:
                return max(dates)
    return None


def _iso(match: re.Match[str]) -> str | None:
    group = match.groupdict()
    try:
        if group["y"]:
            year, month, day = (number_of(group[key]) for key in ("y", "m", "d"))
            year += _ROC_OFFSET if group["era"] or year < 1000 else 0
        elif group["Y"]:
            year, month, day = (int(group[key]) for key in ("Y", "M", "D"))
            year += _ROC_OFFSET if year < 1000 else 0
        elif group["c"]:
            digits = group["c"]
            year, month, day = int(digits[:-4]), int(digits[-4:-2]), int(digits[-2:])
            year += _ROC_OFFSET if len(digits) == 7 else 0
        else:
            name = "e" if group["ey"] else "f"
            year, day = int(group[name + "y"]), int(group[name + "d"])
            month = _MONTHS.index(group[name + "m"].lower()[:3]) + 1
        return datetime.date(year, month, day).isoformat()
    except (ValueError, KeyError):
        return None
