"""The training loop for processors without a graphics card: plain PyTorch, no padding, nothing computed twice.

Procedure of a step:
1. the sequences are packed as trees, in batches that fit the memory;
2. the backbone runs over each tree once; the head and its gradient are formed for learnt tokens only, in the forward;
3. gradients of all batches add up, divided by the learnt tokens of the whole step;
4. they are shortened to the longest norm allowed, and AdamW moves the adapter;
5. every half minute the adapter, its moments and the step are written beside the last state and take its name.

The order of the sequences, the first adapter and the arithmetic are functions of the plan, so a run that was killed
goes on from its last state and ends with the same numbers, on the same machine with the same threads.

It knows token ids and numbers. It does not judge what it learns.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from staffroom.engine.errors import EngineError
from staffroom.engine.first_adapter import first_down
from staffroom.engine.llama_process import physical_cores
from staffroom.engine.packing import Packed, pack, split_by_size
from staffroom.engine.torch_network import LowRank, Network, load_network
from staffroom.engine.torch_shape import NetworkShape
from staffroom.engine.training import (
    StepReport,
    Trained,
    TrainingPlan,
    TrainingSequence,
    TrainingSettings,
)
from staffroom.engine.training_cost import step_flops

__all__ = ["Adapter", "Compute", "TorchTrainer", "batch_loss", "choose_compute", "mean_loss"]

_STATE = "state.npz"
_SAVE_SECONDS = 30.0
_HEAD_ROWS = 128
_PROBE_ROWS = 256
_PROBE_SECONDS = 0.4
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


@dataclass(frozen=True, slots=True)
class Compute:
    """The number type of the base, why it was taken, and the measured operations a second."""

    name: str
    reason: str
    rate: float


def choose_compute(width: int = 896, feed_forward: int = 4864) -> Compute:
    """Measure one product of the network's size in both number types and take the faster (about a second)."""
    torch.set_num_threads(physical_cores())
    rates = {name: _product_rate(name, width, feed_forward) for name in ("float32", "bfloat16")}
    best = max(rates, key=lambda name: rates[name])
    told = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates.items())
    return Compute(
        best, f"the faster of both on this processor (10^9 operations a second: {told})", rates[best]
    )


