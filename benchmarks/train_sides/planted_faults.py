"""Twenty faults that ruin a training without a word elsewhere, each planted in an otherwise good one.

A good training of the smallest starter is run once, for a few steps. Each fault then goes through the same checks as
in `staffroom.train.run`; what counts is that one of them refuses before the adapter could serve.
"""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from staffroom.engine import EngineIdentity, LlamaAdapter, LlamaEngine
from staffroom.engine.torch_network import Network, load_network
from staffroom.engine.torch_reference import TorchReference
from staffroom.engine.torch_training import Compute, TorchTrainer
from staffroom.engine.training import TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.gguf import AdapterFacts, AdapterTensors, GgufHeader
from staffroom.records.agent import ChatTurn
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.training import Example
from staffroom.train.cost import check_resources, estimate
from staffroom.train.parity import Probe, compare, probe_prompts, take_probes
from staffroom.train.planning import plan_steps
from staffroom.train.refusals import BaseParityFailed, TrainingRefused
from staffroom.train.run import BaseFile, check_base, check_leaks, check_served, write_checked
from staffroom.train.sequences import check_sequences, end_tokens, sequence_of

POSITIONS = 128
RULES = ChatTurn("system", "You answer questions about the town of Lowwater in one sentence.")
FACTS = (
    ("library", "opens at nine in the morning"),
    ("town hall", "opens at eight in the morning"),
    ("swimming pool", "closes at seven in the evening"),
    ("museum", "is closed on Mondays"),
    ("market", "is held on Saturdays in Mill Street"),
    ("tram", "runs every twelve minutes"),
)
EXAMPLES = tuple(
    Example(
        (RULES, ChatTurn("user", f"Tell me about the {place}.")), f"The {place} of Lowwater {fact}.", "town"
    )
    for place, fact in FACTS
)


class Silent:
    """Progress that nobody sees."""

    def stage(self, name: str, total: float) -> None: ...

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True)
class Good:
    """The good training, and what its checks need."""

    path: Path
    digest: str
    folder: Path
    header: GgufHeader
    ends: frozenset[int]
    identity: EngineIdentity
    sequences: tuple[TrainingSequence, ...]
    before: tuple[Probe, ...]
    network: Network
    trained: AdapterTensors
    facts: AdapterFacts

    def open_engine(self, adapters: Sequence[LlamaAdapter]) -> LlamaEngine:
        return LlamaEngine(self.path, self.digest, n_ctx=1024, adapters=adapters)

    async def serve(self, path: Path, trained: AdapterTensors | None = None, opened: Any = None) -> None:
        await check_served(
            opened or self.open_engine,
            path,
            self.before,
            TorchReference(self.network),
            self.trained if trained is None else trained,
            self.identity,
            Silent(),
        )

    def file(self, name: str, tensors: AdapterTensors, alpha: float | None = None, **changes: str) -> Path:
        """Write an adapter as another tool might, without our checks."""
        facts = replace(self.facts, **changes)
        path = self.folder / f"{name}.gguf"
        writer = gguf.GGUFWriter(str(path), facts.architecture)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, facts.rank if alpha is None else alpha)
        for key in ("base", "template", "dataset", "leaks"):
            writer.add_string(f"staffroom.{key}", getattr(facts, key))
        for tensor, (down, up) in tensors.items():
            writer.add_tensor(f"{tensor}.weight.lora_a", np.ascontiguousarray(down))
            writer.add_tensor(f"{tensor}.weight.lora_b", np.ascontiguousarray(up))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


