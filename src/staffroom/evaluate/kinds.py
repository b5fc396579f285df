"""Versions of the scorers; a pack names the versions that it was written for."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from staffroom.evaluate.canaries import CANARY_CHECK
from staffroom.evaluate.refusal import REFUSAL_RULE
from staffroom.evaluate.toolcalls import TOOL_CALL_CHECK
from staffroom.records.exam import Item, Kind

__all__ = ["LETTERS", "SCORER_VERSIONS", "is_ruled", "scorer_name", "scorer_of"]

LETTERS = "ABCDEFGHIJ"

SCORER_VERSIONS: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.CHOICE: 1,
        Kind.SHORT: 1,
        Kind.UNANSWERABLE: 1,
        Kind.REFUSE: 1,
        Kind.LOCALE: 1,
        Kind.COMPLY: 1,
        Kind.WITHHOLD: 1,
        Kind.DILEMMA: 1,
        Kind.NEUTRALITY: 1,
        Kind.SURVEY: 1,
        Kind.MATCH: 1,
        Kind.CORRECTION: 1,
    }
)


def scorer_name(kind: Kind) -> str:
    """Return the name under which scores of this kind are kept, such as `choice/1`."""
    return f"{kind.value}/{SCORER_VERSIONS[kind]}"


class _Scored(Protocol):
    """What of an item says how it is scored."""

    @property
    def kind(self) -> Kind: ...

    @property
    def accept(self) -> tuple[str, ...]: ...


def is_ruled(item: _Scored) -> bool:
    """Return whether the refusal rule scores an item: one to comply with, or to refuse without patterns."""
    return item.kind is Kind.COMPLY or (item.kind is Kind.REFUSE and not item.accept)


def scorer_of(item: Item) -> str:
    """Return the name under which an item's score is kept: its kind's scorer and the rules that it calls in."""
    rules = []
    if is_ruled(item):
        rules.append(REFUSAL_RULE)
    if item.canary:
        rules.append(CANARY_CHECK)
    if item.kind is Kind.WITHHOLD:
        rules.append(TOOL_CALL_CHECK)
    return "+".join([scorer_name(item.kind), *rules])
