"""LoRA adapters as GGUF files: written for one base, and refused for any other.

llama.cpp applies `alpha / rank * up @ down` and knows no other scale, so the true scale is folded into `up` and
alpha is the rank: whoever reads the file another way still gets the same numbers. Names and shapes are those of the
base's own tensors, with `.lora_a` (`[rank, in]`) and `.lora_b` (`[out, rank]`) behind the name.

It does not know how an adapter was trained, and does not judge what it does to a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from staffroom.gguf.header import GgufHeader, read_header
from staffroom.gguf.weights import gguf_package, read_weights
from staffroom.records.errors import StaffroomError

__all__ = [
    "AdapterFacts",
    "AdapterTensors",
    "BadAdapter",
    "adapter_facts",
    "check_adapter_binding",
    "check_adapter_file",
    "read_adapter",
    "write_adapter",
]

AdapterTensors = Mapping[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
"""Weight name in the base without its ending -> (down `[rank, in]`, up `[out, rank]`, the scale folded in)."""

_OWN: Final = ("base", "template", "dataset", "leaks")
_MOST_RANK: Final = 256
_HINT: Final = "train it anew for this base: staffroom improve WORKER"


class BadAdapter(StaffroomError):
    """An adapter file that may not be loaded, or not with this base."""


@dataclass(frozen=True, slots=True)
class AdapterFacts:
    """What an adapter says of itself: digests of its base, of the chat template, of its data and of the leak report."""

    architecture: str
    rank: int
    base: str
    template: str
    dataset: str
    leaks: str


def write_adapter(path: Path, facts: AdapterFacts, tensors: AdapterTensors) -> None:
    """Write an adapter; the file has its name only once it is whole.

    Raises BadAdapter where a tensor is not finite or has another rank than `facts` say.
    """
    package = gguf_package()
    for name, (down, up) in tensors.items():
        if down.shape[0] != facts.rank or up.shape[1] != facts.rank:
            raise BadAdapter(f"`{name}` has another rank than {facts.rank}", where=path.name, hint=_HINT)
        if not (np.isfinite(down).all() and np.isfinite(up).all()):
            raise BadAdapter(f"`{name}` holds numbers that are not finite", where=path.name, hint=_HINT)
    partial = path.with_name(path.name + ".partial")
    writer: Any = package.GGUFWriter(str(partial), facts.architecture)
    writer.add_type(package.GGUFType.ADAPTER)
    writer.add_string(package.Keys.Adapter.TYPE, "lora")
    writer.add_float32(package.Keys.Adapter.LORA_ALPHA, float(facts.rank))
    for key in _OWN:
        writer.add_string(f"staffroom.{key}", getattr(facts, key))
    for name in sorted(tensors):
        down, up = tensors[name]
        writer.add_tensor(f"{name}.weight.lora_a", np.ascontiguousarray(down, dtype=np.float32))
        writer.add_tensor(f"{name}.weight.lora_b", np.ascontiguousarray(up, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)


def adapter_facts(path: Path) -> AdapterFacts:
    """Return what an adapter says of itself; raises BadModelFile or BadAdapter where it is no adapter of ours."""
    return _facts(path, read_header(path))


def check_adapter_binding(path: Path, base: str, template: str) -> None:
    """Raise BadAdapter where an adapter was made for another base or another chat template than are served."""
    facts = adapter_facts(path)
    if facts.base != base:
        raise BadAdapter(
            f"the adapter was trained for the base {facts.base}, not for {base}", where=path.name, hint=_HINT
        )
    if facts.template != template:
        raise BadAdapter(
            "the adapter was trained with another chat template than is served", where=path.name, hint=_HINT
        )


def check_adapter_file(path: Path, base: GgufHeader) -> None:
    """Raise BadAdapter where names, shapes, rank, scale or numbers do not fit the base's header."""
    header = read_header(path)
    facts = _facts(path, header)
    if facts.architecture != base.architecture:
        raise BadAdapter(
            f"the adapter is for `{facts.architecture}`, the base is `{base.architecture}`",
            where=path.name,
            hint=_HINT,
        )
    shapes = {tensor.name: tensor.shape for tensor in base.tensors}
    for name, (down, up) in read_adapter(path).items():
        shape = shapes.get(f"{name}.weight")
        if shape is None or len(shape) != 2 or not name.startswith("blk."):
            raise BadAdapter(f"the base has no linear layer `{name}`", where=path.name, hint=_HINT)
        if (down.shape, up.shape) != ((facts.rank, shape[0]), (shape[1], facts.rank)):
            raise BadAdapter(
                f"`{name}` has the shapes {down.shape} and {up.shape}, which do not fit {shape}",
                where=path.name,
                hint=_HINT,
            )
        if not (np.isfinite(down).all() and np.isfinite(up).all()):
            raise BadAdapter(f"`{name}` holds numbers that are not finite", where=path.name, hint=_HINT)


def read_adapter(path: Path) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Return the tensors of an adapter by the weight they add to; raises BadAdapter for any other tensor."""
    header = read_header(path)
    halves: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for tensor in header.tensors:
        stem, _, half = tensor.name.rpartition(".")
        if half not in ("lora_a", "lora_b") or not stem.endswith(".weight"):
            raise BadAdapter(f"`{tensor.name}` is no part of a LoRA", where=path.name, hint=_HINT)
        halves.setdefault(stem.removesuffix(".weight"), {})[half] = read_weights(path, header, tensor)
    lonely = [name for name, found in halves.items() if len(found) != 2]
    if lonely:
        raise BadAdapter(f"`{lonely[0]}` has one half only", where=path.name, hint=_HINT)
    return {name: (found["lora_a"], found["lora_b"]) for name, found in halves.items()}


def _facts(path: Path, header: GgufHeader) -> AdapterFacts:
    own = {key: header.metadata.get(f"staffroom.{key}") for key in _OWN}
    if header.kind != "adapter" or header.metadata.get("adapter.type") != "lora":
        raise BadAdapter("the file is no LoRA adapter", where=path.name, hint=_HINT)
    missing = [key for key, value in own.items() if not isinstance(value, str)]
    if missing:
        raise BadAdapter(f"the adapter does not name its {missing[0]}", where=path.name, hint=_HINT)
    ranks = {tensor.shape[1] for tensor in header.tensors if tensor.name.endswith(".lora_a")}
    if len(ranks) != 1 or not 1 <= min(ranks) <= _MOST_RANK:
        raise BadAdapter("the adapter's layers differ in rank", where=path.name, hint=_HINT)
    alpha = header.metadata.get("adapter.lora.alpha")
    if alpha != float(min(ranks)):
        raise BadAdapter(
            f"alpha is {alpha} and the rank {min(ranks)}: they must agree, or the scale served is not the one trained",
            where=path.name,
            hint=_HINT,
        )
    return AdapterFacts(
        architecture=header.architecture, rank=min(ranks), **{key: str(own[key]) for key in _OWN}
    )
