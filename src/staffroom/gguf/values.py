"""The values a GGUF header consists of: metadata entries and tensor descriptions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from staffroom.gguf.reader import BoundedReader
from staffroom.gguf.types import STRING

__all__ = ["ArraySummary", "Entry", "Metadata", "Scalar", "TensorInfo", "Value"]

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ArraySummary:
    """An array too long to keep: its element type (GGUF number) and length."""

    type: int
    count: int


Value = Scalar | tuple[Scalar, ...] | ArraySummary


@dataclass(frozen=True, slots=True)
class Entry:
    """One metadata value; `type` is the GGUF number of the value or of an array's elements, `offset` its byte."""

    type: int
    value: Value
    offset: int


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: `shape` innermost first, `offset` from the start of the tensor data, `type` as in TENSOR_TYPES."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    bytes: int
    elements: int


class Metadata(Mapping[str, Value]):
    """The keys of a header in file order, read-only, equal by content."""

    __slots__ = ("_entries",)

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = MappingProxyType(dict(entries))

    def __getitem__(self, key: str) -> Value:
        return self._entries[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, key: str) -> Entry | None:
        """Return the entry with its type and place, None where the key is absent."""
        return self._entries.get(key)

    def text(self, key: str, reader: BoundedReader) -> str | None:
        """Return a string, None where the key is absent; another type is refused."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not isinstance(entry.value, str):
            raise reader.fail(f"{key!r} must be a string", entry.offset)
        return entry.value

    def whole(self, key: str, reader: BoundedReader, *, least: int = 0, most: int) -> int | None:
        """Return a whole number within bounds, None where the key is absent; anything else is refused."""
        entry = self._entries.get(key)
        return None if entry is None else _bounded(entry.value, key, reader, entry.offset, least, most)

    def wholes(self, key: str, reader: BoundedReader, count: int, *, most: int) -> tuple[int, ...] | None:
        """Return `count` whole numbers from an array of that length or from one number said once for all."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not isinstance(entry.value, tuple):
            return (_bounded(entry.value, key, reader, entry.offset, 0, most),) * count
        if len(entry.value) != count:
            raise reader.fail(f"{key!r} has {len(entry.value)} values for {count} layers", entry.offset)
        return tuple(_bounded(value, key, reader, entry.offset, 0, most) for value in entry.value)

    def length(self, key: str, reader: BoundedReader, types: tuple[int, ...]) -> int | None:
        """Return an array's length, None where the key is absent; other element types than `types` are refused."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if isinstance(entry.value, ArraySummary):
            length = entry.value.count
        elif isinstance(entry.value, tuple):
            length = len(entry.value)
        else:
            raise reader.fail(f"{key!r} must be an array", entry.offset)
        if entry.type not in types:
            wanted = "strings" if types == (STRING,) else f"type {types[0]}"
            raise reader.fail(
                f"{key!r} must be an array of {wanted}, it is one of type {entry.type}", entry.offset
            )
        return length


def _bounded(value: Value, key: str, reader: BoundedReader, offset: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise reader.fail(f"{key!r} must be a whole number", offset)
    if not least <= value <= most:
        raise reader.fail(f"{key!r} is {value}; {least} to {most} are allowed", offset)
    return value
