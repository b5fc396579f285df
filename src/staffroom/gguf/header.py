"""Read what a GGUF file says about itself, refusing everything that is not exactly in order.

Native loaders trust these bytes with pointers, so a file passes here before any of them sees it. This module never
loads the model and reads no tensor data. What it does not protect from: a well-formed model that behaves badly, a
harmful chat template (that text is only returned), bugs of a loader in files that are in order.

Rules, in the order in which they are applied:

1. magic, version 2 or 3 in little-endian order;
2. counts of tensors and keys within bounds and within the bytes that are left;
3. keys: not empty, printable ASCII, unique; values of a known type; no arrays of arrays; strings at most 1 MiB;
4. alignment: an unsigned 32-bit power of two from 8 to 65,536;
5. tensors: unique names under 64 bytes, 1 to 4 dimensions, none zero, element count below 2^63, a known type, whole
   blocks per row, an aligned offset;
6. tensor data: inside the file, no overlap, no gap and no tail longer than the padding;
7. the model's own figures and its vocabulary arrays agree with one another (`staffroom.gguf.model`).

Bounds: at most 256 MiB of header, 4 million array strings, 32,768 tensors; so at most about a second and 64 MiB.
Source: the GGUF specification (ggml, docs/gguf.md); the classes of faults seen in public are in design/models.md.
"""

import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from staffroom.gguf.errors import BadModelFile
from staffroom.gguf.model import ModelFigures, read_figures
from staffroom.gguf.reader import BoundedReader
from staffroom.gguf.types import ARRAY, BOOL, FILE_TYPES, SCALARS, STRING, TENSOR_TYPES, VALUE_NAMES
from staffroom.gguf.values import ArraySummary, Entry, Metadata, Scalar, TensorInfo, Value

__all__ = ["GgufHeader", "parse_header", "read_header"]

_MAGIC: Final = b"GGUF"
_HEADER_BYTES: Final = 256 << 20
_MOST_TENSORS: Final = 32_768
_MOST_KEYS: Final = 4_096
_MOST_ELEMENTS: Final = 64 << 20
_MOST_STRINGS: Final = 4 << 20
_KEY_BYTES: Final = 1_024
_STRING_BYTES: Final = 1 << 20
_KEPT_BYTES: Final = 8 << 20
_KEPT_NUMBERS: Final = 1_024
_VALUE_BYTES: Final = 64
_KEPT_STRINGS: Final = 64
_NAME_BYTES: Final = 63
_MOST_DIMENSIONS: Final = 4
_INT64_MAX: Final = (1 << 63) - 1
_ALIGNMENT: Final = 32
_LEAST_ALIGNMENT: Final = 8
_MOST_ALIGNMENT: Final = 65_536
_SMALLEST_KEY: Final = 8 + 1 + 4 + 1
_SMALLEST_TENSOR: Final = 8 + 1 + 4 + 8 + 4 + 8


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says about itself; sizes in bytes, lengths in tokens or elements.

    `figures` are the numbers of the network (zero where the file is no model, such as an adapter).
    `quantisation` is the label of `general.file_type`, else the type that holds most weights with `*` behind it,
    None where the file type is unknown to us. `license` is the file's own word, often absent.
    """

    version: int
    architecture: str
    kind: str
    name: str
    license: str | None
    figures: ModelFigures
    file_type: int | None
    quantisation: str | None
    chat_template: str | None
    split_count: int
    parameter_count: int
    tensor_bytes: int
    alignment: int
    data_offset: int
    file_bytes: int
    metadata: Metadata
    tensors: tuple[TensorInfo, ...]

    @property
    def context_length(self) -> int:
        """Tokens the model was trained to see at once."""
        return self.figures.context_length

    @property
    def block_count(self) -> int:
        """Layers of the network."""
        return self.figures.block_count

    @property
    def embedding_length(self) -> int:
        """Width of the network."""
        return self.figures.embedding_length

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        return self.figures.vocab_size

    @property
    def tokenizer(self) -> str | None:
        """Kind of the tokeniser, as `tokenizer.ggml.model` names it."""
        return self.figures.tokenizer


def read_header(path: Path) -> GgufHeader:
    """Return the header of a file; any fault, a file that cannot be read included, is a `BadModelFile`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadModelFile("is not a regular file", offset=0, name=path.name)
        with path.open("rb", buffering=0) as stream:
            size = stream.seek(0, 2)
            return parse_header(stream, size, path.name)
    except OSError as error:
        raise BadModelFile(f"cannot be read: {error.strerror or error}", offset=0, name=path.name) from error


