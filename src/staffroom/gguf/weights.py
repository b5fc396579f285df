"""The numbers of a model file: one tensor at a time, dequantised to 32-bit floats.

The place of each tensor comes from our own strict header; the arithmetic of the quantised blocks comes from the
`gguf` package (extra `train`). It must not know what a tensor is for.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from staffroom.gguf.errors import BadModelFile
from staffroom.gguf.header import GgufHeader
from staffroom.gguf.values import TensorInfo
from staffroom.records.errors import StaffroomError

__all__ = ["GgufPackageMissing", "gguf_package", "read_weights"]


class GgufPackageMissing(StaffroomError):
    """The package that knows the quantised formats is not installed."""


def read_weights(path: Path, header: GgufHeader, tensor: TensorInfo) -> npt.NDArray[np.float32]:
    """Return a tensor's values, the slowest dimension first (so a matrix is `[out, in]`).

    Raises BadModelFile where the file is shorter than its header says or the type has no dequantiser.
    """
    package = gguf_package()
    with path.open("rb") as stream:
        stream.seek(header.data_offset + tensor.offset)
        raw = np.fromfile(stream, dtype=np.uint8, count=tensor.bytes)
    if raw.size != tensor.bytes:
        raise BadModelFile(
            f"tensor {tensor.name!r} is cut short", offset=header.data_offset + tensor.offset, name=path.name
        )
    rows = tensor.elements // tensor.shape[0]
    try:
        values = package.quants.dequantize(raw.reshape(rows, -1), package.GGMLQuantizationType[tensor.type])
    except (KeyError, NotImplementedError) as error:
        raise BadModelFile(
            f"tensor {tensor.name!r} is stored as {tensor.type}, which cannot be turned into plain numbers",
            offset=header.data_offset + tensor.offset,
            name=path.name,
            hint="take a file of the same model in Q4_K_M, Q8_0 or F16: staffroom models add FILE",
        ) from error
    result: npt.NDArray[np.float32] = np.ascontiguousarray(values, dtype=np.float32).reshape(
        tuple(reversed(tensor.shape))
    )
    return result


def gguf_package() -> Any:
    """Return the `gguf` package; raises GgufPackageMissing with what to install."""
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise GgufPackageMissing(
            "training needs the extra `train`, which is not installed", hint="make train"
        ) from error
    return gguf
