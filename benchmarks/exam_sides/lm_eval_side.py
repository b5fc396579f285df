"""Runs in lm-eval's own environment: multiple choice against a server that speaks OpenAI's protocol.

Usage: python lm_eval_side.py PLAN.json OUT.json

PLAN and OUT as in inspect_side.py, and the way "loglikelihood". lm-eval's usual way for multiple choice, a log-likelihood
of each option, needs the probabilities of the prompt's own tokens; llama.cpp's server does not give them. `loglikelihood`
tries that way (model `gguf`) and fails with the reason. `own` is what lm-eval has for servers without them: the
wording, the filters and the metric of its own generative MMLU tasks, by `local-chat-completions`.
"""

import json
import logging
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()

import datasets
from lm_eval import evaluator
from lm_eval.api.task import ConfigurableTask

datasets.disable_progress_bars()
logging.disable(logging.WARNING)

FILTERS = [
    {
        "name": "get_response",
        "filter": [
            {"function": "regex", "regex_pattern": "^(.*?)(?=\\n|$)"},
            {"function": "remove_whitespace"},
            {"function": "regex", "regex_pattern": "^(.*?)\\s*$"},
            {"function": "take_first"},
        ],
    }
]
METRIC = {
    "metric": "exact_match",
    "aggregation": "mean",
    "higher_is_better": True,
    "ignore_punctuation": True,
    "ignore_case": True,
}
OPTIONS = "{% for choice in choices %}{{'ABCDEFGHIJ'[loop.index0]}}. {{choice}}\n{% endfor %}"


def task_of(rows, way, folder):
    """Return the task of some rows."""
    path = Path(folder) / f"rows-{len(rows)}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    config = {
        "task": "tmmlu",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "metadata": {},
    }
    if way == "loglikelihood":
        config |= {
            "output_type": "multiple_choice",
            "doc_to_text": "{{question.strip()}}\n" + OPTIONS + "Answer:",
            "doc_to_choice": list("ABCD"),
            "doc_to_target": "{{'ABCDEFGHIJ'.index(target)}}",
        }
        return ConfigurableTask(config=config)
    config |= {
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}" if way == "same" else "{{question.strip()}}\n" + OPTIONS + "Answer:",
        "doc_to_target": "{{target}}",
        "generation_kwargs": {"until": ["</s>", "\n"], **({"max_gen_toks": 1} if way == "same" else {})},
        "metric_list": [METRIC],
        "filter_list": FILTERS,
    }
    return ConfigurableTask(config=config)


def asked(rows, plan, folder):
    """Ask the rows and return the samples with the seconds that it took."""
    way = plan["way"]
    task = task_of(rows, way, folder)
    begun = time.perf_counter()
    if way == "loglikelihood":
        model, arguments = "gguf", {"base_url": plan["url"]}
    else:
        model = "local-chat-completions"
        arguments = {
            "model": "model",
            "base_url": plan["url"] + "/v1/chat/completions",
            "num_concurrent": plan["connections"],
            "max_retries": 2,
            "tokenizer_backend": None,
        }
    done = evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=[task],
        log_samples=True,
        bootstrap_iters=0,
        apply_chat_template=way != "loglikelihood",
        system_instruction=rows[0]["system"] if way == "same" else None,
    )
    return done["samples"]["tmmlu"], time.perf_counter() - begun


def main(arguments):
    """Warm up, then ask all rows."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    os.environ["OPENAI_API_KEY"] = "none"
    with tempfile.TemporaryDirectory() as folder:
        asked(plan["warm"], plan, folder)
        _, start = asked(plan["warm"], plan, folder)
        samples, seconds = asked(plan["rows"], plan, folder)
    answers, right = {}, {}
    for sample in samples:
        name = sample["doc"]["id"]
        answers[name] = str(sample["filtered_resps"][0])[:1]
        right[name] = bool(sample.get("exact_match", sample.get("acc")))
    value = {
        "seconds": seconds,
        "start_seconds": start,
        "answers": answers,
        "right": right,
        "versions": {"lm-eval": version("lm-eval"), "datasets": version("datasets")},
    }
    Path(arguments[1]).write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
