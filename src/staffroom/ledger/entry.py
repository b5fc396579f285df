"""Reads entry bytes as the JSON object that the caller wrote; the log itself never looks inside an entry."""

import json
from typing import Any, NoReturn

from staffroom.ledger.errors import EntryError

__all__ = ["read_entry"]


def read_entry(data: bytes, *, where: str = "") -> dict[str, Any]:
    """Parse one entry as a JSON object in UTF-8.

    Names that occur twice and numbers that are not JSON are refused, since readers would disagree on them. Raises EntryError.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise EntryError(f"not a JSON object: {error}", where=where) from error
    if not isinstance(value, dict):
        raise EntryError(f"a JSON {type(value).__name__} where an object is needed", where=where)
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
