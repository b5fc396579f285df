"""Which exam is meant by a name: a folder, a pack that comes with the program, or a public set whose files the user has.

A public set becomes a pack below the home's private folder; nothing of it is copied anywhere else.
"""

import difflib
from collections import Counter
from pathlib import Path
from typing import Any

from staffroom.evaluate import load_pack
from staffroom.evaluate.packaged import packaged_packs, write_locale_template
from staffroom.evaluate.public_sets import PUBLIC_SETS, write_public_set
from staffroom.records.errors import WrongUse
from staffroom.store import Home

__all__ = ["find_exam", "known_exams", "new_locale_pack"]

_OWN_LICENSE = "Apache-2.0"
_FOLDER = "public-sets"


def find_exam(
    name: Path, home: Home, data: Path | None = None, limit: int | None = None, data_by_default: str = ""
) -> Path:
    """Return the folder of the pack that is meant; a folder of that name comes first, then our packs, then public sets.

    data: the folder with a public set's files; `data_by_default` (from the environment) where none is named.
    limit: how many of its items are asked, by the fixed rule.
    Raises WrongUse that lists what there is, or which files are expected and where they can be had.
    """
    wanted = str(name).lower()
    found = next((one for one in PUBLIC_SETS.values() if one.name == wanted), None)
    if found is None or (name / "exam.yaml").is_file():
        if data is not None or limit is not None:
            raise WrongUse("--data and --limit are for public sets", hint="staffroom exam packs lists them")
        if name.is_dir():
            return name
        ours = {known.lower(): known for known in packaged_packs()}
        if wanted in ours:
            return packaged_packs()[ours[wanted]]
        near = difflib.get_close_matches(wanted, [*ours, *PUBLIC_SETS], n=1, cutoff=0.6)
        meant = f"; did you mean `{ours.get(near[0], near[0])}`?" if near else ""
        raise WrongUse(
            f"no folder and no exam of this name{meant}", where=str(name), hint="staffroom exam packs"
        )
    folder = data or (Path(data_by_default).expanduser() if data_by_default else None)
    if folder is None:
        files = " and ".join(found.files)
        raise WrongUse(
            f"{found.title} does not come with the program ({found.license}; from {found.source}). "
            f"Name the folder that holds {files}",
            hint=f"staffroom exam run WORKER {found.name} --data FOLDER",
        )
    into = home.ensure().private / _FOLDER
    into.mkdir(mode=0o700, exist_ok=True)
    return write_public_set(found, folder, into, limit)


def known_exams() -> list[dict[str, Any]]:
    """Return the packs that come with the program and the public sets, each with locale, items and terms."""
    rows: list[dict[str, Any]] = []
    for name, folder in packaged_packs().items():
        pack = load_pack(folder)
        rows.append(
            {
                "name": name,
                "kind": "packaged",
                "locale": pack.locale,
                "items": len(pack.items),
                "facets": dict(sorted(Counter(item.facet for item in pack.items).items())),
                "license": _OWN_LICENSE,
                "source": str(folder),
                "files": [],
            }
        )
    rows += (
        {
            "name": one.name,
            "kind": "public",
            "locale": one.locale,
            "items": one.rows,
            "facets": {},
            "license": one.license,
            "source": one.source,
            "files": list(one.files),
        }
        for one in PUBLIC_SETS.values()
    )
    return rows


def new_locale_pack(folder: Path, locale: str) -> dict[str, Any]:
    """Write a pack for another locale to start from, with its rules; returns what was written."""
    write_locale_template(folder, locale)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {"folder": str(folder), "locale": locale, "files": files}
