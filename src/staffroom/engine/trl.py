"""TRL and PEFT as a trainer, for machines with a graphics card (extra `gpu`): the same tokens and masks go in.

The network is handed over under the names and in the order of rows that the `transformers` package expects: for
`llama` the file keeps the rows of queries and keys in another order, so they are put back on the way in, and those
of the trained matrices again on the way out. TRL runs in a process of its own (`trl_child.py`).

Steps are cut from the plan's order anew where an epoch is no multiple of the batch. It does not go on from a killed run.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from staffroom.engine.errors import EngineError
from staffroom.engine.first_adapter import first_down
from staffroom.engine.torch_shape import NetworkShape, UnknownArchitecture, network_shape
from staffroom.engine.training import StepReport, Trained, TrainerMissing, TrainingPlan
from staffroom.gguf import read_header, read_weights

__all__ = ["TrlTrainer", "from_transformers", "to_transformers", "write_job"]

Array = npt.NDArray[np.float32]

_CHILD = Path(__file__).with_name("trl_child.py")
_LINEARS: Mapping[str, str] = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_NORMS: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_GEMMA_NORMS: Mapping[str, str] = {
    **_NORMS,
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_TOP: Mapping[str, str] = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


@dataclass(frozen=True, slots=True)
class TrlTrainer:
    """Trains through TRL; see `Trainer`.

    python: the interpreter that has TRL. compute: number type of the frozen base. arguments: passed on to `SFTConfig`.
    """

    python: str = sys.executable
    compute: str = "bfloat16"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def train(
        self, plan: TrainingPlan, folder: Path, told: Callable[[StepReport], None] = lambda _: None
    ) -> Trained:
        """Train a plan from its beginning; raises TrainerMissing where TRL is not installed."""
        job = folder / "trl-job"
        shape = write_job(plan, job, compute=self.compute, arguments=self.arguments)
        log = job / "log.txt"
        # Without -P the child's own folder comes first, and this module would stand for the package.
        losses: list[float] = []
        seconds, tokens = 0.0, 0
        versions: dict[str, str] = {}
        with (
            log.open("wb") as stream,
            subprocess.Popen(
                [self.python, "-P", str(_CHILD), str(job)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
            ) as child,
        ):
            for value in _lines(child.stdout):
                versions = value.get("versions", versions)
                if "step" in value:
                    losses.append(float(value["loss"]))
                    seconds += value["seconds"]
                    rows = sum(len(plan.sequences[place].tokens) for place in plan.steps[value["step"]])
                    tokens += rows
                    told(StepReport(value["step"], losses[-1], rows, value["seconds"]))
        if child.returncode:
            _fail(log)
        return Trained(
            tensors=from_transformers(job / "adapter.npz", shape, plan.settings.alpha / plan.settings.rank),
            losses=tuple(losses),
            validation=(),
            seconds=seconds,
            tokens=tokens,
            flops=0.0,
            facts={"trainer": "trl", "compute": self.compute, **versions},
        )


def write_job(
    plan: TrainingPlan,
    job: Path,
    *,
    compute: str,
    arguments: Mapping[str, Any],
    gate: bool = False,
    threads: int = 0,
    last_step: int | None = None,
) -> NetworkShape:
    """Write what the child reads into the folder `job`, and return the network's shape."""
    job.mkdir(parents=True, exist_ok=True)
    shape = network_shape(read_header(plan.model))
    weights, tied = to_transformers(plan.model, shape)
    _save(job / "weights.npz", weights)
    settings = plan.settings
    # Those of our own loop, so that both begin at the same point.
    linears = shape.linears()
    first = {
        f"model.layers.{layer}.{_LINEARS[name]}": first_down(
            f"blk.{layer}.{name}", settings.rank, linears[name][1], settings.seed
        )
        for layer in range(shape.layers)
        for name in settings.layers
    }
    _save(job / "first.npz", first)
    steps = len(plan.steps)
    value = {
        "config": _config(shape, tied),
        "compute": compute,
        "sequences": [[list(item.tokens), list(item.learnt)] for item in plan.sequences],
        "order": [place for step in plan.steps for place in step],
        "batch": settings.batch,
        "rank": settings.rank,
        "alpha": settings.alpha,
        "rate": settings.learning_rate,
        "rates": [settings.rate(step, steps) for step in range(steps)],
        "most_norm": settings.most_norm,
        "seed": settings.seed,
        "layers": [_LINEARS[name].split(".")[1] for name in settings.layers],
        "arguments": dict(arguments),
        "gate": gate,
        "threads": threads,
        "last_step": steps if last_step is None else last_step,
    }
    (job / "job.json").write_text(json.dumps(value), encoding="utf-8")
    return shape


