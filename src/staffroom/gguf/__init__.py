"""GGUF files: a strict reading of what they say about themselves, and what it takes to serve them."""

from staffroom.gguf.adapter import (
    AdapterFacts,
    AdapterTensors,
    BadAdapter,
    adapter_facts,
    check_adapter_binding,
    check_adapter_file,
    read_adapter,
    write_adapter,
)
from staffroom.gguf.errors import BadModelFile
from staffroom.gguf.header import GgufHeader, parse_header, read_header
from staffroom.gguf.memory import MemoryEstimate, MemoryPart, estimate_memory
from staffroom.gguf.model import ModelFigures
from staffroom.gguf.values import ArraySummary, Metadata, TensorInfo
from staffroom.gguf.weights import GgufPackageMissing, read_weights

__all__ = [
    "AdapterFacts",
    "AdapterTensors",
    "ArraySummary",
    "BadAdapter",
    "BadModelFile",
    "GgufHeader",
    "GgufPackageMissing",
    "MemoryEstimate",
    "MemoryPart",
    "Metadata",
    "ModelFigures",
    "TensorInfo",
    "adapter_facts",
    "check_adapter_binding",
    "check_adapter_file",
    "estimate_memory",
    "parse_header",
    "read_adapter",
    "read_header",
    "read_weights",
    "write_adapter",
]
