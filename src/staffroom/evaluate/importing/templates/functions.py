"""The filters, tests and methods that templates may use: a closed list, each as Jinja and Python define it.

There is no way from here to an attribute of Python: a method is looked up by type and name in a table.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from types import MappingProxyType
from typing import Any

import regex

from staffroom.evaluate.importing.templates.tokens import TemplateFault

__all__ = ["FILTERS", "METHODS", "TESTS", "Mapped", "Undefined", "bounded", "defined", "product"]

MAX_TEXT = 1 << 20
_MAX_PATTERN = 2000
_SECONDS = 1.0


class Undefined:
    """What a name or place that is not there gives; any use of it but `default` and `is defined` is a fault.

    silent: it comes of an inline `if` without `else`, and writes nothing.
    """

    def __init__(self, name: str, *, silent: bool = False) -> None:
        self.name = name
        self.silent = silent


class Mapped:
    """What the `map` filter gives: members that can be joined, listed or looped over, and nothing else."""

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members


def defined(value: Any) -> Any:
    """Return a value that is there; raises TemplateFault for one that is not."""
    if isinstance(value, Undefined):
        raise TemplateFault(f"{value.name} is not in the row")
    if isinstance(value, Mapped):
        raise TemplateFault("what `map` gives must be joined or listed")
    return value


def bounded(value: Any) -> Any:
    """Return a value whose text or length is within bounds; raises TemplateFault."""
    if isinstance(value, (str, list, tuple)) and len(value) > MAX_TEXT:
        raise TemplateFault(f"a value longer than {MAX_TEXT}")
    if isinstance(value, int) and value.bit_length() > 4096:
        raise TemplateFault("a number of more than 4096 bits")
    return value


def product(left: Any, right: Any) -> Any:
    """Return left * right, where the length that it would have is within bounds."""
    for text, times in ((left, right), (right, left)):
        if isinstance(text, (str, list, tuple)) and isinstance(times, int) and len(text) * times > MAX_TEXT:
            raise TemplateFault(f"a value longer than {MAX_TEXT}")
    return bounded(left * right)


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapped):
        return value.members
    return defined(value)  # type: ignore[no-any-return]


def _text(value: Any) -> str:
    return str(defined(value))


def _texts(*values: Any) -> tuple[str, ...]:
    """Return values that are texts already; Python's own methods take no others."""
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"a text is expected, not a {type(value).__name__}")
    return values


def _join(value: Any, separator: Any = "") -> str:
    parts = [_text(member) for member in _members(value)]
    between = _text(separator)
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_TEXT:
        raise TemplateFault(f"a value longer than {MAX_TEXT}")
    return between.join(parts)


def _replace(value: Any, old: Any, new: Any, count: Any = None) -> str:
    text, before, after = _text(value), _text(old), _text(new)
    times = -1 if count is None else count
    found = text.count(before) if times < 0 else min(times, text.count(before))
    if len(text) + found * len(after) > MAX_TEXT:
        raise TemplateFault(f"a value longer than {MAX_TEXT}")
    return text.replace(before, after, times)


def _replace_texts(text: Any, old: Any, new: Any, count: Any = -1) -> str:
    _texts(old, new)
    return _replace(text, old, new, count)


def _integer(value: Any, default: Any = 0, base: int = 10) -> Any:
    value = defined(value)
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        try:
            return int(float(value))
        except (TypeError, ValueError, OverflowError):
            return default


def _float(value: Any, default: Any = 0.0) -> Any:
    try:
        return float(defined(value))
    except (TypeError, ValueError):
        return default


def _default(value: Any, default: Any = "", boolean: bool = False) -> Any:
    if isinstance(value, Undefined) or (boolean and not value):
        return default
    return value


def _first(value: Any) -> Any:
    return next(iter(_members(value)), Undefined("the first of nothing"))


def _last(value: Any) -> Any:
    return next(iter(reversed(defined(value))), Undefined("the last of nothing"))


