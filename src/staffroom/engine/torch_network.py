"""The forward pass of a served model in plain PyTorch: dequantised base, low-rank additions, packed sequences.

A batch is a tree of segments laid one behind the other: a beginning that several sequences share is computed once,
and each segment attends to itself and to the segments above it. There is no padding. What is computed is what each
sequence by itself would give, rounding apart.

It knows token ids and numbers; no text, no template, no file on disk but the model's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from staffroom.engine.packing import Packed
from staffroom.engine.torch_shape import NetworkShape, UnknownArchitecture, network_shape
from staffroom.gguf import read_header, read_weights

__all__ = ["LowRank", "Network", "load_network"]

_BLOCK_EXTRAS = (
    "attn_norm.weight",
    "ffn_norm.weight",
    "attn_q.bias",
    "attn_k.bias",
    "attn_v.bias",
    "attn_output.bias",
    "attn_q_norm.weight",
    "attn_k_norm.weight",
    "post_attention_norm.weight",
    "post_ffw_norm.weight",
)
_TOP = ("token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight")


@dataclass(frozen=True, slots=True)
class LowRank:
    """The addition to one linear layer: `scale * up @ down`, down `[rank, in]` and up `[out, rank]`."""

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Tensor
    bias: Tensor | None


class Network:
    """A frozen decoder; `additions` are by the name of the weight in the file without its ending.

    weights: tensors by their name in the file. All are of one type, but the norms, which are 32-bit.
    """

    def __init__(self, shape: NetworkShape, weights: Mapping[str, Tensor], compute: torch.dtype) -> None:
        self.shape = shape
        self.compute = compute
        self._weights = weights
        self.embedding = weights["token_embd.weight"]
        self.head = weights.get("output.weight", self.embedding)
        self._factors = weights.get("rope_freqs.weight")

    @property
    def tied(self) -> bool:
        """Whether the head is the embedding."""
        return self.head is self.embedding

    def cast(self, compute: torch.dtype) -> "Network":
        """Return the same network in another number type; norms stay 32-bit."""
        weights = {
            name: values.to(compute if _rounded(name) else torch.float32)
            for name, values in self._weights.items()
        }
        return Network(self.shape, weights, compute)

    def hidden(self, batch: Packed, additions: Mapping[str, LowRank]) -> Tensor:
        """Return the normed last states of the wanted rows, `[wanted, width]`."""
        device = self.embedding.device
        tokens = torch.tensor(batch.tokens, device=device)
        positions = torch.tensor(batch.positions, device=device)
        state = functional.embedding(tokens, self.embedding).to(self.compute)
        if self.shape.gemma:
            state = state * (self.shape.width**0.5)
        plans = _plans(batch, positions, self.shape)
        turns: dict[tuple[float, float], tuple[Tensor, Tensor]] = {}
        for layer in range(self.shape.layers):
            base = self.shape.base_of(layer)
            if base not in turns:
                turns[base] = self._rotation(positions, *base)
            last = layer == self.shape.layers - 1
            state = self._block(layer, state, plans, turns[base], additions, last)
        return self._norm(state, "output_norm.weight")

    def _block(
        self,
        layer: int,
        state: Tensor,
        plans: "_Plans",
        turn: tuple[Tensor, Tensor],
        additions: Mapping[str, LowRank],
        last: bool,
    ) -> Tensor:
        shape, prefix = self.shape, f"blk.{layer}."
        normed = self._norm(state, f"{prefix}attn_norm.weight")
        wanted = plans.wanted if last else None
        asking = normed if wanted is None else normed.index_select(0, wanted)
        query = self._heads(self._apply(f"{prefix}attn_q", asking, additions), shape.heads)
        key = self._heads(self._apply(f"{prefix}attn_k", normed, additions), shape.kv_heads)
        value = self._heads(self._apply(f"{prefix}attn_v", normed, additions), shape.kv_heads)
        if f"{prefix}attn_q_norm.weight" in self._weights:
            query = self._norm(query, f"{prefix}attn_q_norm.weight")
            key = self._norm(key, f"{prefix}attn_k_norm.weight")
        own = turn if wanted is None else (turn[0].index_select(0, wanted), turn[1].index_select(0, wanted))
        query, key = self._rotated(query, own), self._rotated(key, turn)
        seen = _attend(query, key, value, plans, shape, sliding=shape.sliding(layer), last=last)
        seen = self._apply(f"{prefix}attn_output", seen, additions)
        if shape.gemma:
            seen = self._norm(seen, f"{prefix}post_attention_norm.weight")
        state = (state if wanted is None else state.index_select(0, wanted)) + seen
        normed = self._norm(state, f"{prefix}ffn_norm.weight")
        gate = self._apply(f"{prefix}ffn_gate", normed, additions)
        gate = functional.gelu(gate, approximate="tanh") if shape.gemma else functional.silu(gate)
        inner = gate * self._apply(f"{prefix}ffn_up", normed, additions)
        out = self._apply(f"{prefix}ffn_down", inner, additions)
        if shape.gemma:
            out = self._norm(out, f"{prefix}post_ffw_norm.weight")
        return state + out

    def _apply(self, name: str, state: Tensor, additions: Mapping[str, LowRank]) -> Tensor:
        out = functional.linear(state, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))
        extra = additions.get(name)
        if extra is None:
            return out
        thin = functional.linear(state, extra.down.to(self.compute))
        # In place on a fresh result that nothing else holds: one pass over the rows less.
        return out.addmm_(thin, extra.up.to(self.compute).t(), alpha=extra.scale)

    def _norm(self, state: Tensor, name: str) -> Tensor:
        weight = self._weights[name]
        # Norms are 32-bit whatever the rest is: their sums decide what all other rounding is relative to.
        normed = functional.rms_norm(state.float(), (weight.shape[0],), weight, self.shape.epsilon)
        return normed.to(self.compute)

    def _heads(self, state: Tensor, heads: int) -> Tensor:
        return state.view(-1, heads, self.shape.head_width)

    def _rotation(self, positions: Tensor, base: float, scale: float) -> tuple[Tensor, Tensor]:
        half = self.shape.rotated // 2
        steps = torch.arange(half, dtype=torch.float64, device=positions.device)
        angles = base ** (-steps / half) * scale
        if self._factors is not None:
            angles = angles / self._factors.double()
        turned = (positions.double()[:, None] * angles).float()
        return turned.cos()[:, None, :], turned.sin()[:, None, :]

    def _rotated(self, state: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        cos, sin = turn[0].to(state.dtype), turn[1].to(state.dtype)
        part = state[..., : self.shape.rotated]
        if self.shape.interleaved:
            left, right = part[..., 0::2], part[..., 1::2]
            turned = torch.stack((left * cos - right * sin, left * sin + right * cos), -1).flatten(-2)
        else:
            left, right = part.chunk(2, -1)
            turned = torch.cat((left * cos - right * sin, left * sin + right * cos), -1)
        if self.shape.rotated == state.shape[-1]:
            return turned
        return torch.cat((turned, state[..., self.shape.rotated :]), -1)


@dataclass(frozen=True, slots=True)
class _Plans:
    """A layout made ready: for each segment the masks of its rows, full and sliding; None means all is seen."""

    lengths: tuple[int, ...]
    chains: tuple[tuple[int, ...], ...]
    wanted: Tensor
    wanted_lengths: tuple[int, ...]
    masks: tuple[Tensor, ...]
    slides: tuple[Tensor, ...]
    last_masks: tuple[Tensor, ...]
    last_slides: tuple[Tensor, ...]


def _plans(layout: Packed, positions: Tensor, shape: NetworkShape) -> _Plans:
    device = positions.device
    wanted = torch.tensor(layout.wanted, dtype=torch.long, device=device)
    masks, slides, last_masks, last_slides, wanted_lengths, chains = [], [], [], [], [], []
    for number, segment in enumerate(layout.segments):
        parts = [
            positions[layout.segments[above].start : layout.segments[above].end] for above in segment.chain
        ]
        own = positions[segment.start : segment.end]
        seen = torch.cat([*parts, own])
        far = own[:, None] - seen[None, :]
        mask = far >= 0
        slide = mask & (far < shape.window) if shape.window else mask
        inside = [row - segment.start for row in layout.wanted if segment.start <= row < segment.end]
        rows = torch.tensor(inside, dtype=torch.long, device=device)
        masks.append(mask)
        slides.append(slide)
        last_masks.append(mask[rows])
        last_slides.append(slide[rows])
        wanted_lengths.append(len(inside))
        chains.append((*segment.chain, number))
    return _Plans(
        lengths=tuple(segment.end - segment.start for segment in layout.segments),
        chains=tuple(chains),
        wanted=wanted,
        wanted_lengths=tuple(wanted_lengths),
        masks=tuple(masks),
        slides=tuple(slides),
        last_masks=tuple(last_masks),
        last_slides=tuple(last_slides),
    )


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plans: _Plans,
    shape: NetworkShape,
    *,
    sliding: bool,
    last: bool,
) -> Tensor:
    """Return what each query row sees, `[rows, heads * width]`; segments without a wanted row are left out at the end."""
    if last:
        masks = plans.last_slides if sliding else plans.last_masks
    else:
        masks = plans.slides if sliding else plans.masks
    queries = query.split(list(plans.wanted_lengths if last else plans.lengths))
    # Split once and shared by all that look back: the gradient of a slice would be as large as the whole.
    keys, values = key.split(list(plans.lengths)), value.split(list(plans.lengths))
    seen = []
    for number, rows in enumerate(queries):
        if not rows.shape[0]:
            continue
        chain = plans.chains[number]
        if len(chain) == 1:
            own_key, own_value = keys[number], values[number]
        else:
            own_key = torch.cat([keys[above] for above in chain])
            own_value = torch.cat([values[above] for above in chain])
        found = functional.scaled_dot_product_attention(
            rows.transpose(0, 1)[None],
            own_key.transpose(0, 1)[None],
            own_value.transpose(0, 1)[None],
            attn_mask=masks[number],
            scale=shape.attention_scale,
            enable_gqa=shape.heads != shape.kv_heads,
        )
        seen.append(found[0].transpose(0, 1).flatten(1))
    return torch.cat(seen)


def load_network(
    path: Path,
    compute: torch.dtype,
    *,
    device: str = "cpu",
    on_tensor: Callable[[int], None] = lambda _: None,
) -> Network:
    """Return the network of a model file, dequantised; `on_tensor` is told the bytes read after each tensor.

    Raises UnknownArchitecture for a network that is not known, or that holds a tensor that is not.
    """
    header = read_header(path)
    shape = network_shape(header)
    expected = _names(shape)
    weights: dict[str, Tensor] = {}
    for tensor in header.tensors:
        if tensor.name not in expected:
            raise UnknownArchitecture(
                f"the file holds `{tensor.name}`, which our forward pass does not know",
                where=path.name,
                hint="name a candidate of llama, qwen2 or gemma3: staffroom models list",
            )
        values = torch.from_numpy(read_weights(path, header, tensor))
        weights[tensor.name] = values.to(device, compute if _rounded(tensor.name) else torch.float32)
        on_tensor(tensor.bytes)
    missing = sorted(_needed(shape) - weights.keys())
    if missing:
        raise UnknownArchitecture(
            f"the file lacks `{missing[0]}`", where=path.name, hint="fetch it again: staffroom models check"
        )
    return Network(shape, weights, compute)


def _rounded(name: str) -> bool:
    return not name.endswith("norm.weight") and name != "rope_freqs.weight"


def _needed(shape: NetworkShape) -> set[str]:
    block = [*(f"{name}.weight" for name in shape.linears()), "attn_norm.weight", "ffn_norm.weight"]
    return {f"blk.{layer}.{name}" for layer in range(shape.layers) for name in block} | set(_TOP[:2])


def _names(shape: NetworkShape) -> set[str]:
    extras: Sequence[str] = _BLOCK_EXTRAS
    return (
        _needed(shape)
        | {f"blk.{layer}.{name}" for layer in range(shape.layers) for name in extras}
        | set(_TOP)
    )
