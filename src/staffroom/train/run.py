"""One training from examples to an adapter that may be served, or a refusal that says why not.

Procedure:
1. The leak report must be clean and about these examples; the base must be the file it is named as, of a known
   network, with a chat template of its own.
2. Examples become tokens and masks through the served engine; masks are checked, whoever made them.
3. Time, memory, disk and energy are estimated and told; what does not fit is refused.
4. The served engine continues probe prompts without an adapter. It is closed then: training needs the memory.
5. The base is dequantised, and must say the same on the probes.
6. Training, from the last state of the same plan where there is one.
7. The adapter is written, read back, and must be what was trained.
8. The served engine with the adapter: at scale 0 it must say what it said without, at scale 1 what training says, and
   not what it said without. Its template must be the one the examples were rendered with.

Nothing here serves, promotes or logs. The record is returned.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.engine import EngineIdentity, LlamaAdapter
from staffroom.engine.torch_shape import NetworkShape, UnknownArchitecture, network_shape
from staffroom.engine.training import (
    StepReport,
    Trained,
    Trainer,
    TrainingPlan,
    TrainingSequence,
    TrainingSettings,
)
from staffroom.engine.training_runtime import OpenBase, open_base
from staffroom.gguf import (
    AdapterFacts,
    AdapterTensors,
    BadAdapter,
    GgufHeader,
    check_adapter_binding,
    check_adapter_file,
    read_adapter,
    read_header,
    write_adapter,
)
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.digests import digest_file
from staffroom.records.protocols import Progress
from staffroom.records.training import Example
from staffroom.train.cost import Estimate, check_resources, energy_watt_hours, estimate
from staffroom.train.parity import Parity, Probe, Reference, compare, difference, probe_prompts, take_probes
from staffroom.train.planning import plan_steps
from staffroom.train.refusals import (
    AdapterParityFailed,
    AdapterUnfit,
    BaseParityFailed,
    BaseUnfit,
    LeaksFound,
    ScaleTestFailed,
    TemplateDiffers,
    TrainingRefused,
)
from staffroom.train.sequences import check_sequences, end_tokens, sequence_of
from staffroom.train.served import OpenEngine, ServedEngine

__all__ = [
    "BaseFile",
    "ForeseenTraining",
    "TrainedAdapter",
    "check_base",
    "check_leaks",
    "check_served",
    "foresee_training",
    "train_adapter",
    "write_checked",
]

_BASE_POSITIONS = 64
_SERVED_POSITIONS = 128
_PROMPTS = 16
_SAME_NATS = 1e-3
_FILE = "adapter.gguf"
_UNPROVED = "unproved.gguf"
_ANEW = "run it again; if it happens again, keep the log and ask: staffroom doctor"


@dataclass(frozen=True, slots=True)
class BaseFile:
    """The base that is served: its file and the digest by which it is named."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """An adapter that passed: its file, its digest, and what evidence needs, as JSON data."""

    path: Path
    digest: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ForeseenTraining:
    """What a training would take, and the memory and disk that there are; nothing was trained."""

    cost: Estimate
    fits: str

    def as_json(self) -> dict[str, Any]:
        """Return the estimate as JSON data, with the reason against it where there is one."""
        return {**self.cost.as_json(), "told": self.cost.told, "against": self.fits}


async def foresee_training(
    examples: Sequence[Example],
    base: BaseFile,
    leaks: LeakClearance,
    open_engine: OpenEngine,
    folder: Path,
    progress: Progress,
    *,
    memory: int,
    most_seconds: float | None = None,
    settings: TrainingSettings | None = None,
    rows: int = 1024,
) -> ForeseenTraining:
    """Go through steps 1 to 3 of a training and return what it would take; arguments and errors as for `train_adapter`.

    What does not fit is said in the result, and no error here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_leaks(leaks, examples)
    header, shape = check_base(base)
    opened = await asyncio.to_thread(open_base, base.path, folder)
    try:
        engine = open_engine(())
        await engine.start()
        try:
            sequences, held = await _read(engine, header, examples, (), progress)
        finally:
            await engine.close()
        settings = settings or TrainingSettings()
        plan = TrainingPlan(
            base.path, base.digest, sequences, plan_steps(sequences, settings), settings, held
        )
        cost = _estimated(plan, shape, header, opened, rows)
    finally:
        opened.close()
    try:
        check_resources(cost, memory=memory, disk=shutil.disk_usage(folder).free, seconds=most_seconds)
    except TrainingRefused as refused:
        return ForeseenTraining(cost, refused.message)
    return ForeseenTraining(cost, "")


