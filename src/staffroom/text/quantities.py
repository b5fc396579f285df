"""Which quantity a question asks for, and whether a text names one of that kind.

"How much does it cost?" cannot be answered by a text without an amount of money, however close its topic is. Each
kind of quantity is a pair of patterns, for Chinese and English alike: how it is asked for, and how it is named. A
pattern of the second sort is generous (`free of charge` names a price), because a wrong "not named" hides an answer.

It does not know whether the quantity named is the one that was meant.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

__all__ = ["asked_quantities", "names_quantity"]

_NUMBER = r"[0-9〇零一二兩三四五六七八九十百千萬億半數]"
_HOW_MANY = r"(?<![十百千萬好這那哪前沒])(?:幾|多少)"
_DAYS = r"(?:working |calendar |business )?(?:days?|weeks?|months?|years?|hours?|minutes?)"


@dataclass(frozen=True, slots=True)
class _Kind:
    asked: re.Pattern[str]
    named: re.Pattern[str]


def _kind(asked: str, named: str) -> _Kind:
    return _Kind(re.compile(asked, re.IGNORECASE), re.compile(named, re.IGNORECASE))


def _counted(units: str) -> _Kind:
    """Return the kind of things that are counted with these classifiers, in Chinese."""
    return _kind(rf"{_HOW_MANY}\s*個?(?:{units})", rf"{_NUMBER}\s*個?(?:{units})|(?:{units})數")


@cache
def _kinds() -> Mapping[str, _Kind]:
    return {
        "money": _kind(
            rf"多少(?:錢|元)|{_HOW_MANY}(?:塊|元)|(?:收|賠|罰|繳|付|補助)[他我你妳款鍰金]{{0,2}}多少|門票[^，。？?]{{0,4}}多少"
            r"|(?:費|費用|租金|押金|保證金|獎勵金|補助|津貼|禮金|獎金|免稅額|薪水|工資|金額|總額|票價|價錢|價格|罰款|罰鍰)[^，。？?]{0,6}多少"
            r"|多少[^，。？?]{0,5}(?:費|費用|租金|押金|保證金|禮金|獎金|罰金|補助|稅|薪水|工資)(?=[，。？?]|$)"
            r"|\bhow much (?:is|are|does|do|did|will|would|must|should|can|could|to pay|money)\b"
            r"|\bwhat (?:is|are|was|'s) the (?:\w+ ){0,3}(?:fee|price|cost|charge|fine|deposit|fare|rent)s?\b"
            r"|\bwhat (?:does|do|did|will|would) .{1,60}\b(?:cost|charge)\b",
            rf"{_NUMBER}\s*(?:元|圓|塊)|[(\[]\s*元|新[臺台]幣|nt\$?|[$€£]|免費|免收|免繳|免納|免徵|不收|無償|不另收"
            r"|\b(?:dollars?|euros?|pounds?|kronor|kr|sek|twd|usd|aed|sar|riyals?|dirhams?)\b|\bfree\b|\bno (?:fee|charge|cost)\b",
        ),
        "share": _kind(
            rf"百分之(?:幾|多少)|{_HOW_MANY}\s*(?:趴|成|%)|(?:利率|稅率|費率|比率|比例|年息)[^，。？?]{{0,4}}(?:多少|幾)"
            r"|\bwhat (?:percentage|share|proportion)\b|\bhow many per ?cent\b|\binterest rate\b",
            rf"分之|%|{_NUMBER}\s*(?:成|趴|倍)|一半|半數|全額|全數|\bper ?cent\b|\bhalf\b|\bthirds?\b|\bquarters?\b",
        ),
        "age": _kind(
            r"(?<!十)幾歲|多大年紀|\bhow old\b|\b(?:what|which|minimum|maximum) age\b",
            rf"{_NUMBER}\s*(?:足)?歲|成年|\byears? (?:old|of age)\b|\bage[ds]?\b",
        ),
        "period": _kind(
            rf"多久|多長(?:的)?時間|{_HOW_MANY}\s*個?(?:工作)?(?:天|日|週|周|星期|禮拜|月|年|小時|鐘頭|分鐘)"
            rf"|\bhow (?:long|soon)\b|\bhow many {_DAYS}\b",
            rf"{_NUMBER}\s*個?(?:工作|月)?(?:天|日|週|周|星期|禮拜|月|年|小時|鐘頭|時|分|季)|當[天日月年]|立即|即時|隨時|無期"
            rf"|\b(?:[0-9]+|[a-z]+(?:teen|ty)?)[ -]{_DAYS}\b|\b(?:immediately|at once|same day|forthwith|overnight)\b",
        ),
        "date": _kind(
            r"幾月幾[號日]|哪(?:幾|一)天|\b(?:what|which) (?:date|day)s?\b",
            rf"{_NUMBER}\s*月{_NUMBER}*\s*[日號]?|(?:星期|禮拜|週|周)[一二三四五六日天末]|每[年月週周日天]|[0-9]+[/.-][0-9]+"
            r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b",
        ),
        "clock": _kind(
            r"(?<!十)幾點|\b(?:at )?what time\b",
            rf"{_NUMBER}\s*(?:點|時)|[0-9][:：.][0-9]{{2}}|中午|正午|午夜|全天|\b[0-9]{{1,2}} ?[ap]\.?m\b|\bnoon\b|\bmidnight\b|o'clock|\ball day\b",
        ),
        "people": _kind(
            rf"{_HOW_MANY}\s*個?(?:人|名|位)|\bhow many (?:people|persons|members|residents|guests|participants|seats)\b",
            rf"{_NUMBER}\s*個?(?:人|名|位|席)|人數|[0-9]|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|[a-z]+teen|[a-z]+ty|hundred)\b",
        ),
        "telephone": _kind(
            r"電話(?:號碼)?(?:是|幾|多少|號碼)|幾號電話|\b(?:phone|telephone) number\b|\bwhat number (?:do|can|should) i (?:call|ring)\b",
            r"電話|專線|分機|[0-9]{3,}[- ][0-9]{3,}|\([0-9]{2,4}\)|\btel(?:ephone)?\b|\bphone\b",
        ),
        "times": _counted("次|回|趟"),
        "fold": _counted("倍"),
        "volumes": _counted("本|冊"),
        "copies": _counted("份|張"),
        "vehicles": _counted("輛|台|臺|部"),
        "floors": _counted("樓|層"),
        "rooms": _counted("間|戶|棟"),
        "decibels": _counted("分貝"),
        "length": _counted("公分|公尺|公里|公厘|毫米|米"),
        "area": _counted("坪|平方公尺|公頃|甲"),
        "weight": _counted("公斤|公克|公噸|克|噸|斤"),
        "degrees": _counted("度"),
    }


def asked_quantities(question: str) -> tuple[str, ...]:
    """Return the kinds of quantity that a question asks for, such as `money` or `period`; often none."""
    plain = unicodedata.normalize("NFKC", question)
    return tuple(name for name, kind in _kinds().items() if kind.asked.search(plain))


def names_quantity(text: str, kind: str) -> bool:
    """Say whether a text names a quantity of one of the kinds that `asked_quantities` returns."""
    return bool(_kinds()[kind].named.search(unicodedata.normalize("NFKC", text)))
