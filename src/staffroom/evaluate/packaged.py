"""The exam packs that come with the program, by name, and the template of a pack for another locale."""

import re
import shutil
from importlib.resources import files
from pathlib import Path

from staffroom.records.errors import WrongUse

__all__ = ["packaged_packs", "write_locale_template"]

_TEMPLATE = "locale-template"
_LOCALE = re.compile(r"^[a-z]{2,3}(?:-[A-Z][a-z]{3})?-[A-Z]{2}$")


def packaged_packs() -> dict[str, Path]:
    """Return name and folder of each pack in the package."""
    return {
        folder.name: folder
        for folder in sorted(_packs().iterdir())
        if folder.name != _TEMPLATE and (folder / "exam.yaml").is_file()
    }


def write_locale_template(into: Path, locale: str) -> Path:
    """Write a pack for a locale to start from, its rules among it; raises WrongUse where the folder is there already."""
    if not _LOCALE.match(locale):
        raise WrongUse(
            f"`{locale}` is not a locale", hint="language and country, such as fi-FI or zh-Hant-HK"
        )
    if into.exists():
        raise WrongUse("the folder is there already", where=str(into), hint="name another folder")
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_packs() / _TEMPLATE, into, ignore=shutil.ignore_patterns("__pycache__"))
        for path in into.rglob("*.*"):
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                text = text.replace("xx-XX", locale).replace("xx-xx", locale.lower())
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUse(
            f"cannot be written: {error.strerror}", where=str(into), hint="name another folder"
        ) from error
    return into


def _packs() -> Path:
    return Path(str(files("staffroom.evaluate") / "packs"))
