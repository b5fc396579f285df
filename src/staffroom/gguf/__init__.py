"""GGUF files: a strict reading of what they say about themselves, and what it takes to serve them."""

from staffroom.gguf.errors import BadModelFile
from staffroom.gguf.header import GgufHeader, parse_header, read_header
from staffroom.gguf.memory import MemoryEstimate, MemoryPart, estimate_memory
from staffroom.gguf.model import ModelFigures
from staffroom.gguf.values import ArraySummary, Metadata, TensorInfo

__all__ = [
    "ArraySummary",
    "BadModelFile",
    "GgufHeader",
    "MemoryEstimate",
    "MemoryPart",
    "Metadata",
    "ModelFigures",
    "TensorInfo",
    "estimate_memory",
    "parse_header",
    "read_header",
]
