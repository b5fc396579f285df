"""Trains with TRL and PEFT in a process of its own; run by path, it imports nothing of Staffroom.

    python -P trl_child.py FOLDER

FOLDER holds `job.json` (see `staffroom.engine.trl`), `weights.npz` and `first.npz`; `adapter.npz` is written there.
Each finished step is a line of JSON on standard output. With `"gate": true` a step begins once a line has come on
standard input, so that several trainers can take turns on one machine. Tokens and masks come ready: no text is
tokenised here, and no template is applied.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(folder: Path) -> int:
    """Train what `job.json` says and write the adapter; returns the exit status."""
    # Neither a hub nor usage reports: everything needed lies in the folder.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", TRACKIO_DISABLE="1")
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import numpy as np
    import torch

    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    trainer = _trainer(job, folder, answer)
    with np.load(folder / "first.npz") as first:
        _put_first(trainer.model, first)
    _say(answer, {"ready": True, "versions": _versions()})
    trainer.train()
    kept = {
        name.removeprefix("base_model.model.").replace(".default", ""): value.detach().float().cpu().numpy()
        for name, value in trainer.model.named_parameters()
        if "lora_" in name
    }
    np.savez(folder / "adapter.npz", **kept)
    _say(answer, {"done": True})
    return 0


def _trainer(job: dict[str, Any], folder: Path, answer: Any) -> Any:
    import peft
    import torch
    import trl
    from datasets import Dataset
    from transformers import TrainerCallback

    class Told(TrainerCallback):  # type: ignore[misc]
        """Says each step, waits for its turn, and ends where the job says."""

        begun = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if job["gate"]:
                sys.stdin.readline()
            self.begun, self.busy = time.monotonic(), time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.seconds = time.monotonic() - self.begun
            self.busy_seconds = time.process_time() - self.busy
            control.should_log = True
            if state.global_step >= job["last_step"]:
                control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                told = {"step": state.global_step - 1, "loss": logs["loss"], "seconds": self.seconds}
                _say(answer, told | {"busy_seconds": self.busy_seconds})

    class Sft(trl.SFTTrainer):  # type: ignore[misc]
        """The same rates as our own loop has, by step."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            rates, top = job["rates"], job["rate"]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, lambda step: rates[min(step, len(rates) - 1)] / top
            )
            return self.lr_scheduler

    rows = [job["sequences"][place] for place in job["order"]]
    data = Dataset.from_dict(
        {
            "input_ids": [tokens for tokens, _ in rows],
            "completion_mask": [[int(mark) for mark in marks] for _, marks in rows],
        }
    )
    arguments = {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": job["batch"],
        "num_train_epochs": 1,
        "learning_rate": job["rate"],
        "max_grad_norm": job["most_norm"],
        "train_sampling_strategy": "sequential",
        "completion_only_loss": True,
        "max_length": None,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": job["seed"],
        **job["arguments"],
    }
    return Sft(
        model=_model(job, folder),
        args=trl.SFTConfig(**arguments),
        train_dataset=data,
        processing_class=_no_tokenizer(),
        callbacks=[Told()],
        peft_config=peft.LoraConfig(
            r=job["rank"],
            lora_alpha=job["alpha"],
            lora_dropout=0.0,
            bias="none",
            target_modules=job["layers"],
            task_type="CAUSAL_LM",
        ),
    )


def _model(job: dict[str, Any], folder: Path) -> Any:
    import numpy as np
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = getattr(torch, job["compute"])
    config = AutoConfig.for_model(**job["config"])
    model = AutoModelForCausalLM.from_config(config, dtype=kind)
    with np.load(folder / "weights.npz") as weights:
        state = {name: torch.from_numpy(weights[name]).to(kind) for name in weights.files}
    missing, unexpected = model.load_state_dict(state, strict=False)
    allowed = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if set(missing) - allowed or unexpected:
        raise ValueError(f"the weights do not fit the network: {missing[:3]} {unexpected[:3]}")
    model.tie_weights()
    return model


def _no_tokenizer() -> Any:
    """The trainer wants one for its padding token; texts never reach it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")


def _put_first(model: Any, first: Any) -> None:
    import torch

    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".lora_A." in name:
                key = name.removeprefix("base_model.model.").replace(".lora_A.default.weight", "")
                value.copy_(torch.from_numpy(first[key]))


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("trl", "peft", "transformers", "accelerate", "torch")}


def _say(answer: Any, value: dict[str, Any]) -> None:
    answer.write(json.dumps(value) + "\n")
    answer.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
