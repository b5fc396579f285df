"""Weights on their way to `transformers` and back, and what the child is told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import HEAD, HEADS, write_network

from staffroom.engine.packing import pack
from staffroom.engine.torch_network import LowRank, Network, load_network
from staffroom.engine.torch_shape import network_shape
from staffroom.engine.training import TrainerMissing, TrainingPlan, TrainingSequence, TrainingSettings
from staffroom.engine.trl import TrlTrainer, from_transformers, to_transformers, write_job
from staffroom.gguf import read_header

SEQUENCE = TrainingSequence((3, 4, 5, 6, 7), (False, False, False, True, True))


def plan_of(path: Path) -> TrainingPlan:
    return TrainingPlan(
        path, "sha256:base", (SEQUENCE,) * 4, ((0, 1), (2, 3)), TrainingSettings(rank=4, batch=2)
    )


def test_rows_of_llama_are_put_in_halves_and_back(tmp_path: Path) -> None:
    """With rows in halves, rotations by halves must give what the file's neighbours give by pairs."""
    path = write_network(tmp_path / "m.gguf")
    shape = network_shape(read_header(path))
    given, tied = to_transformers(path, shape)
    assert tied
    network = load_network(path, torch.float32)
    moved = dict(network._weights)
    for layer in range(shape.layers):
        for ours, theirs in (("attn_q", "q_proj"), ("attn_k", "k_proj")):
            values = given[f"model.layers.{layer}.self_attn.{theirs}.weight"]
            moved[f"blk.{layer}.{ours}.weight"] = torch.from_numpy(values)
    from dataclasses import replace

    halves = Network(replace(shape, interleaved=False), moved, torch.float32)
    batch = pack([SEQUENCE])
    assert torch.allclose(halves.hidden(batch, {}), network.hidden(batch, {}), atol=1e-5)

    random = np.random.default_rng(2)
    down = random.normal(size=(4, shape.width)).astype(np.float32)
    up = random.normal(size=(HEADS * HEAD, 4)).astype(np.float32)
    stem = "model.layers.1.self_attn.q_proj"
    np.savez(tmp_path / "adapter.npz", **{f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up})
    found = from_transformers(tmp_path / "adapter.npz", shape, 2.0)
    ours = {name: LowRank(*map(torch.from_numpy, pair), 1.0) for name, pair in found.items()}
    theirs = {"blk.1.attn_q": LowRank(torch.from_numpy(down), torch.from_numpy(up), 2.0)}
    assert torch.allclose(network.hidden(batch, ours), halves.hidden(batch, theirs), atol=1e-5)


def test_gemma_norms_lose_their_one(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.gguf", "gemma3")
    given, _ = to_transformers(path, network_shape(read_header(path)))
    network = load_network(path, torch.float32)
    kept = network._weights["blk.0.attn_q_norm.weight"].numpy()
    assert np.allclose(given["model.layers.0.self_attn.q_norm.weight"], kept - 1)
    assert np.allclose(given["model.norm.weight"], network._weights["output_norm.weight"].numpy() - 1)


def test_the_job_holds_the_tokens_and_masks_as_they_are(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.gguf", "qwen2")
    write_job(plan_of(path), tmp_path / "job", compute="float32", arguments={"use_cpu": True})
    job = json.loads((tmp_path / "job" / "job.json").read_text())
    assert job["sequences"][0] == [[3, 4, 5, 6, 7], [False, False, False, True, True]]
    assert (job["order"], job["batch"], job["last_step"]) == ([0, 1, 2, 3], 2, 2)
    assert job["rates"] == [plan_of(path).settings.rate(step, 2) for step in range(2)]
    assert job["config"]["model_type"] == "qwen2"
    with np.load(tmp_path / "job" / "weights.npz") as weights:
        assert "model.layers.0.self_attn.q_proj.bias" in weights.files


def test_without_trl_the_error_says_what_to_install(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.gguf")
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'ModuleNotFoundError: No module named trl' >&2\nexit 1\n")
    bare.chmod(0o755)
    with pytest.raises(TrainerMissing, match=r"extra `gpu`(.|\n)*hint: "):
        TrlTrainer(python=str(bare)).train(plan_of(path), tmp_path / "run")
