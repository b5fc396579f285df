"""What a trainer is given and what it returns: one data path for our own loop and for TRL.

Token ids and masks come in, low-rank matrices go out. A trainer knows no text, no template and no file of examples.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from staffroom.engine.errors import EngineError
from staffroom.records.digests import digest_value

__all__ = [
    "LINEAR_LAYERS",
    "StepReport",
    "Trained",
    "Trainer",
    "TrainerMissing",
    "TrainingPlan",
    "TrainingSequence",
    "TrainingSettings",
]

LINEAR_LAYERS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


class TrainerMissing(EngineError):
    """A runtime that training needs is not installed."""


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """Token ids and, for each, whether it is to be learnt (its loss counts); the first never is."""

    tokens: tuple[int, ...]
    learnt: tuple[bool, ...]

    @property
    def loss_tokens(self) -> int:
        """How many tokens are learnt."""
        return sum(self.learnt)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train: plain LoRA, AdamW without decay, a linear warm-up and a linear fall.

    alpha: the addition is scaled by `alpha / rank`. batch: sequences a step. warmup: share of the steps.
    most_norm: gradients longer than that are shortened. layers: which linear layers get an addition.
    """

    rank: int = 8
    alpha: float = 16.0
    epochs: int = 2
    batch: int = 8
    learning_rate: float = 2e-4
    warmup: float = 0.05
    most_norm: float = 1.0
    seed: int = 0
    layers: tuple[str, ...] = LINEAR_LAYERS

    def as_json(self) -> dict[str, Any]:
        """Return the settings as canonical JSON data."""
        return {**asdict(self), "layers": list(self.layers)}

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warm = int(self.warmup * steps)
        if step < warm:
            return self.learning_rate * (step + 1) / (warm + 1)
        return self.learning_rate * (steps - step) / max(1, steps - warm)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides a result, fixed beforehand: `steps` are places in `sequences`, one tuple a step."""

    model: Path
    base: str
    sequences: tuple[TrainingSequence, ...]
    steps: tuple[tuple[int, ...], ...]
    settings: TrainingSettings
    validation: tuple[TrainingSequence, ...] = ()

    @property
    def digest(self) -> str:
        """Digest by which a half-finished run is recognised as this one."""
        return digest_value(
            {
                "base": self.base,
                "settings": self.settings.as_json(),
                "steps": [list(step) for step in self.steps],
                "sequences": [_plain(sequence) for sequence in (*self.sequences, *self.validation)],
            }
        )


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step that is done: its loss (mean over learnt tokens), tokens computed, and seconds."""

    step: int
    loss: float
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave: (down, up) by weight name with the scale folded into up, and how it went.

    losses: one a step, over all runs of an interrupted training. validation: loss before and after, empty without
    validation sequences. seconds: of all runs. facts: what the trainer chose, with the reason of each choice.
    """

    tensors: Mapping[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
    losses: tuple[float, ...]
    validation: tuple[float, ...]
    seconds: float
    tokens: int
    flops: float
    facts: Mapping[str, str] = field(default_factory=dict)


class Trainer(Protocol):
    """Trains a plan; `folder` keeps what a killed run needs to go on, and the same plan there goes on from it."""

    def train(self, plan: TrainingPlan, folder: Path, told: Callable[[StepReport], None]) -> Trained:
        """Return the trained matrices; `told` hears of each step, those of an earlier run not again."""
        ...


def _plain(sequence: TrainingSequence) -> list[Any]:
    return [list(sequence.tokens), "".join("01"[mark] for mark in sequence.learnt)]