def parse_header(stream: BinaryIO, size: int, name: str = "") -> GgufHeader:
    """Return the header read from a seekable stream over a file of `size` bytes; see the module for the rules."""
    reader = BoundedReader(stream, size, _HEADER_BYTES, name)
    version = _read_version(reader)
    tensor_count, key_count = _read_counts(reader)
    metadata = _read_metadata(reader, key_count)
    alignment = _read_alignment(reader, metadata)
    tensors = _read_tensors(reader, tensor_count, alignment)
    data_offset = -(-reader.offset // alignment) * alignment
    _check_layout(reader, tensors, data_offset, alignment, size)
    architecture = metadata.text("general.architecture", reader)
    if architecture is None:
        raise reader.fail("has no `general.architecture`: nothing says what network this is")
    kind = metadata.text("general.type", reader) or "model"
    figures = read_figures(metadata, architecture, kind, tensors, reader)
    file_type = metadata.whole("general.file_type", reader, most=0xFFFF)
    return GgufHeader(
        version=version,
        architecture=architecture,
        kind=kind,
        name=metadata.text("general.name", reader) or "",
        license=metadata.text("general.license", reader),
        figures=figures,
        file_type=file_type,
        quantisation=_most_used(tensors) + "*" if file_type is None else FILE_TYPES.get(file_type),
        chat_template=metadata.text("tokenizer.chat_template", reader),
        split_count=metadata.whole("split.count", reader, most=0xFFFF) or 1,
        parameter_count=sum(tensor.elements for tensor in tensors),
        tensor_bytes=sum(tensor.bytes for tensor in tensors),
        alignment=alignment,
        data_offset=data_offset,
        file_bytes=size,
        metadata=metadata,
        tensors=tensors,
    )


def _read_version(reader: BoundedReader) -> int:
    magic = reader.take(4, "the magic")
    if magic != _MAGIC:
        raise reader.fail(f"is not GGUF: begins with {magic!r}", 0)
    version = reader.u32("the version")
    if version in (2, 3):
        return version
    if version & 0xFFFF == 0 and version >> 16:
        raise reader.fail("is in big-endian byte order; only little-endian files are served", 4)
    raise reader.fail(f"is GGUF version {version}; versions 2 and 3 are served", 4)


def _read_counts(reader: BoundedReader) -> tuple[int, int]:
    tensors = reader.u64("the tensor count")
    if not 1 <= tensors <= _MOST_TENSORS:
        raise reader.fail(f"says it has {tensors} tensors; 1 to {_MOST_TENSORS} are allowed", 8)
    keys = reader.u64("the key count")
    if not 1 <= keys <= _MOST_KEYS:
        raise reader.fail(f"says it has {keys} keys; 1 to {_MOST_KEYS} are allowed", 16)
    reader.require(tensors * _SMALLEST_TENSOR + keys * _SMALLEST_KEY, "the smallest header with these counts")
    return tensors, keys


def _read_metadata(reader: BoundedReader, count: int) -> Metadata:
    entries: dict[str, Entry] = {}
    kept = 0
    budget = _Budget(_MOST_ELEMENTS, _MOST_STRINGS)
    for number in range(count):
        start = reader.offset
        raw = reader.string(_KEY_BYTES, f"key {number}")
        if not raw or not all(0x21 <= byte <= 0x7E for byte in raw):
            raise reader.fail(f"key {number} is empty or not printable ASCII: {raw[:40]!r}", start)
        key = raw.decode("ascii")
        if key in entries:
            raise reader.fail(f"key {key!r} occurs twice", start)
        entry = _read_entry(reader, key, start, budget)
        kept += _kept_bytes(entry.value)
        if kept > _KEPT_BYTES:
            raise reader.fail(f"holds more than {_KEPT_BYTES} bytes of short values", start)
        entries[key] = entry
    return Metadata(entries)


class _Budget:
    """What arrays may still cost, over the whole file: so that many middling arrays cannot do what one may not."""

    def __init__(self, elements: int, strings: int) -> None:
        self.elements = elements
        self.strings = strings


def _read_entry(reader: BoundedReader, key: str, start: int, budget: _Budget) -> Entry:
    kind = reader.u32(f"the type of {key!r}")
    if kind == ARRAY:
        element = reader.u32(f"the element type of {key!r}")
        return Entry(element, _read_array(reader, key, element, budget), start)
    if kind == STRING or kind in SCALARS:
        return Entry(kind, _read_scalar(reader, key, kind), start)
    raise reader.fail(f"{key!r} has the unknown value type {kind}", start)


def _read_scalar(reader: BoundedReader, key: str, kind: int) -> Scalar:
    start = reader.offset
    if kind == STRING:
        raw = reader.string(_STRING_BYTES, repr(key))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise reader.fail(f"{key!r} is not UTF-8", start) from error
    letter, size = SCALARS[kind]
    value = reader.number(letter, size, repr(key))
    if kind == BOOL:
        if value not in (0, 1):
            raise reader.fail(f"{key!r} is a truth value of {value}; 0 or 1 are allowed", start)
        return bool(value)
    return value


def _read_array(reader: BoundedReader, key: str, element: int, budget: _Budget) -> Value:
    start = reader.offset
    if element == ARRAY:
        raise reader.fail(f"{key!r} is an array of arrays", start)
    if element != STRING and element not in SCALARS:
        raise reader.fail(f"{key!r} is an array of the unknown type {element}", start)
    count = reader.u64(f"the length of {key!r}")
    if element == STRING:
        budget.strings -= count
    else:
        budget.elements -= count
    if budget.strings < 0 or budget.elements < 0:
        raise reader.fail(
            f"{key!r} says it has {count} elements: too many {VALUE_NAMES[element]} in arrays", start
        )
    size = 8 if element == STRING else SCALARS[element][1]
    reader.require(count * size, repr(key))
    if element == STRING:
        if count <= _KEPT_STRINGS:
            return tuple(_read_scalar(reader, key, element) for _ in range(count))
        reader.skip_strings(count, _STRING_BYTES, repr(key))
        return ArraySummary(element, count)
    if count > _KEPT_NUMBERS:
        reader.skip(count * size, repr(key))
        return ArraySummary(element, count)
    values = struct.unpack(f"<{count}{SCALARS[element][0]}", reader.take(count * size, repr(key)))
    if element != BOOL:
        return values
    if not set(values) <= {0, 1}:
        raise reader.fail(f"{key!r} holds truth values other than 0 and 1", start)
    return tuple(value == 1 for value in values)


def _kept_bytes(value: Value) -> int:
    if isinstance(value, tuple):
        return sum(_kept_bytes(part) for part in value)
    return _VALUE_BYTES + (len(value) if isinstance(value, str) else 0)


def _read_alignment(reader: BoundedReader, metadata: Metadata) -> int:
    entry = metadata.entry("general.alignment")
    if entry is None:
        return _ALIGNMENT
    value = entry.value
    if VALUE_NAMES.get(entry.type) != "u32" or not isinstance(value, int):
        raise reader.fail("`general.alignment` must be an unsigned 32-bit number", entry.offset)
    if not _LEAST_ALIGNMENT <= value <= _MOST_ALIGNMENT or value & (value - 1):
        text = f"`general.alignment` is {value}; a power of two from {_LEAST_ALIGNMENT} to {_MOST_ALIGNMENT} is needed"
        raise reader.fail(text, entry.offset)
    return value


def _read_tensors(reader: BoundedReader, count: int, alignment: int) -> tuple[TensorInfo, ...]:
    names: set[str] = set()
    tensors = []
    for number in range(count):
        start = reader.offset
        tensor = _read_tensor(reader, number, alignment)
        if tensor.name in names:
            raise reader.fail(f"tensor {tensor.name!r} occurs twice", start)
        names.add(tensor.name)
        tensors.append(tensor)
    return tuple(tensors)


def _read_tensor(reader: BoundedReader, number: int, alignment: int) -> TensorInfo:
    start = reader.offset
    raw = reader.string(_NAME_BYTES, f"the name of tensor {number}")
    if not raw or not all(0x21 <= byte <= 0x7E for byte in raw):
        raise reader.fail(f"the name of tensor {number} is empty or not printable ASCII: {raw!r}", start)
    name = raw.decode("ascii")
    dimensions = reader.u32(f"the dimension count of tensor {name!r}")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise reader.fail(
            f"tensor {name!r} has {dimensions} dimensions; 1 to {_MOST_DIMENSIONS} are allowed", start
        )
    shape = tuple(reader.u64(f"the shape of tensor {name!r}") for _ in range(dimensions))
    elements = 1
    for length in shape:
        elements *= length
    if not 0 < elements <= _INT64_MAX:
        raise reader.fail(f"tensor {name!r} of shape {shape} has no elements or 2^63 and more", start)
    number_of_type = reader.u32(f"the type of tensor {name!r}")
    stored = TENSOR_TYPES.get(number_of_type)
    if stored is None:
        raise reader.fail(f"tensor {name!r} has the unknown type {number_of_type}", start)
    if shape[0] % stored.block:
        text = f"tensor {name!r} has rows of {shape[0]}, no multiple of the {stored.block} of a {stored.name} block"
        raise reader.fail(text, start)
    offset = reader.u64(f"the offset of tensor {name!r}")
    if offset % alignment:
        raise reader.fail(f"tensor {name!r} begins at {offset}, which is not aligned to {alignment}", start)
    return TensorInfo(name, shape, stored.name, offset, elements // stored.block * stored.bytes, elements)


def _check_layout(
    reader: BoundedReader, tensors: tuple[TensorInfo, ...], data_offset: int, alignment: int, size: int
) -> None:
    room = size - data_offset
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset < end:
            raise reader.fail(
                f"tensor {tensor.name!r} begins inside the one before it", data_offset + tensor.offset
            )
        if tensor.offset - end >= alignment:
            raise reader.fail(
                f"{tensor.offset - end} bytes before tensor {tensor.name!r} belong to none", data_offset + end
            )
        end = tensor.offset + tensor.bytes
        if end > room:
            text = f"tensor {tensor.name!r} ends {end - room} bytes after the file: it is cut short or lies"
            raise reader.fail(text, size)
    if room - end >= alignment:
        raise reader.fail(f"{room - end} bytes behind the last tensor belong to none", data_offset + end)


def _most_used(tensors: Iterable[TensorInfo]) -> str:
    weights: dict[str, int] = {}
    for tensor in tensors:
        weights[tensor.type] = weights.get(tensor.type, 0) + tensor.elements
    return max(weights, key=lambda name: (weights[name], name))
