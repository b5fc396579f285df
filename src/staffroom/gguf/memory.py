"""How much memory it takes to serve a model, worked out from its header alone."""

import platform
from dataclasses import dataclass
from typing import Final

from staffroom.gguf.header import GgufHeader

__all__ = ["MemoryEstimate", "MemoryPart", "estimate_memory"]

_F16: Final = 2
_F32: Final = 4
_BATCH_TOKENS: Final = 512
_PROCESS_BYTES: Final = 64 << 20
_TOKEN_BYTES: Final = 1 << 10
_REPACKED: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "Q2_K", "MXFP4"})
_REPACKED_ON_ARM: Final = _REPACKED | {"Q5_K", "Q6_K", "Q8_0"}
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """One part of an estimate: what for, how many bytes, worked out how."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes needed to serve, and the parts they are the sum of."""

    bytes: int
    parts: tuple[MemoryPart, ...]

    @property
    def reason(self) -> str:
        """One sentence a person can check."""
        parts = ", ".join(f"{part.name} {part.bytes // _MIB} MiB ({part.how})" for part in self.parts)
        return f"{self.bytes // _MIB} MiB: {parts}"


def estimate_memory(header: GgufHeader, *, context_length: int, slots: int = 1) -> MemoryEstimate:
    """Return the bytes needed to serve `slots` conversations of `context_length` tokens each, on a CPU.

    An upper estimate, with flash attention: the weights as they lie in the file, and once more those of a type that
    llama.cpp rearranges for the processor (beside the mapped file, so both count); the key-value cache in 16-bit floats for every layer at full length
    (models with a sliding window need less), the work space of one batch of 512 tokens, one row of token scores a
    slot. The engine's own share (64 MiB, and 1 KiB a token of the vocabulary with its merges) was fitted to measured
    peaks; see design/models.md.
    """
    figures = header.figures
    tokens = context_length * slots
    per_token = sum(figures.kv_heads) * (figures.key_length + figures.value_length) * _F16
    hidden = _BATCH_TOKENS * (4 * figures.embedding_length + 2 * figures.feed_forward_length) * _F32
    types = _REPACKED_ON_ARM if platform.machine().lower() in ("aarch64", "arm64") else _REPACKED
    copied = [
        tensor.bytes
        for tensor in header.tensors
        if tensor.type in types and len(tensor.shape) > 1 and tensor.name != "token_embd.weight"
    ]
    rows = slots * figures.vocab_size * _F32
    parts = (
        MemoryPart("weights", header.tensor_bytes, f"{len(header.tensors)} tensors"),
        MemoryPart("rearranged weights", sum(copied), f"{len(copied)} tensors"),
        MemoryPart(
            "key-value cache", tokens * per_token, f"{slots} x {context_length} tokens at {per_token} bytes"
        ),
        MemoryPart("work space", hidden + rows, f"a batch of {_BATCH_TOKENS} tokens"),
        MemoryPart("vocabulary", figures.vocab_size * _TOKEN_BYTES, f"{figures.vocab_size} tokens"),
        MemoryPart("engine", _PROCESS_BYTES, "the process itself"),
    )
    return MemoryEstimate(sum(part.bytes for part in parts), parts)
