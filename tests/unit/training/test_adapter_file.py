"""Adapter files: what is written is what was given, and what does not fit is refused by name."""

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from tiny_network import INNER, LAYERS, WIDTH, write_network

from staffroom.gguf import (
    AdapterFacts,
    BadAdapter,
    BadModelFile,
    adapter_facts,
    check_adapter_binding,
    check_adapter_file,
    read_adapter,
    read_header,
    read_weights,
    write_adapter,
)

FACTS = AdapterFacts("llama", 4, "sha256:base", "sha256:template", "sha256:data", "sha256:leaks")


def tensors(rank: int = 4) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(1)
    return {
        f"blk.{layer}.ffn_up": (
            random.normal(size=(rank, WIDTH)).astype(np.float32),
            random.normal(size=(INNER, rank)).astype(np.float32),
        )
        for layer in range(LAYERS)
    }


def test_an_adapter_says_what_it_is_for_and_comes_back_bit_for_bit(tmp_path: Path) -> None:
    base = read_header(write_network(tmp_path / "base.gguf"))
    path, given = tmp_path / "adapter.gguf", tensors()
    write_adapter(path, FACTS, given)
    assert adapter_facts(path) == FACTS
    check_adapter_binding(path, "sha256:base", "sha256:template")
    check_adapter_file(path, base)
    kept = read_adapter(path)
    assert kept.keys() == given.keys()
    assert all((kept[name][half] == given[name][half]).all() for name in given for half in (0, 1))
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("base", "template", "said"),
    [("sha256:other", "sha256:template", "for the base"), ("sha256:base", "sha256:other", "chat template")],
)
def test_an_adapter_is_bound_to_base_and_template(
    base: str, template: str, said: str, tmp_path: Path
) -> None:
    write_adapter(tmp_path / "a.gguf", FACTS, tensors())
    with pytest.raises(BadAdapter, match=rf"{said}(.|\n)*hint: "):
        check_adapter_binding(tmp_path / "a.gguf", base, template)


def test_what_does_not_fit_the_base_is_refused(tmp_path: Path) -> None:
    base = read_header(write_network(tmp_path / "base.gguf"))
    good = tensors()
    down, up = good["blk.0.ffn_up"]
    wrong = {
        "no linear layer": {"blk.9.ffn_up": (down, up)},
        "no linear layer `token_embd`": {"token_embd": (down, up)},
        "which do not fit": {"blk.0.ffn_down": (down, up)},
    }
    for said, given in wrong.items():
        write_adapter(tmp_path / "a.gguf", FACTS, given)
        with pytest.raises(BadAdapter, match=said):
            check_adapter_file(tmp_path / "a.gguf", base)
    write_adapter(tmp_path / "a.gguf", replace(FACTS, architecture="qwen2"), good)
    with pytest.raises(BadAdapter, match="the base is `llama`"):
        check_adapter_file(tmp_path / "a.gguf", base)


def test_numbers_that_are_none_and_other_ranks_are_not_written(tmp_path: Path) -> None:
    down, up = tensors()["blk.0.ffn_up"]
    with pytest.raises(BadAdapter, match="not finite"):
        write_adapter(tmp_path / "a.gguf", FACTS, {"blk.0.ffn_up": (down, up * np.nan)})
    with pytest.raises(BadAdapter, match="another rank"):
        write_adapter(tmp_path / "a.gguf", replace(FACTS, rank=8), {"blk.0.ffn_up": (down, up)})
    assert not (tmp_path / "a.gguf").exists()


def foreign(path: Path, *, alpha: float = 4.0, name: str = "blk.0.ffn_up.weight", own: bool = True) -> Path:
    """Write an adapter as another program might."""
    down, up = tensors()["blk.0.ffn_up"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    if own:
        for key in ("base", "template", "dataset", "leaks"):
            writer.add_string(f"staffroom.{key}", "sha256:x")
    writer.add_tensor(f"{name}.lora_a", down)
    writer.add_tensor(f"{name}.lora_b" if name.endswith("weight") else f"{name}.lora_magnitude", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_adapters_of_other_programs_are_refused_for_what_they_lack(tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match=r"alpha is 16\.0 and the rank 4"):
        adapter_facts(foreign(tmp_path / "alpha.gguf", alpha=16.0))
    with pytest.raises(BadAdapter, match="does not name its base"):
        adapter_facts(foreign(tmp_path / "unbound.gguf", own=False))
    with pytest.raises(BadAdapter, match="no part of a LoRA"):
        read_adapter(foreign(tmp_path / "dora.gguf", name="blk.0.ffn_up"))
    with pytest.raises(BadAdapter, match="no LoRA adapter"):
        adapter_facts(write_network(tmp_path / "base.gguf"))


def test_quantised_tensors_become_the_numbers_they_stand_for(tmp_path: Path) -> None:
    """One block of Q8_0 by hand: a scale in 16 bits and 32 whole numbers."""
    path = tmp_path / "q8.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type("adapter")
    whole = np.arange(-16, 16, dtype=np.int8)
    raw = np.concatenate([np.array([0.5], dtype=np.float16).view(np.uint8), whole.view(np.uint8)])
    writer.add_tensor("x", raw.reshape(1, 34), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(path)
    assert (read_weights(path, header, header.tensors[0]) == whole.astype(np.float32) * 0.5).all()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(path.read_bytes()[: header.data_offset + 10])
    with pytest.raises(BadModelFile, match="cut short"):
        read_weights(cut, header, header.tensors[0])
