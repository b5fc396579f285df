"""The ladder in a home: each rung is a step of the run, kept for what it depends on, cheapest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.improve import (
    Proposal,
    Rung,
    Workshop,
    propose_examples,
    propose_index,
    propose_prompt,
)
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.step import Step
from staffroom.pipeline.workshop import HomeWorkshop, parts_of, with_parts
from staffroom.records.digests import digest_value
from staffroom.records.protocols import Progress

__all__ = ["LADDER", "LadderStep", "climb"]


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One rung: what proposes, and the version that its kept proposals are good for."""

    rung: Rung
    version: int
    propose: Callable[[Workshop], Sequence[Proposal]]


LADDER: tuple[LadderStep, ...] = (
    LadderStep(Rung.INDEX, 1, propose_index),
    LadderStep(Rung.PROMPT, 1, propose_prompt),
    LadderStep(Rung.EXAMPLES, 1, propose_examples),
)


async def climb(
    ladder: Sequence[LadderStep], shop: HomeWorkshop, runner: Runner, progress: Progress
) -> list[dict[str, Any]]:
    """Return what the rungs propose, each agent once: {"name", "rung", "reason", "left_out", "assembly"}."""
    progress.stage("what could be better", len(ladder))
    seen = {shop.incumbent.key()}
    found: list[dict[str, Any]] = []
    for rung in ladder:
        step = Step(f"rung {rung.rung.value}", rung.version, _inputs(shop))
        for row in await runner.run(step, _propose, rung, shop):
            key = parts_of(Assembly.from_json(row["assembly"])).key()
            if key not in seen:
                seen.add(key)
                found.append(row)
        progress.advance(1.0, rung.rung.value)
    return found


def _inputs(shop: HomeWorkshop) -> dict[str, Any]:
    return {
        "incumbent": digest_value(shop.assembly.as_json()),
        "released_job": digest_value(shop.released_job.as_json()),
        "job": digest_value(shop.job.as_json()),
        "index": shop.fresh_index,
        "pack": shop.pack.digest,
        "corrections": digest_value([one.digest for one in shop.corrections]),
        "embedder": shop.embedder.digest,
    }


def _propose(rung: LadderStep, shop: HomeWorkshop) -> list[dict[str, Any]]:
    return [
        {
            "name": proposal.name,
            "rung": proposal.rung.value,
            "reason": proposal.reason,
            "left_out": list(proposal.left_out),
            "assembly": with_parts(shop.assembly, proposal.parts).as_json(),
        }
        for proposal in rung.propose(shop)
    ]
