"""Which characters of a text are Simplified Chinese and never Traditional, and what they are in Taiwan.

Many characters belong to both scripts (台, 后, 里, 面, 只, 干, 松, 云): they are no evidence. A character counts as
Simplified-only when OpenCC maps it to another one both in general and for Taiwan, and it is not among the 5,401
common characters of Big5 (level 1). Exceptions both ways are listed here, with what they rest on.
"""

from functools import cache
from typing import Any

__all__ = [
    "all_simplified",
    "convert_script",
    "is_han",
    "simplified_characters",
    "simplified_only",
    "simplified_runs",
]

# In Big5's level 1 as rarities, in Taiwan never written for 聽, 壞, 兒, 撲.
_SIMPLIFIED_ALL_THE_SAME = "听坏儿扑"
# Simplified forms of other characters, but also characters (names, places, trades) that people in Taiwan write.
_SHARED_ALL_THE_SAME = "㐹亘厘柜涂淀熏腊膻蚝蜡蝎跖沄与栖洼腭疱眦"
# Words in which a Simplified form is the right Traditional character.
_SHARED_WORDS = (
    "拮据",
    "胜肽",
    "万俟",
    "叶韻",
    "洪适",
    "南庄",
    "客庄",
    "街庄",
    "舊庄",
    "庄頭",
    "庄腳",
    "庄仔",
    "庄子",
)
# Shared characters that a Traditional text writes in few words only, so that a change of one by context tells.
_TELLING = frozenset("后于并与几采余征松志斗冲")
_BLOCKS = ((0x3400, 0xA000), (0x20000, 0x2F800))
_BIG5_COMMON = (0xA440, 0xC67E)


def simplified_characters(text: str) -> tuple[str, ...]:
    """Return the Simplified-only characters of a text, in order, with repetitions."""
    known = simplified_only()
    if not known.intersection(text):
        return ()
    for word in _SHARED_WORDS:
        text = text.replace(word, "")
    return tuple(character for character in text if character in known)


def simplified_runs(text: str) -> list[tuple[int, int]]:
    """Return start and end of each run of Simplified-only characters, the right words among them left out."""
    known = simplified_only()
    if not known.intersection(text):
        return []
    for word in _SHARED_WORDS:
        text = text.replace(word, " " * len(word))
    runs: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if character not in known:
            continue
        if runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def all_simplified(text: str) -> bool:
    """Say whether a text is Simplified as a whole though each of its characters belongs to both scripts (合并, 由于).

    That is so where no character is Traditional only and one of a few telling ones would change by context.
    """
    if not any(map(is_han, text)) or _converter("t2s").convert(text) != text:
        return False
    changed = str(_converter("s2tw").convert(text))
    return len(changed) == len(text) and any(
        old != new and old in _TELLING for old, new in zip(text, changed, strict=True)
    )


@cache
def simplified_only() -> frozenset[str]:
    """Return all Simplified-only characters (about 2,700 in daily use, and rare ones)."""
    characters = [chr(code) for first, end in _BLOCKS for code in range(first, end)]
    joined = "\n".join(characters)
    general = _converter("s2t").convert(joined).split("\n")
    taiwan = _converter("s2tw").convert(joined).split("\n")
    found = {
        character
        for character, one, two in zip(characters, general, taiwan, strict=True)
        if character not in (one, two) and not _common_in_big5(character)
    }
    return frozenset((found | set(_SIMPLIFIED_ALL_THE_SAME)) - set(_SHARED_ALL_THE_SAME))


def convert_script(run: str) -> str:
    """Return a run of Han characters with its Simplified ones in Taiwan's form.

    A run without any character that is only Traditional is taken for Simplified as a whole, so that its shared
    characters follow the context (头发 to 頭髮, 后来 to 後來). In a mixed run only Simplified-only characters change.
    """
    found = simplified_characters(run)
    if not found:
        return run
    converted = str(_converter("s2tw").convert(run))
    if len(converted) != len(run):
        converted = "".join(str(_converter("s2tw").convert(character)) for character in run)
    if _converter("t2s").convert(run) == run:
        return converted
    wanted = simplified_only()
    kept = [False] * len(run)
    for word in _SHARED_WORDS:
        start = run.find(word)
        while start >= 0:
            kept[start : start + len(word)] = [True] * len(word)
            start = run.find(word, start + 1)
    return "".join(
        new if old in wanted and not keep else old
        for old, new, keep in zip(run, converted, kept, strict=True)
    )


def is_han(character: str) -> bool:
    """Say whether a character is a Han character."""
    return "㐀" <= character <= "鿿" or "豈" <= character <= "﫿" or "𠀀" <= character <= "\U000323af"


@cache
def _converter(name: str) -> Any:
    from opencc import OpenCC

    return OpenCC(name)


def _common_in_big5(character: str) -> bool:
    try:
        code = character.encode("big5")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and _BIG5_COMMON[0] <= int.from_bytes(code, "big") <= _BIG5_COMMON[1]
