"""The parts of a parsed template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Attribute",
    "Binary",
    "Call",
    "Choice",
    "Comparison",
    "Conditional",
    "Constant",
    "Expression",
    "Filter",
    "Listing",
    "Logic",
    "Loop",
    "Mapping",
    "Name",
    "Output",
    "Setting",
    "Slice",
    "Statement",
    "Subscript",
    "Test",
    "Text",
    "Unary",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a string, true, false or none."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A field of the row, or a name that the template set."""

    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, or a tuple where `fixed`."""

    items: "tuple[Expression, ...]"
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """A dictionary."""

    items: "tuple[tuple[Expression, Expression], ...]"


@dataclass(frozen=True, slots=True)
class Slice:
    """The inside of `[start:stop:step]`."""

    start: "Expression | None"
    stop: "Expression | None"
    step: "Expression | None"


@dataclass(frozen=True, slots=True)
class Attribute:
    """`value.name`."""

    value: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Subscript:
    """`value[key]`."""

    value: "Expression"
    key: "Expression | Slice"


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    function: "Expression"
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Filter:
    """`value | name(arguments, key=value)`."""

    value: "Expression"
    name: str
    arguments: "tuple[Expression, ...]" = ()
    named: "tuple[tuple[str, Expression], ...]" = ()


@dataclass(frozen=True, slots=True)
class Test:
    """`value is name`, or `is not` where `negated`."""

    value: "Expression"
    name: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Unary:
    """`not`, `-` or `+` before a value."""

    sign: str
    value: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic of two values, or `~`."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A chain of comparisons, as Python's."""

    first: "Expression"
    rest: "tuple[tuple[str, Expression], ...]"


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or`; the value is that of the side which decides."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Choice:
    """`value if condition else other`; without `else` it writes nothing."""

    condition: "Expression"
    value: "Expression"
    other: "Expression | None"


Expression = (
    Constant
    | Name
    | Listing
    | Mapping
    | Attribute
    | Subscript
    | Call
    | Filter
    | Test
    | Unary
    | Binary
    | Comparison
    | Logic
    | Choice
)


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is written as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """`{{ value }}`."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    """`{% if %}` with its branches in order, and what comes where none holds."""

    branches: "tuple[tuple[Expression, Sequence[Statement]], ...]"
    other: "Sequence[Statement]"


@dataclass(frozen=True, slots=True)
class Loop:
    """`{% for %}`; `names` has several where members are unpacked."""

    names: tuple[str, ...]
    values: Expression
    condition: Expression | None
    body: "Sequence[Statement]"
    other: "Sequence[Statement]"


@dataclass(frozen=True, slots=True)
class Setting:
    """`{% set name = value %}`."""

    name: str
    value: Expression


Statement = Text | Output | Conditional | Loop | Setting
