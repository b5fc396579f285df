"""A first exam pack for a person who has never written one: plain questions in, a pack and what it lacks out."""

from staffroom.evaluate.drafting.needs import FacetPlanned, plan_facets
from staffroom.evaluate.drafting.new_pack import lines_of, write_new_pack
from staffroom.evaluate.drafting.plain_items import (
    PLAIN_KINDS,
    PlainItem,
    Wording,
    item_line,
    plain_item,
    wording_of,
)

__all__ = [
    "PLAIN_KINDS",
    "FacetPlanned",
    "PlainItem",
    "Wording",
    "item_line",
    "lines_of",
    "plain_item",
    "plan_facets",
    "wording_of",
    "write_new_pack",
]
