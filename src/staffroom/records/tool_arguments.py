"""What arguments a tool takes: a strict part of JSON Schema, checked when it is declared and again at each call.

Known: type (object, array, string, integer, number, boolean), properties, required, items, enum, minLength, maxLength, minimum,
maximum, minItems, maxItems, description. Anything else in a schema is an error, so that nothing is declared that is not
checked. Properties that are not declared are refused, and so are two of one name. Source: JSON Schema 2020-12.
"""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["ArgumentFault", "canonical_arguments", "check_arguments", "read_arguments", "require_schema"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_KNOWN: Mapping[str, frozenset[str]] = {
    "object": frozenset(["properties", "required"]),
    "array": frozenset(["items", "minItems", "maxItems"]),
    "string": frozenset(["enum", "minLength", "maxLength"]),
    "integer": frozenset(["enum", "minimum", "maximum"]),
    "number": frozenset(["minimum", "maximum"]),
    "boolean": frozenset(),
}
_COUNTS = frozenset(["minLength", "maxLength", "minItems", "maxItems"])
_MAX_BYTES = 32_768
_MAX_DEPTH = 8
_MAX_STRING = 8_192
_MAX_ITEMS = 256
_MAX_INTEGER = (1 << 53) - 1


class ArgumentFault(ValueError):
    """What is wrong with a schema or with arguments, and where."""


def require_schema(schema: Mapping[str, Any], *, depth: int = 0, where: str = "parameters") -> None:
    """Raise ArgumentFault for a schema that is not of the known part, or does not describe an object at its top."""
    kind = schema.get("type")
    if depth > _MAX_DEPTH:
        raise ArgumentFault(f"{where}: deeper than {_MAX_DEPTH} levels")
    if not isinstance(kind, str) or kind not in _TYPES or (depth == 0 and kind != "object"):
        raise ArgumentFault(f"{where}: `type` must be {'object' if depth == 0 else ' or '.join(_TYPES)}")
    for name, value in schema.items():
        if name in ("type", "description"):
            continue
        if name not in _KNOWN[kind]:
            raise ArgumentFault(f"{where}: `{name}` is not checked here, so it may not be declared")
        if name in _COUNTS and not (isinstance(value, int) and value >= 0):
            raise ArgumentFault(f"{where}: `{name}` must be a count")
        if name == "enum" and not (isinstance(value, list) and value):
            raise ArgumentFault(f"{where}: `enum` must list values")
        if name in ("minimum", "maximum") and not isinstance(value, int | float):
            raise ArgumentFault(f"{where}: `{name}` must be a number")
    if kind == "object":
        properties = schema.get("properties", {})
        if not isinstance(properties, Mapping) or not set(schema.get("required", ())) <= set(properties):
            raise ArgumentFault(f"{where}: `properties` must have all that is `required`")
        for name, inner in properties.items():
            _require_inner(inner, depth, f"{where}.{name}")
    if kind == "array":
        _require_inner(schema.get("items"), depth, f"{where}[]")


def _require_inner(inner: Any, depth: int, where: str) -> None:
    if not isinstance(inner, Mapping):
        raise ArgumentFault(f"{where}: a schema is expected")
    require_schema(inner, depth=depth + 1, where=where)


def read_arguments(text: str) -> dict[str, Any]:
    """Return arguments as a model wrote them; raises ArgumentFault for what is not one JSON object, read one way only."""
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
        raise ArgumentFault(f"longer than {_MAX_BYTES} bytes")
    try:
        text.encode()
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArgumentFault(f"not JSON that can be read one way only ({error})") from error
    if not isinstance(value, dict):
        raise ArgumentFault("an object is expected")
    return value


def check_arguments(schema: Mapping[str, Any], value: Any, where: str = "") -> None:
    """Raise ArgumentFault where a value is not what a schema (see `require_schema`) says."""
    kind = str(schema["type"])
    name = where or "arguments"
    fits = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits:
        raise ArgumentFault(f"{name}: {kind} expected")
    if "enum" in schema and value not in schema["enum"]:
        raise ArgumentFault(f"{name}: not one of those that are allowed")
    if kind in ("integer", "number"):
        _between(value, schema, ("minimum", "maximum"), name)
        if abs(value) > _MAX_INTEGER:
            raise ArgumentFault(f"{name}: too large")
    elif kind == "string":
        _between(len(value), {"maxLength": _MAX_STRING, **schema}, ("minLength", "maxLength"), name)
    elif kind == "array":
        _between(len(value), {"maxItems": _MAX_ITEMS, **schema}, ("minItems", "maxItems"), name)
        for place, each in enumerate(value):
            check_arguments(schema["items"], each, f"{name}[{place}]")
    elif kind == "object":
        properties = schema.get("properties", {})
        for missing in set(schema.get("required", ())) - set(value):
            raise ArgumentFault(f"{name}: `{missing}` is missing")
        for key, each in value.items():
            if key not in properties:
                raise ArgumentFault(f"{name}: `{key[:60]}` is not an argument of this tool")
            check_arguments(properties[key], each, f"{where}.{key}" if where else key)


def canonical_arguments(value: Mapping[str, Any]) -> str:
    """Return arguments as they are shown, approved and carried out: one text for one value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _between(size: float, schema: Mapping[str, Any], names: tuple[str, str], where: str) -> None:
    least, most = (schema.get(name) for name in names)
    if (least is not None and size < least) or (most is not None and size > most):
        raise ArgumentFault(f"{where}: outside of `{names[0]}` and `{names[1]}`")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ArgumentFault("two members of one name")
    return found


def _no_constant(name: str) -> Any:
    raise ArgumentFault(f"{name} is not a number")
