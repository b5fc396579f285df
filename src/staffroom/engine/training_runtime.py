"""Opens what training needs and loads PyTorch only then; the one door to it for other packages.

libgomp reads its settings when it is loaded, and threads that spin at barriers starve each other on a busy machine (a
tenth of the speed on two shared cores), so the environment is set before.
"""

import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from staffroom.engine.llama_process import physical_cores
from staffroom.engine.torch_shape import network_shape
from staffroom.engine.training import Trainer, TrainerMissing
from staffroom.gguf import AdapterTensors, read_header

__all__ = ["OpenBase", "open_base", "training_available"]

_COMPUTE = "compute.json"


def training_available() -> bool:
    """Say whether the extra `train` is installed, without loading it."""
    return find_spec("torch") is not None and find_spec("gguf") is not None


class OpenBase:
    """A base that can be trained: how fast this machine is at it, its reference once loaded, and the own loop."""

    def __init__(self, path: Path, compute: Any) -> None:
        self._path = path
        self._compute = compute
        self._network: Any = None

    @property
    def rate(self) -> float:
        """Measured operations a second."""
        return float(self._compute.rate)

    @property
    def weight_bytes(self) -> int:
        """Bytes a weight takes in memory at most: where training takes 16 bits, both kinds are there for a moment."""
        return 4 if self._compute.name == "float32" else 6

    @property
    def cores(self) -> int:
        """Threads that training uses."""
        return physical_cores()

    def follow(
        self, prompt: Sequence[int], chosen: Sequence[int], tensors: AdapterTensors | None
    ) -> list[tuple[int, float, Mapping[int, float]]]:
        """Say what the base would have chosen, in 32 bits whatever is trained in; see `TorchReference.follow`."""
        from staffroom.engine.torch_reference import TorchReference

        return TorchReference(self._exact()).follow(prompt, chosen, tensors)

    def trainer(self, rows: int) -> Trainer:
        """Return our own loop on this base."""
        import torch

        from staffroom.engine.torch_training import TorchTrainer

        network = self._exact()
        if self._compute.name != "float32":
            network = network.cast(getattr(torch, self._compute.name))
            # The exact weights are read again for the last check: training needs the memory.
            self._network = None
        return TorchTrainer(rows=rows, compute=self._compute, network=network)

    def _exact(self) -> Any:
        if self._network is None:
            import torch

            from staffroom.engine.torch_network import load_network

            self._network = load_network(self._path, torch.float32)
        return self._network

    def close(self) -> None:
        """Let go of the weights."""
        self._network = None


def open_base(path: Path, folder: Path) -> OpenBase:
    """Measure which number type is faster, or take what the paused run in `folder` took; raises TrainerMissing."""
    if not training_available():
        raise TrainerMissing("training needs the extra `train`, which is not installed", hint="make train")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from staffroom.engine.torch_training import Compute, choose_compute

    kept = folder / _COMPUTE
    if kept.exists():
        return OpenBase(path, Compute(**json.loads(kept.read_text(encoding="utf-8"))))
    shape = network_shape(read_header(path))
    compute = choose_compute(shape.width, shape.feed_forward)
    folder.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(kept.name + ".partial")
    partial.write_text(json.dumps({"name": compute.name, "reason": compute.reason, "rate": compute.rate}))
    partial.replace(kept)
    return OpenBase(path, compute)