def _regex_replace(value: Any, pattern: Any, repl: Any, count: Any = 0) -> str:
    if len(pattern) > _MAX_PATTERN:
        raise TemplateFault(f"a pattern longer than {_MAX_PATTERN} characters")
    try:
        compiled = regex.compile(pattern, regex.VERSION0, cache_pattern=False)
        return str(compiled.sub(repl, defined(value), count=count, timeout=_SECONDS))
    except TimeoutError as error:
        raise TemplateFault(f"regex_replace took longer than {_SECONDS:g} s") from error
    except regex.error as error:
        raise TemplateFault(f"regex_replace: {error}") from error


def _map(value: Any, name: Any = None, *, attribute: Any = None, default: Any = None) -> Mapped:
    if (name is None) == (attribute is None):
        raise TemplateFault("`map` takes the name of a filter, or attribute=")
    if name is not None:
        if name not in FILTERS or name == "map":
            raise TemplateFault(f"the filter `{name}` is not supported in `map`")
        return Mapped([FILTERS[name](member) for member in _members(value)])
    return Mapped([_field(member, attribute, default) for member in _members(value)])


def _field(member: Any, attribute: Any, default: Any) -> Any:
    if not isinstance(attribute, str) or "." in attribute:
        raise TemplateFault("map(attribute=) takes one field's name")
    found = member.get(attribute) if isinstance(defined(member), dict) else None
    if isinstance(member, dict) and attribute in member:
        return found
    return Undefined(attribute) if default is None else default


def _length(value: Any) -> int:
    return len(defined(value))


def _list(value: Any) -> list[Any]:
    return [defined(member) for member in _members(value)]


def _trim(value: Any, chars: Any = None) -> str:
    return _text(value).strip(chars)


def _capitalize(value: Any) -> str:
    return _text(value).capitalize()


def _lower(value: Any) -> str:
    return _text(value).lower()


def _upper(value: Any) -> str:
    return _text(value).upper()


def _join_texts(text: Any, members: Any) -> str:
    return _join(_texts(*members), text)


def _is_defined(value: Any) -> bool:
    return not isinstance(value, Undefined)


def _is_undefined(value: Any) -> bool:
    return isinstance(value, Undefined)


def _is_none(value: Any) -> bool:
    return value is None


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "capitalize": _capitalize,
        "count": _length,
        "d": _default,
        "default": _default,
        "first": _first,
        "float": _float,
        "int": _integer,
        "join": _join,
        "last": _last,
        "length": _length,
        "list": _list,
        "lower": _lower,
        "map": _map,
        "regex_replace": _regex_replace,
        "replace": _replace,
        "string": _text,
        "trim": _trim,
        "upper": _upper,
    }
)

TESTS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "defined": _is_defined,
        "mapping": _is_mapping,
        "none": _is_none,
        "number": _is_number,
        "string": _is_string,
        "undefined": _is_undefined,
    }
)

METHODS: Mapping[tuple[type, str], Callable[..., Any]] = MappingProxyType(
    {
        (str, "capitalize"): str.capitalize,
        (str, "count"): str.count,
        (str, "endswith"): str.endswith,
        (str, "find"): str.find,
        (str, "index"): str.index,
        (str, "isalpha"): str.isalpha,
        (str, "isdigit"): str.isdigit,
        (str, "islower"): str.islower,
        (str, "isnumeric"): str.isnumeric,
        (str, "isupper"): str.isupper,
        (str, "join"): _join_texts,
        (str, "lower"): str.lower,
        (str, "lstrip"): str.lstrip,
        (str, "removeprefix"): str.removeprefix,
        (str, "removesuffix"): str.removesuffix,
        (str, "replace"): _replace_texts,
        (str, "rfind"): str.rfind,
        (str, "rindex"): str.rindex,
        (str, "rsplit"): str.rsplit,
        (str, "rstrip"): str.rstrip,
        (str, "split"): str.split,
        (str, "splitlines"): str.splitlines,
        (str, "startswith"): str.startswith,
        (str, "strip"): str.strip,
        (str, "swapcase"): str.swapcase,
        (str, "title"): str.title,
        (str, "upper"): str.upper,
        (list, "count"): list.count,
        (list, "index"): list.index,
        (tuple, "count"): tuple.count,
        (tuple, "index"): tuple.index,
        (dict, "get"): dict.get,
        (dict, "items"): dict.items,
        (dict, "keys"): dict.keys,
        (dict, "values"): dict.values,
    }
)
