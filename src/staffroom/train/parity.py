"""Whether two ways of computing the same model say the same: our forward pass and the engine that serves.

The served engine continues prompts greedily; our pass reads the same tokens and says what it would have chosen, and
with which probability. Both round differently (llama.cpp rounds activations to eight bits for quantised weights), so
a choice counts as the same where our best is the served token, or is not more than `TIE_NATS` ahead of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from staffroom.engine import TracedToken
from staffroom.engine.training import TrainingSequence
from staffroom.gguf import AdapterTensors
from staffroom.train.served import ServedEngine

__all__ = [
    "LEAST_AGREEMENT",
    "MOST_DIFFERENCE",
    "TIE_NATS",
    "Parity",
    "Probe",
    "Reference",
    "compare",
    "difference",
    "probe_prompts",
    "take_probes",
]

LEAST_AGREEMENT = 0.98
MOST_DIFFERENCE = 0.05
TIE_NATS = 2 * MOST_DIFFERENCE
"""Each of the two log-probabilities may be off by the tolerance, so their difference by twice that."""
_LONGEST = 32


class Reference(Protocol):
    """Our own forward pass of the base, with or without an adapter."""

    def follow(
        self, prompt: Sequence[int], chosen: Sequence[int], tensors: AdapterTensors | None
    ) -> list[tuple[int, float, Mapping[int, float]]]:
        """Return for each chosen token: our best token there, its log-probability, and that of the chosen one by id."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """A prompt and what the served engine made of it."""

    prompt: tuple[int, ...]
    traced: tuple[TracedToken, ...]


@dataclass(frozen=True, slots=True)
class Parity:
    """How far both agree: `agreed` with near ties, `strict` without; `mean` and `most` of the difference in nats."""

    positions: int
    agreed: int
    strict: int
    mean: float
    most: float

    @property
    def holds(self) -> bool:
        """Whether both goals are met."""
        return (
            self.positions > 0
            and self.agreed >= LEAST_AGREEMENT * self.positions
            and self.mean <= MOST_DIFFERENCE
        )

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {
            "positions": self.positions,
            "agreed": self.agreed,
            "agreed_strictly": self.strict,
            "mean_nats": round(self.mean, 6),
            "most_nats": round(self.most, 6),
        }

    @property
    def reason(self) -> str:
        """One sentence with the figures and the goals."""
        return (
            f"{self.agreed} of {self.positions} greedy choices agree (at least {LEAST_AGREEMENT:.0%}), "
            f"log-probabilities differ by {self.mean:.3f} on average (at most {MOST_DIFFERENCE})"
        )


def probe_prompts(sequences: Sequence[TrainingSequence], most: int) -> list[tuple[int, ...]]:
    """Return the prompts of at most `most` sequences, spread evenly over them."""
    count = min(most, len(sequences))
    chosen = [sequences[place * len(sequences) // count] for place in range(count)]
    return list(dict.fromkeys(item.tokens[: item.learnt.index(True)] for item in chosen))


async def take_probes(
    engine: ServedEngine, prompts: Sequence[tuple[int, ...]], positions: int
) -> list[Probe]:
    """Let the served engine continue the prompts in turn until there are `positions` tokens with probabilities."""
    probes: list[Probe] = []
    missing = positions
    for prompt in prompts:
        if missing <= 0:
            break
        traced = await engine.trace(prompt, min(_LONGEST, missing + 4))
        probes.append(Probe(tuple(prompt), traced))
        missing -= sum(1 for token in traced if token.id in token.log_probabilities)
    return probes


def compare(reference: Reference, probes: Sequence[Probe], tensors: AdapterTensors | None) -> Parity:
    """Return how far our pass agrees with what the served engine said."""
    agreed = strict = 0
    differences: list[float] = []
    for probe in probes:
        chosen = [token.id for token in probe.traced]
        if not chosen:
            continue
        followed = reference.follow(probe.prompt, chosen, tensors)
        for token, (best, best_value, values) in zip(probe.traced, followed, strict=True):
            if token.id not in token.log_probabilities:
                continue
            differences.append(abs(values[token.id] - token.log_probabilities[token.id]))
            strict += best == token.id
            agreed += best_value - values[token.id] <= TIE_NATS
    count = len(differences)
    mean = sum(differences) / count if count else float("inf")
    return Parity(count, agreed, strict, mean, max(differences, default=float("inf")))


def difference(left: Sequence[Probe], right: Sequence[Probe]) -> float:
    """Return the largest difference of a chosen token's log-probability; infinite where a choice differs."""
    largest = 0.0
    for one, other in zip(left, right, strict=True):
        if [token.id for token in one.traced] != [token.id for token in other.traced]:
            return float("inf")
        for first, second in zip(one.traced, other.traced, strict=True):
            if first.id in first.log_probabilities and first.id in second.log_probabilities:
                gap = abs(first.log_probabilities[first.id] - second.log_probabilities[first.id])
                largest = max(largest, gap)
    return largest
