"""Which language a text is in, for the few that matter here; the detector (lingua) is loaded at first use.

Short texts, lists of numbers and names give no verdict: in doubt a text is not wrong. Script decides first where
it can: a text of Han characters is Chinese unless kana or hangul stand in it.
"""

import re
from functools import cache
from typing import Any

__all__ = ["language_of", "wrong_language"]

_LANGUAGES = (
    "ARABIC",
    "BOKMAL",
    "CHINESE",
    "DANISH",
    "ENGLISH",
    "FINNISH",
    "FRENCH",
    "GERMAN",
    "JAPANESE",
    "KOREAN",
    "PERSIAN",
    "SPANISH",
    "SWEDISH",
)
_LEAST_LETTERS = 24
_LEAST_HAN = 6
_SURE = 0.6
_NOISE = re.compile(r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.-]+|[\d\W_]+", re.UNICODE)
_HAN = re.compile(r"[㐀-鿿豈-﫿]")
_KANA_OR_HANGUL = re.compile(r"[ぁ-ヿ가-힣]")
_LETTER = re.compile(r"[^\W\d_]", re.UNICODE)


def wrong_language(text: str, locale: str) -> str | None:
    """Return the ISO 639-1 code of the language the text is in instead of the locale's, or None.

    locale: such as `zh-TW`. Texts under 24 letters (6 Han characters) are never wrong.
    """
    expected = locale.split("-")[0].lower()
    if _language_named(expected) is None:
        return None
    found = language_of(text, also=expected)
    return None if found is None or found == expected else found


def language_of(text: str, also: str = "") -> str | None:
    """Return the ISO 639-1 code of a text's language, or None in doubt.

    also: code of a language to tell apart beside the thirteen that are always looked for.
    """
    letters = len(_LETTER.findall(text))
    han = len(_HAN.findall(text))
    other = len(_KANA_OR_HANGUL.findall(text))
    if han >= _LEAST_HAN and han * 4 >= letters:
        # Names and terms in Latin letters are common in Chinese sentences; kana in any number are not.
        return "zh" if other * 5 < han else _detected(text, also)
    if letters < _LEAST_LETTERS:
        return None
    return _detected(text, also)


def _detected(text: str, also: str) -> str | None:
    plain = " ".join(_NOISE.sub(" ", text).split())
    if not plain:
        return None
    values = _detector(_language_named(also) or "").compute_language_confidence_values(plain)
    if not values or values[0].value < _SURE:
        return None
    return str(values[0].language.iso_code_639_1.name).lower()


@cache
def _language_named(code: str) -> str | None:
    """Return lingua's name of a language that is not among the thirteen, "" for one that is, None for an unknown one."""
    if not code:
        return ""
    from lingua import Language

    for language in Language.all():
        if language.iso_code_639_1.name.lower() == code:
            return "" if language.name in _LANGUAGES else str(language.name)
    return None


@cache
def _detector(also: str) -> Any:
    from lingua import Language, LanguageDetectorBuilder

    languages = [getattr(Language, name) for name in (*_LANGUAGES, *([also] if also else []))]
    return LanguageDetectorBuilder.from_languages(*languages).build()