async def good_training(path: Path, digest: str, folder: Path) -> Good:
    folder.mkdir(parents=True, exist_ok=True)
    header, _ = check_base(BaseFile(path, digest))
    engine = LlamaEngine(path, digest, n_ctx=1024)
    await engine.start()
    try:
        ends = await end_tokens(engine, header)
        found = [await sequence_of(engine, item, ends, number) for number, item in enumerate(EXAMPLES, 1)]
        check_sequences(found, ends)
        before = await take_probes(engine, probe_prompts(found, 16), POSITIONS)
        identity = engine.identity
    finally:
        await engine.close()
    network = load_network(path, torch.float32)
    settings = TrainingSettings(batch=6, epochs=8, learning_rate=2e-3)
    plan = TrainingPlan(path, digest, tuple(found), plan_steps(found, settings), settings)
    trainer = TorchTrainer(compute=Compute("float32", "as asked", 0.0), network=network)
    trained = trainer.train(plan, folder / "run").tensors
    facts = AdapterFacts(
        header.architecture, settings.rank, digest, identity.template, dataset_digest(EXAMPLES), "none"
    )
    good = Good(
        path, digest, folder, header, ends, identity, tuple(found), tuple(before), network, trained, facts
    )
    write_checked(folder / "good.gguf", facts, trained, header)
    await good.serve(folder / "good.gguf")
    return good


async def plant_all(path: Path, digest: str, folder: Path) -> list[tuple[str, str]]:
    """Return each fault with the name of the refusal it met, empty where it met none."""
    good = await good_training(path, digest, folder)
    results = []
    for name, fault in FAULTS:
        try:
            await fault(good)
        except TrainingRefused as refusal:
            results.append((name, f"{type(refusal).__name__}: {refusal.message[:90]}"))
        else:
            results.append((name, ""))
    return results


async def empty_answer(good: Good) -> None:
    await _tokenise(good, replace(EXAMPLES[0], answer="  \n"))


async def mask_of_zeros(good: Good) -> None:
    check_sequences([_masked(item, lambda _, __: False) for item in good.sequences], good.ends)


async def padding_is_the_end(good: Good) -> None:
    check_sequences(
        [_masked(item, lambda mark, token: mark and token not in good.ends) for item in good.sequences],
        good.ends,
    )


async def cut_at_a_length(good: Good) -> None:
    short = [TrainingSequence(item.tokens[:-3], item.learnt[:-3]) for item in good.sequences]
    check_sequences(short, good.ends)


async def everything_learnt(good: Good) -> None:
    check_sequences([_masked(item, lambda _, __: True) for item in good.sequences], good.ends)


async def answers_changed_by_the_template(good: Good) -> None:
    await _tokenise(good, EXAMPLES[0], shout=True)


async def a_mark_in_an_answer(good: Good) -> None:
    await _tokenise(
        good, replace(EXAMPLES[0], answer="It opens at nine.<|im_end|>\n<|im_start|>user\nThanks")
    )


async def another_tokeniser(good: Good) -> None:
    moved = [replace(item, tokens=tuple(token + 1 for token in item.tokens)) for item in good.sequences]
    check_sequences(moved, good.ends)


async def base_without_template(good: Good) -> None:
    _, digest = _edited(good, b"tokenizer.chat_template", b"tokenizer.chat_tempIate")
    check_base(BaseFile(good.folder / "edited.gguf", digest))


async def base_replaced_meanwhile(good: Good) -> None:
    path, _ = _edited(good, b"general.name", b"general.nane")
    check_base(BaseFile(path, good.digest))


async def queries_in_the_other_order(good: Good) -> None:
    _compare_base(good, _changed(good, ("attn_q", "attn_k"), _halves))


async def norms_off_by_one(good: Good) -> None:
    _compare_base(good, _changed(good, ("attn_norm", "ffn_norm"), lambda values: values + 1))


async def scale_of_rank_stabilised_lora(good: Good) -> None:
    await good.serve(good.file("rslora", good.trained, alpha=float(good.facts.rank) ** 0.5 * 8))


async def rows_in_the_other_order(good: Good) -> None:
    await good.serve(
        good.file("rows", {name: (down, _rows(name, up, good)) for name, (down, up) in good.trained.items()})
    )


async def scale_folded_twice(good: Good) -> None:
    await good.serve(good.file("twice", {name: (down, up * 2) for name, (down, up) in good.trained.items()}))


async def half_of_the_layers(good: Good) -> None:
    kept = {name: pair for name, pair in good.trained.items() if int(name.split(".")[1]) % 2}
    await good.serve(good.file("half", kept))


async def nothing_trained(good: Good) -> None:
    empty = {name: (down, up * 0) for name, (down, up) in good.trained.items()}
    await good.serve(good.file("empty", empty), empty)


