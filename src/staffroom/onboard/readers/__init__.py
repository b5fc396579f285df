"""Readers: a file of any supported format to plain text with places, one module a format family.

They know formats, not jobs: what is worth citing, and how it is cut, is decided in `onboard.chunks`.
"""

from staffroom.onboard.readers.dates import find_as_of
from staffroom.onboard.readers.isolation import ReaderProcess
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.reading import read_bytes
from staffroom.onboard.readers.sniff import Kind, sniff
from staffroom.onboard.readers.statutes import division_of, list_level

__all__ = [
    "Kind",
    "ReadLimits",
    "ReaderProcess",
    "division_of",
    "find_as_of",
    "list_level",
    "read_bytes",
    "sniff",
]
