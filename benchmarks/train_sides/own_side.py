"""Our own loop as one side of `benchmarks/train.py`: a step for each line that comes in, a line of JSON for each step.

    python own_side.py FOLDER

FOLDER holds `plan.json`. After the last step it judges adapters: a line names a file and its kind, the answer is the
mean loss on the validation sequences.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch

from staffroom.engine.packing import pack
from staffroom.engine.torch_network import LowRank, load_network
from staffroom.engine.torch_training import Adapter, Compute, TorchTrainer, mean_loss
from staffroom.engine.training import StepReport, TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.engine.trl import from_transformers


def say(**value: object) -> None:
    print(json.dumps(value), flush=True)


def main(folder: Path) -> None:
    job = json.loads((folder / "plan.json").read_text())
    plan = TrainingPlan(
        Path(job["model"]),
        job["base"],
        sequences(job["sequences"]),
        tuple(map(tuple, job["steps"])),
        TrainingSettings(**{**job["settings"], "layers": tuple(job["settings"]["layers"])}),
    )
    held = sequences(job["validation"])
    network = load_network(plan.model, getattr(torch, job["compute"]))
    # A first pass, untimed: the others also warm up while they load.
    mean_loss(network, {}, held[:1])
    trainer = TorchTrainer(
        compute=Compute(job["compute"], "as asked", 0.0),
        network=network,
        share=job["share"],
        save_seconds=0.0 if job["keep_step"] else 1e9,
    )
    say(ready=True, versions={"torch": str(torch.__version__)}, rows=rows_of(plan, job["share"]))
    turn = {"begun": 0.0, "busy": 0.0}

    def wait() -> None:
        sys.stdin.readline()
        turn.update(begun=time.monotonic(), busy=time.process_time())

    def told(report: StepReport) -> None:
        seconds, busy = time.monotonic() - turn["begun"], time.process_time() - turn["busy"]
        say(step=report.step, loss=report.loss, seconds=seconds, busy_seconds=busy)
        if report.step + 1 == job["keep_step"]:
            shutil.copy(folder / "state.npz", folder / "kept.npz")
        if report.step + 1 < len(plan.steps):
            wait()

    wait()
    trainer.train(plan, folder, told)
    say(done=True)
    for line in sys.stdin:
        kind, path = line.split()
        additions = adapter_of(kind, Path(path), plan, network.shape)
        say(kind=kind, loss=mean_loss(network, additions, held))


def sequences(values: list[list[list[int]]]) -> tuple[TrainingSequence, ...]:
    return tuple(TrainingSequence(tuple(tokens), tuple(map(bool, marks))) for tokens, marks in values)


def rows_of(plan: TrainingPlan, share: bool) -> int:
    return sum(
        len(pack([plan.sequences[place] for place in step], share=share).tokens) for step in plan.steps
    )


def adapter_of(kind: str, path: Path, plan: TrainingPlan, shape) -> dict[str, LowRank]:  # type: ignore[no-untyped-def]
    if kind == "own":
        adapter = Adapter(shape, plan.settings)
        with np.load(path) as kept:
            adapter.values.copy_(torch.from_numpy(kept["values"]))
        return adapter.parts
    found = from_transformers(path, shape, plan.settings.alpha / plan.settings.rank)
    return {
        name: LowRank(torch.from_numpy(down), torch.from_numpy(up), 1.0) for name, (down, up) in found.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
