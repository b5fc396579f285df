"""The starter models: which file, whose, under which licence, and the channels it can be had from.

The facts are in `data/catalogue.json`. A file that was cut into several packages is described once, with `parts`:
in `package` and `member`, `{N}` stands for the part's number from 1, `{NN}` for the same in two digits, `{NN-1}`
for two digits from 00.
"""

import difflib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from staffroom.records.errors import WrongUse

__all__ = ["HubReference", "Starter", "WheelMember", "load_catalogue", "starter_by_digest", "starter_named"]


@dataclass(frozen=True, slots=True)
class HubReference:
    """A file in a repository of a model hub at a fixed or named revision."""

    repository: str
    revision: str
    file: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}:{self.file}"


@dataclass(frozen=True, slots=True)
class WheelMember:
    """One part of a model file: a member of the archive that a package's release is."""

    package: str
    version: str
    member: str


@dataclass(frozen=True, slots=True)
class Starter:
    """A model of the catalogue; `bytes` and `digest` (`sha256:<hex>`) are of the whole file.

    `wheels` are the parts in order, of which the file is the join.
    """

    id: str
    name: str
    file: str
    bytes: int
    digest: str
    license: str
    maker: str
    note: str
    hub: HubReference | None
    wheels: tuple[WheelMember, ...]


def load_catalogue() -> tuple[Starter, ...]:
    """Return all starters in the catalogue's order."""
    text = resources.files("staffroom.recruit").joinpath("data/catalogue.json").read_text(encoding="utf-8")
    return tuple(_starter(entry) for entry in json.loads(text)["starters"])


def starter_named(name: str) -> Starter:
    """Return a starter by its id; a wrong name is `WrongUse` and names the nearest."""
    starters = {starter.id: starter for starter in load_catalogue()}
    if name in starters:
        return starters[name]
    near = difflib.get_close_matches(name, starters, n=1, cutoff=0.5)
    suggestion = near[0] if near else next(iter(starters))
    known = ", ".join(starters)
    raise WrongUse(
        f"there is no starter model {name!r}; there are: {known}", hint=f"staffroom models get {suggestion}"
    )


def starter_by_digest(digest: str) -> Starter | None:
    """Return the starter whose file has this digest, None where there is none."""
    return next((starter for starter in load_catalogue() if starter.digest == digest), None)


def _starter(entry: dict[str, Any]) -> Starter:
    hub = entry["hub"]
    return Starter(
        id=entry["id"],
        name=entry["name"],
        file=entry["file"],
        bytes=entry["bytes"],
        digest="sha256:" + entry["sha256"],
        license=entry["license"],
        maker=entry["maker"],
        note=entry["note"],
        hub=HubReference(hub["repository"], hub["revision"], entry["file"]) if hub else None,
        wheels=tuple(part for source in entry["wheels"] for part in _parts(source)),
    )


def _parts(source: dict[str, Any]) -> tuple[WheelMember, ...]:
    return tuple(
        WheelMember(
            _numbered(source["package"], number), source["version"], _numbered(source["member"], number)
        )
        for number in range(1, source["parts"] + 1)
    )


def _numbered(text: str, number: int) -> str:
    return (
        text.replace("{NN-1}", f"{number - 1:02d}")
        .replace("{NN}", f"{number:02d}")
        .replace("{N}", str(number))
    )
