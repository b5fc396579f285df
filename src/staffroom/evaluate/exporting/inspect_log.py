"""Logs of Inspect (version 2 of its log format), for its viewer and for whoever analyses such logs.

`.json` is one object; `.eval` is a zip of the same in parts: header.json, summaries.json and a file for each sample.
Written against inspect_ai 0.3.285, whose `read_eval_log` reads both.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from staffroom.evaluate.exporting.exported import Exported, ExportedItem, answer_of, asked_of, target_of

__all__ = ["inspect_archive", "inspect_log"]

_FORMAT = 2
_SCORE = "score"
# A zip remembers times; the earliest that it can hold makes the same export the same file.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def inspect_log(exported: Exported) -> dict[str, Any]:
    """Return the log as one JSON object; without items it has no samples."""
    return {**_header(exported), "samples": [_sample(row, exported) for row in exported.items]}


def inspect_archive(exported: Exported) -> bytes:
    """Return the log as the bytes of a `.eval` file."""
    header = _header(exported)
    samples = [_sample(row, exported) for row in exported.items]
    members: list[tuple[str, Any]] = [
        ("_journal/start.json", {name: header[name] for name in ("version", "eval", "plan")}),
        *((f"samples/{sample['id']}_epoch_1.json", sample) for sample in samples),
        ("summaries.json", [_summary(sample) for sample in samples]),
        ("header.json", header),
    ]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members:
            text = json.dumps(value, ensure_ascii=False)
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _header(exported: Exported) -> dict[str, Any]:
    model = f"staffroom/{exported.model}"
    count = sum(int(facet["n"]) for facet in exported.facets)
    usage = _usage(exported.tokens_in, exported.tokens_out)
    created = _time(exported.created)
    return {
        "version": _FORMAT,
        "status": "success",
        "eval": {
            "eval_id": exported.evaluation,
            "run_id": exported.evaluation,
            "created": created,
            "task": exported.pack_name,
            "task_id": exported.pack,
            "task_version": 0,
            "dataset": {
                "name": exported.pack_name,
                "samples": count,
                "sample_ids": [row.item.id for row in exported.items],
                "shuffled": False,
            },
            "model": model,
            "config": {"epochs": 1},
            "packages": {"staffroom": exported.version},
            "metadata": {
                "agent": exported.agent,
                "evaluation": exported.evaluation,
                "pack": exported.pack,
                "locale": exported.locale,
                "split": exported.split,
                "seed": exported.seed,
            },
        },
        "plan": {"name": "staffroom", "steps": [{"solver": "agent", "params": {}}], "config": {}},
        "results": {
            "total_samples": count,
            "completed_samples": count - sum(int(facet.get("unscored", 0)) for facet in exported.facets),
            "scores": [_overall(exported), *(_facet(facet) for facet in exported.facets)],
        },
        "stats": {"started_at": created, "completed_at": created, "model_usage": {model: usage}},
    }


def _overall(exported: Exported) -> dict[str, Any]:
    count = sum(int(facet["n"]) for facet in exported.facets)
    right = sum(float(facet["score"]) * int(facet["n"]) for facet in exported.facets)
    mean = right / count if count else 0.0
    return {
        "name": _SCORE,
        "scorer": "staffroom",
        "params": {},
        "metrics": {"mean": {"name": "mean", "value": mean, "params": {}}},
        "metadata": {"note": "the mean over all items; a decision looks at facets, never at this"},
    }


def _facet(facet: Mapping[str, Any]) -> dict[str, Any]:
    values = {"mean": facet["score"], "low_95": facet["low"], "high_95": facet["high"]}
    return {
        "name": str(facet["facet"]),
        "scorer": "staffroom",
        "scored_samples": int(facet["n"]) - int(facet.get("unscored", 0)),
        "unscored_samples": int(facet.get("unscored", 0)),
        "params": {},
        "metrics": {
            name: {"name": name, "value": float(value), "params": {}} for name, value in values.items()
        },
        "metadata": {"clusters": facet["clusters"]},
    }


def _sample(row: ExportedItem, exported: Exported) -> dict[str, Any]:
    item, response, model = row.item, row.response, f"staffroom/{exported.model}"
    usage = _usage(response.tokens_in, response.tokens_out)
    text = answer_of(row)
    reply = {"role": "assistant", "content": text, "source": "generate", "model": model}
    sample: dict[str, Any] = {
        "id": item.id,
        "epoch": 1,
        "input": item.input,
        "target": target_of(item),
        "messages": [{"role": "user", "content": asked_of(item), "source": "input"}, reply],
        "output": {
            "model": model,
            "choices": [{"message": reply, "stop_reason": "stop"}],
            "completion": text,
            "usage": usage,
            "time": response.seconds,
        },
        "scores": {
            _SCORE: {
                "value": float(row.score["value"]),
                "answer": text,
                "explanation": str(row.score["reason"]),
                "metadata": {
                    "scorer": row.score["scorer"],
                    "status": row.score["status"],
                    "declined": row.score.get("declined", False),
                    "unstable": row.score.get("unstable", False),
                },
            }
        },
        "metadata": {
            "facet": item.facet,
            "kind": item.kind.value,
            "cluster": item.cluster,
            "locale": item.locale,
            "reference": item.reference,
            "outcome": response.outcome,
            "raw_text": response.raw_text,
            "cited": list(response.cited),
            "option_probabilities": list(response.option_probabilities),
            "margin_nats": response.margin_nats,
        },
        "store": {},
        "model_usage": {model: usage},
        "total_time": response.seconds,
        "working_time": response.seconds,
    }
    sample["events"] = _events(sample, _time(exported.created))
    if item.choices:
        sample["choices"] = list(item.choices)
    if response.error:
        sample["error"] = {"message": response.error, "traceback": "", "traceback_ansi": ""}
    return sample


def _events(sample: Mapping[str, Any], when: str) -> list[dict[str, Any]]:
    """Return what happened, in two events: without any, the viewer says that the transcript was lost."""
    asked = {
        "event": "model",
        "timestamp": when,
        "working_start": 0.0,
        "model": sample["output"]["model"],
        "input": sample["messages"][:1],
        "tools": [],
        "tool_choice": "none",
        "config": {},
        "output": sample["output"],
        "working_time": sample["working_time"],
    }
    scored = {
        "event": "score",
        "timestamp": when,
        "working_start": sample["working_time"],
        "score": sample["scores"][_SCORE],
        "target": sample["target"],
        "scorer": _SCORE,
    }
    return [asked, scored]


def _summary(sample: Mapping[str, Any]) -> dict[str, Any]:
    kept = (
        "id",
        "epoch",
        "input",
        "choices",
        "target",
        "scores",
        "model_usage",
        "total_time",
        "working_time",
    )
    return {
        **{name: sample[name] for name in kept if name in sample},
        "metadata": {},
        "completed": True,
        "message_count": len(sample["messages"]),
        **({"error": sample["error"]["message"]} if "error" in sample else {}),
    }


def _usage(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _time(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
