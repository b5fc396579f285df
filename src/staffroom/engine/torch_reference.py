"""The dequantised base as a reference: which token it would choose after a prompt, with an adapter or without."""

from collections.abc import Mapping, Sequence

import torch

from staffroom.engine.packing import pack
from staffroom.engine.torch_network import LowRank, Network
from staffroom.engine.training import TrainingSequence
from staffroom.gguf import AdapterTensors

__all__ = ["TorchReference"]


class TorchReference:
    """Reads tokens with a loaded network; sees nothing of what the served engine says."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def follow(
        self, prompt: Sequence[int], chosen: Sequence[int], tensors: AdapterTensors | None
    ) -> list[tuple[int, float, Mapping[int, float]]]:
        """Return for each chosen token: our best token there, its log-probability, and that of the chosen one by id."""
        additions = {
            name: LowRank(torch.from_numpy(down), torch.from_numpy(up), 1.0)
            for name, (down, up) in (tensors or {}).items()
        }
        tokens = (*prompt, *chosen)
        marks = (False,) * len(prompt) + (True,) * len(chosen)
        with torch.no_grad():
            states = self.network.hidden(pack([TrainingSequence(tokens, marks)]), additions)
            scores = torch.log_softmax((states @ self.network.head.t()).float(), -1)
        best = scores.max(-1)
        return [
            (int(best.indices[place]), float(best.values[place]), {token: float(scores[place, token])})
            for place, token in enumerate(chosen)
        ]
