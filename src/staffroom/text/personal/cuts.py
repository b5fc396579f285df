"""Where a text may be cut so that no finding lies across the cut, each place decided by the text around it alone.

A stream is examined in the pieces between cuts: since a cut does not depend on how the text arrived, what is served
and found is the same for every way of chopping the stream. What is held back is a window: up to the next mark of
punctuation, the next plain word, or eight plain Chinese characters, and never more than 512 characters.

A place is a cut
1. behind a mark that ends a clause (。，、！\\n …);
2. behind the blank after a plain word, where none of the 60 characters before is a digit or an @;
3. between Chinese characters, where eight on each side are plain: no part of an address, no numeral. Of such places every
   fourth or so is taken, by the character's own number, which is enough.
"""

import re
from collections.abc import Iterator

__all__ = ["LONGEST_PIECE", "cuts"]

LONGEST_PIECE = 512
_AHEAD = 8
_ADDRESS = "市縣區鄉鎮村里鄰路街道段巷弄號樓室層"
_NUMERAL = "〇零一二三四五六七八九十百壹貳參肆伍陸柒捌玖拾"
_PLAIN = rf"(?![{_ADDRESS}{_NUMERAL}])[一-鿿]"
_CUT = re.compile(
    r"(?P<mark>[。！？；，、：「」『』《》〈〉…\n])"
    r"|(?<=[^\s\d一-鿿][^\W\d_A-Z一-鿿])(?<!\bNo)[,.;:!?)\"'’”؟،]{0,2}(?P<blank>[ \t])"
    rf"|(?P<between>(?<=[一-鿿])(?=(?:{_PLAIN}){{{_AHEAD}}}))"
)
_BUSY = re.compile(r"[\d@＠]")
_PLAIN_BEFORE = re.compile(rf"(?:{_PLAIN}){{{_AHEAD}}}")
_BLANK_REACH = 60
_EVERY = 4


def cuts(text: str, start: int = 0) -> Iterator[int]:
    """Yield the places from `start` on where the text may be cut; more may come as the text grows."""
    for match in _CUT.finditer(text, start):
        if match["mark"]:
            yield match.end()
        elif match["blank"]:
            if not _BUSY.search(text, max(0, match.end() - _BLANK_REACH), match.end()):
                yield match.end()
        elif (
            ord(text[match.start()]) % _EVERY == 0
            and match.start() >= _AHEAD
            and _PLAIN_BEFORE.match(text, match.start() - _AHEAD)
        ):
            yield match.start()
