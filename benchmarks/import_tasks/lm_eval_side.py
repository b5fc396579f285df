"""Runs in lm-eval's own environment: what lm-eval makes of task files and local data, row by row.

Usage: python lm_eval_side.py PLAN.json OUT.jsonl

PLAN.json: a list of {"task": PATH, "data": {SPLIT: FILE}, "shots": N or null}. The model is a stand-in that answers by
a rule from the digest of its prompt, so that two programs that ask the same are told the same; it imports nothing of
ours. OUT.jsonl gets a line for each row and filter: context, continuations with their log-likelihoods or the text as
written, and lm-eval's scores.
"""

import hashlib
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()

import datasets
from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.tasks._yaml_loader import load_yaml

datasets.disable_progress_bars()
logging.disable(logging.WARNING)


def chance(*parts):
    """A number in [0, 1) that depends on the texts alone."""
    return int(hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12], 16) / 16**12


def wordings(target):
    """Ways in which a model may write an answer, right and wrong."""
    return [
        target,
        f" {target}",
        f" {target}.",
        target.upper(),
        f"The answer is {target}, I think",
        f"First 3 + 4 = 7.\n#### {target}\n\nQuestion: another",
        f" {target}\n\nnext",
        f"#### {target}.",
        f"${target}",
        "“" + target + "”",
        f"The {target}",
        "something else",
        "",
        "#### 17,5 or 12",
        f"{target} and 99",
    ]


class StandIn(LM):
    """Answers by rule; keeps what it was asked and what it wrote."""

    def __init__(self):
        super().__init__()
        self.task = None
        self.written = {}

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(-10 * chance(*request.args) - 0.001, False) for request in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise TypeError("no task of the ten asks for the likelihood of whole texts")

    def generate_until(self, requests, disable_tqdm=False):
        texts = []
        for request in requests:
            context, arguments = request.args
            target = self.task.doc_to_target(request.doc)
            if self.task.config.doc_to_choice is not None:
                target = self.task.doc_to_choice(request.doc)[target]
            if isinstance(target, list):
                target = target[int(chance(context, "which") * len(target))]
            ways = wordings(str(target))
            text = ways[int(chance(context, "way") * len(ways))]
            self.written[request.doc_id] = text
            for end in arguments.get("until") or []:
                if end:
                    text = text.split(end)[0]
            texts.append(text)
        return texts


def run(number, entry):
    """Ask one task and yield a line for each row and filter."""
    config = load_yaml(Path(entry["task"]))
    for name in ("tag", "group", "task_list"):
        config.pop(name, None)
    if entry["data"]:
        suffix = Path(next(iter(entry["data"].values()))).suffix
        config["dataset_path"] = {".csv": "csv"}.get(suffix, "json")
        config["dataset_kwargs"] = {"data_files": entry["data"]}
        config.pop("dataset_name", None)
    if entry.get("shots") is not None:
        config["num_fewshot"] = entry["shots"]
    model = StandIn()
    from lm_eval.api.task import ConfigurableTask

    model.task = ConfigurableTask(config={**config, "metadata": {}})
    done = evaluator.simple_evaluate(
        model=model, tasks=[model.task], log_samples=True, bootstrap_iters=0, verbosity="ERROR"
    )
    for name, samples in done["samples"].items():
        for sample in samples:
            arguments = [list(pair) for pair in sample["arguments"]]
            yield {
                "entry": number,
                "task": name,
                "doc_id": sample["doc_id"],
                "filter": sample["filter"],
                "context": arguments[0][0],
                "continuations": [pair[1] for pair in arguments]
                if isinstance(arguments[0][1], str)
                else None,
                "log_likelihoods": [row[0][0] for row in sample["resps"]] if model.written == {} else None,
                "written": model.written.get(sample["doc_id"]),
                "target": sample["target"],
                "scores": {metric: sample[metric] for metric in sample["metrics"]},
            }


def main(arguments):
    """Run all tasks of the plan."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with Path(arguments[1]).open("w", encoding="utf-8") as out:
        for number, entry in enumerate(plan):
            try:
                for line in run(number, entry):
                    out.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
            except (ArithmeticError, AssertionError, LookupError, OSError, TypeError, ValueError) as error:
                text = f"{type(error).__name__}: {error}"
                out.write(json.dumps({"entry": number, "error": text}) + "\n")
    import lm_eval

    print(json.dumps({"lm-eval": lm_eval.__version__, "datasets": datasets.__version__}))


if __name__ == "__main__":
    main(sys.argv[1:])