class Adapter:
    """The trained numbers in one array, each matrix a view of it, and AdamW over the whole."""

    def __init__(self, shape: NetworkShape, settings: TrainingSettings) -> None:
        linears = shape.linears()
        names = [f"blk.{layer}.{name}" for layer in range(shape.layers) for name in settings.layers]
        sizes = {name: linears[name.split(".")[2]] for name in names}
        rank = settings.rank
        total = sum(rank * (out + inward) for out, inward in sizes.values())
        self.values = torch.zeros(total)
        self.gradient = torch.zeros(total)
        self.first, self.second = torch.zeros(total), torch.zeros(total)
        self.scale = settings.alpha / rank
        self.parts: dict[str, LowRank] = {}
        place = 0
        for name, (out, inward) in sizes.items():
            self._view(place, (rank, inward)).copy_(
                torch.from_numpy(first_down(name, rank, inward, settings.seed))
            )
            down = self._leaf(place, (rank, inward))
            place += rank * inward
            up = self._leaf(place, (out, rank))
            place += out * rank
            self.parts[name] = LowRank(down, up, self.scale)

    def _view(self, place: int, shape: tuple[int, int]) -> Tensor:
        return self.values[place : place + shape[0] * shape[1]].view(shape)

    def _leaf(self, place: int, shape: tuple[int, int]) -> Tensor:
        leaf = self._view(place, shape).requires_grad_()
        # Autograd adds into a gradient that is there already: all of them lie in one array.
        leaf.grad = self.gradient[place : place + shape[0] * shape[1]].view(shape)
        return leaf

    def step(self, number: int, rate: float, most_norm: float) -> None:
        """Shorten the gradient, move by AdamW (no decay), and clear the gradient; steps count from 1."""
        norm = float(torch.linalg.vector_norm(self.gradient))
        if not np.isfinite(norm):
            raise EngineError(
                f"the gradient of step {number} is not finite",
                hint="lower the learning rate, or look at the examples of that step",
            )
        if norm > most_norm:
            self.gradient.mul_(most_norm / (norm + 1e-6))
        first, second = _BETAS
        self.first.lerp_(self.gradient, 1 - first)
        self.second.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        size = rate / (1 - first**number)
        spread = (self.second / (1 - second**number)).sqrt_().add_(_EPSILON)
        self.values.addcdiv_(self.first, spread, value=-size)
        self.gradient.zero_()

    def tensors(self) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Return (down, up) by weight name, the scale folded into up."""
        return {
            name: (part.down.detach().numpy().copy(), (part.up.detach() * self.scale).numpy())
            for name, part in self.parts.items()
        }


class _HeadLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum of the negative log-likelihoods; the gradient with respect to the states is formed in the forward."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, head: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        gradient = torch.zeros_like(states) if ctx.needs_input_grad[0] else None
        for begin in range(0, len(places), _HEAD_ROWS):
            rows, wanted = places[begin : begin + _HEAD_ROWS], tokens[begin : begin + _HEAD_ROWS, None]
            scores = (states.index_select(0, rows) @ head.t()).float()
            norms = scores.logsumexp(-1, keepdim=True)
            total += (norms - scores.gather(1, wanted)).sum().double()
            if gradient is not None:
                scores.sub_(norms).exp_()
                scores.scatter_add_(1, wanted, torch.full_like(norms, -1.0))
                gradient.index_add_(0, rows, scores.to(head.dtype) @ head)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None


def batch_loss(network: Network, batch: Packed, additions: Mapping[str, LowRank]) -> Tensor:
    """Return the summed loss of a packed batch, in 64 bits."""
    states = network.hidden(batch, additions)
    places = torch.tensor([place for place, _ in batch.targets])
    tokens = torch.tensor([token for _, token in batch.targets])
    loss: Tensor = _HeadLoss.apply(states, network.head, places, tokens)
    return loss


def mean_loss(
    network: Network,
    additions: Mapping[str, LowRank],
    sequences: Sequence[TrainingSequence],
    rows: int = 1024,
) -> float:
    """Return the mean loss over the learnt tokens of all sequences; nothing is trained."""
    total, count = 0.0, sum(sequence.loss_tokens for sequence in sequences)
    with torch.no_grad():
        for group in split_by_size(sequences, rows):
            total += float(batch_loss(network, pack(group), additions))
    return total / count


class TorchTrainer:
    """Our own loop; see `Trainer`.

    rows: most rows of one packed batch, which bounds the memory. share: whether shared beginnings are computed once.
    compute: the number type; the faster one when None. network: the base where it is loaded already, of that type.
    threads: physical cores when None.
    """

    def __init__(
        self,
        *,
        rows: int = 1024,
        share: bool = True,
        compute: Compute | None = None,
        network: Network | None = None,
        threads: int | None = None,
        save_seconds: float = _SAVE_SECONDS,
    ) -> None:
        self._rows = rows
        self._share = share
        self._compute = compute
        self._network = network
        self._threads = threads
        self._save_seconds = save_seconds

    def train(
        self, plan: TrainingPlan, folder: Path, told: Callable[[StepReport], None] = lambda _: None
    ) -> Trained:
        """Train a plan; see `Trainer.train`."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(self._threads or physical_cores())
        compute = self._compute or choose_compute()
        network = self._network or load_network(plan.model, getattr(torch, compute.name))
        adapter = Adapter(network.shape, plan.settings)
        state = _State.read(folder / _STATE, plan)
        if state is None:
            first = (
                [mean_loss(network, adapter.parts, plan.validation, self._rows)] if plan.validation else []
            )
            state = _State([], first, 0.0, 0, 0.0)
        else:
            state.restore(adapter)
        saved = time.monotonic()
        for number in range(len(state.losses), len(plan.steps)):
            report = self._step(plan, number, network, adapter, state)
            if time.monotonic() - saved >= self._save_seconds:
                state.write(folder / _STATE, plan, adapter)
                saved = time.monotonic()
            told(report)
        if plan.validation and len(state.validation) < 2:
            state.validation.append(mean_loss(network, adapter.parts, plan.validation, self._rows))
        state.write(folder / _STATE, plan, adapter)
        return Trained(
            tensors=adapter.tensors(),
            losses=tuple(state.losses),
            validation=tuple(state.validation),
            seconds=state.seconds,
            tokens=state.tokens,
            flops=state.flops,
            facts={
                "trainer": "staffroom",
                "torch": str(torch.__version__),
                "compute": compute.name,
                "compute_reason": compute.reason,
                "threads": str(torch.get_num_threads()),
            },
        )

    def _step(
        self, plan: TrainingPlan, number: int, network: Network, adapter: Adapter, state: "_State"
    ) -> StepReport:
        begun = time.monotonic()
        sequences = [plan.sequences[place] for place in plan.steps[number]]
        count = sum(sequence.loss_tokens for sequence in sequences)
        total, rows = 0.0, 0
        for group in split_by_size(sequences, self._rows):  # 1
            batch = pack(group, share=self._share)
            loss = batch_loss(network, batch, adapter.parts)  # 2
            (loss / count).backward()  # 3
            total += float(loss.detach())
            rows += len(batch.tokens)
            state.flops += step_flops(network.shape, batch, plan.settings.rank, plan.settings.layers)
        rate = plan.settings.rate(number, len(plan.steps))
        adapter.step(number + 1, rate, plan.settings.most_norm)  # 4
        seconds = time.monotonic() - begun
        state.losses.append(total / count)
        state.tokens += rows
        state.seconds += seconds
        return StepReport(number, total / count, rows, seconds)


