"""What a training will take, said before it starts: time, memory, disk, and an estimate of its energy.

Energy is not measured but worked out from processor seconds at an assumed power, since most servers do not let a
program read their meters; the assumption is part of the figure.
"""

from dataclasses import dataclass
from typing import Any

from staffroom.engine.packing import pack, split_by_size
from staffroom.engine.torch_shape import NetworkShape
from staffroom.engine.training import TrainingPlan
from staffroom.engine.training_cost import adapter_bytes, adapter_parameters, step_flops, training_bytes
from staffroom.train.refusals import NotEnoughDisk, NotEnoughMemory, TakesTooLong

__all__ = ["ASSUMED_WATTS_PER_CORE", "Estimate", "check_resources", "energy_watt_hours", "estimate"]

ASSUMED_WATTS_PER_CORE = 12.0
_EFFICIENCY = 0.7
_FILES = 6
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens as written and as computed, operations, seconds, watt-hours, and bytes of memory and disk."""

    examples: int
    steps: int
    tokens: int
    computed: int
    learnt: int
    flops: float
    seconds: float
    watt_hours: float
    memory_bytes: int
    disk_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {
            "examples": self.examples,
            "steps": self.steps,
            "tokens": self.tokens,
            "computed_tokens": self.computed,
            "learnt_tokens": self.learnt,
            "flops": self.flops,
            "seconds": round(self.seconds, 1),
            "watt_hours": round(self.watt_hours, 2),
            "memory_bytes": self.memory_bytes,
            "disk_bytes": self.disk_bytes,
        }

    @property
    def told(self) -> str:
        """One sentence for a person."""
        return (
            f"{self.examples} examples, {self.steps} steps, {self.computed} of {self.tokens} tokens to compute "
            f"({self.learnt} learnt): about {self.seconds / 60:.0f} min, {self.flops / 1e12:.0f} 10^12 operations, "
            f"{self.watt_hours:.1f} Wh at an assumed {ASSUMED_WATTS_PER_CORE:.0f} W a core, "
            f"{self.memory_bytes / _GIB:.1f} GiB of memory"
        )


def estimate(
    plan: TrainingPlan,
    shape: NetworkShape,
    *,
    rows: int,
    rate: float,
    weight_bytes: int,
    tied: bool,
    cores: int,
) -> Estimate:
    """Return what a plan will take; `rate` are measured operations a second, `rows` the most rows of a batch."""
    flops, computed, tokens, learnt, most = 0.0, 0, 0, 0, 0
    settings = plan.settings
    for step in plan.steps:
        sequences = [plan.sequences[place] for place in step]
        tokens += sum(len(sequence.tokens) for sequence in sequences)
        learnt += sum(sequence.loss_tokens for sequence in sequences)
        for group in split_by_size(sequences, rows):
            batch = pack(group)
            computed += len(batch.tokens)
            most = max(most, len(batch.tokens))
            flops += step_flops(shape, batch, settings.rank, settings.layers)
    size = adapter_bytes(shape, settings.rank, settings.layers)
    seconds = flops / (rate * _EFFICIENCY) if rate else 0.0
    return Estimate(
        examples=len(plan.sequences),
        steps=len(plan.steps),
        tokens=tokens,
        computed=computed,
        learnt=learnt,
        flops=flops,
        seconds=seconds,
        watt_hours=energy_watt_hours(seconds * cores),
        memory_bytes=training_bytes(shape, most, weight_bytes, size, tied),
        disk_bytes=_FILES * size + adapter_parameters(shape, 1, settings.layers),
    )


def energy_watt_hours(core_seconds: float) -> float:
    """Return watt-hours of so many busy seconds of one core, at the assumed power."""
    return core_seconds * ASSUMED_WATTS_PER_CORE / 3600


def check_resources(estimated: Estimate, *, memory: int, disk: int, seconds: float | None = None) -> None:
    """Raise NotEnoughMemory or NotEnoughDisk where the estimate is above the bytes that are there, TakesTooLong above `seconds`."""
    if estimated.memory_bytes > memory:
        raise NotEnoughMemory(
            f"training needs about {estimated.memory_bytes / _GIB:.1f} GiB of memory, "
            f"{memory / _GIB:.1f} GiB are available",
            hint="stop other programs, shorten the examples, or name a smaller candidate",
        )
    if estimated.disk_bytes > disk:
        raise NotEnoughDisk(
            f"training needs about {estimated.disk_bytes / 2**20:.0f} MiB on the disk, {disk / 2**20:.0f} MiB are free",
            hint="free some space, or set STAFFROOM_HOME to a folder on another disk",
        )
    if seconds is not None and estimated.seconds > seconds:
        raise TakesTooLong(
            f"training would take about {estimated.seconds / 60:.0f} min, {seconds / 60:.0f} min are allowed",
            hint="raise improvement.adapter.minutes in the job description, or lower its epochs",
        )