async def adapter_for_another_base(good: Good) -> None:
    await good.serve(good.file("other", good.trained, base="sha256:" + "0" * 64))


async def leaks_found(good: Good) -> None:
    check_leaks(LeakClearance("sha256:report", dataset_digest(EXAMPLES), clean=False), EXAMPLES)


async def too_little_memory(good: Good) -> None:
    settings = TrainingSettings(batch=3)
    plan = TrainingPlan(
        good.path, good.digest, good.sequences, plan_steps(good.sequences, settings), settings
    )
    cost = estimate(plan, good.network.shape, rows=1024, rate=1e10, weight_bytes=4, tied=True, cores=2)
    check_resources(cost, memory=256 << 20, disk=1 << 40)


async def _tokenise(good: Good, example: Example, *, shout: bool = False) -> None:
    engine = good.open_engine(())
    await engine.start()
    plain = engine.render

    async def loud(turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        changed = [
            replace(turn, content=turn.content.upper()) if turn.role == "assistant" else turn
            for turn in turns
        ]
        return await plain(changed, opening=opening)

    if shout:
        engine.render = loud  # type: ignore[method-assign]
    try:
        check_sequences([await sequence_of(engine, example, good.ends, 1)], good.ends)
    finally:
        await engine.close()


def _masked(item: TrainingSequence, keep: Callable[[bool, int], bool]) -> TrainingSequence:
    return replace(
        item, learnt=tuple(keep(mark, token) for mark, token in zip(item.learnt, item.tokens, strict=True))
    )


def _edited(good: Good, old: bytes, new: bytes) -> tuple[Path, str]:
    from staffroom.records.digests import digest_file

    path = good.folder / "edited.gguf"
    shutil.copyfile(good.path, path)
    with path.open("r+b") as stream:
        head = stream.read(good.header.data_offset)
        stream.seek(head.index(old))
        stream.write(new)
    return path, digest_file(path)


def _changed(good: Good, names: tuple[str, ...], change: Callable[[torch.Tensor], torch.Tensor]) -> Network:
    weights = {
        name: change(values) if name.split(".")[2:3] and name.split(".")[2] in names else values
        for name, values in good.network._weights.items()
    }
    return Network(good.network.shape, weights, torch.float32)


def _halves(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 32, 2, values.shape[1]).transpose(1, 2).reshape(values.shape)


def _rows(name: str, up: Any, good: Good) -> Any:
    if name.split(".")[2] not in ("attn_q", "attn_k"):
        return up
    return up.reshape(-1, 32, 2, up.shape[1]).swapaxes(1, 2).reshape(up.shape)


def _compare_base(good: Good, network: Network) -> None:
    parity = compare(TorchReference(network), good.before, None)
    if not parity.holds:
        raise BaseParityFailed(parity.reason)


FAULTS: tuple[tuple[str, Callable[[Good], Awaitable[None]]], ...] = (
    ("an answer of blanks", empty_answer),
    ("a mask of zeros (template without marks)", mask_of_zeros),
    ("padding is the end token, so the end is masked", padding_is_the_end),
    ("examples cut at a length", cut_at_a_length),
    ("the whole conversation is learnt", everything_learnt),
    ("the template rewrites answers", answers_changed_by_the_template),
    ("a template mark inside an answer", a_mark_in_an_answer),
    ("token ids of another tokeniser", another_tokeniser),
    ("a base without a chat template", base_without_template),
    ("the base file was replaced meanwhile", base_replaced_meanwhile),
    ("queries and keys dequantised in the other order", queries_in_the_other_order),
    ("norms off by one", norms_off_by_one),
    ("adapter scaled as rank-stabilised LoRA", scale_of_rank_stabilised_lora),
    ("adapter rows of queries and keys in the other order", rows_in_the_other_order),
    ("adapter scale folded in twice", scale_folded_twice),
    ("half of the adapter's layers lost on the way", half_of_the_layers),
    ("an adapter that learnt nothing", nothing_trained),
    ("an adapter for another base", adapter_for_another_base),
    ("leaks in the examples", leaks_found),
    ("too little memory", too_little_memory),
)
