"""A forward-only view of a file's first bytes in which nothing can be read outside its bounds.

It must not know what the bytes mean. Memory: one window (1 MiB) and what `take` returns. The file is read with
ordinary reads, not mapped: a mapped file that shrinks meanwhile would kill the process.
"""

import struct
from typing import BinaryIO, Final

from staffroom.gguf.errors import BadModelFile

__all__ = ["BoundedReader"]

_WINDOW_BYTES: Final = 1 << 20
_LENGTH: Final = struct.Struct("<Q")


class BoundedReader:
    """Reads little-endian values one after another from `stream`, never beyond `limit` or the file's `size`.

    `what` in each method names the thing being read, for the error. Every failure is a `BadModelFile`.
    """

    def __init__(self, stream: BinaryIO, size: int, limit: int, name: str) -> None:
        self._stream = stream
        self._end = min(size, limit)
        self._size = size
        self._name = name
        self._window = b""
        self._window_start = 0
        self.offset = 0

    def fail(self, message: str, offset: int | None = None) -> BadModelFile:
        """Return the error to raise, at `offset` or at the place reached."""
        return BadModelFile(message, offset=self.offset if offset is None else offset, name=self._name)

    @property
    def remaining(self) -> int:
        """Bytes between the place reached and the end of what may be read."""
        return self._end - self.offset

    def require(self, count: int, what: str) -> None:
        """Refuse unless `count` more bytes may be read."""
        if count > self.remaining:
            if self._end < self._size:
                raise self.fail(f"{what} goes beyond the {self._end} bytes allowed for a header")
            raise self.fail(f"{what} needs {count} bytes, the file has {self.remaining} left")

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes."""
        self.require(count, what)
        start = self.offset - self._window_start
        if start < 0 or start + count > len(self._window):
            self._fill(max(count, _WINDOW_BYTES))
            start = 0
            if count > len(self._window):
                raise self.fail(f"{what}: the file became shorter while it was read")
        self.offset += count
        return self._window[start : start + count]

    def skip(self, count: int, what: str) -> None:
        """Go past `count` bytes without reading them."""
        self.require(count, what)
        self.offset += count

    def number(self, letter: str, size: int, what: str) -> int | float:
        """Return one number of the given struct letter."""
        value: int | float = struct.unpack("<" + letter, self.take(size, what))[0]
        return value

    def u32(self, what: str) -> int:
        """Return an unsigned 32-bit number."""
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        """Return an unsigned 64-bit number."""
        return int.from_bytes(self.take(8, what), "little")

    def string(self, longest: int, what: str) -> bytes:
        """Return a length-prefixed string of at most `longest` bytes."""
        start = self.offset
        length = self.u64(what)
        if length > longest:
            raise self.fail(f"{what} says it is {length} bytes long, at most {longest} are allowed", start)
        return self.take(length, what)

    def skip_strings(self, count: int, longest: int, what: str) -> None:
        """Go past `count` length-prefixed strings, each checked against `longest` and the bounds.

        About 0.1 microseconds a string: the vocabulary arrays are by far the longest part of a real header.
        """
        self.require(8 * count, what)
        unpack = _LENGTH.unpack_from
        window, position = self._window, self.offset - self._window_start
        last = len(window) - 8
        for _ in range(count):
            if position > last or position < 0:
                self.offset = self._window_start + position
                self.require(8, what)
                self._fill(_WINDOW_BYTES)
                window, position, last = self._window, 0, len(self._window) - 8
                if last < 0:
                    raise self.fail(f"{what}: the file became shorter while it was read")
            length = unpack(window, position)[0]
            if length > longest:
                self.offset = self._window_start + position
                raise self.fail(
                    f"{what}: an element says it is {length} bytes long, at most {longest} are allowed"
                )
            position += 8 + length
        self.offset = self._window_start + position
        if self.remaining < 0:
            raise self.fail(f"{what} ends outside the file", self._end)

    def _fill(self, count: int) -> None:
        self._window_start = self.offset
        try:
            self._stream.seek(self.offset)
            self._window = self._stream.read(min(count, self.remaining))
        except OSError as error:
            raise self.fail(f"cannot be read: {error.strerror or error}") from error