async def train_adapter(
    examples: Sequence[Example],
    base: BaseFile,
    leaks: LeakClearance,
    open_engine: OpenEngine,
    folder: Path,
    progress: Progress,
    *,
    memory: int,
    settings: TrainingSettings | None = None,
    validation: Sequence[Example] = (),
    trainer: Trainer | None = None,
    rows: int = 1024,
    most_seconds: float | None = None,
) -> TrainedAdapter:
    """Train an adapter for the base and prove that the served engine says what was trained.

    folder: keeps the state of a paused run, and the adapter. memory: bytes that are available. trainer: our own loop
    when None. rows: most tokens computed at once, which bounds the memory. most_seconds: a longer training, by the estimate,
    is not begun.
    Raises a TrainingRefused where anything speaks against serving it.
    """
    settings = settings or TrainingSettings()
    folder.mkdir(parents=True, exist_ok=True)
    check_leaks(leaks, [*examples, *validation])  # 1
    header, shape = check_base(base)
    opened = await asyncio.to_thread(open_base, base.path, folder)
    try:
        engine = open_engine(())
        await engine.start()
        try:
            sequences, held = await _read(engine, header, examples, validation, progress)  # 2
            steps = plan_steps(sequences, settings)
            plan = TrainingPlan(base.path, base.digest, sequences, steps, settings, held)
            cost = _estimated(plan, shape, header, opened, rows)  # 3
            progress.say(cost.told)
            disk = shutil.disk_usage(folder).free
            check_resources(cost, memory=memory, disk=disk, seconds=most_seconds)
            before = await take_probes(engine, probe_prompts(sequences, _PROMPTS), _SERVED_POSITIONS)  # 4
            identity = engine.identity
        finally:
            await engine.close()
        parity = await asyncio.to_thread(compare, opened, _first(before, _BASE_POSITIONS), None)  # 5
        if not parity.holds:
            raise BaseParityFailed(
                f"the dequantised base is not what is served: {parity.reason}",
                where=base.path.name,
                hint="name another file of the same model (Q8_0, say): staffroom models list",
            )
        trained = await _trained(trainer or opened.trainer(rows), plan, folder, progress)  # 6
        facts = AdapterFacts(
            architecture=header.architecture,
            rank=settings.rank,
            base=base.digest,
            template=identity.template,
            dataset=dataset_digest(examples),
            leaks=leaks.report,
        )
        unproved, path = folder / _UNPROVED, folder / _FILE
        write_checked(unproved, facts, trained.tensors, header)  # 7
        progress.stage("checking the adapter as served", 2)
        served = await check_served(
            open_engine, unproved, before, opened, trained.tensors, identity, progress
        )  # 8
        unproved.replace(path)
    finally:
        opened.close()
    record = _record(facts, plan, cost, trained, parity, served, leaks, identity)
    return TrainedAdapter(path, digest_file(path), record)


def check_leaks(leaks: LeakClearance, examples: Sequence[Example]) -> None:
    """Raise LeaksFound where the report is not clean, or not about these examples."""
    if not leaks.report or leaks.dataset != dataset_digest(examples):
        raise LeaksFound(
            "there is no leak report about these examples",
            hint="run the leak check on exactly these examples",
        )
    if not leaks.clean:
        raise LeaksFound(
            "the leak report names examples that give exam items away",
            where=leaks.report,
            hint="leave those examples out and run the leak check again",
        )


def check_base(base: BaseFile) -> tuple[GgufHeader, NetworkShape]:
    """Return the base's header and shape; raises BaseUnfit where it cannot be trained."""
    header = read_header(base.path)
    try:
        shape = network_shape(header)
    except UnknownArchitecture as error:
        raise BaseUnfit(error.message, where=error.where, hint=error.hint) from error
    if not header.chat_template:
        raise BaseUnfit(
            "the base has no chat template: it was not made for conversations",
            where=base.path.name,
            hint="name an instruct model: staffroom models list",
        )
    if digest_file(base.path) != base.digest:
        raise BaseUnfit(
            "the base is another file than it is named as",
            where=str(base.path),
            hint="staffroom models check",
        )
    return header, shape


def write_checked(path: Path, facts: AdapterFacts, tensors: AdapterTensors, base: GgufHeader) -> None:
    """Write the adapter, read it back and compare; raises AdapterUnfit where it is not what was trained."""
    try:
        write_adapter(path, facts, tensors)
        check_adapter_file(path, base)
        kept = read_adapter(path)
    except BadAdapter as error:
        raise AdapterUnfit(error.message, where=error.where, hint=_ANEW) from error
    if kept.keys() != tensors.keys():
        raise AdapterUnfit("the file lacks layers that were trained", where=path.name, hint=_ANEW)
    for name, (down, up) in kept.items():
        if (down != tensors[name][0]).any() or (up != tensors[name][1]).any():
            raise AdapterUnfit(f"`{name}` is not what was trained", where=path.name, hint=_ANEW)


