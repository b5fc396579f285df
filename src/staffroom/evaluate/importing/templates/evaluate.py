"""Filling in a parsed template for one row of data; steps, lengths and the values themselves are bounded."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from staffroom.evaluate.importing.templates.functions import (
    FILTERS,
    METHODS,
    TESTS,
    Mapped,
    Undefined,
    bounded,
    defined,
    product,
)
from staffroom.evaluate.importing.templates.nodes import (
    Attribute,
    Binary,
    Call,
    Choice,
    Comparison,
    Conditional,
    Constant,
    Expression,
    Filter,
    Listing,
    Logic,
    Loop,
    Name,
    Output,
    Setting,
    Slice,
    Statement,
    Subscript,
    Test,
    Text,
    Unary,
)
from staffroom.evaluate.importing.templates.nodes import Mapping as MappingNode
from staffroom.evaluate.importing.templates.parse import parse_template
from staffroom.evaluate.importing.templates.tokens import TemplateFault

__all__ = ["Template"]

_MAX_STEPS = 200_000
_MAX_RANGE = 10_000
_MAX_OUTPUT = 1 << 20


def _is_in(left: Any, right: Any) -> bool:
    return left in right


def _is_not_in(left: Any, right: Any) -> bool:
    return left not in right


def _written_together(left: Any, right: Any) -> str:
    return str(left) + str(right)


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "in": _is_in,
        "not in": _is_not_in,
    }
)
_COMPUTE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "+": operator.add,
        "-": operator.sub,
        "*": product,
        "/": operator.truediv,
        "//": operator.floordiv,
        "%": operator.mod,
        "~": _written_together,
    }
)


class Template:
    """A template that was read once and is filled in for many rows."""

    def __init__(self, source: str) -> None:
        """Parse a template; raises TemplateFault."""
        self._statements = parse_template(source)

    def render(self, row: Mapping[str, Any]) -> str:
        """Return the text for a row of plain data; raises TemplateFault with what went wrong."""
        run = _Run(dict(row))
        try:
            run.write(self._statements)
        except TemplateFault:
            raise
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            UnicodeError,
            ValueError,
        ) as error:
            raise TemplateFault(f"{type(error).__name__}: {error}") from error
        return "".join(run.parts)


@dataclass(slots=True)
class _Run:
    names: dict[str, Any]
    parts: list[str] = field(default_factory=list)
    steps: int = 0
    written: int = 0

    def write(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            match statement:
                case Text(text):
                    self.emit(text)
                case Output(value):
                    self.emit(_shown(self.value(value)))
                case Conditional(branches, other):
                    body = next((body for test, body in branches if self.holds(test)), other)
                    self.write(body)
                case Setting(name, value):
                    self.names[name] = self.value(value)
                case Loop():
                    self.loop(statement)

    def emit(self, text: str) -> None:
        self.written += len(text)
        if self.written > _MAX_OUTPUT:
            raise TemplateFault(f"a text longer than {_MAX_OUTPUT} characters")
        self.parts.append(text)

    def loop(self, node: Loop) -> None:
        values = self.value(node.values)
        outer = self.names
        chosen: list[dict[str, Any]] = []
        for member in list(values.members if isinstance(values, Mapped) else defined(values)):
            self.step()
            self.names = {**outer, **_unpacked(node.names, member)}
            if node.condition is None or self.holds(node.condition):
                chosen.append(self.names)
        for index, names in enumerate(chosen):
            self.step()
            self.names = {
                **names,
                "loop": {
                    "index": index + 1,
                    "index0": index,
                    "revindex": len(chosen) - index,
                    "revindex0": len(chosen) - index - 1,
                    "first": index == 0,
                    "last": index == len(chosen) - 1,
                    "length": len(chosen),
                },
            }
            self.write(node.body)
        self.names = outer
        if not chosen:
            self.write(node.other)

    def step(self) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise TemplateFault(f"more than {_MAX_STEPS} steps")

    def holds(self, node: Expression) -> bool:
        return bool(_decided(self.value(node)))

    def value(self, node: Expression) -> Any:
        self.step()
        match node:
            case Constant(value):
                return value
            case Name(name):
                return self.names.get(name, Undefined(name))
            case Listing(items, fixed):
                members = [defined(self.value(item)) for item in items]
                return tuple(members) if fixed else members
            case MappingNode(items):
                return {defined(self.value(key)): defined(self.value(value)) for key, value in items}
            case Choice(condition, value, other):
                if self.holds(condition):
                    return self.value(value)
                return Undefined("the value", silent=True) if other is None else self.value(other)
            case Logic(sign, left, right):
                first = _decided(self.value(left))
                return self.value(right) if bool(first) == (sign == "and") else first
            case Unary("not", value):
                return not self.holds(value)
            case _:
                return bounded(self.computed(node))

    def computed(self, node: Expression) -> Any:
        match node:
            case Unary(sign, value):
                found = defined(self.value(value))
                return -found if sign == "-" else +found
            case Binary(sign, left, right):
                return self.binary(sign, left, right)
            case Comparison(first, rest):
                return self.compared(first, rest)
            case Attribute(value, name):
                return _attribute(defined(self.value(value)), name)
            case Subscript(value, key):
                return self.subscript(value, key)
            case Call(function, arguments):
                return self.called(function, arguments)
            case Filter():
                return self.filtered(node)
            case Test(value, name, negated):
                if name not in TESTS:
                    raise TemplateFault(f"the test `is {name}` is not supported")
                return TESTS[name](self.value(value)) != negated
        raise TemplateFault("an expression that is not supported")

    def binary(self, sign: str, left: Expression, right: Expression) -> Any:
        first, second = defined(self.value(left)), defined(self.value(right))
        if sign == "%" and isinstance(first, str):
            raise TemplateFault("formatting with `%` is not supported")
        return _COMPUTE[sign](first, second)

    def compared(self, first: Expression, rest: Sequence[tuple[str, Expression]]) -> bool:
        left = defined(self.value(first))
        for sign, node in rest:
            right = defined(self.value(node))
            if not _COMPARE[sign](left, right):
                return False
            left = right
        return True

    def subscript(self, value: Expression, key: Expression | Slice) -> Any:
        found = defined(self.value(value))
        if isinstance(key, Slice):
            parts = [
                None if part is None else defined(self.value(part))
                for part in (key.start, key.stop, key.step)
            ]
            return found[slice(*parts)]
        place = defined(self.value(key))
        try:
            return found[place]
        except (AttributeError, LookupError, TypeError):
            if isinstance(place, str) and hasattr(type(found), place):
                raise TemplateFault(f"`['{place}']` of a {type(found).__name__} is not supported") from None
            return Undefined(f"{place!r} of the {type(found).__name__}")

    def called(self, node: Expression, arguments: Sequence[Expression]) -> Any:
        values = [defined(self.value(argument)) for argument in arguments]
        if node == Name("range") and "range" not in self.names:
            made = range(*values)
            if len(made) > _MAX_RANGE:
                raise TemplateFault(f"a range of more than {_MAX_RANGE}")
            return made
        if not isinstance(node, Attribute):
            raise TemplateFault("only methods of texts, lists and mappings, and range(), can be called")
        found = defined(self.value(node.value))
        method = METHODS.get((type(found), node.name))
        if method is None:
            raise TemplateFault(f"`.{node.name}()` of a {type(found).__name__} is not supported")
        return method(found, *values)

    def filtered(self, node: Filter) -> Any:
        if node.name not in FILTERS:
            raise TemplateFault(f"the filter `{node.name}` is not supported")
        value = self.value(node.value)
        arguments = [defined(self.value(argument)) for argument in node.arguments]
        named = {name: defined(self.value(argument)) for name, argument in node.named}
        return FILTERS[node.name](value, *arguments, **named)


def _attribute(value: Any, name: str) -> Any:
    # Jinja asks for Python's attribute first, so a field named like a method cannot be had this way.
    if name.startswith("_") or hasattr(type(value), name):
        raise TemplateFault(
            f"`.{name}` of a {type(value).__name__} is not supported; write ['{name}'] for a field"
        )
    if isinstance(value, dict) and name in value:
        return value[name]
    return Undefined(f"{name!r} of the {type(value).__name__}")


def _unpacked(names: Sequence[str], member: Any) -> dict[str, Any]:
    if len(names) == 1:
        return {names[0]: member}
    members = list(defined(member))
    if len(members) != len(names):
        raise TemplateFault(f"{len(members)} values for {len(names)} names")
    return dict(zip(names, members, strict=True))


def _decided(value: Any) -> Any:
    if isinstance(value, Undefined) and value.silent:
        return ""
    return defined(value)


def _shown(value: Any) -> str:
    return str(_decided(value))
