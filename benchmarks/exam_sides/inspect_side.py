"""Runs in Inspect's own environment: its multiple_choice() against a server that speaks OpenAI's protocol.

Usage: python inspect_side.py PLAN.json OUT.json

PLAN: {"url", "connections", "warm": [ROW], "rows": [ROW], "way": "own" or "same"}, ROW: {"id", "question", "choices",
"target", "system", "prompt"}. OUT: {"seconds", "start_seconds" (of a
second run of the warm-up rows alone), "answers": {ID: LETTER}, "right": {ID: true or false}, "versions"}.
As its documentation advises for speed: no display, no realtime log. `same` sends our prompt and takes one token.
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, get_model
from inspect_ai.scorer import choice, match
from inspect_ai.solver import generate, multiple_choice

LETTERS = "ABCDEFGHIJ"


def task_of(rows, way):
    """Return the task of some rows."""
    if way == "own":
        samples = [
            Sample(id=row["id"], input=row["question"], choices=row["choices"], target=row["target"])
            for row in rows
        ]
        # As many tokens as the asked-for "ANSWER: B" needs, and some; without a limit the model may go on for long.
        return Task(dataset=MemoryDataset(samples), solver=multiple_choice(max_tokens=16), scorer=choice())
    samples = [
        Sample(
            id=row["id"],
            input=[ChatMessageSystem(content=row["system"]), ChatMessageUser(content=row["prompt"])],
            target=row["target"],
        )
        for row in rows
    ]
    return Task(dataset=MemoryDataset(samples), solver=generate(max_tokens=1), scorer=match(location="exact"))


def asked(rows, plan, model, folder):
    """Ask the rows and return the log with the seconds that it took."""
    begun = time.perf_counter()
    log = eval(
        task_of(rows, plan["way"]),
        model=model,
        display="none",
        log_dir=folder,
        log_realtime=False,
        max_connections=plan["connections"],
        max_samples=max(plan["connections"], 4),
    )[0]
    seconds = time.perf_counter() - begun
    if log.status != "success":
        raise SystemExit(f"Inspect says {log.status}: {log.error.message if log.error else ''}")
    return log, seconds


def main(arguments):
    """Warm up, then ask all rows."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    model = get_model(
        "openai-api/local/model",
        base_url=plan["url"] + "/v1",
        api_key="none",
        config=GenerateConfig(temperature=0.0, max_connections=plan["connections"]),
    )
    answers, right = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        asked(plan["warm"], plan, model, folder)
        _, start = asked(plan["warm"], plan, model, folder)
        log, seconds = asked(plan["rows"], plan, model, folder)
        for sample in log.samples:
            score = next(iter(sample.scores.values()))
            answers[sample.id] = (score.answer or "").strip()[:1]
            right[sample.id] = score.value in ("C", 1, 1.0, True)
    value = {
        "seconds": seconds,
        "start_seconds": start,
        "answers": answers,
        "right": right,
        "versions": {"inspect-ai": version("inspect-ai"), "openai": version("openai")},
    }
    Path(arguments[1]).write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
