"""The ladder in a home: each rung is a step of the run, kept for what it depends on, cheapest first; the one that trains is the last."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.engine.training import TrainerMissing
from staffroom.improve import (
    Proposal,
    Rung,
    Workshop,
    propose_examples,
    propose_index,
    propose_prompt,
)
from staffroom.pipeline.adapter_rung import AdapterRung, NotTried
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.step import Step
from staffroom.pipeline.workshop import HomeWorkshop, parts_of, with_parts
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.protocols import Progress
from staffroom.train import TrainingRefused
from staffroom.train.leaks import LeakFound

__all__ = ["LADDER", "Climbed", "LadderStep", "climb"]


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


@dataclass(frozen=True, slots=True)
class Climbed:
    """What the rungs propose, each agent once, and which rung had nothing to try, why, and what to do about it.

    proposals: {"name", "rung", "reason", "left_out", "assembly"}, with "training" where something is trained; "assembly" is None
    where it would have to be trained first.  not_tried: {"rung", "reason", "hint"}.
    """

    proposals: tuple[dict[str, Any], ...]
    not_tried: tuple[dict[str, str], ...] = ()


async def climb(
    ladder: Sequence[LadderStep],
    shop: HomeWorkshop,
    runner: Runner,
    progress: Progress,
    training: AdapterRung | None = None,
    without: Collection[str] = (),
) -> Climbed:
    """Return what the rungs propose.

    training: the rung that trains, the last one.  without: rungs that a run which was killed had not tried: it goes on as it began.
    """
    progress.stage("what could be better", len(ladder))
    inputs = _inputs(shop)
    rows: list[dict[str, Any]] = []
    not_tried: list[dict[str, str]] = []
    for rung in ladder:
        rows += await runner.run(Step(f"rung {rung.rung.value}", rung.version, inputs), _propose, rung, shop)
        progress.advance(1.0, rung.rung.value)
    if training is not None:
        try:
            if Rung.LORA.value in without:
                raise NotTried("it was not tried when this run began", hint="improve again when it has ended")
            rows += await training.propose(inputs, runner, progress)
        except (NotTried, TrainingRefused, TrainerMissing, LeakFound) as refused:
            not_tried.append(_refusal(Rung.LORA, refused))
    seen = {shop.incumbent.key()}
    found: list[dict[str, Any]] = []
    for row in rows:
        key = parts_of(Assembly.from_json(row["assembly"])).key() if row["assembly"] else (row["name"],)
        if key not in seen:
            seen.add(key)
            found.append(row)
    return Climbed(tuple(found), tuple(not_tried))


def _refusal(rung: Rung, refused: StaffroomError) -> dict[str, str]:
    reason = f"{refused.where}: {refused.message}" if refused.where else refused.message
    return {"rung": rung.value, "reason": reason, "hint": refused.hint}


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
