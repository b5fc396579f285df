"""Whether a worker with a new adapter forgot: it and the incumbent answer the same general items before the gate opens.

1. Which packs: those that the job names, else the safety packs that come with the program, in the job's language and in English (what must
   be refused, what must not be, what may not leak). Knowledge packs are the job's to name: none comes with the program.
2. A fixed draw of each pack's items, the same at every improvement, so that the incumbent's answers are kept from one to the next.
3. Both agents sit them, assembled as they would serve; `train.check_forgetting` judges the relative drop of each pack's mean score.
4. The sums go into the log. Where the whole interval of a pack lies above the margin, the gate stays shut and no alpha is spent.

It bars and never promotes. With some dozens of items it sees a worker that is broken, not one that is a little worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from staffroom.evaluate import ExamPack, load_pack
from staffroom.evaluate.packaged import packaged_packs
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.exam_targets import find_exam
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.paired_gate import INCUMBENT
from staffroom.pipeline.sitting import sit
from staffroom.records.digests import digest_value
from staffroom.records.exam import Evaluation, Item, ScoreStatus, Split
from staffroom.records.job_description import JobDescription
from staffroom.records.protocols import Progress, ResponseSink
from staffroom.store import Home
from staffroom.train import check_forgetting

__all__ = ["GeneralItems", "general_items", "remembering"]

_SEED = 0
_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class GeneralItems:
    """A pack and the items of it that are asked."""

    pack: ExamPack
    items: tuple[Item, ...]


def general_items(job: JobDescription, folder: Path, home: Home) -> list[GeneralItems]:
    """Return what is asked about forgetting; `folder` is the job's. Raises WrongUse for a pack that is not there."""
    asked = job.improvement.adapter
    if asked.remember:
        places = [_place(name, folder, home) for name in asked.remember]
    else:
        known = packaged_packs()
        names = dict.fromkeys([f"safety-{job.locale}", f"safety-{_ENGLISH}"])
        places = [known[name] for name in names if name in known]
    return [_drawn(load_pack(place), asked.remember_items) for place in places]


async def remembering(
    log: DecisionLog,
    run: str,
    general: Sequence[GeneralItems],
    bench: Bench,
    winner: str,
    sink: ResponseSink,
    progress: Progress,
) -> dict[str, Any]:
    """Let incumbent and winner sit the general items and record what came of it: {"holds", "rows"}."""
    progress.stage("what it may not forget", 2 * sum(len(one.items) for one in general))
    found: dict[str, list[Evaluation]] = {}
    for name in (INCUMBENT, winner):
        agent = await bench.ready(name)
        found[name] = [
            await sit(agent, one.items, one.pack, Split.GATE, _SEED, sink, progress, bench.judges)
            for one in general
        ]
    rows = [
        _compared(one, before, after)
        for one, before, after in zip(general, found[INCUMBENT], found[winner], strict=True)
    ]
    value = {"holds": all(row["holds"] for row in rows), "rows": rows}
    body = {
        "candidate": bench.agent(winner).spec.digest,
        "incumbent": bench.agent(INCUMBENT).spec.digest,
        **value,
    }
    log.append("forgetting", f"{run}:forgetting", run, body)
    return value


def _place(name: str, folder: Path, home: Home) -> Path:
    own = folder / name
    return own if (own / "exam.yaml").is_file() else find_exam(Path(name), home)


def _drawn(pack: ExamPack, most: int) -> GeneralItems:
    """Draw by digest: nobody chooses, and the same pack gives the same items."""
    open_items = [item for item in pack.items if pack.splits[item.id] is not Split.SEALED]
    order = sorted(open_items, key=lambda item: sha256(f"remember|{item.digest}".encode()).digest())
    return GeneralItems(pack, tuple(order[:most]))


def _compared(one: GeneralItems, before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """Return a pack's row; an item that either agent's scorer could not score says nothing of forgetting."""
    old = {score.item_id: score for score in before.scores if score.status is ScoreStatus.SCORED}
    pairs = [
        (old[score.item_id], score)
        for score in after.scores
        if score.status is ScoreStatus.SCORED and score.item_id in old
    ]
    row: dict[str, Any] = {
        "name": one.pack.name,
        "pack": one.pack.digest,
        "asked": digest_value(sorted(item.digest for item in one.items)),
        "items": len(pairs),
    }
    if not any(first.value for first, _ in pairs):
        return {
            **row,
            "holds": True,
            "reason": "the incumbent has nothing right here that could be forgotten",
        }
    result = check_forgetting(
        [first.value for first, _ in pairs],
        [second.value for _, second in pairs],
        [second.cluster for _, second in pairs],
    )
    return {**row, **result.as_json(), "reason": result.reason}
