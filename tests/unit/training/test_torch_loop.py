"""The forward pass and the loop: packed equals one by one, killed and resumed equals run through."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import VOCABULARY, write_network

from staffroom.engine import EngineError
from staffroom.engine.packing import pack
from staffroom.engine.torch_network import Network, load_network
from staffroom.engine.torch_shape import UnknownArchitecture
from staffroom.engine.torch_training import Adapter, Compute, TorchTrainer, batch_loss, mean_loss
from staffroom.engine.training import StepReport, TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.gguf import read_header

FLOATS = Compute("float32", "as asked", 0.0)


def sequences(seed: int = 0) -> tuple[TrainingSequence, ...]:
    """Six sequences: a beginning of all, a second one of three each, and one of them twice."""
    random = np.random.default_rng(seed)

    def words(count: int) -> tuple[int, ...]:
        return tuple(int(word) for word in random.integers(3, VOCABULARY, count))

    everyone, made = words(12), []
    for number in range(6):
        if number % 3 == 0:
            family = words(9)
        ask, answer = words(3 + number), words(4)
        tokens = (*everyone, *family, *ask, *answer)
        made.append(TrainingSequence(tokens, (False,) * (len(tokens) - 4) + (True,) * 4))
    return (*made, made[0])


def filled(network: Network) -> Adapter:
    adapter = Adapter(network.shape, TrainingSettings(rank=4, alpha=8.0))
    with torch.no_grad():
        for part in adapter.parts.values():
            part.up.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    return adapter


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma3"])
def test_shared_beginnings_give_the_loss_and_gradient_of_the_plain_way(
    architecture: str, tmp_path: Path
) -> None:
    """The plain way: each sequence by itself, every row through the head, PyTorch's own cross entropy."""
    # Eight layers, so that gemma3 has both kinds of attention.
    layers = 8 if architecture == "gemma3" else 2
    path = write_network(tmp_path / "model.gguf", architecture, layers=layers)
    network = load_network(path, torch.float32)
    adapter = filled(network)
    made = sequences()
    plain = 0.0
    for item in made:
        alone = TrainingSequence(item.tokens, (False,) + (True,) * (len(item.tokens) - 1))
        scores = network.hidden(pack([alone]), adapter.parts) @ network.head.t()
        marks = torch.tensor(item.learnt[1:])
        loss = torch.nn.functional.cross_entropy(
            scores[marks], torch.tensor(item.tokens[1:])[marks], reduction="sum"
        )
        loss.backward()
        plain += float(loss.detach())
    wanted = adapter.gradient.clone()
    for share in (False, True):
        adapter.gradient.zero_()
        found = batch_loss(network, pack(made, share=share), adapter.parts)
        found.backward()
        assert float(found.detach()) == pytest.approx(plain, rel=1e-5)
        assert float((adapter.gradient - wanted).norm() / wanted.norm()) < 1e-5


def test_a_sliding_window_hides_what_is_too_far(tmp_path: Path) -> None:
    network = load_network(write_network(tmp_path / "m.gguf", "gemma3", layers=1, window=6), torch.float32)
    tokens = tuple(range(3, 23))
    marks = (False,) * 19 + (True,)

    def last(first: int) -> torch.Tensor:
        return network.hidden(pack([TrainingSequence((first, *tokens[1:]), marks)]), {})

    assert torch.equal(last(3), last(40))
    far = replace(network.shape, window=0)
    unbounded = Network(far, network._weights, torch.float32)
    one = unbounded.hidden(pack([TrainingSequence(tokens, marks)]), {})
    other = unbounded.hidden(pack([TrainingSequence((40, *tokens[1:]), marks)]), {})
    assert not torch.equal(one, other)


def plan_of(path: Path, steps: int, settings: TrainingSettings) -> TrainingPlan:
    made = sequences()
    order = tuple(tuple((step * 2 + place) % len(made) for place in range(2)) for step in range(steps))
    return TrainingPlan(path, "sha256:base", made, order, settings, made[:2])


