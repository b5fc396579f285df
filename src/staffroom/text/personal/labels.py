"""The words beside a number: they say what it is where its digits do not.

The last word before a number counts. 訂單編號 0912345678 is no telephone, 聯絡電話 0912345678 is one, and a sentence's
end ends what a word can say.
"""

import re

__all__ = ["is_serial", "named_near"]

_BEFORE = 48
_AFTER = 10
_ENDS = re.compile(r"[。！？!?;；\n]")
_SERIAL = (
    r"訂單|單號|序號|流水號|案號|案件|料號|型號|批號|條碼|編號|追蹤|掛號郵件|包裹|(?<!證)字號|文號|發票|電號|水號|表號|貨號|書號|帳單"
    r"|\border\b|\bserial\b|\btracking\b|\binvoice\b|\bticket\b|\bcase\b|\breference\b|\bparcel\b|\bsku\b|\bisbn\b|\bimei\b"
    r"|\bfaktura|\bärende|\bserienummer|رقم الطلب|رقم المعاملة|فاتورة"
)
_PERSON = (
    r"身分證|身份證|證號|證件|居留|統一編號|電話|手機|行動|聯絡|市話|傳真|專線|撥|來電|洽|卡號|信用卡|刷卡|護照|健保|車牌|牌照|帳號"
    r"|申請人|本人|\bid\b|\barc\b|\bphone\b|\bmobile\b|\bcell\b|\btel\b|\bfax\b|\bcall\b|\btext\b|\bcard\b|\bvisa\b|\bpassport\b|\bcertificate\b"
    r"|\bmobil|\btelefon|هاتف|جوال|بطاقة"
)
_LABEL = re.compile(rf"(?P<person>{_PERSON})|(?P<serial>{_SERIAL})", re.IGNORECASE)


def is_serial(text: str, start: int) -> bool:
    """Say whether the last word that names the number at `start` names a serial, an order or a case."""
    named = [match.lastgroup for match in _LABEL.finditer(_before(text, start))]
    return named[-1:] == ["serial"]


def named_near(text: str, start: int, end: int, names: re.Pattern[str], after: int = _AFTER) -> bool:
    """Say whether one of `names` stands shortly before `start` or right after `end`, in the same sentence."""
    if names.search(_before(text, start)):
        return True
    following = text[end : end + after]
    stop = _ENDS.search(following)
    return bool(names.search(following[: stop.start()] if stop else following))


def _before(text: str, start: int) -> str:
    """Return what stands before a place, at most 48 characters and not beyond a sentence's end."""
    window = text[max(0, start - _BEFORE) : start]
    end = 0
    for stop in _ENDS.finditer(window):
        end = stop.end()
    return window[end:]
