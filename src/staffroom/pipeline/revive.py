"""Turn kept JSON back into the frozen values it came from, validated field by field."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from staffroom.records.errors import StaffroomError

__all__ = ["revive"]

Value = TypeVar("Value")


def revive(kind: type[Value], data: Any) -> Value:
    """Return `data` as a value of `kind`, a frozen dataclass; raises StaffroomError where it is not one."""
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise StaffroomError(
            f"a kept {kind.__name__} cannot be read: {_first(error)}",
            hint="run the same command with --force",
        ) from error


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
