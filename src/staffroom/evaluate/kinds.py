"""Versions of the scorers; a pack names the versions that it was written for."""

from collections.abc import Mapping
from types import MappingProxyType

from staffroom.records.exam import Kind

__all__ = ["LETTERS", "SCORER_VERSIONS", "scorer_name"]

LETTERS = "ABCDEFGHIJ"

SCORER_VERSIONS: Mapping[Kind, int] = MappingProxyType(
    {Kind.CHOICE: 1, Kind.SHORT: 1, Kind.UNANSWERABLE: 1, Kind.REFUSE: 1, Kind.LOCALE: 1}
)


def scorer_name(kind: Kind) -> str:
    """Return the name under which scores of this kind are kept, such as `choice/1`."""
    return f"{kind.value}/{SCORER_VERSIONS[kind]}"
