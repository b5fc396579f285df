"""A step of a run: its key says everything that its output depends on, so that it runs once for each key.

Key = digest of name, version, inputs, parameters, engine identity and seed. A step cannot log, cache or print;
the runner does that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from staffroom.records.digests import digest_value

__all__ = ["Step", "StepReason", "why"]


class StepReason(StrEnum):
    """Why a step runs, or does not."""

    KEPT = "kept"
    FIRST = "first run"
    CHANGED = "changed"
    MISSING = "missing"
    FORCED = "forced"
    CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class Step:
    """What identifies a step; `inputs` are digests and plain values by name, `after` names the steps it reads.

    intact: says of a kept output whether the files it names are still there; no part of the key.
    """

    name: str
    version: int
    inputs: Mapping[str, Any]
    engine: str = ""
    seed: int | None = None
    after: tuple[str, ...] = field(default=(), compare=False)
    intact: Callable[[Any], bool] | None = field(default=None, compare=False, repr=False)

    def made_of(self) -> dict[str, Any]:
        """Return all that the key is made of."""
        return {
            "name": self.name,
            "version": self.version,
            "inputs": dict(self.inputs),
            "engine": self.engine,
            "seed": self.seed,
        }

    @property
    def key(self) -> str:
        """The step's key."""
        return digest_value(self.made_of())


def why(step: Step, earlier: Mapping[str, Any] | None) -> str:
    """Return what differs from the step of this name that ran last, in one phrase; empty when nothing does."""
    if earlier is None:
        return ""
    now = step.made_of()
    changed = [name for name in ("version", "engine", "seed") if now[name] != earlier.get(name)]
    before = earlier.get("inputs", {})
    changed += [
        name for name in sorted({*now["inputs"], *before}) if now["inputs"].get(name) != before.get(name)
    ]
    return ", ".join(changed)
