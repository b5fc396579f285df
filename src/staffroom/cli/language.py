"""The words of the command line: English in the code, other languages from gettext catalogues (`.po`) read at run time.

The catalogue is read as text: there is no compiled copy that could be older than its source.
"""

import ast
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

__all__ = ["Words", "choose_language", "parse_catalogue", "words_of"]

_VARIABLES = ("STAFFROOM_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
_EMPTY: Mapping[str, str] = MappingProxyType({})


class Words:
    """Says a text in one language; a text that the catalogue lacks stays English."""

    def __init__(self, language: str = "en", catalogue: Mapping[str, str] = _EMPTY) -> None:
        self.language = language
        self._catalogue = catalogue

    def __call__(self, text: str, **values: Any) -> str:
        """Return the text in this language, with `{name}` fields filled in."""
        found = self._catalogue.get(text, text)
        return found.format(**values) if values else found


def choose_language(environment: Mapping[str, str]) -> str:
    """Return `zh-TW` where the first of STAFFROOM_LANG, LC_ALL, LC_MESSAGES and LANG that is set is Chinese, else `en`."""
    wanted = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return "zh-TW" if wanted.lower().replace("_", "-").split("-")[0].split(".")[0] == "zh" else "en"


def words_of(language: str) -> Words:
    """Return the words of `en` or `zh-TW`."""
    if language != "zh-TW":
        return Words("en")
    place = resources.files("staffroom.cli").joinpath("locale/zh_TW/LC_MESSAGES/staffroom.po")
    return Words("zh-TW", parse_catalogue(place.read_text(encoding="utf-8")))


def parse_catalogue(text: str) -> dict[str, str]:
    """Return message -> translation of a `.po` file without plurals and contexts; untranslated ones are left out.

    Raises ValueError that names the line which is neither comment, msgid, msgstr nor a quoted string.
    """
    found: dict[str, str] = {}
    message, translation, target = "", "", ""
    for number, raw in enumerate([*text.splitlines(), 'msgid ""'], 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        keyword, _, quoted = line.partition(" ") if not line.startswith('"') else (target, "", line)
        if keyword not in ("msgid", "msgstr") or not (quoted.startswith('"') and quoted.endswith('"')):
            raise ValueError(f"line {number} of the catalogue cannot be read: {line[:60]}")
        if keyword == "msgid" and not line.startswith('"'):
            if message and translation:
                found[message] = translation
            message = translation = ""
        target = keyword
        piece = str(ast.literal_eval(quoted))
        if keyword == "msgid":
            message += piece
        else:
            translation += piece
    return found