def to_transformers(path: Path, shape: NetworkShape) -> tuple[dict[str, Array], bool]:
    """Return the weights of a model file by their names in `transformers`, and whether the head is the embedding."""
    header = read_header(path)
    found: dict[str, Array] = {}
    for tensor in header.tensors:
        values = read_weights(path, header, tensor)
        if tensor.name in _TOP:
            found[_TOP[tensor.name]] = values - 1 if _shifted(tensor.name, shape) else values
            continue
        block, layer, name, ending = (*tensor.name.split("."), "", "", "")[:4]
        norms = _GEMMA_NORMS if shape.gemma else _NORMS
        if block != "blk" or (name not in _LINEARS and name not in norms):
            raise UnknownArchitecture(
                f"`{tensor.name}` has no place in `transformers`",
                where=path.name,
                hint="train with our own loop: make train",
            )
        if name in _LINEARS:
            if shape.interleaved and name in ("attn_q", "attn_k"):
                heads = shape.heads if name == "attn_q" else shape.kv_heads
                values = _halves_apart(values, heads)
            found[f"model.layers.{layer}.{_LINEARS[name]}.{ending}"] = values
        else:
            found[f"model.layers.{layer}.{norms[name]}.{ending}"] = values - 1 if shape.gemma else values
    return found, "lm_head.weight" not in found


def from_transformers(path: Path, shape: NetworkShape, scale: float) -> dict[str, tuple[Array, Array]]:
    """Return a trained adapter by our names, the rows in the file's order and the scale folded in."""
    found: dict[str, tuple[Array, Array]] = {}
    with np.load(path, allow_pickle=False) as kept:
        for key in kept.files:
            if ".lora_A." not in key:
                continue
            stem = key.split(".lora_A.")[0]
            layer, module = stem.split(".")[-3], ".".join(stem.split(".")[-2:])
            name = next(ours for ours, theirs in _LINEARS.items() if theirs == module)
            down, up = kept[key], kept[key.replace("lora_A", "lora_B")]
            if shape.interleaved and name in ("attn_q", "attn_k"):
                up = _neighbours(up, shape.heads if name == "attn_q" else shape.kv_heads)
            found[f"blk.{layer}.{name}"] = (down, up * np.float32(scale))
    return found


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def _halves_apart(values: Array, heads: int) -> Array:
    """Rows of each head from neighbouring pairs to first halves, then second halves."""
    return values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _neighbours(values: Array, heads: int) -> Array:
    """The opposite of `_halves_apart`."""
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _shifted(name: str, shape: NetworkShape) -> bool:
    # Gemma's norms are kept as one plus what `transformers` keeps.
    return shape.gemma and name == "output_norm.weight"


def _config(shape: NetworkShape, tied: bool) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": shape.rope_base}
    if shape.rope_scale != 1.0:
        rope = {"rope_type": "linear", "rope_theta": shape.rope_base, "factor": 1.0 / shape.rope_scale}
    value: dict[str, Any] = {
        "model_type": {"gemma3": "gemma3_text"}.get(shape.architecture, shape.architecture),
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_width,
        "vocab_size": shape.vocabulary,
        "rms_norm_eps": shape.epsilon,
        "tie_word_embeddings": tied,
        "rope_parameters": rope,
        "use_cache": False,
    }
    if shape.gemma:
        local, scale = shape.base_of(0)
        kinds = [
            "sliding_attention" if shape.sliding(layer) else "full_attention" for layer in range(shape.layers)
        ]
        value |= {
            "sliding_window": shape.window,
            "layer_types": kinds,
            "query_pre_attn_scalar": round(shape.attention_scale**-2),
            "hidden_activation": "gelu_pytorch_tanh",
            "rope_parameters": {
                "full_attention": rope,
                "sliding_attention": {"rope_type": "default", "rope_theta": local / scale},
            },
        }
    return value


def _lines(stream: IO[bytes] | None) -> Iterator[dict[str, Any]]:
    for line in stream or ():
        yield json.loads(line)


def _fail(log: Path) -> None:
    text = log.read_text(encoding="utf-8", errors="replace")
    if "ModuleNotFoundError" in text:
        raise TrainerMissing(
            "training on a graphics card needs the extra `gpu`", hint="pip install 'staffroom[gpu]'"
        )
    last = "\n".join(f"  | {line}" for line in text.splitlines()[-8:])
    raise EngineError(f"TRL ended with an error\n{last}", where=str(log), hint="read the log named above")
