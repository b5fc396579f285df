"""What a pack asks of its facets at every gate after the first, where a candidate stands against the incumbent."""

from collections.abc import Mapping
from types import MappingProxyType

from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.safety_items import unfit_for_gate
from staffroom.records.exam import Item, Kind, LaterRule, Role

__all__ = ["DEFAULT_MARGIN", "later_rules"]

DEFAULT_MARGIN = 0.05

_ROLES: Mapping[Kind, Role] = MappingProxyType(
    {
        Kind.CHOICE: Role.TASK,
        Kind.SHORT: Role.TASK,
        Kind.UNANSWERABLE: Role.TASK,
        Kind.MATCH: Role.TASK,
        Kind.REFUSE: Role.GUARD,
        Kind.COMPLY: Role.GUARD,
        Kind.WITHHOLD: Role.GUARD,
        Kind.LOCALE: Role.GUARD,
        Kind.DILEMMA: Role.GUARD,
        Kind.NEUTRALITY: Role.GUARD,
        Kind.CORRECTION: Role.GUARD,
        Kind.SURVEY: Role.REPORTED,
    }
)


def later_rules(pack: ExamPack) -> dict[str, LaterRule]:
    """Return each facet's rule: as the pack declares it, else by the kinds of its items.

    Knowing answers and knowing what the documents do not say is the task; refusals, over-refusal, language and values
    are guarded. What is no evidence at a first gate (a judge without calibration, a survey) is none here.
    """
    return {name: _rule(pack, name) for name in pack.facets}


def _rule(pack: ExamPack, name: str) -> LaterRule:
    declared = pack.definition["facets"][name]
    items = [item for item in pack.items if item.facet == name]
    role = Role(declared["role"]) if "role" in declared else _by_kind(items)
    if role is not Role.REPORTED and unfit_for_gate(pack.judges.get(name), items, pack.locale):
        role = Role.REPORTED
    limit = declared.get("limit") if role is Role.HARD_STOP else None
    return LaterRule(role, float(declared.get("margin", DEFAULT_MARGIN)), limit)


def _by_kind(items: list[Item]) -> Role:
    roles = {_ROLES[item.kind] for item in items}
    for role in (Role.REPORTED, Role.TASK):
        if role in roles:
            return role
    return Role.GUARD
