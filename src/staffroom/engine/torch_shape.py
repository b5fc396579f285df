"""What network a model file holds, as far as our own forward pass must know it; what it does not know is refused.

Rotations are applied in the basis in which the file keeps its weights: neighbouring pairs for `llama`, halves for
`qwen2` and `gemma3`. So nothing is permuted on the way in, and nothing on the way out.
"""

import math
from dataclasses import dataclass
from typing import Final

from staffroom.engine.errors import EngineError
from staffroom.gguf import GgufHeader

__all__ = ["NetworkShape", "UnknownArchitecture", "network_shape"]

_KNOWN: Final = ("llama", "qwen2", "gemma3")
_GEMMA_PATTERN: Final = 6
_GEMMA_LOCAL_BASE: Final = 10_000.0
_GEMMA_27B_LAYERS: Final = 62


class UnknownArchitecture(EngineError):
    """The file holds a network, or a variant of one, that cannot be trained here."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The figures of a decoder; `interleaved` says how rotations pair, `window` is 0 without a sliding window."""

    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int
    epsilon: float
    rope_base: float
    rope_scale: float
    interleaved: bool
    window: int
    attention_scale: float
    rotated: int

    @property
    def gemma(self) -> bool:
        """Whether embeddings are scaled, blocks have norms behind them, and the gate is a tanh GELU."""
        return self.architecture == "gemma3"

    def sliding(self, layer: int) -> bool:
        """Say whether a layer sees the last `window` tokens only."""
        return self.window > 0 and (layer + 1) % _GEMMA_PATTERN != 0

    def base_of(self, layer: int) -> tuple[float, float]:
        """Return the base and the factor of a layer's rotations."""
        return (_GEMMA_LOCAL_BASE, 1.0) if self.sliding(layer) else (self.rope_base, self.rope_scale)

    def linears(self) -> dict[str, tuple[int, int]]:
        """Return the linear layers of a block by their name in the file: (out, in)."""
        inner, kv = self.heads * self.head_width, self.kv_heads * self.head_width
        return {
            "attn_q": (inner, self.width),
            "attn_k": (kv, self.width),
            "attn_v": (kv, self.width),
            "attn_output": (self.width, inner),
            "ffn_gate": (self.feed_forward, self.width),
            "ffn_up": (self.feed_forward, self.width),
            "ffn_down": (self.width, self.feed_forward),
        }


def network_shape(header: GgufHeader) -> NetworkShape:
    """Return the shape of the network in a file; raises UnknownArchitecture by name for all that is not known."""
    name = header.architecture
    figures = header.figures
    if name not in _KNOWN or header.kind != "model" or header.split_count > 1:
        raise _refused(header, f"files of `{name}` cannot be trained here ({', '.join(_KNOWN)} can)")
    if len(set(figures.heads)) != 1 or len(set(figures.kv_heads)) != 1 or not figures.kv_heads[0]:
        raise _refused(header, "its layers differ in their heads")
    if figures.key_length != figures.value_length:
        raise _refused(header, "its keys and values differ in length")
    if any("exps" in tensor.name for tensor in header.tensors):
        raise _refused(header, "it is a mixture of experts")
    scaling = header.metadata.get(f"{name}.rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise _refused(header, f"its rotations are scaled by `{scaling}`")
    factor = _number(header, "rope.scaling.factor", 1.0) if scaling == "linear" else 1.0
    epsilon = _number(header, "attention.layer_norm_rms_epsilon", 0.0)
    if epsilon <= 0:
        raise _refused(header, "it names no epsilon of its norms")
    width = figures.key_length
    gemma_27b = name == "gemma3" and figures.block_count == _GEMMA_27B_LAYERS
    per_head = figures.embedding_length // figures.heads[0] if gemma_27b else width
    return NetworkShape(
        architecture=name,
        layers=figures.block_count,
        width=figures.embedding_length,
        heads=figures.heads[0],
        kv_heads=figures.kv_heads[0],
        head_width=width,
        feed_forward=figures.feed_forward_length,
        vocabulary=figures.vocab_size,
        epsilon=epsilon,
        rope_base=_number(header, "rope.freq_base", 10_000.0),
        rope_scale=1.0 / factor,
        interleaved=name == "llama",
        window=figures.sliding_window if name == "gemma3" else 0,
        attention_scale=1.0 / math.sqrt(per_head),
        rotated=int(_number(header, "rope.dimension_count", width)),
    )


def _number(header: GgufHeader, key: str, default: float) -> float:
    value = header.metadata.get(f"{header.architecture}.{key}", default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(header, f"`{key}` is no number")
    return float(value)


def _refused(header: GgufHeader, reason: str) -> UnknownArchitecture:
    return UnknownArchitecture(
        reason,
        where=header.name or header.architecture,
        hint="name a candidate of llama, qwen2 or gemma3: staffroom models list",
    )
