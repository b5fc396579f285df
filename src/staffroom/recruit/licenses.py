"""Names of model licences: SPDX identifiers and the named licences of model makers, some of which limit the use.

It decides nothing and is no legal advice: it brings the many spellings to one name, so that a job's list of allowed
licences can be compared, and flags those that forbid uses or users ("field of use"), which a person should read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["DEFAULT_LICENSES", "License", "is_allowed", "license_named"]

DEFAULT_LICENSES: Final = ("Apache-2.0", "MIT", "Gemma terms of use")

_SPDX: Final = (
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "Unlicense", "CC0-1.0"),
    *(
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "MPL-2.0",
        "GPL-2.0-only",
        "GPL-3.0-only",
        "AGPL-3.0-only",
        "LGPL-3.0-only",
    ),
)
_LIMITED_SPDX: Final = ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0")
_NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gemma": "Gemma terms of use",
        "llama2": "Llama 2 Community License",
        "llama3": "Llama 3 Community License",
        "llama3.1": "Llama 3.1 Community License",
        "llama3.2": "Llama 3.2 Community License",
        "llama3.3": "Llama 3.3 Community License",
        "llama4": "Llama 4 Community License",
        "tongyi-qianwen": "Tongyi Qianwen License",
        "qwen": "Tongyi Qianwen License",
        "qwen-research": "Qwen Research License",
        "deepseek": "DeepSeek Model License",
        "openrail": "OpenRAIL-M",
        "bigscience-openrail-m": "OpenRAIL-M",
        "creativeml-openrail-m": "OpenRAIL-M",
        "mrl": "Mistral AI Research License",
    }
)


@dataclass(frozen=True, slots=True)
class License:
    """A licence by its one name; `kind` is `none` where nobody said, `unknown` where we do not know the name.

    `field_of_use` says that it forbids some uses or users.
    """

    name: str
    kind: Literal["spdx", "model", "unknown", "none"]
    field_of_use: bool


def license_named(text: str | None) -> License:
    """Return the licence that a catalogue, a file or a person means by `text`."""
    wanted = _folded(text or "")
    if not wanted or wanted in ("other", "unknown"):
        return License("", "none", False)
    for names, limited in ((_SPDX, False), (_LIMITED_SPDX, True)):
        for name in names:
            if wanted in (_folded(name), _folded(name.removesuffix("-only"))):
                return License(name, "spdx", limited)
    for alias, name in _NAMED.items():
        if wanted in (_folded(alias), _folded(name)):
            return License(name, "model", True)
    return License((text or "").strip(), "unknown", False)


def is_allowed(license_: License, allowed: Iterable[str]) -> bool:
    """Return whether a licence is on a list of names, whatever their spelling; one that nobody stated never is."""
    return license_.kind != "none" and license_.name in {license_named(name).name for name in allowed}


def _folded(text: str) -> str:
    return "-".join(text.strip().casefold().split())
