"""What training costs, worked out from the shape of the network: operations, memory, and space on the disk.

Counted are multiplications and additions of matrix products, two for each weight and row. A frozen weight costs two
products a row (forward, and the gradient with respect to its input) where full training costs three.
"""

from collections.abc import Iterable

from staffroom.engine.packing import Packed
from staffroom.engine.torch_shape import NetworkShape

__all__ = ["adapter_bytes", "adapter_parameters", "step_flops", "training_bytes"]

_F32 = 4
_OVERHEAD_BYTES = 600 << 20
_HEAD_ROWS = 128
_MARGIN = 1.15


def adapter_parameters(shape: NetworkShape, rank: int, layers: Iterable[str]) -> int:
    """Return how many numbers an adapter has."""
    linears = shape.linears()
    return shape.layers * sum(rank * sum(linears[name]) for name in layers)


def adapter_bytes(shape: NetworkShape, rank: int, layers: Iterable[str]) -> int:
    """Return the size of an adapter file, and of each of the three arrays that a paused training keeps."""
    return adapter_parameters(shape, rank, layers) * _F32


def step_flops(shape: NetworkShape, batch: Packed, rank: int, layers: Iterable[str]) -> float:
    """Return the operations of one batch, forward and backward, as our own loop computes it."""
    linears = shape.linears()
    rows, wanted = len(batch.tokens), len(batch.wanted)
    block = sum(out * inward for out, inward in linears.values())
    thin = sum(rank * sum(linears[name]) for name in layers)
    every = 4.0 * block + 6.0 * thin
    keys = linears["attn_k"][0] + linears["attn_v"][0]
    last = 4.0 * (keys * shape.width * rows + (block - keys * shape.width) * wanted) + 6.0 * thin * wanted
    seen = sum(
        (segment.end - segment.start) * (batch.positions[segment.start] + (segment.end - segment.start) / 2)
        for segment in batch.segments
    )
    attention = 3.0 * 4.0 * seen * shape.heads * shape.head_width * shape.layers
    head = 4.0 * shape.vocabulary * shape.width * len(batch.targets)
    return every * rows * (shape.layers - 1) + last + attention + head


def training_bytes(shape: NetworkShape, rows: int, weight_bytes: int, adapter: int, tied: bool) -> int:
    """Return the memory that training takes: `rows` in one batch, `weight_bytes` a weight, `adapter` bytes of adapter.

    An upper estimate: weights, what the backward pass keeps of each row, four copies of the adapter (itself, its
    gradient and two moments), the scores of a block of rows, and what Python and PyTorch take.
    """
    linears = shape.linears()
    weights = shape.layers * sum(out * inward for out, inward in linears.values())
    weights += shape.vocabulary * shape.width * (1 if tied else 2)
    inner = shape.heads * shape.head_width
    row = shape.layers * (8 * shape.width + 4 * inner + 5 * shape.feed_forward) * _F32
    head = 3 * _HEAD_ROWS * shape.vocabulary * _F32
    return int(_MARGIN * (weights * weight_bytes + rows * row + 4 * adapter + head + _OVERHEAD_BYTES))