def test_training_learns_and_is_the_same_again(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    plan = plan_of(path, 60, TrainingSettings(rank=4, learning_rate=2e-2))
    told: list[StepReport] = []
    first = TorchTrainer(compute=FLOATS).train(plan, tmp_path / "one", told.append)
    assert [report.step for report in told] == list(range(60))
    assert first.validation[1] < 0.5 * first.validation[0]
    assert first.losses[-1] < 0.5 * first.losses[0]
    assert first.flops > 0 and first.tokens < sum(len(item.tokens) for item in plan.sequences) * 60
    second = TorchTrainer(compute=FLOATS).train(plan, tmp_path / "two")
    assert first.losses == second.losses
    assert all((first.tensors[name][1] == second.tensors[name][1]).all() for name in first.tensors)
    # The same plan where it is finished trains nothing and gives the same.
    told.clear()
    third = TorchTrainer(compute=FLOATS).train(plan, tmp_path / "two", told.append)
    assert (told, third.losses) == ([], first.losses)


def test_the_scale_is_folded_into_what_comes_out(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    plan = plan_of(path, 8, TrainingSettings(rank=4, alpha=12.0, learning_rate=2e-2))
    trained = TorchTrainer(compute=FLOATS).train(plan, tmp_path / "run")
    network = load_network(path, torch.float32)
    from staffroom.engine.torch_network import LowRank

    parts = {
        name: LowRank(torch.from_numpy(down), torch.from_numpy(up), 1.0)
        for name, (down, up) in trained.tensors.items()
    }
    assert mean_loss(network, parts, plan.validation) == pytest.approx(trained.validation[1], rel=1e-6)


KILLED = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {here!r})
from test_torch_loop import FLOATS, TorchTrainer, TrainingSettings, plan_of
plan = plan_of(Path({model!r}), 400, TrainingSettings(rank=4, learning_rate=1e-3))
trainer = TorchTrainer(compute=FLOATS, save_seconds=0.0)
trainer.train(plan, Path({folder!r}), lambda report: print(report.step, flush=True))
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    plan = plan_of(path, 400, TrainingSettings(rank=4, learning_rate=1e-3))
    code = KILLED.format(here=str(Path(__file__).parent), model=str(path), folder=str(tmp_path / "killed"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 20:
                os.kill(child.pid, signal.SIGKILL)
                break
        child.wait()
    assert child.returncode == -signal.SIGKILL
    told: list[StepReport] = []
    resumed = TorchTrainer(compute=FLOATS, save_seconds=1e9).train(plan, tmp_path / "killed", told.append)
    assert 20 <= told[0].step < 400
    whole = TorchTrainer(compute=FLOATS, save_seconds=1e9).train(plan, tmp_path / "whole")
    assert resumed.losses == whole.losses
    assert resumed.validation == whole.validation
    for name, (down, up) in whole.tensors.items():
        assert (resumed.tensors[name][0] == down).all()
        assert (resumed.tensors[name][1] == up).all()


def test_the_state_of_another_plan_is_not_taken(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    one = plan_of(path, 3, TrainingSettings(rank=4))
    other = replace(one, settings=TrainingSettings(rank=4, seed=5))
    assert one.digest != other.digest
    TorchTrainer(compute=FLOATS).train(one, tmp_path / "run")
    found = TorchTrainer(compute=FLOATS).train(other, tmp_path / "run")
    assert found.losses == TorchTrainer(compute=FLOATS).train(other, tmp_path / "fresh").losses


def test_a_damaged_state_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    plan = plan_of(path, 2, TrainingSettings(rank=4))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.npz").write_bytes(b"PK broken")
    with pytest.raises(EngineError, match=r"cannot be read(.|\n)*hint: remove it"):
        TorchTrainer(compute=FLOATS).train(plan, tmp_path / "run")


def test_networks_that_are_not_known_are_refused_by_name(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf", "starcoder2")
    with pytest.raises(UnknownArchitecture, match=r"`starcoder2` cannot be trained(.|\n)*hint: "):
        load_network(path, torch.float32)
    assert read_header(path).architecture == "starcoder2"


def test_half_precision_learns_too(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.gguf")
    plan = plan_of(path, 30, TrainingSettings(rank=4, learning_rate=2e-2))
    begun = time.monotonic()
    trained = TorchTrainer(compute=Compute("bfloat16", "as asked", 0.0)).train(plan, tmp_path / "half")
    assert trained.validation[1] < 0.8 * trained.validation[0]
    assert trained.facts["compute"] == "bfloat16"
    assert time.monotonic() - begun < 200