async def check_served(
    open_engine: OpenEngine,
    path: Path,
    before: Sequence[Probe],
    reference: Reference,
    trained: AdapterTensors,
    identity: EngineIdentity,
    progress: Progress,
) -> Parity:
    """Return the parity of the served engine with the adapter at scale 1; see step 8 of the module.

    before: what the engine said without it. identity: the engine by whose template the examples were rendered.
    Raises AdapterUnfit, TemplateDiffers, ScaleTestFailed or AdapterParityFailed.
    """
    prompts, digest = [probe.prompt for probe in before], digest_file(path)
    try:
        check_adapter_binding(path, identity.model, identity.template)
        found: list[list[Probe]] = []
        for scale in (0.0, 1.0):
            engine = open_engine((LlamaAdapter(path, digest, scale),))
            if engine.identity.template != identity.template:
                raise TemplateDiffers(
                    "the engine serves another chat template than the examples were rendered with",
                    hint="train with the template that is served: staffroom models check",
                )
            await engine.start()
            try:
                found.append(await take_probes(engine, prompts, _SERVED_POSITIONS))
            finally:
                await engine.close()
            progress.advance()
    except BadAdapter as error:
        raise AdapterUnfit(error.message, where=error.where, hint=error.hint) from error
    off = difference(before, found[0]) if len(before) == len(found[0]) else float("inf")
    if off > _SAME_NATS:
        raise ScaleTestFailed(f"at scale 0 the adapter changes the base by {off:.3g} nats", hint=_ANEW)
    own = [
        Probe(probe.prompt, probe.traced[: len(other.traced)])
        for probe, other in zip(before, found[1], strict=False)
    ]
    if len(before) == len(found[1]) and difference(own, found[1]) <= _SAME_NATS:
        raise ScaleTestFailed(
            "at scale 1 the adapter changes nothing", hint="train longer, or look at what the examples teach"
        )
    parity = await asyncio.to_thread(compare, reference, found[1], trained)
    if not parity.holds:
        raise AdapterParityFailed(f"what is served is not what was trained: {parity.reason}", hint=_ANEW)
    return parity


def _first(probes: Sequence[Probe], positions: int) -> list[Probe]:
    kept: list[Probe] = []
    for probe in probes:
        if positions <= 0:
            break
        kept.append(Probe(probe.prompt, probe.traced[:positions]))
        positions -= sum(1 for token in kept[-1].traced if token.id in token.log_probabilities)
    return kept


def _estimated(
    plan: TrainingPlan, shape: NetworkShape, header: GgufHeader, opened: OpenBase, rows: int
) -> Estimate:
    return estimate(
        plan,
        shape,
        rows=rows,
        rate=opened.rate,
        weight_bytes=opened.weight_bytes,
        tied=all(tensor.name != "output.weight" for tensor in header.tensors),
        cores=opened.cores,
    )


async def _read(
    engine: ServedEngine,
    header: GgufHeader,
    examples: Sequence[Example],
    validation: Sequence[Example],
    progress: Progress,
) -> tuple[tuple[TrainingSequence, ...], tuple[TrainingSequence, ...]]:
    ends = await end_tokens(engine, header)
    progress.stage("reading examples", len(examples) + len(validation))
    found: list[TrainingSequence] = []
    for number, example in enumerate([*examples, *validation], 1):
        found.append(await sequence_of(engine, example, ends, number))
        progress.advance()
    check_sequences(found[: len(examples)], ends)
    if validation:
        check_sequences(found[len(examples) :], ends)
    return tuple(found[: len(examples)]), tuple(found[len(examples) :])


async def _trained(trainer: Trainer, plan: TrainingPlan, folder: Path, progress: Progress) -> Trained:
    """Train in a thread; a cancelled task stops it after the step that is under way."""
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(_train, trainer, plan, folder, progress, stopped)
    except asyncio.CancelledError:
        stopped.set()
        raise


def _train(
    trainer: Trainer, plan: TrainingPlan, folder: Path, progress: Progress, stopped: threading.Event
) -> Trained:
    progress.stage("training", len(plan.steps))
    done = 0

    def told(report: StepReport) -> None:
        nonlocal done
        if stopped.is_set():
            raise InterruptedError("the training was stopped; the same command goes on from its last state")
        # Steps of an earlier run are not told again: the bar takes them at once.
        progress.advance(report.step + 1 - done, f"loss {report.loss:.3f}")
        done = report.step + 1

    started = time.monotonic()
    trained = trainer.train(plan, folder, told)
    progress.advance(len(plan.steps) - done)
    progress.say(f"trained in {time.monotonic() - started:.0f} s")
    return trained


def _record(
    facts: AdapterFacts,
    plan: TrainingPlan,
    cost: Estimate,
    trained: Trained,
    base: Parity,
    served: Parity,
    leaks: LeakClearance,
    identity: EngineIdentity,
) -> dict[str, Any]:
    threads = int(trained.facts.get("threads", "1"))
    return {
        "base": facts.base,
        "template": facts.template,
        "engine": identity.as_json(),
        "dataset": facts.dataset,
        "leaks": {"report": leaks.report, "dataset": leaks.dataset, "clean": leaks.clean},
        "plan": plan.digest,
        "settings": plan.settings.as_json(),
        "estimate": cost.as_json(),
        "trainer": dict(trained.facts),
        "seconds": round(trained.seconds, 1),
        "computed_tokens": trained.tokens,
        "flops": trained.flops,
        "watt_hours": round(energy_watt_hours(trained.seconds * threads), 2),
        "losses": [round(value, 6) for value in trained.losses],
        "validation": [round(value, 6) for value in trained.validation],
        "base_parity": base.as_json(),
        "served_parity": served.as_json(),
    }
