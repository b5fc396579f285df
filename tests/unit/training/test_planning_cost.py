"""Orders are drawn by the seed alone, families stay together, and what does not fit is refused beforehand."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_network import write_network

from staffroom.engine.packing import pack
from staffroom.engine.torch_shape import network_shape
from staffroom.engine.training import TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.engine.training_cost import adapter_parameters, step_flops, training_bytes
from staffroom.gguf import read_header
from staffroom.records.agent import ChatTurn
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.digests import digest_file
from staffroom.records.training import Example
from staffroom.train.cost import check_resources, estimate
from staffroom.train.planning import families, plan_steps
from staffroom.train.refusals import BaseUnfit, LeaksFound, NotEnoughDisk, NotEnoughMemory, TakesTooLong
from staffroom.train.run import BaseFile, check_base, check_leaks

EVERYONE = tuple(range(1000, 1050))


def sequences(count: int, of: int = 4) -> list[TrainingSequence]:
    draw = random.Random(0)
    made = []
    for number in range(count):
        if number % of == 0:
            family = tuple(draw.randrange(2000, 3000) for _ in range(40))
        own = tuple(draw.randrange(3000, 4000) for _ in range(6))
        tokens = (*EVERYONE, *family, *own)
        made.append(TrainingSequence(tokens, (False,) * 92 + (True,) * 4))
    return draw.sample(made, count)


def test_families_share_more_than_everyone_does() -> None:
    made = sequences(12)
    groups = families(made)
    assert sorted(len(group) for group in groups) == [4, 4, 4]
    assert sorted(place for group in groups for place in group) == list(range(12))
    for group in groups:
        assert len({made[place].tokens[50:90] for place in group}) == 1


def test_each_epoch_learns_everything_once_and_the_seed_decides_the_order() -> None:
    made = sequences(12)
    settings = TrainingSettings(epochs=3, batch=5)
    steps = plan_steps(made, settings)
    assert [len(step) for step in steps] == [5, 5, 2] * 3
    for epoch in range(3):
        assert sorted(place for step in steps[epoch * 3 : epoch * 3 + 3] for place in step) == list(range(12))
    assert plan_steps(made, settings) == steps
    assert plan_steps(made, replace(settings, seed=1)) != steps
    assert steps[:3] != steps[3:6]


def test_rates_rise_and_fall_and_are_never_zero() -> None:
    settings = TrainingSettings(learning_rate=1.0, warmup=0.25)
    rates = [settings.rate(step, 20) for step in range(20)]
    assert max(rates) == rates[5] == 1.0
    assert rates[:5] == sorted(rates[:5]) and rates[5:] == sorted(rates[5:], reverse=True)
    assert min(rates) > 0


def plan_of(path: Path) -> TrainingPlan:
    made = sequences(8)
    settings = TrainingSettings(epochs=1, batch=4)
    return TrainingPlan(path, "sha256:base", tuple(made), plan_steps(made, settings), settings)


def test_an_estimate_counts_shared_beginnings_once(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.gguf")
    shape = network_shape(read_header(path))
    cost = estimate(plan_of(path), shape, rows=4096, rate=1e9, weight_bytes=4, tied=True, cores=2)
    assert (cost.examples, cost.steps, cost.tokens, cost.learnt) == (8, 2, 8 * 96, 32)
    assert cost.computed == 2 * (90 + 4 * 6)
    assert cost.seconds == pytest.approx(cost.flops / 0.7e9)
    assert cost.watt_hours == pytest.approx(cost.seconds * 2 * 12 / 3600)
    assert "8 examples" in cost.told
    check_resources(cost, memory=1 << 40, disk=1 << 40)
    with pytest.raises(NotEnoughMemory, match=r"GiB are available(.|\n)*hint: "):
        check_resources(cost, memory=cost.memory_bytes - 1, disk=1 << 40)
    with pytest.raises(NotEnoughDisk, match=r"MiB are free(.|\n)*hint: "):
        check_resources(cost, memory=1 << 40, disk=cost.disk_bytes - 1)
    check_resources(cost, memory=1 << 40, disk=1 << 40, seconds=cost.seconds)
    with pytest.raises(TakesTooLong, match=r"min are allowed(.|\n)*hint: raise improvement.adapter.minutes"):
        check_resources(cost, memory=1 << 40, disk=1 << 40, seconds=cost.seconds / 2)


def test_operations_are_those_of_the_products(tmp_path: Path) -> None:
    """Two layers of the tiny network, one sequence of one learnt token, counted by hand."""
    shape = network_shape(read_header(write_network(tmp_path / "m.gguf")))
    batch = pack([TrainingSequence((1, 2, 3), (False, False, True))])
    block = 32 * 32 + 2 * 16 * 32 + 32 * 32 + 3 * 48 * 32
    keys = 2 * 16 * 32
    wanted = 4.0 * block * 3 + 4.0 * (keys * 3 + (block - keys)) + 12.0 * 3 * 1.5 * 32 * 2 + 4.0 * 64 * 32
    assert step_flops(shape, batch, 4, ()) == wanted
    assert adapter_parameters(shape, 4, ("ffn_up",)) == 2 * 4 * (48 + 32)
    assert training_bytes(shape, 100, 4, 0, True) < training_bytes(shape, 200, 4, 0, True)
    assert training_bytes(shape, 100, 2, 0, True) < training_bytes(shape, 100, 4, 0, False)


EXAMPLES = [Example((ChatTurn("user", "When?"),), "At nine.", "test")]


@pytest.mark.parametrize(
    "clearance",
    [
        LeakClearance("sha256:report", dataset_digest(EXAMPLES), clean=False),
        LeakClearance("sha256:report", dataset_digest([]), clean=True),
        LeakClearance("", dataset_digest(EXAMPLES), clean=True),
    ],
)
def test_without_a_clean_report_about_these_examples_nothing_starts(clearance: LeakClearance) -> None:
    with pytest.raises(LeaksFound, match=r"leak report(.|\n)*hint: "):
        check_leaks(clearance, EXAMPLES)


def test_a_clean_report_passes_whatever_the_order() -> None:
    other = Example((ChatTurn("user", "Where?"),), "Here.", "test")
    check_leaks(LeakClearance("r", dataset_digest([other, *EXAMPLES]), clean=True), [*EXAMPLES, other])


def test_a_base_that_cannot_be_trained_is_refused_by_name(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.gguf")
    header, shape = check_base(BaseFile(path, digest_file(path)))
    assert (header.architecture, shape.layers) == ("llama", 2)
    with pytest.raises(BaseUnfit, match="another file than it is named as"):
        check_base(BaseFile(path, "sha256:" + "0" * 64))
    bare = write_network(tmp_path / "bare.gguf", template="")
    with pytest.raises(BaseUnfit, match=r"no chat template(.|\n)*hint: "):
        check_base(BaseFile(bare, digest_file(bare)))
    strange = write_network(tmp_path / "strange.gguf", "starcoder2")
    with pytest.raises(BaseUnfit, match=r"`starcoder2` cannot be trained"):
        check_base(BaseFile(strange, digest_file(strange)))
