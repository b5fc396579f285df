"""The rung that trains: an adapter for the incumbent's base from the corrections, as one more proposal.

1. it is worth trying here: the job allows it, the base is a file, the extra `train` is there, there are enough examples
2. examples and their leak report, kept in `private/training` until they are learnt
3. training with all its refusals (`staffroom.train`); a run that was killed goes on from its last state
4. the adapter and its record become objects of the home, and the proposal is the incumbent with the adapter

What speaks against it is one sentence with the next command (`NotTried`, `TrainingRefused`, `LeakFound`), and is not kept: the next run
looks again. The incumbent serves all the while.
"""

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from staffroom.engine.llama import LlamaAdapter, LlamaEngine
from staffroom.engine.training_runtime import training_available
from staffroom.improve import Rung
from staffroom.pipeline.assemble import llama_engine
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.step import Step
from staffroom.pipeline.training_set import TrainingSet, training_set
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.digests import digest_file, digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Item
from staffroom.records.job_description import AdapterTraining
from staffroom.records.models import ModelFile
from staffroom.records.protocols import Progress
from staffroom.recruit import file_of, memory_present
from staffroom.store import ObjectStore, make_folder, write_durably
from staffroom.train import BaseFile, TrainingSettings, foresee_training, train_adapter
from staffroom.train.leaks import LeakRules

__all__ = ["LEAST_EXAMPLES", "AdapterRung", "NotTried"]

LEAST_EXAMPLES = 16
_NAME = "adapter"
_VERSION = 1
_MOST_NAMED = 20
_SET = "examples.json"


class NotTried(StaffroomError):
    """The rung has nothing to try here; the others go on."""


