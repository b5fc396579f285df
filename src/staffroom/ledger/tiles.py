"""A log as a folder of files: where each tile and entry bundle lies, how it is framed, and how to read it.

Source: C2SP tlog-tiles v0.1.0. A tile holds up to 256 hashes of 32 bytes; the tile at level L covers complete subtrees of 256**L
leaves. A bundle holds up to 256 entries, each after its length in two bytes, so an entry has at most 65,535. A partial
tile or bundle of width W ends in `.p/W`; it may be gone once the full one exists, so reading falls back to that.
It does not verify: what is read here is to be trusted only after `verify_log`, or by a proof.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from staffroom.ledger.errors import EntryError, LogDamaged
from staffroom.ledger.merkle import HASH_SIZE, NodeOf, root_of

__all__ = [
    "MAX_ENTRY_BYTES",
    "TILE_WIDTH",
    "bundle_path",
    "encode_bundle",
    "folder_nodes",
    "parse_bundle",
    "parse_path",
    "read_entries",
    "tile_path",
]

TILE_WIDTH = 256
MAX_ENTRY_BYTES = 65_535
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a hash tile inside the log's folder; `width` under 256 names a partial tile."""
    return f"tile/{level}/{_index_path(index, width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Path of an entry bundle inside the log's folder."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_path(path: str) -> tuple[int, int, int] | None:
    """Read level, index and width back from a tile's or bundle's path (a bundle's level is 0); None for any other path."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = 0 if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3] or TILE_WIDTH)
    canonical = bundle_path(index, width) if match[1] == "entries" else tile_path(level, index, width)
    return (level, index, width) if canonical == path else None


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Frame entries, each after its length; raises EntryError on one of more than 65,535 bytes."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryError(
                f"an entry of {len(entry)} bytes, more than {MAX_ENTRY_BYTES}",
                hint="put the content in a file and log its digest",
            )
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def parse_bundle(data: bytes, width: int, *, where: str = "") -> list[bytes]:
    """Read the first `width` entries of a bundle; raises LogDamaged where the framing does not fit.

    More entries may follow (a full bundle read in place of a partial one), but never half of one.
    """
    entries: list[bytes] = []
    offset = 0
    while offset < len(data):
        end = offset + 2 + int.from_bytes(data[offset : offset + 2], "big")
        if end > len(data) or offset + 2 > len(data):
            raise LogDamaged(
                f"entry {len(entries)} at byte {offset} runs past the end of the file", where=where
            )
        entries.append(data[offset + 2 : end])
        offset = end
    if len(entries) < width:
        raise LogDamaged(f"{len(entries)} entries where {width} are needed", where=where)
    return entries[:width]


def read_entries(folder: Path, size: int, start: int = 0) -> Iterator[bytes]:
    """Read entries `start` to `size` - 1 of a log of `size` entries; raises LogDamaged where they are missing."""
    for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        path, data = _read(folder, bundle_path(index, width), bundle_path(index))
        skip = max(0, start - index * TILE_WIDTH)
        yield from parse_bundle(data, width, where=path)[skip:]


def folder_nodes(folder: Path, size: int) -> NodeOf:
    """Give the nodes of the log's tree of `size` leaves from its tiles; each tile is read once."""
    read: dict[tuple[int, int], list[bytes]] = {}

    def tile(level: int, index: int) -> list[bytes]:
        if (level, index) not in read:
            width = min(TILE_WIDTH, (size >> 8 * level) - index * TILE_WIDTH)
            path, data = _read(folder, tile_path(level, index, width), tile_path(level, index))
            if len(data) < width * HASH_SIZE:
                raise LogDamaged(f"{len(data)} bytes where {width} hashes are needed", where=path)
            read[level, index] = [data[i * HASH_SIZE : (i + 1) * HASH_SIZE] for i in range(width)]
        return read[level, index]

    def node_of(height: int, index: int) -> bytes:
        # A subtree as high as whole tiles is one hash in a tile above them, so only heights 0 to 7 are computed.
        level, inner = divmod(height, 8)
        first = index << inner
        offset = first % TILE_WIDTH
        return root_of(tile(level, first // TILE_WIDTH)[offset : offset + (1 << inner)])

    return node_of


def _index_path(index: int, width: int) -> str:
    name = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03}/{name}"
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def _read(folder: Path, *names: str) -> tuple[str, bytes]:
    for name in names:
        try:
            return name, (folder / name).read_bytes()
        except FileNotFoundError:
            continue
    raise LogDamaged(
        "this file of the log is missing", where=names[0], hint="restore it from a copy of the log"
    )