@dataclass(slots=True)
class _State:
    """What a run has done so far; on disk together with the adapter's arrays and the plan's digest."""

    losses: list[float]
    validation: list[float]
    seconds: float
    tokens: int
    flops: float
    arrays: tuple[npt.NDArray[np.float32], ...] = ()

    @classmethod
    def read(cls, path: Path, plan: TrainingPlan) -> "_State | None":
        """Return the state of this very plan, None where there is none; another plan's state is left alone and not used."""
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["plan"]) != plan.digest:
                    return None
                return cls(
                    [float(value) for value in kept["losses"]],
                    [float(value) for value in kept["validation"]],
                    float(kept["seconds"]),
                    int(kept["tokens"]),
                    float(kept["flops"]),
                    (kept["values"], kept["first"], kept["second"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise EngineError(
                "the state of a paused training cannot be read", where=str(path), hint=f"remove it: rm {path}"
            ) from error

    def restore(self, adapter: Adapter) -> None:
        """Put the kept arrays into an adapter of the same plan."""
        for target, kept in zip((adapter.values, adapter.first, adapter.second), self.arrays, strict=True):
            target.copy_(torch.from_numpy(kept))

    def write(self, path: Path, plan: TrainingPlan, adapter: Adapter) -> None:
        """Write beside the last state, to the disk, and only then take its name."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            np.savez(
                stream,
                plan=plan.digest,
                losses=np.array(self.losses),
                validation=np.array(self.validation),
                seconds=self.seconds,
                tokens=self.tokens,
                flops=self.flops,
                values=adapter.values.numpy(),
                first=adapter.first.numpy(),
                second=adapter.second.numpy(),
            )
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)


def _product_rate(name: str, width: int, feed_forward: int) -> float:
    kind: torch.dtype = getattr(torch, name)
    left, right = torch.randn(_PROBE_ROWS, width).to(kind), torch.randn(feed_forward, width).to(kind)
    torch.nn.functional.linear(left, right)
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < _PROBE_SECONDS:
        torch.nn.functional.linear(left, right)
        count += 1
    return 2.0 * _PROBE_ROWS * width * feed_forward * count / (time.monotonic() - begun)