_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class AdapterRung:
    """Trains on what a workshop has; kept_back: the corrected cases that are examined, folder: that of the job."""

    shop: HomeWorkshop
    kept_back: tuple[Item, ...]
    folder: Path
    explain: bool = False

    async def propose(
        self, inputs: Mapping[str, Any], runner: Runner, progress: Progress
    ) -> list[dict[str, Any]]:
        """Return the proposal as a row; with `explain` what the training would take, where it was not done yet.

        Raises NotTried, TrainingRefused, TrainerMissing, LeakFound or WrongUse where there is none.
        """
        # 1.
        base, asked = self._base(), self.shop.job.improvement.adapter
        files = [self.folder / path for path in asked.examples]
        step = Step(f"rung {Rung.LORA.value}", _VERSION, self._inputs(inputs, base, files), intact=self._kept)
        known = runner.kept(step)
        if known is not None:
            rows: list[dict[str, Any]] = await runner.run(step, lambda: known)
            return rows
        # 2.
        place = self._place(step.key.removeprefix("sha256:")[:32])
        learnt = await self._set(place, files, progress)
        if len(learnt.examples) < LEAST_EXAMPLES:
            shutil.rmtree(place)
            raise NotTried(
                f"{len(learnt.examples)} of {learnt.questions} examples can be learnt from, {LEAST_EXAMPLES} are needed",
                hint="staffroom feedback import WORKER FILE",
            )
        if self.explain:
            return [await self._foreseen(base, learnt, place, progress)]
        # 3. and 4.
        rows = await runner.run(step, self._trained, base, learnt, place, progress)
        shutil.rmtree(place, ignore_errors=True)
        return rows

    def _base(self) -> ModelFile:
        assembly, asked = self.shop.assembly, self.shop.job.improvement.adapter
        if not asked.tried:
            raise NotTried("the job says that none is trained", hint="set improvement.adapter.tried to true")
        if assembly.candidate.model is None:
            raise NotTried(
                f"`{assembly.candidate.id}` is a server: no adapter can be trained for it",
                hint="name a model file as the candidate: staffroom models list",
            )
        if not training_available():
            raise NotTried("training needs the extra `train`, which is not installed", hint="make train")
        return assembly.candidate.model

    def _inputs(self, inputs: Mapping[str, Any], base: ModelFile, files: Sequence[Path]) -> dict[str, Any]:
        asked: AdapterTraining = self.shop.job.improvement.adapter
        for path in files:
            if not path.is_file():
                raise WrongUse(
                    "no such file",
                    where=f"improvement.adapter.examples: {path}",
                    hint="mend the path, or leave it out",
                )
        return {
            **inputs,
            "base": base.digest,
            "kept_back": digest_value([item.digest for item in self.kept_back]),
            "files": [digest_file(path) for path in files],
            "settings": _settings(asked).as_json(),
            "leak_rules": LeakRules().as_json(),
        }

    def _place(self, name: str) -> Path:
        """Return the folder of this training, and remove those of earlier ones of this worker that were given up."""
        training = self.shop.home.private / "training"
        own = training / self.shop.job.alias
        for folder in (training, own, own / name):
            make_folder(folder, mode=0o700)
        for other in own.iterdir():
            if other.name != name:
                shutil.rmtree(other)
        return own / name

    def _kept(self, rows: list[dict[str, Any]]) -> bool:
        objects = ObjectStore(self.shop.home.objects)
        return all(objects.has(row["assembly"]["adapter"]) for row in rows)

    async def _set(self, place: Path, files: Sequence[Path], progress: Progress) -> TrainingSet:
        path = place / _SET
        if path.exists():
            return TrainingSet.from_json(orjson.loads(path.read_bytes()))
        made = await training_set(self.shop, self.kept_back, files, progress)
        write_durably(path, orjson.dumps(made.as_json()), mode=0o600)
        return made

    async def _trained(
        self, base: ModelFile, learnt: TrainingSet, place: Path, progress: Progress
    ) -> list[dict[str, Any]]:
        made = await self._work(train_adapter, base, learnt, place, progress)
        objects = ObjectStore(self.shop.home.objects)
        adapter, record = objects.put_file(made.path), objects.put_json(made.record)
        training = {
            "adapter": adapter,
            "record": record,
            "dataset": learnt.clearance.dataset,
            "leaks": learnt.clearance.report,
            "exam": learnt.exam,
            "examples": len(learnt.examples),
            "seconds": made.record["seconds"],
            "watt_hours": made.record["watt_hours"],
            "flops": made.record["flops"],
        }
        assembly = replace(self.shop.assembly, adapter=adapter)
        return [{**self._row(learnt), "assembly": assembly.as_json(), "training": training}]

    async def _foreseen(
        self, base: ModelFile, learnt: TrainingSet, place: Path, progress: Progress
    ) -> dict[str, Any]:
        found = await self._work(foresee_training, base, learnt, place, progress)
        return {**self._row(learnt), "assembly": None, "training": {"estimate": found.as_json()}}

    async def _work(
        self,
        work: Callable[..., Awaitable[_Made]],
        base: ModelFile,
        learnt: TrainingSet,
        place: Path,
        progress: Progress,
    ) -> _Made:
        asked = self.shop.job.improvement.adapter
        return await work(
            learnt.examples,
            self._file(base),
            learnt.clearance,
            self._open,
            place,
            progress,
            memory=memory_present().bytes,
            settings=_settings(asked),
            most_seconds=60.0 * asked.minutes,
        )

    def _row(self, learnt: TrainingSet) -> dict[str, Any]:
        asked = self.shop.job.improvement.adapter
        reason = (
            f"an adapter of rank {asked.rank} learnt from {len(learnt.examples)} of {learnt.questions} examples, "
            f"each {asked.epochs} times"
        )
        return {
            "name": _NAME,
            "rung": Rung.LORA.value,
            "reason": reason,
            "left_out": list(learnt.left_out[:_MOST_NAMED]),
        }

    def _file(self, base: ModelFile) -> BaseFile:
        return BaseFile(file_of(self.shop.home.path, self.shop.assembly.candidate), base.digest)

    def _open(self, adapters: Sequence[LlamaAdapter]) -> LlamaEngine:
        return llama_engine(self.shop.assembly, self.shop.home, adapters)


def _settings(asked: AdapterTraining) -> TrainingSettings:
    return TrainingSettings(
        rank=asked.rank, alpha=2.0 * asked.rank, epochs=asked.epochs, learning_rate=asked.learning_rate
    )
